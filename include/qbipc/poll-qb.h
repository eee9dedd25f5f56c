/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file poll-qb.h
 * Services and clients in the built-in loop, without the glue that it takes to bind its
 * functions to one loop.
 *
 *     struct qbipc_poll_qb loop;
 *     qb_loop_t *l = qb_loop_create();
 *
 *     qbipc_poll_qb_init(&loop, l);
 *     qbipc_poll_qb_attach(&loop, service);
 *     qb_ipcs_run(service);
 *     qb_loop_run(l);
 *     qb_ipcs_destroy(service);
 *     qbipc_poll_qb_fini(&loop);
 *     qb_loop_destroy(l);
 *
 * Priorities: its own.
 */
#ifndef QBIPC_POLL_QB_H_DEFINED
#define QBIPC_POLL_QB_H_DEFINED

#include <qb/qbloop.h>

#include <qbipc/poll.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A qb_loop_t that services and clients' connections are in. */
struct qbipc_poll_qb {
	struct qbipc_poll *poll;
	qb_loop_t *loop;
};

struct qbipc_qb_jobs {
	struct qbipc_poll_jobs base;
	int queued; /* not 0: in the loop */
};

static inline qb_loop_t *qbipc_qb_loop(void *loop)
{
	return ((struct qbipc_poll_qb *)loop)->loop;
}

/* Always 0: what is to go has been taken out by then. */
static inline int qbipc_qb_watch_ready(int fd, int revents, void *data)
{
	(void)fd;
	qbipc_poll_ready((struct qbipc_poll_watch *)data, revents);
	return 0;
}

static inline int qbipc_qb_watch_start(struct qbipc_poll_watch *w)
{
	return qb_loop_poll_add(qbipc_qb_loop(w->loop), w->priority, w->fd, w->events, w,
				qbipc_qb_watch_ready);
}

static inline int qbipc_qb_watch_update(struct qbipc_poll_watch *w)
{
	return qb_loop_poll_mod(qbipc_qb_loop(w->loop), w->priority, w->fd, w->events, w,
				qbipc_qb_watch_ready);
}

static inline void qbipc_qb_watch_stop(struct qbipc_poll_watch *w)
{
	(void)qb_loop_poll_del(qbipc_qb_loop(w->loop), w->fd);
}

static inline void qbipc_qb_jobs_ready(void *data)
{
	((struct qbipc_qb_jobs *)data)->queued = 0;
	qbipc_poll_jobs_run((struct qbipc_poll_jobs *)data);
}

/* The loop itself lets a job wait that comes again and again. */
static inline int qbipc_qb_jobs_arm(struct qbipc_poll_jobs *base, unsigned int ms)
{
	struct qbipc_qb_jobs *j = (struct qbipc_qb_jobs *)base;
	int r = 0;

	(void)ms;
	if (!j->queued)
		r = qb_loop_job_add(qbipc_qb_loop(base->loop), base->priority, j,
				    qbipc_qb_jobs_ready);
	j->queued = j->queued || r == 0;
	return r;
}

static inline void qbipc_qb_jobs_stop(struct qbipc_poll_jobs *base)
{
	if (((struct qbipc_qb_jobs *)base)->queued)
		(void)qb_loop_job_del(qbipc_qb_loop(base->loop), base->priority, base,
				      qbipc_qb_jobs_ready);
}

/**
 * Make a loop usable for services and clients' connections. It stays the application's,
 * who runs it.
 *
 * @param l     to be filled; stays where it is until qbipc_poll_qb_fini()
 * @param loop  the loop; stays the caller's and must outlive @p l
 * @return      0; -ENOMEM
 * @note        Threads: the one that runs the loop, or before it runs.
 */
static inline int qbipc_poll_qb_init(struct qbipc_poll_qb *l, qb_loop_t *loop)
{
	static const struct qbipc_poll_ops ops = {
		sizeof(ops),
		0,
		sizeof(struct qbipc_poll_watch),
		sizeof(struct qbipc_qb_jobs),
		qbipc_qb_watch_start,
		qbipc_qb_watch_update,
		qbipc_qb_watch_stop,
		qbipc_qb_jobs_arm,
		qbipc_qb_jobs_stop,
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
static inline int qbipc_poll_qb_attach(struct qbipc_poll_qb *l, qb_ipcs_service_t *s)
{
	return qbipc_poll_attach(l->poll, s);
}

/**
 * Take everything out of the loop. What is still there is dropped without being called:
 * destroy services and unwatch connections before. Before qb_loop_destroy().
 *
 * @param l     loop; idempotent, and no effect on a struct that is all zero
 * @note        Threads: the one that runs the loop, or after it ran.
 */
static inline void qbipc_poll_qb_fini(struct qbipc_poll_qb *l)
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
static inline struct qbipc_client_watch *qbipc_qb_watch_client(
	struct qbipc_poll_qb *l, enum qb_loop_priority p, qb_ipcc_connection_t *c,
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
static inline struct qbipc_calls_watch *qbipc_qb_watch_calls(struct qbipc_poll_qb *l,
							     enum qb_loop_priority p,
							     qb_ipcc_connection_t *c)
{
	return qbipc_calls_watch_new(l->poll, p, c);
}

#ifdef __cplusplus
}
#endif

#endif
