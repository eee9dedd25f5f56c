/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file loop.h
 * The poll loop that a service lives in, with a pointer of the application's: any number
 * of loops and services, without a static variable for each. For loops of well-known
 * libraries there are adapters, see poll.h.
 */
#ifndef QBIPC_LOOP_H_DEFINED
#define QBIPC_LOOP_H_DEFINED

#include <qb/qbipcs.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/**
 * What a service asks of its loop. Each function is given the loop's pointer first, and
 * otherwise is the one of the same purpose in struct qb_ipcs_poll_handlers, whose rules
 * hold: dispatch_add, dispatch_mod, dispatch_del, job_add. They return 0 or a negative
 * errno.
 */
struct qbipc_loop_ops {
	size_t size; /**< sizeof(struct qbipc_loop_ops), set by the caller */
	/** Call @p fn with @p data while @p fd has one of @p events, those of poll(2). */
	int (*add)(void *loop, enum qb_loop_priority p, int fd, int events, void *data,
		   qb_ipcs_dispatch_fn_t fn);
	/** The same with other events, priority, data or function. */
	int (*mod)(void *loop, enum qb_loop_priority p, int fd, int events, void *data,
		   qb_ipcs_dispatch_fn_t fn);
	/** Do not call it any more, even if it is ready; it may be closed right after. */
	int (*del)(void *loop, int fd);
	/** Call @p fn once, later; NULL: connection_closed is never called again. */
	int (*job)(void *loop, enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn);
	/**
	 * The service does not use the loop's pointer any more: it has got another loop, or
	 * its last reference was dropped. Called in the thread that did this. May be NULL.
	 */
	void (*release)(void *loop);
};

/**
 * Give the service its poll loop, in place of qb_ipcs_poll_handlers_set(); before
 * qb_ipcs_run().
 *
 * @param s     service
 * @param ops   the loop's functions; copied
 * @param loop  passed to them; whatever it points to outlives the service or is told by
 *              release
 * @return      0; -EINVAL the service, the operations, add, mod or del are NULL, or no
 *              version of the struct has that size; -E2BIG it asks for something that this
 *              library does not know; -EBUSY the service runs
 * @note        After an error the loop is as it was, and release is not called.
 * @note        Threads: before qb_ipcs_run(), any one thread.
 */
int qbipc_service_loop_set(qb_ipcs_service_t *s, const struct qbipc_loop_ops *ops, void *loop);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
