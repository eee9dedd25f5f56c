/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hang-ups of descriptors that are watched for neither input nor output, where the other
 * library knows nothing else: they are in an epoll, which is watched for input.
 */
#include <errno.h>
#include <sys/epoll.h>

#include "adapter/poll.h"

/*
 * One per report: its function may remove any other, or end the loop. The epoll stays
 * readable while there are more.
 */
static int32_t quiet_dispatch(int32_t fd, int32_t revents, void *data)
{
	struct epoll_event event;
	struct qbi_poll_watch *w = NULL;

	if (epoll_wait(fd, &event, 1, 0) == 1)
		w = qbi_poll_watch_find(data, event.data.fd);
	if (w)
		qbipc_poll_ready(&w->at, (int)event.events);
	return 0;
}

static int quiet_set(const struct qbi_poll_watch *w, int op)
{
	struct epoll_event event = { .events = (uint32_t)(w->at.events & POLLPRI),
				     .data.fd = w->at.fd };

	return epoll_ctl(w->poll->quiet_fd, op, w->at.fd, &event) < 0 ? -errno : 0;
}

/* The epoll is in the loop only while there is something in it: a loop that ends when
 * nothing is left in it shall end. */
int qbi_quiet_enter(struct qbi_poll_watch *w)
{
	struct qbipc_poll *poll = w->poll;
	int r = quiet_set(w, EPOLL_CTL_ADD);

	if (r < 0)
		return r;
	if (poll->n_quiet == 0)
		r = qbipc_poll_add(poll, QB_LOOP_HIGH, poll->quiet_fd, POLLIN, poll,
				   quiet_dispatch);
	if (r < 0) {
		(void)quiet_set(w, EPOLL_CTL_DEL);
		return r;
	}
	poll->n_quiet++;
	return 0;
}

int qbi_quiet_update(struct qbi_poll_watch *w)
{
	return quiet_set(w, EPOLL_CTL_MOD);
}

void qbi_quiet_leave(struct qbi_poll_watch *w)
{
	(void)quiet_set(w, EPOLL_CTL_DEL);
	if (--w->poll->n_quiet == 0)
		qbi_poll_watch_remove(qbi_poll_watch_find(w->poll, w->poll->quiet_fd));
}
