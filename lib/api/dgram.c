/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The largest datagram that the kernel accepts, found by trying. */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <qb/qbipcc.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/util.h"

#define STEP 1024 /* the answer is rounded down to it */

static void pair_close(int (*pair)[2])
{
	qbi_closep(&(*pair)[0]);
	qbi_closep(&(*pair)[1]);
}

static bool datagram_passes(int *pair, char *buf, size_t size)
{
	if (send(pair[0], buf, size, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)size)
		return false;
	return recv(pair[1], buf, size, MSG_DONTWAIT) == (ssize_t)size;
}

int32_t qb_ipcc_verify_dgram_max_msg_size(size_t max_msg_size)
{
	_cleanup_(pair_close) int pair[2] = { -1, -1 };
	_cleanup_(qbi_freep) char *buf = NULL;
	size_t low = 0, high = max_msg_size / STEP;
	int wanted;

	if (max_msg_size > INT_MAX / 2)
		return -1;
	wanted = (int)max_msg_size;
	buf = calloc(1, max_msg_size + 1);
	if (!buf || socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	(void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted));
	(void)setsockopt(pair[1], SOL_SOCKET, SO_RCVBUF, &wanted, sizeof(wanted));
	if (max_msg_size == 0 || datagram_passes(pair, buf, max_msg_size))
		return (int32_t)max_msg_size;
	/* Bisect: @low steps pass, more than @high do not. */
	while (low < high) {
		size_t middle = low + (high - low + 1) / 2;

		if (datagram_passes(pair, buf, middle * STEP))
			low = middle;
		else
			high = middle - 1;
	}
	return low ? (int32_t)(low * STEP) : -1;
}
