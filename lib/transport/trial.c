/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/refused.h"
#include "base/socket.h"
#include "base/util.h"

#define TRIAL_SIZE 4096

/* Linux 6.3; the headers may be older than the kernel. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* 0, or -errno of the call in *@ret_call. */
static int memory_map(int fd, int protection, enum qbi_why_call *ret_call)
{
	void *base = mmap(NULL, TRIAL_SIZE, protection, MAP_SHARED, fd, 0);

	*ret_call = QBI_CALL_MMAP;
	if (base == MAP_FAILED)
		return -errno;
	(void)munmap(base, TRIAL_SIZE);
	return 0;
}

static int memory_make(int *ret_fd, enum qbi_why_call *ret_call)
{
	int fd = memfd_create("qbipc", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	int r;

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("qbipc", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	*ret_call = QBI_CALL_MEMFD_CREATE;
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	*ret_call = QBI_CALL_FTRUNCATE;
	r = qbi_file_extend(fd, TRIAL_SIZE);
	if (r < 0)
		return r;
	*ret_call = QBI_CALL_SEALS;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	return memory_map(fd, PROT_READ | PROT_WRITE, ret_call);
}

/* Open memory again for reading only, as is done for a client that may only read it. */
static int memory_reopen(int fd, enum qbi_why_call *ret_call)
{
	_cleanup_(qbi_closep) int for_reading = -1;
	char path[sizeof("/proc/self/fd/") + 10];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	*ret_call = QBI_CALL_OPEN;
	for_reading = open(path, O_RDONLY | O_CLOEXEC);
	if (for_reading < 0)
		return -errno;
	*ret_call = QBI_CALL_FCHMOD;
	return fchmod(fd, 0) < 0 ? -errno : 0;
}

static int descriptor_send(int stream, int fd)
{
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *cmsg;

	memset(&control, 0, sizeof(control));
	cmsg = CMSG_FIRSTHDR(&msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(stream, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

struct qbi_why qbi_transport_trial_server(enum qb_ipc_type type)
{
	_cleanup_(qbi_closep) int memory = -1;
	enum qbi_why_call call;
	int r = memory_make(&memory, &call);
	int pair[2];

	if (r == 0 && type != QB_IPC_SOCKET)
		r = memory_reopen(memory, &call);
	if (r < 0)
		return qbi_why_server(call, r);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return qbi_why_server(QBI_CALL_SOCKETPAIR, -errno);
	r = descriptor_send(pair[0], memory);
	qbi_close(pair[0]);
	qbi_close(pair[1]);
	return r < 0 ? qbi_why_server(QBI_CALL_SENDMSG, r) : (struct qbi_why){ 0 };
}

static int memory_check(int fd, enum qbi_why_call *ret_call)
{
	struct statfs fs;
	struct stat st;
	int r;

	*ret_call = QBI_CALL_SEALS;
	if (fcntl(fd, F_GET_SEALS) < 0)
		return -errno;
	*ret_call = QBI_CALL_FSTAT;
	r = qbi_status_get(fd, &st);
	if (r < 0)
		return r;
	*ret_call = QBI_CALL_FSTATFS;
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	return memory_map(fd, PROT_READ, ret_call);
}

/* A descriptor of a regular file is one of memory; the others are sockets. */
static bool is_memory(int fd)
{
	struct stat st;

	return qbi_status_get(fd, &st) == 0 && S_ISREG(st.st_mode);
}

struct qbi_why qbi_transport_trial_client(const int *fds, unsigned int n)
{
	enum qbi_why_call call;
	unsigned int i;
	int r;

	for (i = 0; i < n; i++) {
		if (fds[i] < 0)
			continue;
		if (i == 0 || is_memory(fds[i])) {
			r = memory_check(fds[i], &call);
			if (r < 0)
				return qbi_why_client(call, r);
			continue;
		}
		r = qbi_socket_check(fds[i], SOCK_STREAM);
		/* The type of the socket does not matter here. */
		if (r < 0 && r != -EBADMSG)
			return qbi_why_client(QBI_CALL_GETSOCKOPT, r);
	}
	return (struct qbi_why){ 0 };
}
