/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/call-watch.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

#include "base/clock.h"
#include "base/util.h"

_Static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT, "events are passed on as they are");

/* 0 or -errno. */
static int watch_control(int epoll, int op, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	return epoll_ctl(epoll, op, fd, &e) < 0 ? -errno : 0;
}

int qbi_call_watch_open(struct qbi_call_watch *w)
{
	_cleanup_(qbi_closep) int epoll = -1;
	_cleanup_(qbi_closep) int timer = -1;
	int r;

	if (w->epoll >= 0)
		return 0;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		return -errno;
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (timer < 0)
		return -errno;
	r = watch_control(epoll, EPOLL_CTL_ADD, timer, EPOLLIN);
	if (r < 0)
		return r;
	w->epoll = qbi_take_fd(&epoll);
	w->timer = qbi_take_fd(&timer);
	return 0;
}

void qbi_call_watch_close(struct qbi_call_watch *w)
{
	qbi_close(w->epoll);
	qbi_close(w->timer);
	*w = (struct qbi_call_watch)QBI_CALL_WATCH_INIT;
}

int qbi_call_watch_begin(struct qbi_call_watch *w, int stream, int response, short events)
{
	int r = 0;

	if (w->stream < 0) {
		r = watch_control(w->epoll, EPOLL_CTL_ADD, stream, EPOLLRDHUP);
		if (r < 0)
			return r;
		w->stream = stream;
	}
	if (response < 0 || (w->response >= 0 && w->events == events))
		return 0;
	r = watch_control(w->epoll, w->response < 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, response,
			  (uint32_t)events);
	if (r < 0)
		return r;
	w->response = response;
	w->events = events;
	return 0;
}

void qbi_call_watch_end(struct qbi_call_watch *w)
{
	if (w->stream >= 0)
		(void)watch_control(w->epoll, EPOLL_CTL_DEL, w->stream, 0);
	if (w->response >= 0)
		(void)watch_control(w->epoll, EPOLL_CTL_DEL, w->response, 0);
	w->stream = w->response = -1;
}

bool qbi_call_watch_is_ready(struct qbi_call_watch *w)
{
	struct epoll_event e[3];
	int n = w->stream < 0 ? 0 : epoll_wait(w->epoll, e, 3, 0);

	while (n-- > 0)
		if (e[n].data.fd != w->timer)
			return true;
	return false;
}

void qbi_call_watch_arm(struct qbi_call_watch *w, uint64_t when)
{
	struct itimerspec at = { 0 };

	if (w->timer < 0)
		return;
	if (when != QBI_FOREVER) {
		at.it_value.tv_sec = (time_t)(when / QBI_NS_PER_S);
		at.it_value.tv_nsec = (long)(when % QBI_NS_PER_S);
	}
	/* With valid arguments it does not fail. */
	(void)timerfd_settime(w->timer, TFD_TIMER_ABSTIME, &at, NULL);
	w->armed = when;
}
