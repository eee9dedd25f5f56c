/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/hostile/slow.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/hostile/false.h"
#include "tests/hostile/tools.h"

const char *const slow_names[SLOW_KINDS] = { "lingering", "queued", "user" };

static enum slow_kind kind;
static int file = -1;
static pid_t file_system;

bool slow_begin(enum slow_kind new_kind)
{
	kind = new_kind;
	if (kind == SLOW_USER)
		file = slow_file_begin(&file_system);
	return kind != SLOW_USER || file >= 0;
}

void slow_end(void)
{
	if (kind != SLOW_USER)
		return;
	kill(file_system, SIGKILL);
	ck_assert_int_eq(waitpid(file_system, NULL, 0), file_system);
	close(file);
	file = -1;
}

static bool pass(int socket, const int *fds, unsigned int n, const void *bytes, size_t size,
		 int flags)
{
	struct iovec iov = { (void *)(uintptr_t)bytes, size };
	char control[CMSG_SPACE(sizeof(int) * TRUTH_FDS)] = "";
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = CMSG_SPACE(sizeof(int) * n) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&m);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * n);
	return sendmsg(socket, &m, MSG_NOSIGNAL | MSG_DONTWAIT | flags) >= 0;
}

static void quickly_close(int fd)
{
	struct linger off = { 0, 0 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
	close(fd);
}

/* The other ends stay, and do not read. */
static int slow_make(void)
{
	int fd, other, pair[2];

	if (kind == SLOW_USER)
		return file;
	fd = lingering_socket(&other);
	if (kind == SLOW_LINGERING)
		return fd;
	REQUIRE_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	REQUIRE(pass(pair[0], &fd, 1, "", 1, 0));
	/* It lies in the queue, and only there. */
	close(fd);
	return pair[1];
}

static void slow_drop(int fd, bool passed)
{
	char byte;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	int inside;

	if (kind == SLOW_USER)
		return;
	if (kind == SLOW_QUEUED && !passed && recvmsg(fd, &m, MSG_DONTWAIT) == 1 &&
	    CMSG_FIRSTHDR(&m)) {
		memcpy(&inside, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(inside));
		quickly_close(inside);
	}
	if (kind == SLOW_LINGERING && !passed)
		quickly_close(fd);
	else
		close(fd);
}

/* Two of them, the last one of its own: what there is no room for counts as well. */
void slow_pass(int socket, unsigned int n, const void *bytes, size_t size, int flags)
{
	int fds[TRUTH_FDS], two[2] = { slow_make(), slow_make() };
	bool passed;

	for (unsigned int i = 0; i < n; i++)
		fds[i] = two[i + 1 == n];
	/* The client may have left, or refuse them: then they are ours to close. */
	passed = pass(socket, fds, n, bytes, size, flags);
	slow_drop(two[0], passed && n > 1);
	slow_drop(two[1], passed);
}
