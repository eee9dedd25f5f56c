/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Functions that run once: a queue per priority, and a timer of the loop for each.
 *
 * Owner: the loop of poll.h. Threads: the one that runs it.
 */
#ifndef QBI_ADAPTER_JOBS_H
#define QBI_ADAPTER_JOBS_H

#include <qbipc/poll.h>

struct qbi_job_queue;

struct qbi_job_queues {
	const struct qbipc_poll_ops *ops; /* of the adapter */
	struct qbi_job_queue *by_priority[QB_LOOP_HIGH + 1];
};

/* @ops: lives as long as the queues. */
void qbi_job_queues_init(struct qbi_job_queues *q, const struct qbipc_poll_ops *ops);

/*
 * @param p     a known priority
 * @param loop  for the adapter
 * @return      0 or -ENOMEM
 */
int qbi_job_queues_add(struct qbi_job_queues *q, void *loop, enum qb_loop_priority p,
		       void *data, qb_loop_job_dispatch_fn fn);

/* Drop all jobs without calling them. */
void qbi_job_queues_deinit(struct qbi_job_queues *q);

#endif
