/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file poll-sd-event.h
 * Services and clients in an sd_event of systemd.
 *
 *     struct qbipc_poll_sd_event loop;
 *
 *     qbipc_poll_sd_event_init(&loop, event);
 *     qbipc_poll_sd_event_attach(&loop, service);
 *     qb_ipcs_run(service);
 *     sd_event_loop(event);
 *     qb_ipcs_destroy(service);
 *     qbipc_poll_sd_event_fini(&loop);
 *
 * Priorities: QB_LOOP_HIGH is SD_EVENT_PRIORITY_IMPORTANT, QB_LOOP_MED is
 * SD_EVENT_PRIORITY_NORMAL, QB_LOOP_LOW is SD_EVENT_PRIORITY_IDLE. sd-event calls one
 * thing per turn, and nothing of a lower priority while something higher is ready.
 *
 * Needs libsystemd 229. With -std=c99 define _POSIX_C_SOURCE to have CLOCK_MONOTONIC.
 */
#ifndef QBIPC_POLL_SD_EVENT_H_DEFINED
#define QBIPC_POLL_SD_EVENT_H_DEFINED

#include <time.h>

#include <systemd/sd-event.h>

#include <qbipc/poll.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An sd_event that services and clients' connections are in. */
struct qbipc_poll_sd_event {
	struct qbipc_poll *poll;
	sd_event *event;
};

struct qbipc_sd_event_watch {
	struct qbipc_poll_watch base;
	sd_event_source *source;
};

struct qbipc_sd_event_jobs {
	struct qbipc_poll_jobs base;
	sd_event_source *source;
};

static inline sd_event *qbipc_sd_event_of(void *loop)
{
	return ((struct qbipc_poll_sd_event *)loop)->event;
}

static inline int64_t qbipc_sd_event_priority(enum qb_loop_priority p)
{
	return p == QB_LOOP_HIGH ? SD_EVENT_PRIORITY_IMPORTANT :
	       p == QB_LOOP_MED	 ? SD_EVENT_PRIORITY_NORMAL :
				   SD_EVENT_PRIORITY_IDLE;
}

/* The values of epoll(7) are those of poll(2); POLLNVAL is none of them. */
static inline uint32_t qbipc_sd_event_what(int events)
{
	return (uint32_t)(events & (POLLIN | POLLPRI | POLLOUT | POLLERR | POLLHUP));
}

static inline int qbipc_sd_event_watch_ready(sd_event_source *source, int fd, uint32_t revents,
					     void *data)
{
	(void)source;
	(void)fd;
	qbipc_poll_ready((struct qbipc_poll_watch *)data, (int)revents);
	return 0; /* stays, unless dropped meanwhile */
}

/* Off before it is dropped: somebody else may hold a reference. */
static inline void qbipc_sd_event_source_end(sd_event_source *source)
{
	(void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
	sd_event_source_unref(source);
}

static inline int qbipc_sd_event_watch_start(struct qbipc_poll_watch *base)
{
	struct qbipc_sd_event_watch *w = (struct qbipc_sd_event_watch *)base;
	int r = sd_event_add_io(qbipc_sd_event_of(base->loop), &w->source, base->fd,
				qbipc_sd_event_what(base->events), qbipc_sd_event_watch_ready,
				w);

	if (r < 0)
		return r;
	r = sd_event_source_set_priority(w->source, qbipc_sd_event_priority(base->priority));
	if (r < 0)
		qbipc_sd_event_source_end(w->source);
	return r < 0 ? r : 0;
}

static inline int qbipc_sd_event_watch_update(struct qbipc_poll_watch *base)
{
	struct qbipc_sd_event_watch *w = (struct qbipc_sd_event_watch *)base;
	int r = sd_event_source_set_io_events(w->source, qbipc_sd_event_what(base->events));

	if (r >= 0)
		r = sd_event_source_set_priority(w->source,
						 qbipc_sd_event_priority(base->priority));
	return r < 0 ? r : 0;
}

static inline void qbipc_sd_event_watch_stop(struct qbipc_poll_watch *base)
{
	qbipc_sd_event_source_end(((struct qbipc_sd_event_watch *)base)->source);
}

static inline int qbipc_sd_event_jobs_ready(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source;
	(void)usec;
	qbipc_poll_jobs_run((struct qbipc_poll_jobs *)data);
	return 0;
}

static inline int qbipc_sd_event_jobs_arm(struct qbipc_poll_jobs *base, unsigned int ms)
{
	struct qbipc_sd_event_jobs *j = (struct qbipc_sd_event_jobs *)base;
	sd_event *event = qbipc_sd_event_of(base->loop);
	uint64_t when;
	int r = sd_event_now(event, CLOCK_MONOTONIC, &when);

	if (r < 0)
		return r;
	when += (uint64_t)ms * 1000;
	if (!j->source) {
		r = sd_event_add_time(event, &j->source, CLOCK_MONOTONIC, when, 1000,
				      qbipc_sd_event_jobs_ready, j);
		if (r < 0)
			return r;
		r = sd_event_source_set_priority(j->source,
						 qbipc_sd_event_priority(base->priority));
		return r < 0 ? r : 0;
	}
	r = sd_event_source_set_time(j->source, when);
	if (r >= 0)
		r = sd_event_source_set_enabled(j->source, SD_EVENT_ONESHOT);
	return r < 0 ? r : 0;
}

static inline void qbipc_sd_event_jobs_stop(struct qbipc_poll_jobs *base)
{
	struct qbipc_sd_event_jobs *j = (struct qbipc_sd_event_jobs *)base;

	if (j->source)
		qbipc_sd_event_source_end(j->source);
}

/**
 * Make a loop usable for services and clients' connections. It stays the application's,
 * who runs it.
 *
 * @param l     to be filled; stays where it is until qbipc_poll_sd_event_fini()
 * @param event the loop, whose thread it is. A reference is kept
 * @return      0; -ENOMEM
 * @note        Threads: the one that runs the loop, or before it runs.
 */
static inline int qbipc_poll_sd_event_init(struct qbipc_poll_sd_event *l, sd_event *event)
{
	static const struct qbipc_poll_ops ops = {
		sizeof(ops),
		0,
		sizeof(struct qbipc_sd_event_watch),
		sizeof(struct qbipc_sd_event_jobs),
		qbipc_sd_event_watch_start,
		qbipc_sd_event_watch_update,
		qbipc_sd_event_watch_stop,
		qbipc_sd_event_jobs_arm,
		qbipc_sd_event_jobs_stop,
	};

	l->event = sd_event_ref(event);
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
static inline int qbipc_poll_sd_event_attach(struct qbipc_poll_sd_event *l,
					     qb_ipcs_service_t *s)
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
static inline void qbipc_poll_sd_event_fini(struct qbipc_poll_sd_event *l)
{
	qbipc_poll_free(l->poll);
	l->poll = NULL;
	l->event = sd_event_unref(l->event);
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
static inline struct qbipc_client_watch *qbipc_sd_event_watch_client(
	struct qbipc_poll_sd_event *l, enum qb_loop_priority p, qb_ipcc_connection_t *c,
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
static inline struct qbipc_calls_watch *qbipc_sd_event_watch_calls(
	struct qbipc_poll_sd_event *l, enum qb_loop_priority p, qb_ipcc_connection_t *c)
{
	return qbipc_calls_watch_new(l->poll, p, c);
}

#ifdef __cplusplus
}
#endif

#endif
