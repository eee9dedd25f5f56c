/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The application's poll loop as a service sees it: functions, and the pointer that is
 * passed to them. libqb's poll handlers take no pointer; wrappers here call them.
 *
 * Threads: set before the service runs; called by the dispatching thread.
 */
#ifndef QBI_SERVER_APP_LOOP_H
#define QBI_SERVER_APP_LOOP_H

#include <qbipc/loop.h>
#include <stdbool.h>

struct qbi_app_loop {
	struct qbipc_loop_ops ops; /* all NULL until set */
	void *loop;
	struct qb_ipcs_poll_handlers handlers; /* what @loop points to, if they are used */
};

/* As qbipc_service_loop_set(), for a service that does not run. */
int qbi_app_loop_set(struct qbi_app_loop *l, const struct qbipc_loop_ops *ops, void *loop);
/* @l must not move afterwards. Missing handlers are reported by the run. */
void qbi_app_loop_handlers_set(struct qbi_app_loop *l,
			       const struct qb_ipcs_poll_handlers *handlers);
/* Tell the application that its pointer is not used any more. Idempotent. */
void qbi_app_loop_deinit(struct qbi_app_loop *l);

/* What is missing before a service can run, in words. NULL: nothing. */
const char *qbi_app_loop_lacks(const struct qbi_app_loop *l);

static inline int qbi_app_loop_add(const struct qbi_app_loop *l, enum qb_loop_priority p,
				   int fd, int events, void *data, qb_ipcs_dispatch_fn_t fn)
{
	return l->ops.add(l->loop, p, fd, events, data, fn);
}

static inline int qbi_app_loop_mod(const struct qbi_app_loop *l, enum qb_loop_priority p,
				   int fd, int events, void *data, qb_ipcs_dispatch_fn_t fn)
{
	return l->ops.mod(l->loop, p, fd, events, data, fn);
}

static inline void qbi_app_loop_del(const struct qbi_app_loop *l, int fd)
{
	(void)l->ops.del(l->loop, fd);
}

/* False: @fn will not be called. */
static inline bool qbi_app_loop_job(const struct qbi_app_loop *l, enum qb_loop_priority p,
				    void *data, qb_loop_job_dispatch_fn fn)
{
	return l->ops.job && l->ops.job(l->loop, p, data, fn) == 0;
}

#endif
