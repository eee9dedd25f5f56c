/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Works half a second for each request, one after the other, and only on those for which
 * somebody waits: deferring-server [NAME]. Every request is answered, in order.
 */
#include <errno.h>
#include <error.h>
#include <stdio.h>
#include <stdlib.h>

#include <qb/qbipc_ext.h>
#include <qb/qbloop.h>
#include <qbipc/poll-qb.h>

struct job {
	struct job *next;
	qb_ipcs_connection_t *c; /* a reference */
	uint64_t number;
	struct qb_ipc_response_header answer;
	int steps; /* of work, which are left */
};

static struct job *jobs, **last = &jobs;

static int32_t msg_process(qb_ipcs_connection_t *c, void *data, size_t size)
{
	struct qb_ipc_request_header *request = data;
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		error(1, ENOMEM, "no job");
	qb_ipcs_connection_ref(job->c = c);
	job->number = qbipc_request_number(c);
	job->steps = qbipc_request_deadline(c) == QBIPC_DEADLINE_CANCELLED ? 0 : 5;
	job->answer.id = request->id;
	job->answer.size = sizeof(job->answer);
	*last = job;
	last = &job->next;
	return 0;
}

static void cancelled(qb_ipcs_connection_t *c, uint64_t number, void *data)
{
	for (struct job *job = jobs; job; job = job->next)
		if (job->c == c && job->number == number) {
			printf("request %d is cancelled\n", (int)number);
			fflush(stdout);
			job->steps = 0;
			job->answer.error = -ECANCELED;
		}
}

static void work(void *loop)
{
	while (jobs && jobs->steps == 0) {
		struct job *job = jobs;

		qb_ipcs_response_send(job->c, &job->answer, sizeof(job->answer));
		qb_ipcs_connection_unref(job->c);
		jobs = job->next;
		last = jobs ? last : &jobs;
		free(job);
	}
	if (jobs)
		jobs->steps--;
	qb_loop_timer_add(loop, QB_LOOP_MED, 100000000, loop, work, NULL);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "deferring";
	struct qb_ipcs_service_handlers handlers = { .msg_process = msg_process };
	qb_ipcs_service_t *service = qb_ipcs_create(name, 0, QB_IPC_SHM, &handlers);
	qb_loop_t *loop = qb_loop_create();
	struct qbipc_poll_qb poll = { 0 };
	int r = qbipc_poll_qb_init(&poll, loop);

	if (r == 0)
		r = qbipc_poll_qb_attach(&poll, service);
	if (r == 0)
		r = qbipc_service_cancelled_set(service, cancelled, NULL);
	if (r == 0)
		r = qb_ipcs_run(service);
	if (r < 0)
		error(1, -r, "cannot serve '%s'", name);
	printf("serving %s\n", name);
	fflush(stdout);
	work(loop);
	qb_loop_run(loop);
	return 0;
}
