/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the targets that use whole connections share: a service of one process, turned by
 * hand, and a look at what the process holds. */
#ifndef TEST_FUZZ_ENDS_H
#define TEST_FUZZ_ENDS_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <qb/qbipcc.h>
#include <qb/qbipcs.h>

#include "tests/fuzz/fuzz.h"

/* Open descriptors, this one's own not counted. */
static inline unsigned int fds_count(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	FUZZ_CHECK(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 3; /* ".", "..", the directory */
}

/* Files of services of this process. */
static inline unsigned int shm_count(void)
{
	char prefix[32];
	size_t n = (size_t)snprintf(prefix, sizeof(prefix), "qb-%d-", (int)getpid());
	DIR *d = opendir("/dev/shm");
	unsigned int count = 0;
	struct dirent *e;

	FUZZ_CHECK(d);
	while ((e = readdir(d)))
		count += strncmp(e->d_name, prefix, n) == 0;
	closedir(d);
	return count;
}

static inline struct sockaddr_un service_address(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = strlen(name);

	FUZZ_CHECK(n < sizeof(a.sun_path) - 1);
	memcpy(a.sun_path + 1, name, n);
	return a;
}

/* Send with copies of the @n descriptors @fds; what comes of it is the receiver's. */
static inline ssize_t send_with(int fd, const void *data, size_t size, const int *fds,
				unsigned int n)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * 8)];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)data, size };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n) {
		struct cmsghdr *c = &control.align;

		m.msg_control = control.buf;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	return sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

#endif
