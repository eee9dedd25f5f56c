/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file system in user space, by hand: one file, which can be opened. From then on nothing is
 * answered, whatever the kernel asks on behalf of whoever has the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/hostile/arena.h"
#include "tests/hostile/slow.h"

enum { NODE_FILE = 2, NO_FUSE = 77 };

static void reply(int fuse, uint64_t unique, const void *data, size_t size)
{
	char text[sizeof(struct fuse_out_header) + 256];
	struct fuse_out_header out = { (uint32_t)(sizeof(out) + size), 0, unique };

	memcpy(text, &out, sizeof(out));
	memcpy(text + sizeof(out), data, size);
	if (write(fuse, text, sizeof(out) + size) < 0 && errno != ENOENT)
		_exit(NO_FUSE);
}

static void answer(int fuse, const struct fuse_in_header *in, const void *body)
{
	const struct fuse_init_in *init = body;
	struct fuse_init_out ours = { .major = FUSE_KERNEL_VERSION, .max_write = 4096 };
	struct fuse_entry_out entry = { .nodeid = NODE_FILE };
	struct fuse_attr_out attr = { .attr_valid = 0 };
	struct fuse_open_out opened = { .fh = 1 };

	entry.attr.ino = NODE_FILE;
	entry.attr.mode = S_IFREG | 0666;
	entry.attr.nlink = 1;
	attr.attr = entry.attr;
	if (in->nodeid == FUSE_ROOT_ID)
		attr.attr.mode = S_IFDIR | 0777;
	switch (in->opcode) {
	case FUSE_INIT:
		ours.minor = init->minor < FUSE_KERNEL_MINOR_VERSION ?
				     init->minor :
				     FUSE_KERNEL_MINOR_VERSION;
		reply(fuse, in->unique, &ours, sizeof(ours));
		break;
	case FUSE_LOOKUP: reply(fuse, in->unique, &entry, sizeof(entry)); break;
	case FUSE_GETATTR: reply(fuse, in->unique, &attr, sizeof(attr)); break;
	case FUSE_OPEN: reply(fuse, in->unique, &opened, sizeof(opened)); break;
	case FUSE_FLUSH: reply(fuse, in->unique, "", 0); break;
	default: break;
	}
}

/* The file goes out by @socket, from a process that ends by itself. */
static pid_t opener_start(const char *path, int socket)
{
	pid_t pid = fork();
	int fd;

	if (pid != 0)
		return pid;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || raw_pass(socket, &fd, 1, "", 1) != 0)
		_exit(NO_FUSE);
	_exit(0);
}

static void file_system_main(int socket)
{
	char dir[] = "/tmp/qbipc-slow-XXXXXX", path[64], options[100];
	static char request[FUSE_MIN_READ_BUFFER + 4096];
	int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC), status;
	bool is_mounted, opening = true;
	pid_t opener;

	if (fuse < 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || !mkdtemp(dir))
		_exit(NO_FUSE);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
	is_mounted = mount("slow", dir, "fuse", MS_NOSUID | MS_NODEV, options) == 0;
	snprintf(path, sizeof(path), "%s/file", dir);
	opener = is_mounted ? opener_start(path, socket) : -1;
	if (opener < 0) {
		rmdir(dir);
		_exit(NO_FUSE);
	}
	for (;;) {
		const struct fuse_in_header *in = (const void *)request;
		ssize_t n = read(fuse, request, sizeof(request));

		if (n < (ssize_t)sizeof(*in) && errno != EINTR && errno != ENOENT)
			_exit(NO_FUSE);
		if (n < (ssize_t)sizeof(*in) || !opening)
			continue;
		answer(fuse, in, in + 1);
		/* The opener has passed it on, and closes its own. */
		if (in->opcode != FUSE_FLUSH)
			continue;
		opening = false;
		waitpid(opener, &status, 0);
		umount2(dir, MNT_DETACH);
		rmdir(dir);
		(void)send(socket, &status, 1, MSG_NOSIGNAL);
	}
}

static int file_receive(int socket)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	int fd = -1;

	if (recvmsg(socket, &m, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&m))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	/* And the directory is gone, and no question is answered any more. */
	if (recv(socket, &byte, 1, 0) != 1)
		ck_abort_msg("the file system has ended");
	return fd;
}

int slow_file_begin(pid_t *ret_pid)
{
	int pair[2], fd;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	*ret_pid = fork();
	ck_assert_int_ge(*ret_pid, 0);
	if (*ret_pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pair[0]);
		file_system_main(pair[1]);
	}
	close(pair[1]);
	fd = file_receive(pair[0]);
	close(pair[0]);
	if (fd < 0) {
		ck_assert_int_eq(waitpid(*ret_pid, NULL, 0), *ret_pid);
		printf("# skip: no file system in user space for this user\n");
	}
	return fd;
}
