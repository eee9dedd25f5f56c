/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client/reach.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/refused.h"
#include "base/unfinished.h"
#include "base/socket.h"
#include "base/util.h"
#include "wire/names.h"

/* Limit the time that connect(2) waits for a place in the queue; NULL: no limit. */
static int stream_limit(int fd, const struct timeval *limit)
{
	static const struct timeval none;

	if (!limit)
		limit = &none;
	return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, limit, sizeof(*limit)) < 0 ? -errno : 0;
}

/* If the deadline is over: one microsecond, which the kernel rounds up to a tick. */
static struct timeval time_left(uint64_t deadline)
{
	uint64_t now = qbi_now_ns();
	uint64_t us = now < deadline ? (deadline - now + 999) / 1000 : 1;

	return (struct timeval){ .tv_sec = (time_t)(us / 1000000),
				 .tv_usec = (suseconds_t)(us % 1000000) };
}

/* With no time for it, connect(2) must not wait at all: the shortest limit is a tick. */
static int stream_wait_set(int fd, bool on)
{
	return fcntl(fd, F_SETFL, O_RDWR | (on ? 0 : O_NONBLOCK)) < 0 ? -errno : 0;
}

/*
 * A unix socket connects at once, unless the backlog is full. Then connect(2) waits, with
 * the limit SO_SNDTIMEO; poll(2) does not support this wait.
 */
static int address_connect(int fd, const struct sockaddr_un *address, socklen_t size,
			   uint64_t deadline, int cancel_state)
{
	for (;;) {
		int connected;

		if (deadline != 0 && qbi_deadline_is_a_time(deadline)) {
			struct timeval left = time_left(deadline);
			int r = stream_limit(fd, &left);

			if (r < 0)
				return r;
		}
		qbi_cancel_as(cancel_state);
		connected = connect(fd, (const struct sockaddr *)address, size);
		(void)qbi_cancel_hold_back();
		if (connected == 0)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (errno == EINTR && deadline == QBI_UNTIL_SIGNAL)
			return -EAGAIN;
		if (qbi_now_ns() >= deadline)
			return -ETIMEDOUT;
	}
}

/*
 * Our servers pad an abstract address to the size of the struct, as libqb's do. A service
 * manager that passes a listening socket cannot always do that (systemd's @name). So if the
 * padded address refuses, the unpadded one is tried.
 */
static int service_connect(int fd, const struct sockaddr_un *address, uint64_t deadline,
			   int cancel_state, socklen_t *ret_size)
{
	socklen_t unpadded = qbi_address_unpadded(address);
	int r;

	if (deadline == 0) {
		r = stream_wait_set(fd, false);
		if (r < 0)
			return r;
	}
	*ret_size = sizeof(*address);
	r = address_connect(fd, address, *ret_size, deadline, cancel_state);
	if (r == -ECONNREFUSED && unpadded) {
		*ret_size = unpadded;
		r = address_connect(fd, address, *ret_size, deadline, cancel_state);
	}
	if (r == 0 && qbi_deadline_is_a_time(deadline))
		r = deadline == 0 ? stream_wait_set(fd, true) : stream_limit(fd, NULL);
	return r;
}

static int address_find(const char *name, struct sockaddr_un *ret_address)
{
	if (strchr(name, '/'))
		return qbi_path_address(name, ret_address);
	return qbi_service_address(name, access(FORCESOCKETSFILE, F_OK) == 0, ret_address);
}

/* 0 or -errno; *@ret_stream: the socket, or -1. */
static int stream_open(int *ret_stream)
{
	int on = 1;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*ret_stream = fd;
	if (fd < 0)
		return -errno;
	/* Before connecting, so that the answer carries the server's credentials. */
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 &&
	    !qbi_is_refused(errno))
		return -errno;
	/* Skipped instead, what came along with it would be closed by the kernel. */
	qbi_take_urgent_inline(fd);
	return 0;
}

int qbi_reach(const char *name, uint64_t deadline, int cancel_state, int *ret_stream,
	      struct qbi_reached *ret_reached)
{
	struct qbi_reached to;
	int r = address_find(name, &to.address);

	if (r < 0)
		return r;
	r = stream_open(ret_stream);
	if (r == 0)
		r = service_connect(*ret_stream, &to.address, deadline, cancel_state, &to.size);
	if (r < 0)
		*ret_stream = qbi_close(*ret_stream);
	else if (ret_reached)
		*ret_reached = to;
	return r;
}

/* Before it connects, or descriptors could come in between. */
static int bare_stream_open(int *ret_stream)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*ret_stream = fd;
	if (fd < 0)
		return -errno;
	qbi_refuse_descriptors(fd);
	qbi_take_urgent_inline(fd);
	return 0;
}

int qbi_reach_again(const struct qbi_reached *reached, uint64_t deadline, int cancel_state,
		    int *ret_stream, bool *ret_made)
{
	int r = bare_stream_open(ret_stream);

	*ret_made = r == 0;
	if (r == 0)
		r = address_connect(*ret_stream, &reached->address, reached->size, deadline,
				    cancel_state);
	if (r < 0)
		*ret_stream = qbi_close(*ret_stream);
	return r;
}
