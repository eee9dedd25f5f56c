/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapter/jobs.h"

#include <errno.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/util.h"

struct qbi_queued_job {
	struct qbi_queued_job *next;
	void *data;
	qb_loop_job_dispatch_fn fn;
};

/* Jobs of one priority. */
struct qbi_job_queue {
	const struct qbipc_poll_ops *ops; /* NULL once ended */
	unsigned int refs;
	bool running;
	size_t count;
	struct qbi_queued_job *first;
	struct qbi_queued_job **last;			/* end of the list */
	alignas(max_align_t) struct qbipc_poll_jobs at; /* and the adapter's part */
};

static struct qbi_job_queue *queue_of(struct qbipc_poll_jobs *at)
{
	return qbi_container_of(at, struct qbi_job_queue, at);
}

void qbipc_poll_jobs_ref(struct qbipc_poll_jobs *at)
{
	queue_of(at)->refs++;
}

void qbipc_poll_jobs_unref(struct qbipc_poll_jobs *at)
{
	struct qbi_job_queue *j = queue_of(at);

	if (--j->refs == 0)
		free(j);
}

static struct qbi_queued_job *queue_pop(struct qbi_job_queue *j)
{
	struct qbi_queued_job *job = j->first;

	if (!job)
		return NULL;
	j->first = job->next;
	if (!j->first)
		j->last = &j->first;
	j->count--;
	return job;
}

void qbipc_poll_jobs_run(struct qbipc_poll_jobs *at)
{
	struct qbi_job_queue *j = queue_of(at);
	size_t left = j->count;
	struct qbi_queued_job *job;

	j->refs++;
	j->running = true;
	while (left-- > 0 && (job = queue_pop(j))) {
		struct qbi_queued_job now = *job;

		free(job);
		now.fn(now.data);
	}
	j->running = false;
	if (j->first) /* empty if a job ended the loop */
		(void)j->ops->jobs_arm(at, QBIPC_POLL_JOB_PAUSE);
	qbipc_poll_jobs_unref(at);
}

/* NULL without memory. */
static struct qbi_job_queue *queue_get(struct qbi_job_queues *q, void *loop,
				       enum qb_loop_priority p)
{
	struct qbi_job_queue *j = q->by_priority[p];

	if (j)
		return j;
	j = calloc(1, offsetof(struct qbi_job_queue, at) + q->ops->jobs_size);
	if (!j)
		return NULL;
	j->ops = q->ops;
	j->refs = 1;
	j->last = &j->first;
	j->at.loop = loop;
	j->at.priority = p;
	q->by_priority[p] = j;
	return j;
}

void qbi_job_queues_init(struct qbi_job_queues *q, const struct qbipc_poll_ops *ops)
{
	*q = (struct qbi_job_queues){ .ops = ops };
}

int qbi_job_queues_add(struct qbi_job_queues *q, void *loop, enum qb_loop_priority p,
		       void *data, qb_loop_job_dispatch_fn fn)
{
	struct qbi_job_queue *j = queue_get(q, loop, p);
	struct qbi_queued_job *job = malloc(sizeof(*job));

	/* Jobs added by a job wait for the pause after it. */
	if (!j || !job || (!j->running && q->ops->jobs_arm(&j->at, 0) < 0)) {
		free(job);
		return -ENOMEM;
	}
	*job = (struct qbi_queued_job){ .data = data, .fn = fn };
	*j->last = job;
	j->last = &job->next;
	j->count++;
	return 0;
}

void qbi_job_queues_deinit(struct qbi_job_queues *q)
{
	for (size_t i = 0; i < QBI_ARRAY_SIZE(q->by_priority); i++) {
		struct qbi_job_queue *j = QBI_TAKE(q->by_priority[i]);
		struct qbi_queued_job *job;

		if (!j)
			continue;
		while ((job = queue_pop(j)))
			free(job);
		q->ops->jobs_stop(&j->at);
		j->ops = NULL;
		j->at.loop = NULL;
		qbipc_poll_jobs_unref(&j->at);
	}
}
