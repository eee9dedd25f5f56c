/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file poll-libev.h
 * Services and clients in an ev_loop of libev.
 *
 *     struct qbipc_poll_libev loop;
 *
 *     qbipc_poll_libev_init(&loop, EV_DEFAULT);
 *     qbipc_poll_libev_attach(&loop, service);
 *     qb_ipcs_run(service);
 *     ev_run(EV_DEFAULT_ 0);
 *     qb_ipcs_destroy(service);
 *     qbipc_poll_libev_fini(&loop);
 *
 * Priorities: QB_LOOP_HIGH is 1, QB_LOOP_MED is 0, QB_LOOP_LOW is -1; libev has one more
 * at either end. Everything that is ready is called in each turn, higher ones first.
 *
 * POLLPRI cannot be watched together with POLLIN or POLLOUT. Descriptors that are watched
 * for neither, as those of clients who must not send now, are in an epoll of their own.
 *
 * Needs libev 4 with EV_MULTIPLICITY. Not together with libevent's headers in one
 * translation unit: names clash.
 */
#ifndef QBIPC_POLL_LIBEV_H_DEFINED
#define QBIPC_POLL_LIBEV_H_DEFINED

#include <ev.h>

#include <qbipc/poll.h>

#ifdef __cplusplus
extern "C" {
#endif

#if !EV_MULTIPLICITY
#error "poll-libev.h needs a libev with EV_MULTIPLICITY"
#endif

/** An ev_loop that services and clients' connections are in. */
struct qbipc_poll_libev {
	struct qbipc_poll *poll;
	struct ev_loop *loop;
};

struct qbipc_libev_watch {
	struct qbipc_poll_watch base;
	ev_io io; /* its data is the watch */
};

struct qbipc_libev_jobs {
	struct qbipc_poll_jobs base;
	ev_timer timer; /* its data is this */
};

static inline struct ev_loop *qbipc_libev_loop(void *loop)
{
	return ((struct qbipc_poll_libev *)loop)->loop;
}

static inline int qbipc_libev_priority(enum qb_loop_priority p)
{
	return p == QB_LOOP_HIGH ? 1 : p == QB_LOOP_MED ? 0 : -1;
}

static inline int qbipc_libev_what(int events)
{
	return (events & POLLIN ? EV_READ : 0) | (events & POLLOUT ? EV_WRITE : 0);
}

static inline void qbipc_libev_watch_ready(struct ev_loop *loop, ev_io *io, int what)
{
	struct qbipc_poll_watch *w = (struct qbipc_poll_watch *)io->data;

	(void)loop;
	/* libev has stopped to watch a descriptor that the kernel does not know. */
	if (what & EV_ERROR)
		qbipc_poll_ready(w, POLLNVAL);
	else
		qbipc_poll_ready(w, (what & EV_READ ? POLLIN : 0) |
					    (what & EV_WRITE ? POLLOUT : 0));
}

static inline int qbipc_libev_watch_start(struct qbipc_poll_watch *base)
{
	struct qbipc_libev_watch *w = (struct qbipc_libev_watch *)base;

	ev_init(&w->io, qbipc_libev_watch_ready);
	ev_io_set(&w->io, base->fd, qbipc_libev_what(base->events));
	ev_set_priority(&w->io, qbipc_libev_priority(base->priority));
	w->io.data = w;
	ev_io_start(qbipc_libev_loop(base->loop), &w->io);
	return 0;
}

static inline void qbipc_libev_watch_stop(struct qbipc_poll_watch *base)
{
	ev_io_stop(qbipc_libev_loop(base->loop), &((struct qbipc_libev_watch *)base)->io);
}

static inline int qbipc_libev_watch_update(struct qbipc_poll_watch *base)
{
	qbipc_libev_watch_stop(base);
	return qbipc_libev_watch_start(base);
}

static inline void qbipc_libev_jobs_ready(struct ev_loop *loop, ev_timer *timer, int what)
{
	(void)loop;
	(void)what;
	qbipc_poll_jobs_run((struct qbipc_poll_jobs *)timer->data);
}

static inline void qbipc_libev_jobs_stop(struct qbipc_poll_jobs *base)
{
	struct qbipc_libev_jobs *j = (struct qbipc_libev_jobs *)base;

	if (j->timer.data)
		ev_timer_stop(qbipc_libev_loop(base->loop), &j->timer);
}

static inline int qbipc_libev_jobs_arm(struct qbipc_poll_jobs *base, unsigned int ms)
{
	struct qbipc_libev_jobs *j = (struct qbipc_libev_jobs *)base;

	qbipc_libev_jobs_stop(base);
	ev_init(&j->timer, qbipc_libev_jobs_ready);
	ev_timer_set(&j->timer, ms / 1000., 0.);
	ev_set_priority(&j->timer, qbipc_libev_priority(base->priority));
	j->timer.data = j;
	ev_timer_start(qbipc_libev_loop(base->loop), &j->timer);
	return 0;
}

/**
 * Make a loop usable for services and clients' connections. It stays the application's,
 * who runs it.
 *
 * @param l     to be filled; stays where it is until qbipc_poll_libev_fini()
 * @param loop  the loop; stays the caller's and must outlive @p l
 * @return      0; -EMFILE, -ENFILE: it takes one descriptor; -ENOMEM
 * @note        Threads: the one that runs the loop, or before it runs.
 */
static inline int qbipc_poll_libev_init(struct qbipc_poll_libev *l, struct ev_loop *loop)
{
	static const struct qbipc_poll_ops ops = {
		sizeof(ops),
		1,
		sizeof(struct qbipc_libev_watch),
		sizeof(struct qbipc_libev_jobs),
		qbipc_libev_watch_start,
		qbipc_libev_watch_update,
		qbipc_libev_watch_stop,
		qbipc_libev_jobs_arm,
		qbipc_libev_jobs_stop,
	};

	l->loop = loop;
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
static inline int qbipc_poll_libev_attach(struct qbipc_poll_libev *l, qb_ipcs_service_t *s)
{
	return qbipc_poll_attach(l->poll, s);
}

/**
 * Take everything out of the loop. What is still there is dropped without being called:
 * destroy services and unwatch connections before. Before ev_loop_destroy().
 *
 * @param l     loop; idempotent, and no effect on a struct that is all zero
 * @note        Threads: the one that runs the loop, or after it ran.
 */
static inline void qbipc_poll_libev_fini(struct qbipc_poll_libev *l)
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
static inline struct qbipc_client_watch *qbipc_libev_watch_client(
	struct qbipc_poll_libev *l, enum qb_loop_priority p, qb_ipcc_connection_t *c,
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
static inline struct qbipc_calls_watch *qbipc_libev_watch_calls(struct qbipc_poll_libev *l,
								enum qb_loop_priority p,
								qb_ipcc_connection_t *c)
{
	return qbipc_calls_watch_new(l->poll, p, c);
}

#ifdef __cplusplus
}
#endif

#endif
