/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file poll/watch.h
 * Descriptors in a loop, for the poll adapters; of no use alone.
 *
 * Idea: an adapter gives six operations (struct qbipc_poll_ops) that put one descriptor
 * or one timer into its library's loop. The rest is common: which descriptors are in the
 * loop and what may happen inside a callback (here), jobs (jobs.h), the functions that a
 * service calls (handlers.h), the client's side (client.h).
 *
 * Life of a watch: the table of descriptors holds one reference, each call of its
 * function one, and the library may hold another until it has let go of its part. A
 * callback may therefore remove any watch, its own included, close the descriptor and
 * have the number used anew at once.
 *
 * Threads: everything belongs to the thread that runs the loop; before it runs, to the
 * one that prepares it. Different loops are independent.
 */
#ifndef QBIPC_POLL_WATCH_H_DEFINED
#define QBIPC_POLL_WATCH_H_DEFINED

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <qb/qbipcs.h>
#include <qb/qbloop.h>

#ifdef __cplusplus
extern "C" {
#endif

struct qbipc_poll;

/* Where a watch is. */
enum qbipc_poll_place {
	QBIPC_POLL_OUT,		/* nowhere: it was not let in again */
	QBIPC_POLL_IN,		/* in the library's loop */
	QBIPC_POLL_QUIET	/* in the descriptor of hang-ups */
};

/* One descriptor. The library's part follows in a larger struct that begins with this. */
struct qbipc_poll_watch {
	struct qbipc_poll *poll;	/* NULL once removed */
	unsigned int refs;
	enum qbipc_poll_place place;
	int32_t fd;
	int32_t events;			/* poll(2)'s */
	enum qb_loop_priority priority;
	void *data;
	qb_ipcs_dispatch_fn_t fn;
	void (*release)(void *data);	/* called when this is freed; may be NULL */
};

struct qbipc_poll_job {
	struct qbipc_poll_job *next;
	void *data;
	qb_loop_job_dispatch_fn fn;
};

/* Jobs of one priority, and the timer that runs them: the library's part follows. */
struct qbipc_poll_jobs {
	struct qbipc_poll *poll;	/* NULL once ended */
	unsigned int refs;
	enum qb_loop_priority priority;
	bool running;
	size_t count;
	struct qbipc_poll_job *first;
	struct qbipc_poll_job **last;	/* where the next one is linked */
};

/* What a library does. Functions that may fail return 0 or a negative errno. */
struct qbipc_poll_ops {
	/*
	 * The library knows readable and writable only. Descriptors that are watched for
	 * neither are then kept in an epoll of their own, so that a hang-up is seen.
	 */
	bool in_out_only;
	size_t watch_size;
	/* Report w->fd by qbipc_poll_ready() while it has w->events. */
	int32_t (*watch_start)(struct qbipc_poll_watch *w);
	/* The same with new events or a new priority. */
	int32_t (*watch_update)(struct qbipc_poll_watch *w);
	/* No report from now on, also when one is pending; w->fd may be closed next. */
	void (*watch_stop)(struct qbipc_poll_watch *w);
	size_t jobs_size;
	/* Call qbipc_poll_jobs_run() once after @ms, in place of an earlier request. */
	int32_t (*jobs_arm)(struct qbipc_poll_jobs *j, unsigned int ms);
	/* Not called any more. Also when it was never armed. */
	void (*jobs_stop)(struct qbipc_poll_jobs *j);
};

/* A loop. Libraries' structs begin with it. All zero: none, good for fini. */
struct qbipc_poll {
	const struct qbipc_poll_ops *ops;
	struct qbipc_poll_watch **watches;	/* by descriptor */
	int32_t n_watches;			/* room in it */
	struct qbipc_poll_jobs *jobs[QB_LOOP_HIGH + 1];
	int quiet_fd;				/* epoll, or -1 */
	unsigned int n_quiet;			/* descriptors in it */
	struct qb_ipcs_poll_handlers handlers;	/* empty until asked for */
};

/* -- Watches ------------------------------------------------------------------- */

/* Out of line: a compiler that sees two in a row warns of the second. */
static __attribute__((noinline, unused)) void
qbipc_poll_watch_unref(struct qbipc_poll_watch *w)
{
	if (--w->refs > 0)
		return;
	if (w->release)
		w->release(w->data);
	free(w);
}

static inline struct qbipc_poll_watch *qbipc_poll_find(const struct qbipc_poll *poll,
						       int32_t fd)
{
	return poll && fd >= 0 && fd < poll->n_watches ? poll->watches[fd] : NULL;
}

/* -- Hang-ups of descriptors that are watched for neither input nor output --------- */

static inline int32_t qbipc_poll_watch_new(struct qbipc_poll *poll,
					   enum qb_loop_priority p, int32_t fd,
					   int32_t events, void *data,
					   qb_ipcs_dispatch_fn_t fn,
					   struct qbipc_poll_watch **ret_w);
static inline void qbipc_poll_remove(struct qbipc_poll_watch *w);
static inline void qbipc_poll_ready(struct qbipc_poll_watch *w, int32_t revents);

/*
 * One per report: its function may remove any other, or end the loop. The epoll stays
 * readable while there are more.
 */
static inline int32_t qbipc_poll_quiet_dispatch(int32_t fd, int32_t revents, void *data)
{
	struct qbipc_poll *poll = (struct qbipc_poll *)data;
	struct qbipc_poll_watch *w = NULL;
	struct epoll_event ev;

	(void)revents;
	if (epoll_wait(fd, &ev, 1, 0) == 1)
		w = qbipc_poll_find(poll, ev.data.fd);
	if (w)
		qbipc_poll_ready(w, (int32_t)ev.events);
	return 0;
}

static inline int32_t qbipc_poll_quiet_set(struct qbipc_poll_watch *w, int op)
{
	struct epoll_event ev;

	memset(&ev, 0, sizeof(ev));
	ev.events = (uint32_t)(w->events & POLLPRI);
	ev.data.fd = w->fd;
	return epoll_ctl(w->poll->quiet_fd, op, w->fd, &ev) < 0 ? -errno : 0;
}

/* The epoll is in the loop only while there is something in it: a loop that ends when
 * nothing is left in it shall end. */
static inline int32_t qbipc_poll_quiet_enter(struct qbipc_poll_watch *w)
{
	struct qbipc_poll *poll = w->poll;
	struct qbipc_poll_watch *own;
	int32_t r = qbipc_poll_quiet_set(w, EPOLL_CTL_ADD);

	if (r < 0)
		return r;
	if (poll->n_quiet == 0)
		r = qbipc_poll_watch_new(poll, QB_LOOP_HIGH, poll->quiet_fd, POLLIN, poll,
					 qbipc_poll_quiet_dispatch, &own);
	if (r < 0) {
		(void)qbipc_poll_quiet_set(w, EPOLL_CTL_DEL);
		return r;
	}
	poll->n_quiet++;
	return 0;
}

static inline void qbipc_poll_quiet_leave(struct qbipc_poll_watch *w)
{
	(void)qbipc_poll_quiet_set(w, EPOLL_CTL_DEL);
	if (--w->poll->n_quiet == 0)
		qbipc_poll_remove(qbipc_poll_find(w->poll, w->poll->quiet_fd));
}

/* -- Into the loop, out of it -------------------------------------------------- */

static inline enum qbipc_poll_place qbipc_poll_place_for(const struct qbipc_poll *poll,
							 int32_t events)
{
	return poll->ops->in_out_only && !(events & (POLLIN | POLLOUT)) ?
		       QBIPC_POLL_QUIET : QBIPC_POLL_IN;
}

static inline int32_t qbipc_poll_enter(struct qbipc_poll_watch *w)
{
	enum qbipc_poll_place place = qbipc_poll_place_for(w->poll, w->events);
	int32_t r = place == QBIPC_POLL_QUIET ? qbipc_poll_quiet_enter(w) :
						w->poll->ops->watch_start(w);

	if (r == 0)
		w->place = place;
	return r;
}

static inline void qbipc_poll_leave(struct qbipc_poll_watch *w)
{
	enum qbipc_poll_place place = w->place;

	w->place = QBIPC_POLL_OUT;
	if (place == QBIPC_POLL_IN)
		w->poll->ops->watch_stop(w);
	else if (place == QBIPC_POLL_QUIET)
		qbipc_poll_quiet_leave(w);
}

static inline void qbipc_poll_remove(struct qbipc_poll_watch *w)
{
	w->poll->watches[w->fd] = NULL;
	qbipc_poll_leave(w);
	w->poll = NULL;
	qbipc_poll_watch_unref(w);
}

/* The library's report: call the function, unless this is no news to it. */
static inline void qbipc_poll_ready(struct qbipc_poll_watch *w, int32_t revents)
{
	/* It may be older than the last change of what is watched. */
	revents &= w->events | POLLERR | POLLHUP | POLLNVAL;
	if (!revents)
		return;
	w->refs++;
	/*
	 * A negative result: the descriptor is gone. If this watch is still there it
	 * goes; a new one that has the same number is another one and stays.
	 */
	if (w->fn(w->fd, revents, w->data) < 0 && w->poll)
		qbipc_poll_remove(w);
	qbipc_poll_watch_unref(w);
}

static inline int32_t qbipc_poll_table_reach(struct qbipc_poll *poll, int32_t fd)
{
	int32_t n = poll->n_watches ? poll->n_watches : 64;
	void *grown;

	if (fd < poll->n_watches)
		return 0;
	while (n <= fd)
		n *= 2;
	grown = realloc(poll->watches, (size_t)n * sizeof(*poll->watches));
	if (!grown)
		return -ENOMEM;
	poll->watches = (struct qbipc_poll_watch **)grown;
	memset(poll->watches + poll->n_watches, 0,
	       (size_t)(n - poll->n_watches) * sizeof(*poll->watches));
	poll->n_watches = n;
	return 0;
}

static inline int32_t qbipc_poll_watch_new(struct qbipc_poll *poll,
					   enum qb_loop_priority p, int32_t fd,
					   int32_t events, void *data,
					   qb_ipcs_dispatch_fn_t fn,
					   struct qbipc_poll_watch **ret_w)
{
	struct qbipc_poll_watch *w;
	int32_t r;

	if (!poll || !poll->ops || !fn || p < QB_LOOP_LOW || p > QB_LOOP_HIGH)
		return -EINVAL;
	if (fd < 0 || fd > INT32_MAX / 4)
		return -EBADF;
	r = qbipc_poll_table_reach(poll, fd);
	if (r < 0)
		return r;
	if (poll->watches[fd])
		return -EEXIST;
	w = (struct qbipc_poll_watch *)calloc(1, poll->ops->watch_size);
	if (!w)
		return -ENOMEM;
	w->poll = poll;
	w->refs = 1;
	w->fd = fd;
	w->events = events;
	w->priority = p;
	w->data = data;
	w->fn = fn;
	r = qbipc_poll_enter(w);
	if (r < 0) {
		w->poll = NULL;
		qbipc_poll_watch_unref(w);
		return r;
	}
	poll->watches[fd] = w;
	*ret_w = w;
	return 0;
}

static inline int32_t qbipc_poll_watch_change(struct qbipc_poll_watch *w,
					      enum qb_loop_priority p, int32_t events)
{
	int32_t old_events = w->events;
	enum qb_loop_priority old_priority = w->priority;
	int32_t r;

	if (p == old_priority && events == old_events && w->place != QBIPC_POLL_OUT)
		return 0;
	w->events = events;
	w->priority = p;
	if (w->place != qbipc_poll_place_for(w->poll, events)) {
		qbipc_poll_leave(w);
		return qbipc_poll_enter(w);
	}
	r = w->place == QBIPC_POLL_QUIET ? qbipc_poll_quiet_set(w, EPOLL_CTL_MOD) :
					   w->poll->ops->watch_update(w);
	if (r < 0) {
		w->events = old_events;
		w->priority = old_priority;
	}
	return r;
}

#ifdef __cplusplus
}
#endif

#endif
