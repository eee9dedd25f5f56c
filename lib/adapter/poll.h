/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The common part of the poll adapters, behind <qbipc/poll.h>: descriptors in a loop, and
 * making and ending a loop. quiet.h has hang-ups of descriptors that are neither read nor
 * written, jobs.h has functions that run once, client.c is the client's side.
 *
 * Life of a watch: the table of descriptors holds one reference, each call of its function
 * one, and the adapter may hold one until its library has released its part. So a callback
 * may remove any watch, also its own, and close the descriptor, whose number may be used
 * again at once. A loop is referenced by its owner and by each attached service, so a
 * service may exist longer than the loop.
 *
 * Threads: the one that runs the loop. The last reference of a loop may be dropped by the
 * thread that drops the last reference of a service.
 */
#ifndef QBI_ADAPTER_POLL_H
#define QBI_ADAPTER_POLL_H

#include <qbipc/poll.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "adapter/jobs.h"
#include "adapter/quiet.h"
#include "base/util.h"

/* Where a watch is. */
enum qbi_place {
	QBI_PLACE_OUT,	 /* nowhere: adding it again has failed */
	QBI_PLACE_LOOP,	 /* in the adapter's loop */
	QBI_PLACE_QUIET, /* in the epoll for hang-ups */
};

struct qbi_poll_watch {
	struct qbipc_poll *poll; /* NULL once removed */
	unsigned int refs;
	enum qbi_place place;
	void *data;
	qb_ipcs_dispatch_fn_t fn;
	void (*release)(void *data); /* called when this is freed; may be NULL */
	alignas(max_align_t) struct qbipc_poll_watch at; /* and the adapter's part */
};

struct qbipc_poll {
	_Atomic(unsigned int) refs;
	struct qbipc_poll_ops ops;
	void *loop;			 /* of the adapter; NULL: it has ended */
	struct qbi_poll_watch **watches; /* by descriptor */
	int n_watches;			 /* room in it */
	struct qbi_job_queues jobs;
	struct qbi_quiet quiet;
};

static inline struct qbi_poll_watch *qbi_poll_watch_of(struct qbipc_poll_watch *w)
{
	return qbi_container_of(w, struct qbi_poll_watch, at);
}

/* As qbipc_poll_add(); @release is set on success. */
int qbi_poll_watch_new(struct qbipc_poll *poll, const struct qbipc_poll_watch *what, void *data,
		       qb_ipcs_dispatch_fn_t fn, void (*release)(void *data),
		       struct qbi_poll_watch **ret_w);
void qbi_poll_watch_remove(struct qbi_poll_watch *w);

#endif
