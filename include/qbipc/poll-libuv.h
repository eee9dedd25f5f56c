/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file poll-libuv.h
 * Services and clients in a uv_loop_t of libuv.
 *
 *     struct qbipc_poll_libuv loop;
 *
 *     qbipc_poll_libuv_init(&loop, uv_default_loop());
 *     qbipc_poll_libuv_attach(&loop, service);
 *     qb_ipcs_run(service);
 *     uv_run(uv_default_loop(), UV_RUN_DEFAULT);
 *     qb_ipcs_destroy(service);
 *     qbipc_poll_libuv_fini(&loop);
 *     uv_run(uv_default_loop(), UV_RUN_DEFAULT);
 *     uv_loop_close(uv_default_loop());
 *
 * Priorities: libuv has none, everything that is ready is called in the order that the
 * kernel reports it. How many requests a service takes per turn still follows its rate.
 *
 * libuv gives memory of a descriptor back in a later turn of the loop, so the loop runs
 * once more after qbipc_poll_libuv_fini(): uv_loop_close() says UV_EBUSY otherwise.
 * Descriptors themselves are left at once and may be closed.
 *
 * Needs libuv 1.14. With -std=c99 define _POSIX_C_SOURCE, as libuv's header needs it.
 */
#ifndef QBIPC_POLL_LIBUV_H_DEFINED
#define QBIPC_POLL_LIBUV_H_DEFINED

#include <uv.h>

#include <qbipc/poll.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A uv_loop_t that services and clients' connections are in. */
struct qbipc_poll_libuv {
	struct qbipc_poll *poll;
	uv_loop_t *loop;
};

/* Handles are libuv's until it has closed them: they hold a reference. */
struct qbipc_libuv_watch {
	struct qbipc_poll_watch base;
	uv_poll_t handle; /* its data is the watch */
};

struct qbipc_libuv_jobs {
	struct qbipc_poll_jobs base;
	uv_timer_t timer; /* its data is this, once there is one */
};

static inline uv_loop_t *qbipc_libuv_loop(void *loop)
{
	return ((struct qbipc_poll_libuv *)loop)->loop;
}

static inline void qbipc_libuv_watch_closed(uv_handle_t *handle)
{
	qbipc_poll_watch_unref((struct qbipc_poll_watch *)handle->data);
}

static inline void qbipc_libuv_watch_ready(uv_poll_t *handle, int status, int what);

/* Hang-ups of what is read or written are reported as that. */
static inline int qbipc_libuv_watch_update(struct qbipc_poll_watch *base)
{
	struct qbipc_libuv_watch *w = (struct qbipc_libuv_watch *)base;
	int what = (base->events & POLLIN ? UV_READABLE : 0) |
		   (base->events & POLLOUT ? UV_WRITABLE : 0) |
		   (base->events & POLLPRI ? UV_PRIORITIZED : 0);

	if (!(base->events & (POLLIN | POLLOUT)))
		what |= UV_DISCONNECT;
	return uv_poll_start(&w->handle, what, qbipc_libuv_watch_ready);
}

static inline void qbipc_libuv_watch_ready(uv_poll_t *handle, int status, int what)
{
	struct qbipc_poll_watch *w = (struct qbipc_poll_watch *)handle->data;
	int revents = (what & UV_READABLE ? POLLIN : 0) | (what & UV_WRITABLE ? POLLOUT : 0) |
		      (what & UV_PRIORITIZED ? POLLPRI : 0) |
		      (what & UV_DISCONNECT ? POLLHUP : 0);

	qbipc_poll_watch_ref(w);
	qbipc_poll_ready(w, status < 0 ? POLLERR : revents);
	/* libuv watches no longer what had an error; the function may have cleared it. */
	if (w->loop && !uv_is_active((uv_handle_t *)handle))
		(void)qbipc_libuv_watch_update(w);
	qbipc_poll_watch_unref(w);
}

static inline void qbipc_libuv_watch_stop(struct qbipc_poll_watch *base)
{
	struct qbipc_libuv_watch *w = (struct qbipc_libuv_watch *)base;

	uv_close((uv_handle_t *)&w->handle, qbipc_libuv_watch_closed);
}

static inline int qbipc_libuv_watch_start(struct qbipc_poll_watch *base)
{
	struct qbipc_libuv_watch *w = (struct qbipc_libuv_watch *)base;
	int r = uv_poll_init(qbipc_libuv_loop(base->loop), &w->handle, base->fd);

	if (r < 0)
		return r;
	w->handle.data = w;
	qbipc_poll_watch_ref(base);
	r = qbipc_libuv_watch_update(base);
	if (r < 0)
		qbipc_libuv_watch_stop(base);
	return r;
}

static inline void qbipc_libuv_jobs_ready(uv_timer_t *timer)
{
	qbipc_poll_jobs_run((struct qbipc_poll_jobs *)timer->data);
}

static inline void qbipc_libuv_jobs_closed(uv_handle_t *handle)
{
	qbipc_poll_jobs_unref((struct qbipc_poll_jobs *)handle->data);
}

static inline int qbipc_libuv_jobs_arm(struct qbipc_poll_jobs *base, unsigned int ms)
{
	struct qbipc_libuv_jobs *j = (struct qbipc_libuv_jobs *)base;

	if (!j->timer.data) {
		int r = uv_timer_init(qbipc_libuv_loop(base->loop), &j->timer);

		if (r < 0)
			return r;
		j->timer.data = j;
		qbipc_poll_jobs_ref(base);
	}
	return uv_timer_start(&j->timer, qbipc_libuv_jobs_ready, ms, 0);
}

static inline void qbipc_libuv_jobs_stop(struct qbipc_poll_jobs *base)
{
	struct qbipc_libuv_jobs *j = (struct qbipc_libuv_jobs *)base;

	if (j->timer.data)
		uv_close((uv_handle_t *)&j->timer, qbipc_libuv_jobs_closed);
}

/**
 * Make a loop usable for services and clients' connections. It stays the application's,
 * who runs it.
 *
 * @param l     to be filled; stays where it is until qbipc_poll_libuv_fini()
 * @param loop  the loop; stays the caller's and must outlive @p l
 * @return      0; -ENOMEM
 * @note        Threads: the one that runs the loop, or before it runs.
 */
static inline int qbipc_poll_libuv_init(struct qbipc_poll_libuv *l, uv_loop_t *loop)
{
	static const struct qbipc_poll_ops ops = {
		sizeof(ops),
		0,
		sizeof(struct qbipc_libuv_watch),
		sizeof(struct qbipc_libuv_jobs),
		qbipc_libuv_watch_start,
		qbipc_libuv_watch_update,
		qbipc_libuv_watch_stop,
		qbipc_libuv_jobs_arm,
		qbipc_libuv_jobs_stop,
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
static inline int qbipc_poll_libuv_attach(struct qbipc_poll_libuv *l, qb_ipcs_service_t *s)
{
	return qbipc_poll_attach(l->poll, s);
}

/**
 * Take everything out of the loop. What is still there is dropped without being called:
 * destroy services and unwatch connections before. Then run the
 * loop once more, which gives back its memory; @p l is not needed for that.
 *
 * @param l     loop; idempotent, and no effect on a struct that is all zero
 * @note        Threads: the one that runs the loop, or after it ran.
 */
static inline void qbipc_poll_libuv_fini(struct qbipc_poll_libuv *l)
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
static inline struct qbipc_client_watch *qbipc_libuv_watch_client(
	struct qbipc_poll_libuv *l, enum qb_loop_priority p, qb_ipcc_connection_t *c,
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
static inline struct qbipc_calls_watch *qbipc_libuv_watch_calls(struct qbipc_poll_libuv *l,
								enum qb_loop_priority p,
								qb_ipcc_connection_t *c)
{
	return qbipc_calls_watch_new(l->poll, p, c);
}

#ifdef __cplusplus
}
#endif

#endif
