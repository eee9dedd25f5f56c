/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

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
