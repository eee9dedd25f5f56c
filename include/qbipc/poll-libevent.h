/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file poll-libevent.h
 * Services and clients in an event_base of libevent.
 *
 *     struct qbipc_poll_libevent loop;
 *
 *     event_base_priority_init(base, 3);
 *     qbipc_poll_libevent_init(&loop, base);
 *     qbipc_poll_libevent_attach(&loop, service);
 *     qb_ipcs_run(service);
 *     event_base_dispatch(base);
 *     qb_ipcs_destroy(service);
 *     qbipc_poll_libevent_fini(&loop);
 *
 * Priorities: those of the base. QB_LOOP_HIGH is its first, QB_LOOP_LOW its last,
 * QB_LOOP_MED the one in the middle, which libevent gives to other events. A base has a
 * single one until the application calls event_base_priority_init(). libevent calls
 * nothing of a lower priority while something higher is ready.
 *
 * POLLPRI cannot be watched together with POLLIN or POLLOUT. Descriptors that are watched
 * for neither, as those of clients who must not send now, are in an epoll of their own.
 *
 * Needs libevent 2.1. Not together with libev's header in one translation unit: names
 * clash.
 */
#ifndef QBIPC_POLL_LIBEVENT_H_DEFINED
#define QBIPC_POLL_LIBEVENT_H_DEFINED

#include <event2/event.h>

#include <qbipc/poll.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An event_base that services and clients' connections are in. */
struct qbipc_poll_libevent {
	struct qbipc_poll *poll;
	struct event_base *events;
};

struct qbipc_libevent_watch {
	struct qbipc_poll_watch base;
	struct event *ev;
};

struct qbipc_libevent_jobs {
	struct qbipc_poll_jobs base;
	struct event *ev;
};

static inline struct event_base *qbipc_libevent_base(void *loop)
{
	return ((struct qbipc_poll_libevent *)loop)->events;
}

static inline int qbipc_libevent_priority(void *loop, enum qb_loop_priority p)
{
	int n = event_base_get_npriorities(qbipc_libevent_base(loop));

	return p == QB_LOOP_HIGH ? 0 : p == QB_LOOP_MED ? n / 2 : n - 1;
}

static inline short qbipc_libevent_what(int events)
{
	return (short)(EV_PERSIST | (events & POLLIN ? EV_READ : 0) |
		       (events & POLLOUT ? EV_WRITE : 0));
}

static inline void qbipc_libevent_watch_ready(evutil_socket_t fd, short what, void *data)
{
	(void)fd;
	qbipc_poll_ready((struct qbipc_poll_watch *)data,
			 (what & EV_READ ? POLLIN : 0) | (what & EV_WRITE ? POLLOUT : 0));
}

static inline int qbipc_libevent_watch_enter(struct qbipc_libevent_watch *w)
{
	int priority = qbipc_libevent_priority(w->base.loop, w->base.priority);

	if (event_priority_set(w->ev, priority) < 0)
		return -EINVAL;
	return event_add(w->ev, NULL) < 0 ? -ENOMEM : 0;
}

static inline int qbipc_libevent_watch_start(struct qbipc_poll_watch *base)
{
	struct qbipc_libevent_watch *w = (struct qbipc_libevent_watch *)base;
	int r;

	w->ev = event_new(qbipc_libevent_base(base->loop), base->fd,
			  qbipc_libevent_what(base->events), qbipc_libevent_watch_ready, w);
	if (!w->ev)
		return -ENOMEM;
	r = qbipc_libevent_watch_enter(w);
	if (r < 0)
		event_free(w->ev);
	return r;
}

static inline int qbipc_libevent_watch_update(struct qbipc_poll_watch *base)
{
	struct qbipc_libevent_watch *w = (struct qbipc_libevent_watch *)base;

	event_del(w->ev);
	if (event_assign(w->ev, qbipc_libevent_base(base->loop), base->fd,
			 qbipc_libevent_what(base->events), qbipc_libevent_watch_ready, w) < 0)
		return -EINVAL;
	return qbipc_libevent_watch_enter(w);
}

static inline void qbipc_libevent_watch_stop(struct qbipc_poll_watch *base)
{
	event_free(((struct qbipc_libevent_watch *)base)->ev);
}

static inline void qbipc_libevent_jobs_ready(evutil_socket_t fd, short what, void *data)
{
	(void)fd;
	(void)what;
	qbipc_poll_jobs_run((struct qbipc_poll_jobs *)data);
}

static inline int qbipc_libevent_jobs_arm(struct qbipc_poll_jobs *base, unsigned int ms)
{
	struct qbipc_libevent_jobs *j = (struct qbipc_libevent_jobs *)base;
	struct timeval when;

	if (!j->ev) {
		j->ev = event_new(qbipc_libevent_base(base->loop), -1, 0,
				  qbipc_libevent_jobs_ready, j);
		if (!j->ev)
			return -ENOMEM;
		(void)event_priority_set(j->ev,
					 qbipc_libevent_priority(base->loop, base->priority));
	}
	when.tv_sec = 0;
	when.tv_usec = (suseconds_t)ms * 1000;
	return event_add(j->ev, &when) < 0 ? -ENOMEM : 0;
}

static inline void qbipc_libevent_jobs_stop(struct qbipc_poll_jobs *base)
{
	struct qbipc_libevent_jobs *j = (struct qbipc_libevent_jobs *)base;

	if (j->ev)
		event_free(j->ev);
}

/**
 * Make a loop usable for services and clients' connections. It stays the application's,
 * who runs it.
 *
 * @param l     to be filled; stays where it is until qbipc_poll_libevent_fini()
 * @param events the base; stays the caller's and must outlive @p l
 * @return      0; -EMFILE, -ENFILE: it takes one descriptor; -ENOMEM
 * @note        Threads: the one that runs the loop, or before it runs.
 */
static inline int qbipc_poll_libevent_init(struct qbipc_poll_libevent *l,
					   struct event_base *events)
{
	static const struct qbipc_poll_ops ops = {
		sizeof(ops),
		1,
		sizeof(struct qbipc_libevent_watch),
		sizeof(struct qbipc_libevent_jobs),
		qbipc_libevent_watch_start,
		qbipc_libevent_watch_update,
		qbipc_libevent_watch_stop,
		qbipc_libevent_jobs_arm,
		qbipc_libevent_jobs_stop,
	};

	l->events = events;
	return qbipc_poll_new(&ops, l, &l->poll);
}

/**
 * Have a service live in the loop. Any number of services may share one.
 *
 * @param l     loop
 * @param s     service that does not run yet
 * @return      0; -EINVAL the loop has ended or @p s is NULL; -EBUSY the service runs
 * @note        Threads: as for init.
 */
static inline int qbipc_poll_libevent_attach(struct qbipc_poll_libevent *l,
					     qb_ipcs_service_t *s)
{
	return qbipc_poll_attach(l->poll, s);
}

/**
 * Take everything out of the loop. What is still there is dropped without being called:
 * destroy services and unwatch connections before. Before event_base_free().
 *
 * @param l     loop; idempotent, and no effect on a struct that is all zero
 * @note        Threads: the one that runs the loop, or after it ran.
 */
static inline void qbipc_poll_libevent_fini(struct qbipc_poll_libevent *l)
{
	qbipc_poll_free(l->poll);
	l->poll = NULL;
}

/**
 * Call a function for each event of a client, and one when the server is gone. At most
 * QBIPC_CLIENT_EVENTS are delivered at a time; then other sources of the loop have their turn.
 *
 * @param l     loop
 * @param p     priority in the loop
 * @param c     an established connection; the caller still owns it, and disconnects it
 *              after the watch has ended
 * @param event called for each event
 * @param gone  called once, when the server is gone; may be NULL
 * @param data  passed to both
 * @return      the watch, which ends with qbipc_client_unwatch(), with @p gone, or with
 *              the loop; or NULL and errno:
 *              EINVAL no connection, one that is not established, or no @p event;
 *              EEXIST it is watched already;
 *              EMFILE, ENFILE no descriptor for it, which one transport needs;
 *              ENOMEM;
 *              what the loop says
 * @note        Threads: the one that runs the loop, or before it runs.
 */
static inline struct qbipc_client_watch *qbipc_libevent_watch_client(
	struct qbipc_poll_libevent *l, enum qb_loop_priority p, qb_ipcc_connection_t *c,
	qbipc_client_event_fn event, qbipc_client_gone_fn gone, void *data)
{
	return qbipc_client_watch_new(l->poll, p, c, event, gone, data);
}

/**
 * Dispatch the calls of a client, see <qbipc/call.h>, until it is disconnected.
 *
 * @param l     loop
 * @param p     priority in the loop
 * @param c     an established connection; the caller still owns it
 * @return      the watch, which ends with qbipc_calls_unwatch(), with qb_ipcc_disconnect(),
 *              or with the loop; or NULL and errno:
 *              EINVAL no such priority, no connection, or one that is not established;
 *              EEXIST its calls are watched already;
 *              EMFILE, ENFILE it takes two descriptors;
 *              ENOMEM;
 *              what the loop says
 * @note        Threads: the one that runs the loop, or before it runs.
 */
static inline struct qbipc_calls_watch *qbipc_libevent_watch_calls(
	struct qbipc_poll_libevent *l, enum qb_loop_priority p, qb_ipcc_connection_t *c)
{
	return qbipc_calls_watch_new(l->poll, p, c);
}

#ifdef __cplusplus
}
#endif

#endif
