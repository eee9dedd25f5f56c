/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapter/quiet.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

#include "base/util.h"

void qbi_quiet_init(struct qbi_quiet *q)
{
	*q = (struct qbi_quiet){ .fd = -1 };
}

int qbi_quiet_open(struct qbi_quiet *q)
{
	q->fd = epoll_create1(EPOLL_CLOEXEC);
	return q->fd < 0 ? -errno : 0;
}

void qbi_quiet_deinit(struct qbi_quiet *q)
{
	q->fd = qbi_close(q->fd);
}

static int quiet_set(const struct qbi_quiet *q, int op, int fd, int events)
{
	struct epoll_event event = { .events = (uint32_t)(events & POLLPRI), .data.fd = fd };

	return epoll_ctl(q->fd, op, fd, &event) < 0 ? -errno : 0;
}

int qbi_quiet_enter(struct qbi_quiet *q, int fd, int events)
{
	int r = quiet_set(q, EPOLL_CTL_ADD, fd, events);

	if (r == 0)
		q->n++;
	return r;
}

int qbi_quiet_update(struct qbi_quiet *q, int fd, int events)
{
	return quiet_set(q, EPOLL_CTL_MOD, fd, events);
}

void qbi_quiet_leave(struct qbi_quiet *q, int fd)
{
	(void)quiet_set(q, EPOLL_CTL_DEL, fd, 0);
	q->n--;
}

int qbi_quiet_next(struct qbi_quiet *q, int *ret_events)
{
	struct epoll_event event;

	if (epoll_wait(q->fd, &event, 1, 0) != 1)
		return -1;
	*ret_events = (int)event.events;
	return event.data.fd;
}
