/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Functions that run once: a queue per priority, and a timer of the loop for each. */
#include <errno.h>
#include <stdlib.h>

#include "adapter/poll.h"

static struct qbi_jobs *jobs_of(struct qbipc_poll_jobs *at)
{
	return qbi_container_of(at, struct qbi_jobs, at);
}

void qbipc_poll_jobs_ref(struct qbipc_poll_jobs *at)
{
	jobs_of(at)->refs++;
}

void qbipc_poll_jobs_unref(struct qbipc_poll_jobs *at)
{
	struct qbi_jobs *j = jobs_of(at);

	if (--j->refs == 0)
		free(j);
}

static struct qbi_job *jobs_pop(struct qbi_jobs *j)
{
	struct qbi_job *job = j->first;

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
	struct qbi_jobs *j = jobs_of(at);
	size_t left = j->count;
	struct qbi_job *job;

	j->refs++;
	j->running = true;
	while (left-- > 0 && (job = jobs_pop(j))) {
		struct qbi_job now = *job;

		free(job);
		now.fn(now.data);
	}
	j->running = false;
	if (j->first) /* none, if a job ended the loop */
		(void)j->poll->ops.jobs_arm(at, QBIPC_POLL_JOB_PAUSE);
	qbipc_poll_jobs_unref(at);
}

/* NULL without memory. */
static struct qbi_jobs *jobs_get(struct qbipc_poll *poll, enum qb_loop_priority p)
{
	struct qbi_jobs *j = poll->jobs[p];

	if (j)
		return j;
	j = calloc(1, offsetof(struct qbi_jobs, at) + poll->ops.jobs_size);
	if (!j)
		return NULL;
	j->poll = poll;
	j->refs = 1;
	j->last = &j->first;
	j->at.loop = poll->loop;
	j->at.priority = p;
	poll->jobs[p] = j;
	return j;
}

int qbipc_poll_job(struct qbipc_poll *poll, enum qb_loop_priority p, void *data,
		   qb_loop_job_dispatch_fn fn)
{
	struct qbi_jobs *j;
	struct qbi_job *job;

	if (!poll || !poll->loop || !fn || !qbi_priority_is_known(p))
		return -EINVAL;
	j = jobs_get(poll, p);
	job = malloc(sizeof(*job));
	/* A job's own additions wait for the pause that follows it. */
	if (!j || !job || (!j->running && poll->ops.jobs_arm(&j->at, 0) < 0)) {
		free(job);
		return -ENOMEM;
	}
	*job = (struct qbi_job){ .data = data, .fn = fn };
	*j->last = job;
	j->last = &job->next;
	j->count++;
	return 0;
}

void qbi_jobs_end(struct qbipc_poll *poll)
{
	size_t i;

	for (i = 0; i < QBI_ARRAY_SIZE(poll->jobs); i++) {
		struct qbi_jobs *j = QBI_TAKE(poll->jobs[i]);
		struct qbi_job *job;

		if (!j)
			continue;
		while ((job = jobs_pop(j)))
			free(job);
		poll->ops.jobs_stop(&j->at);
		j->poll = NULL;
		j->at.loop = NULL;
		qbipc_poll_jobs_unref(&j->at);
	}
}
