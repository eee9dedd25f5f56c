/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file poll-glib.h
 * Services and clients in a GMainContext: programs on GLib, GTK and what builds on them.
 *
 *     struct qbipc_poll_glib loop;
 *
 *     qbipc_poll_glib_init(&loop, NULL);
 *     qbipc_poll_glib_attach(&loop, service);
 *     qb_ipcs_run(service);
 *     g_main_loop_run(main_loop);
 *     qb_ipcs_destroy(service);
 *     qbipc_poll_glib_fini(&loop);
 *
 * Priorities: QB_LOOP_HIGH is G_PRIORITY_HIGH, QB_LOOP_MED is G_PRIORITY_DEFAULT,
 * QB_LOOP_LOW is G_PRIORITY_LOW. GLib calls nothing of a lower priority while something
 * higher is ready.
 *
 * Needs GLib 2.36.
 */
#ifndef QBIPC_POLL_GLIB_H_DEFINED
#define QBIPC_POLL_GLIB_H_DEFINED

#include <glib.h>

#include <qbipc/poll.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A GMainContext that services and clients' connections are in. */
struct qbipc_poll_glib {
	struct qbipc_poll *poll;
	GMainContext *context;
};

struct qbipc_glib_watch {
	struct qbipc_poll_watch base;
	GSource *source;
	gpointer tag;
};

struct qbipc_glib_jobs {
	struct qbipc_poll_jobs base;
	GSource *source;
};

/* Of a watch or of jobs: GLib allocates it, @of is ours. */
struct qbipc_glib_source {
	GSource base;
	void *of;
};

static inline gint qbipc_glib_priority(enum qb_loop_priority p)
{
	return p == QB_LOOP_HIGH ? G_PRIORITY_HIGH :
	       p == QB_LOOP_MED	 ? G_PRIORITY_DEFAULT :
				   G_PRIORITY_LOW;
}

/* The values of GIOCondition are those of poll(2). */
static inline GIOCondition qbipc_glib_condition(int events)
{
	return (GIOCondition)(events &
			      (POLLIN | POLLPRI | POLLOUT | POLLERR | POLLHUP | POLLNVAL));
}

static inline GSource *qbipc_glib_source_new(void *loop, GSourceFuncs *funcs,
					     enum qb_loop_priority p, void *of)
{
	GSource *s = g_source_new(funcs, sizeof(struct qbipc_glib_source));

	((struct qbipc_glib_source *)s)->of = of;
	g_source_set_name(s, "qbipc");
	g_source_set_priority(s, qbipc_glib_priority(p));
	g_source_attach(s, ((struct qbipc_poll_glib *)loop)->context);
	return s;
}

static inline void qbipc_glib_source_end(GSource *s)
{
	g_source_destroy(s);
	g_source_unref(s);
}

static inline gboolean qbipc_glib_watch_ready(GSource *s, GSourceFunc fn, gpointer data)
{
	struct qbipc_glib_watch *w =
		(struct qbipc_glib_watch *)((struct qbipc_glib_source *)s)->of;

	(void)fn;
	(void)data;
	qbipc_poll_ready(&w->base, (int)g_source_query_unix_fd(s, w->tag));
	return G_SOURCE_CONTINUE; /* unless destroyed meanwhile */
}

static inline int qbipc_glib_watch_start(struct qbipc_poll_watch *base)
{
	static GSourceFuncs funcs = {
		NULL, NULL, qbipc_glib_watch_ready, NULL, NULL, NULL,
	};
	struct qbipc_glib_watch *w = (struct qbipc_glib_watch *)base;

	w->source = qbipc_glib_source_new(base->loop, &funcs, base->priority, w);
	w->tag = g_source_add_unix_fd(w->source, base->fd, qbipc_glib_condition(base->events));
	return 0;
}

static inline int qbipc_glib_watch_update(struct qbipc_poll_watch *base)
{
	struct qbipc_glib_watch *w = (struct qbipc_glib_watch *)base;

	g_source_modify_unix_fd(w->source, w->tag, qbipc_glib_condition(base->events));
	g_source_set_priority(w->source, qbipc_glib_priority(base->priority));
	return 0;
}

static inline void qbipc_glib_watch_stop(struct qbipc_poll_watch *base)
{
	qbipc_glib_source_end(((struct qbipc_glib_watch *)base)->source);
}

static inline gboolean qbipc_glib_jobs_ready(GSource *s, GSourceFunc fn, gpointer data)
{
	(void)fn;
	(void)data;
	g_source_set_ready_time(s, -1);
	qbipc_poll_jobs_run((struct qbipc_poll_jobs *)((struct qbipc_glib_source *)s)->of);
	return G_SOURCE_CONTINUE;
}

static inline int qbipc_glib_jobs_arm(struct qbipc_poll_jobs *base, unsigned int ms)
{
	static GSourceFuncs funcs = {
		NULL, NULL, qbipc_glib_jobs_ready, NULL, NULL, NULL,
	};
	struct qbipc_glib_jobs *j = (struct qbipc_glib_jobs *)base;

	if (!j->source)
		j->source = qbipc_glib_source_new(base->loop, &funcs, base->priority, j);
	g_source_set_ready_time(j->source, g_get_monotonic_time() + (gint64)ms * 1000);
	return 0;
}

static inline void qbipc_glib_jobs_stop(struct qbipc_poll_jobs *base)
{
	struct qbipc_glib_jobs *j = (struct qbipc_glib_jobs *)base;

	if (j->source)
		qbipc_glib_source_end(j->source);
}

/**
 * Make a loop usable for services and clients' connections. It stays the application's,
 * who runs it.
 *
 * @param l     to be filled; stays where it is until qbipc_poll_glib_fini()
 * @param context the context; NULL is the default one. A reference is kept
 * @return      0; -ENOMEM
 * @note        Threads: the one that runs the loop, or before it runs.
 */
static inline int qbipc_poll_glib_init(struct qbipc_poll_glib *l, GMainContext *context)
{
	static const struct qbipc_poll_ops ops = {
		sizeof(ops),
		0,
		sizeof(struct qbipc_glib_watch),
		sizeof(struct qbipc_glib_jobs),
		qbipc_glib_watch_start,
		qbipc_glib_watch_update,
		qbipc_glib_watch_stop,
		qbipc_glib_jobs_arm,
		qbipc_glib_jobs_stop,
	};

	l->context = g_main_context_ref(context ? context : g_main_context_default());
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
static inline int qbipc_poll_glib_attach(struct qbipc_poll_glib *l, qb_ipcs_service_t *s)
{
	return qbipc_poll_attach(l->poll, s);
}

/**
 * Take everything out of the loop. What is still there is dropped without being called:
 * destroy services and unwatch connections before.
 *
 * @param l     loop; idempotent, and no effect on a struct that is all zero
 * @note        Threads: the one that runs the loop, or after it ran.
 */
static inline void qbipc_poll_glib_fini(struct qbipc_poll_glib *l)
{
	qbipc_poll_free(l->poll);
	l->poll = NULL;
	if (l->context)
		g_main_context_unref(l->context);
	l->context = NULL;
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
static inline struct qbipc_client_watch *qbipc_glib_watch_client(
	struct qbipc_poll_glib *l, enum qb_loop_priority p, qb_ipcc_connection_t *c,
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
static inline struct qbipc_calls_watch *qbipc_glib_watch_calls(struct qbipc_poll_glib *l,
							       enum qb_loop_priority p,
							       qb_ipcc_connection_t *c)
{
	return qbipc_calls_watch_new(l->poll, p, c);
}

#ifdef __cplusplus
}
#endif

#endif
