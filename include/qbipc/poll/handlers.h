/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file poll/handlers.h
 * The poll handlers of a loop, for the poll adapters, and its beginning and end.
 *
 * The functions that a service calls carry no pointer of the application's. So each loop
 * takes one of QBIPC_POLL_LOOPS sets of functions that find it in a static variable, of
 * which each translation unit has its own.
 */
#ifndef QBIPC_POLL_HANDLERS_H_DEFINED
#define QBIPC_POLL_HANDLERS_H_DEFINED

#include <unistd.h>

#include <qbipc/poll/jobs.h>
#include <qbipc/poll/watch.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Loops of one translation unit that can have poll handlers at the same time. */
#define QBIPC_POLL_LOOPS 8

/* -- Poll handlers, for a loop that may have ended ------------------------------ */

static inline int32_t qbipc_poll_job_add(struct qbipc_poll *poll, enum qb_loop_priority p,
					 void *data, qb_loop_job_dispatch_fn fn)
{
	struct qbipc_poll_jobs *j;
	struct qbipc_poll_job *job;

	if (!poll || !poll->ops || !fn || p < QB_LOOP_LOW || p > QB_LOOP_HIGH)
		return -EINVAL;
	j = qbipc_poll_jobs_of(poll, p);
	job = (struct qbipc_poll_job *)malloc(sizeof(*job));
	/* A job's own additions wait for the pause that follows it. */
	if (!j || !job || (!j->running && poll->ops->jobs_arm(j, 0) < 0)) {
		free(job);
		return -ENOMEM;
	}
	job->next = NULL;
	job->data = data;
	job->fn = fn;
	*j->last = job;
	j->last = &job->next;
	j->count++;
	return 0;
}

static inline int32_t qbipc_poll_add(struct qbipc_poll *poll, enum qb_loop_priority p,
				     int32_t fd, int32_t events, void *data,
				     qb_ipcs_dispatch_fn_t fn)
{
	struct qbipc_poll_watch *w;

	return qbipc_poll_watch_new(poll, p, fd, events, data, fn, &w);
}

static inline int32_t qbipc_poll_mod(struct qbipc_poll *poll, enum qb_loop_priority p,
				     int32_t fd, int32_t events, void *data,
				     qb_ipcs_dispatch_fn_t fn)
{
	struct qbipc_poll_watch *w = qbipc_poll_find(poll, fd);
	int32_t r;

	if (!w)
		return -EBADF;
	if (!fn || p < QB_LOOP_LOW || p > QB_LOOP_HIGH)
		return -EINVAL;
	r = qbipc_poll_watch_change(w, p, events);
	if (r < 0)
		return r;
	w->data = data;
	w->fn = fn;
	return 0;
}

static inline int32_t qbipc_poll_del(struct qbipc_poll *poll, int32_t fd)
{
	struct qbipc_poll_watch *w = qbipc_poll_find(poll, fd);

	if (!w)
		return -EBADF;
	qbipc_poll_remove(w);
	return 0;
}

/* The loop of each set of handlers; several threads may take and give back theirs. */
static struct qbipc_poll *qbipc_poll_loops[QBIPC_POLL_LOOPS];

static inline struct qbipc_poll *qbipc_poll_loop(int i)
{
	return __atomic_load_n(&qbipc_poll_loops[i], __ATOMIC_ACQUIRE);
}

#define QBIPC_POLL_SET(n)                                                           \
	static inline int32_t qbipc_poll_job_add_##n(enum qb_loop_priority p,       \
						     void *data,                    \
						     qb_loop_job_dispatch_fn fn)    \
	{                                                                           \
		return qbipc_poll_job_add(qbipc_poll_loop(n), p, data, fn);         \
	}                                                                           \
	static inline int32_t qbipc_poll_add_##n(enum qb_loop_priority p,           \
						 int32_t fd, int32_t events,        \
						 void *data,                        \
						 qb_ipcs_dispatch_fn_t fn)          \
	{                                                                           \
		return qbipc_poll_add(qbipc_poll_loop(n), p, fd, events, data, fn); \
	}                                                                           \
	static inline int32_t qbipc_poll_mod_##n(enum qb_loop_priority p,           \
						 int32_t fd, int32_t events,        \
						 void *data,                        \
						 qb_ipcs_dispatch_fn_t fn)          \
	{                                                                           \
		return qbipc_poll_mod(qbipc_poll_loop(n), p, fd, events, data, fn); \
	}                                                                           \
	static inline int32_t qbipc_poll_del_##n(int32_t fd)                        \
	{                                                                           \
		return qbipc_poll_del(qbipc_poll_loop(n), fd);                      \
	}

QBIPC_POLL_SET(0)
QBIPC_POLL_SET(1)
QBIPC_POLL_SET(2)
QBIPC_POLL_SET(3)
QBIPC_POLL_SET(4)
QBIPC_POLL_SET(5)
QBIPC_POLL_SET(6)
QBIPC_POLL_SET(7)
#undef QBIPC_POLL_SET

#define QBIPC_POLL_ENTRY(n)                                                         \
	{                                                                           \
		qbipc_poll_job_add_##n, qbipc_poll_add_##n, qbipc_poll_mod_##n,     \
			qbipc_poll_del_##n                                          \
	}

/* The set of @poll, the same each time; NULL and errno ENOSPC when all are taken. */
static inline struct qb_ipcs_poll_handlers *qbipc_poll_handlers(struct qbipc_poll *poll)
{
	static const struct qb_ipcs_poll_handlers sets[QBIPC_POLL_LOOPS] = {
		QBIPC_POLL_ENTRY(0), QBIPC_POLL_ENTRY(1), QBIPC_POLL_ENTRY(2),
		QBIPC_POLL_ENTRY(3), QBIPC_POLL_ENTRY(4), QBIPC_POLL_ENTRY(5),
		QBIPC_POLL_ENTRY(6), QBIPC_POLL_ENTRY(7),
	};
	int i;

	if (poll->handlers.dispatch_add)
		return &poll->handlers;
	for (i = 0; i < QBIPC_POLL_LOOPS; i++) {
		struct qbipc_poll *none = NULL;

		if (__atomic_compare_exchange_n(&qbipc_poll_loops[i], &none, poll, false,
						__ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
			poll->handlers = sets[i];
			return &poll->handlers;
		}
	}
	errno = ENOSPC;
	return NULL;
}
#undef QBIPC_POLL_ENTRY

static inline void qbipc_poll_handlers_drop(struct qbipc_poll *poll)
{
	int i;

	for (i = 0; i < QBIPC_POLL_LOOPS; i++) {
		struct qbipc_poll *own = poll;

		(void)__atomic_compare_exchange_n(&qbipc_poll_loops[i], &own,
						  (struct qbipc_poll *)NULL, false,
						  __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
	}
}

/* -- Beginning and end --------------------------------------------------------- */

static inline int32_t qbipc_poll_init(struct qbipc_poll *poll,
				      const struct qbipc_poll_ops *ops)
{
	memset(poll, 0, sizeof(*poll));
	poll->quiet_fd = -1;
	if (ops->in_out_only) {
		poll->quiet_fd = epoll_create1(EPOLL_CLOEXEC);
		if (poll->quiet_fd < 0)
			return -errno;
	}
	poll->ops = ops;
	return 0;
}

/* Drop what is left without calling it. Good twice and on zeroes; also in a callback. */
static inline void qbipc_poll_fini(struct qbipc_poll *poll)
{
	int32_t i;

	if (!poll->ops)
		return;
	qbipc_poll_handlers_drop(poll);
	for (i = 0; i < poll->n_watches; i++)
		if (poll->watches[i] && i != poll->quiet_fd)
			qbipc_poll_remove(poll->watches[i]);
	free(poll->watches);
	for (i = QB_LOOP_LOW; i <= QB_LOOP_HIGH; i++)
		if (poll->jobs[i])
			qbipc_poll_jobs_end(poll->jobs[i]);
	if (poll->quiet_fd >= 0)
		close(poll->quiet_fd);
	memset(poll, 0, sizeof(*poll));
}

#ifdef __cplusplus
}
#endif

#endif
