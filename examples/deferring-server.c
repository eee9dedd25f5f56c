/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Works half a second for each request of a client, one after the other, and only on those for
 * which somebody waits: deferring-server [NAME]. Every request is answered, in order: also those
 * that are refused, and those whose answer finds no room at first.
 */
#include <errno.h>
#include <error.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include <qb/qbipc_ext.h>
#include <qb/qbloop.h>
#include <qbipc/poll-qb.h>

#define MSG_WORK 1
#define JOBS_MAX 10000 /* of one client */

struct job {
	STAILQ_ENTRY(job) next;
	uint64_t number;
	struct qb_ipc_response_header answer;
	int steps; /* of work, which are left */
};

/* The context of a connection. */
struct client {
	STAILQ_HEAD(, job) jobs; /* in the order of the requests */
	int n;
};

static qb_ipcs_service_t *service;

/* Also when there is room again for an answer that found none. */
static void answers_send(qb_ipcs_connection_t *c, void *data)
{
	struct client *client = qb_ipcs_context_get(c);
	struct job *job;

	while ((job = STAILQ_FIRST(&client->jobs)) && job->steps == 0) {
		if (qb_ipcs_response_send(c, &job->answer, sizeof(job->answer)) == -EAGAIN)
			return;
		STAILQ_REMOVE_HEAD(&client->jobs, next);
		client->n--;
		free(job);
	}
}

static void job_add(qb_ipcs_connection_t *c, int32_t id, int steps, int error_now)
{
	struct client *client = qb_ipcs_context_get(c);
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		error(1, ENOMEM, "no job");
	job->number = qbipc_request_number(c);
	job->steps = steps;
	job->answer.id = id;
	job->answer.size = sizeof(job->answer);
	job->answer.error = error_now;
	STAILQ_INSERT_TAIL(&client->jobs, job, next);
	if (++client->n > JOBS_MAX)
		qb_ipcs_disconnect(c);
	else
		answers_send(c, NULL);
}

static int on_work(qb_ipcs_connection_t *c, void *data, size_t size, void *context)
{
	job_add(c, MSG_WORK, 5, 0);
	return 0;
}

/* The library would answer at once, before the answers that are due. */
static enum qbipc_refuse refuse(qb_ipcs_connection_t *c,
				const struct qb_ipc_request_header *message, size_t size,
				int error, void *data)
{
	job_add(c, message->id, 0, error);
	return QBIPC_REFUSE_IGNORE;
}

static void cancelled(qb_ipcs_connection_t *c, uint64_t number, void *data)
{
	struct client *client = qb_ipcs_context_get(c);
	struct job *job;

	STAILQ_FOREACH(job, &client->jobs, next)
	{
		if (job->number != number || job->steps == 0)
			continue;
		printf("request %d is cancelled\n", (int)number);
		fflush(stdout);
		job->steps = 0;
		job->answer.error = -ECANCELED;
		break;
	}
	answers_send(c, NULL);
}

/* A step for each client. */
static void work(void *loop)
{
	qb_ipcs_connection_t *c = qb_ipcs_connection_first_get(service), *next;

	for (; c; c = next) {
		struct client *client = qb_ipcs_context_get(c);
		struct job *job = client ? STAILQ_FIRST(&client->jobs) : NULL;

		if (job && job->steps && --job->steps == 0)
			answers_send(c, NULL);
		next = qb_ipcs_connection_next_get(service, c);
		qb_ipcs_connection_unref(c);
	}
	qb_loop_timer_add(loop, QB_LOOP_MED, 100000000, loop, work, NULL);
}

static void created(qb_ipcs_connection_t *c)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		error(1, ENOMEM, "no client");
	STAILQ_INIT(&client->jobs);
	qb_ipcs_context_set(c, client);
}

static void destroyed(qb_ipcs_connection_t *c)
{
	struct client *client = qb_ipcs_context_get(c);
	struct job *job;

	while (client && (job = STAILQ_FIRST(&client->jobs))) {
		STAILQ_REMOVE_HEAD(&client->jobs, next);
		free(job);
	}
	free(client);
}

static const struct qbipc_handler table[] = {
	QBIPC_HANDLER_FLAGS(MSG_WORK, on_work, struct qb_ipc_request_header,
			    QBIPC_HANDLER_IN_TIME),
};

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "deferring";
	struct qb_ipcs_service_handlers handlers = { .connection_created = created,
						     .connection_destroyed = destroyed };
	qb_loop_t *loop = qb_loop_create();
	struct qbipc_poll_qb poll = { 0 };
	int r = qbipc_poll_qb_init(&poll, loop);

	service = qb_ipcs_create(name, 0, QB_IPC_SHM, &handlers);
	if (r == 0)
		r = qbipc_poll_qb_attach(&poll, service);
	if (r == 0)
		r = qbipc_service_handlers_register(service, table, 1);
	if (r == 0)
		r = qbipc_service_refuse_set(service, refuse, NULL);
	if (r == 0)
		r = qbipc_service_cancelled_set(service, cancelled, NULL);
	if (r == 0)
		r = qbipc_service_writable_set(service, answers_send, NULL);
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
