/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Echo server: answers each request with its own bytes and, when asked, sends events.
 * Shows the built-in loop, the callbacks, state kept per connection, events to a client
 * that may be slow to take them, and a clean end.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qb/qbdefs.h>
#include <qb/qbipcs.h>
#include <qb/qbloop.h>

#include "echo.h"

static qb_loop_t *loop;

/* Per connection: events that the client asked for, and the timer that goes on. */
struct client {
	uint32_t n_wanted;
	uint32_t n_sent;
	qb_loop_timer_handle timer;
};

/* -- The service's view of the loop -------------------------------------------- */

static int32_t job_add(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn)
{
	return qb_loop_job_add(loop, p, data, fn);
}

static int32_t fd_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
		      qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_add(loop, p, fd, events, data, fn);
}

static int32_t fd_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
		      qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_mod(loop, p, fd, events, data, fn);
}

static int32_t fd_del(int32_t fd)
{
	return qb_loop_poll_del(loop, fd);
}

/* -- Events -------------------------------------------------------------------- */

/* Send what is owed until there is no room; then come back a millisecond later. */
static void events_send(void *data)
{
	qb_ipcs_connection_t *c = data;
	struct client *client = qb_ipcs_context_get(c);
	struct echo_message event = { .header = { ECHO_EVENT, sizeof(event), 0 } };

	client->timer = 0;
	while (client->n_sent < client->n_wanted) {
		ssize_t sent;

		event.n_events = client->n_sent;
		sent = qb_ipcs_event_send(c, &event, sizeof(event));
		if (sent == -EAGAIN)
			qb_loop_timer_add(loop, QB_LOOP_MED, QB_TIME_NS_IN_MSEC, c, events_send,
					  &client->timer);
		if (sent < 0)
			return;
		client->n_sent++;
	}
}

static void events_start(qb_ipcs_connection_t *c, uint32_t n_events)
{
	struct client *client = qb_ipcs_context_get(c);

	client->n_wanted = n_events;
	client->n_sent = 0;
	if (!client->timer)
		events_send(c);
}

/* -- Callbacks of the service -------------------------------------------------- */

static int32_t client_accept(qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return -ENOMEM;
	qb_ipcs_context_set(c, client);
	return 0;
}

static int32_t request_process(qb_ipcs_connection_t *c, void *data, size_t size)
{
	struct echo_message *m = data;
	ssize_t sent;

	if (size < sizeof(*m)) {
		qb_ipcs_disconnect(c);
		return -EBADMSG;
	}
	m->header.error = 0;
	sent = qb_ipcs_response_send(c, m, size);
	if (sent < 0) {
		fprintf(stderr, "response: %s\n", strerror((int)-sent));
		return (int32_t)sent;
	}
	if (m->header.id == ECHO_WANT_EVENTS)
		events_start(c, m->n_events);
	return 0;
}

static int32_t client_closed(qb_ipcs_connection_t *c)
{
	struct client *client = qb_ipcs_context_get(c);

	if (client->timer)
		qb_loop_timer_del(loop, client->timer);
	return 0;
}

static void client_destroyed(qb_ipcs_connection_t *c)
{
	free(qb_ipcs_context_get(c));
}

static int32_t signal_stop(int32_t sig, void *data)
{
	qb_loop_stop(loop);
	return 0;
}

/* -- Command line -------------------------------------------------------------- */

static void usage(FILE *out)
{
	fputs("Usage: echo-server [OPTION...]\n"
	      "Answer every request of echo-client, until SIGTERM or SIGINT.\n\n"
	      "  -n, --name=NAME         serve this name [" ECHO_NAME "]\n"
	      "  -t, --transport=TYPE    shm or socket [shm]\n"
	      "  -h, --help              show this and exit\n",
	      out);
}

static int options_parse(int argc, char **argv, const char **name, enum qb_ipc_type *type)
{
	static const struct option options[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "transport", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "n:t:h", options, NULL)) != -1) {
		if (opt == 'n') {
			*name = optarg;
		} else if (opt == 't' && strcmp(optarg, "shm") == 0) {
			*type = QB_IPC_SHM;
		} else if (opt == 't' && strcmp(optarg, "socket") == 0) {
			*type = QB_IPC_SOCKET;
		} else if (opt == 'h') {
			usage(stdout);
			exit(EXIT_SUCCESS);
		} else {
			break;
		}
	}
	if (opt == -1 && optind == argc)
		return 0;
	usage(stderr);
	return -EINVAL;
}

int main(int argc, char **argv)
{
	struct qb_ipcs_poll_handlers poll = { job_add, fd_add, fd_mod, fd_del };
	struct qb_ipcs_service_handlers handlers = {
		.connection_accept = client_accept,
		.msg_process = request_process,
		.connection_closed = client_closed,
		.connection_destroyed = client_destroyed,
	};
	enum qb_ipc_type type = QB_IPC_SHM;
	const char *name = ECHO_NAME;
	qb_ipcs_service_t *service;
	int r;

	if (options_parse(argc, argv, &name, &type) < 0)
		return 2;
	loop = qb_loop_create();
	service = qb_ipcs_create(name, 0, type, &handlers);
	if (!loop || !service) {
		perror(name);
		return EXIT_FAILURE;
	}
	qb_ipcs_poll_handlers_set(service, &poll);
	r = qb_ipcs_run(service);
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", name, strerror(-r));
		return EXIT_FAILURE;
	}
	qb_loop_signal_add(loop, QB_LOOP_HIGH, SIGTERM, NULL, signal_stop, NULL);
	qb_loop_signal_add(loop, QB_LOOP_HIGH, SIGINT, NULL, signal_stop, NULL);
	printf("serving %s\n", name);
	fflush(stdout);

	qb_loop_run(loop);

	qb_ipcs_destroy(service);
	qb_loop_destroy(loop);
	return EXIT_SUCCESS;
}
