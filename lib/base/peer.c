/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/peer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/util.h"

/* Linux 6.5; the headers may be older than the kernel. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* Attempts to read a value that may have grown since its size was read. */
#define GROW_TRIES 4

/*
 * Read a socket option of any size, and put a zero byte after it. 0; -ENOPROTOOPT the
 * kernel does not have it; another -errno. The caller frees *@ret.
 */
static int option_read(int fd, int option, void **ret, size_t *ret_size)
{
	_cleanup_(qbi_freep) char *buf = NULL;
	socklen_t size = 0;
	int tries;

	for (tries = 0; tries < GROW_TRIES; tries++) {
		/* If the buffer is too small, the kernel returns the size needed. */
		if (getsockopt(fd, SOL_SOCKET, option, buf, &size) == 0) {
			if (!buf && !(buf = malloc(1)))
				return -ENOMEM;
			buf[size] = '\0';
			*ret_size = size;
			*ret = QBI_TAKE(buf);
			return 0;
		}
		if (errno != ERANGE)
			return -errno;
		free(QBI_TAKE(buf));
		buf = malloc((size_t)size + 1);
		if (!buf)
			return -ENOMEM;
	}
	return -ERANGE;
}

int qbi_peer_groups(int fd, gid_t **ret, size_t *ret_n)
{
	void *groups = NULL;
	size_t size;
	int r = option_read(fd, SO_PEERGROUPS, &groups, &size);

	if (r < 0 && r != -ENODATA)
		return r;
	if (r < 0 || size == 0) {
		if (r == 0)
			free(groups);
		groups = NULL;
		size = 0;
	}
	*ret = groups;
	*ret_n = size / sizeof(gid_t);
	return 0;
}

int qbi_peer_label(int fd, char **ret)
{
	void *label = NULL;
	size_t size;
	int r = option_read(fd, SO_PEERSEC, &label, &size);

	/* There is no security module, or it does not label sockets. */
	if (r == -ENOPROTOOPT || r == -EOPNOTSUPP) {
		label = strdup("");
		r = label ? 0 : -ENOMEM;
	}
	if (r == 0)
		*ret = label;
	return r;
}

int qbi_peer_pidfd(int fd, int *ret)
{
	socklen_t size = sizeof(*ret);
	int pidfd = -1;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0) {
		*ret = pidfd;
		return 0;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
		return -errno;
	*ret = -1;
	return 0;
}

/* Has the process ended, as far as the kernel can tell? */
static bool peer_has_ended(int fd)
{
	_cleanup_(qbi_closep) int pidfd = -1;
	struct pollfd p = { .events = POLLIN };

	if (qbi_peer_pidfd(fd, &pidfd) < 0)
		return true;
	p.fd = pidfd;
	return pidfd >= 0 && poll(&p, 1, 0) != 0;
}

bool qbi_peer_is_in_our_namespace(int fd, pid_t pid)
{
	char path[sizeof("/proc//ns/user") + 10];
	struct stat ours, theirs;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	/* The id belonged to it all the time, if it has not ended after the look. */
	return pid > 0 && stat("/proc/self/ns/user", &ours) == 0 && stat(path, &theirs) == 0 &&
	       ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino &&
	       !peer_has_ended(fd);
}
