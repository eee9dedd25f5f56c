/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file poll/jobs.h
 * Functions that run once, for the poll adapters: a queue per priority, and a timer of
 * the library for each.
 */
#ifndef QBIPC_POLL_JOBS_H_DEFINED
#define QBIPC_POLL_JOBS_H_DEFINED

#include <qbipc/poll/watch.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Milliseconds until a job that was added by a job runs: one that asks again waits. */
#define QBIPC_POLL_JOB_PAUSE 50

/* Out of line for the same reason as qbipc_poll_watch_unref(). */
static __attribute__((noinline, unused)) void
qbipc_poll_jobs_unref(struct qbipc_poll_jobs *j)
{
	if (--j->refs == 0)
		free(j);
}

static inline struct qbipc_poll_job *qbipc_poll_jobs_pop(struct qbipc_poll_jobs *j)
{
	struct qbipc_poll_job *job = j->first;

	if (!job)
		return NULL;
	j->first = job->next;
	if (!j->first)
		j->last = &j->first;
	j->count--;
	return job;
}

/* The library's timer has expired: run the jobs that are there now, in order. */
static inline void qbipc_poll_jobs_run(struct qbipc_poll_jobs *j)
{
	size_t left = j->count;
	struct qbipc_poll_job *job;

	j->refs++;
	j->running = true;
	while (left-- > 0 && (job = qbipc_poll_jobs_pop(j))) {
		qb_loop_job_dispatch_fn fn = job->fn;
		void *data = job->data;

		free(job);
		fn(data);
	}
	j->running = false;
	if (j->first)		/* none, if a job ended the loop */
		(void)j->poll->ops->jobs_arm(j, QBIPC_POLL_JOB_PAUSE);
	qbipc_poll_jobs_unref(j);
}

static inline struct qbipc_poll_jobs *qbipc_poll_jobs_of(struct qbipc_poll *poll,
							 enum qb_loop_priority p)
{
	struct qbipc_poll_jobs *j = poll->jobs[p];

	if (j)
		return j;
	j = (struct qbipc_poll_jobs *)calloc(1, poll->ops->jobs_size);
	if (!j)
		return NULL;
	j->poll = poll;
	j->refs = 1;
	j->priority = p;
	j->last = &j->first;
	poll->jobs[p] = j;
	return j;
}

static inline void qbipc_poll_jobs_end(struct qbipc_poll_jobs *j)
{
	struct qbipc_poll_job *job;

	while ((job = qbipc_poll_jobs_pop(j)))
		free(job);
	j->poll->ops->jobs_stop(j);
	j->poll = NULL;
	qbipc_poll_jobs_unref(j);
}

#ifdef __cplusplus
}
#endif

#endif
