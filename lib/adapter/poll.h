/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the poll adapters have in common, behind <qbipc/poll.h>: descriptors in a loop, and
 * the loop's beginning and end. Hang-ups of descriptors that are neither read nor written
 * are in quiet.h, functions that run once in jobs.h, the client's side is client.c.
 *
 * Life of a watch: the table of descriptors holds one reference, each call of its function
 * one, and the adapter may hold another until its library has let go of its part. A
 * callback may therefore remove any watch, its own included, close the descriptor and have
 * the number used anew at once. A loop has one holder and one more for each service that
 * was attached: a service outlives it unharmed.
 *
 * Threads: the one that runs the loop. The last reference of a loop goes with whoever
 * drops the last of a service.
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
	QBI_PLACE_OUT,	 /* nowhere: it was not let in again */
	QBI_PLACE_LOOP,	 /* in the adapter's loop */
	QBI_PLACE_QUIET, /* in the descriptor of hang-ups */
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
	void *loop;			 /* the adapter's; NULL: it has ended */
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
