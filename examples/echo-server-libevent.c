/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Echo server in an event_base of libevent: answers each request with its own bytes and sends
 * events when asked, as many as there is room for.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <qbipc/poll-libevent.h>

#include "echo.h"

static int32_t request_process(qb_ipcs_connection_t *c, void *data, size_t size)
{
	struct echo_message event = { .header = { ECHO_EVENT, sizeof(event), 0 } };
	struct echo_message *m = data;
	uint32_t n_wanted = 0;

	if (size < sizeof(*m)) {
		qb_ipcs_disconnect(c);
		return -EBADMSG;
	}
	if (m->header.id == ECHO_WANT_EVENTS)
		n_wanted = m->n_events;
	m->header.error = 0;
	if (qb_ipcs_response_send(c, m, size) < 0)
		return -EAGAIN;
	for (; event.n_events < n_wanted; event.n_events++)
		if (qb_ipcs_event_send(c, &event, sizeof(event)) < 0)
			break;
	return 0;
}

static void signal_stop(evutil_socket_t sig, short what, void *events)
{
	event_base_loopbreak(events);
}

int main(int argc, char **argv)
{
	struct qb_ipcs_service_handlers handlers = { .msg_process = request_process };
	enum qb_ipc_type type = QB_IPC_SHM;
	const char *name = ECHO_NAME;
	qb_ipcs_service_t *service;
	struct qbipc_poll_libevent poll;
	struct event *on_term, *on_int;
	struct event_base *events;
	int opt, r;

	while ((opt = getopt(argc, argv, "n:t:")) != -1) {
		if (opt == 'n')
			name = optarg;
		else if (opt == 't' && strcmp(optarg, "socket") == 0)
			type = QB_IPC_SOCKET;
		else if (opt != 't' || strcmp(optarg, "shm") != 0)
			break;
	}
	if (opt != -1 || optind < argc) {
		fprintf(stderr, "Usage: %s [-n NAME] [-t shm|socket]\n", argv[0]);
		return 2;
	}
	events = event_base_new();
	event_base_priority_init(events, 3);
	on_term = evsignal_new(events, SIGTERM, signal_stop, events);
	on_int = evsignal_new(events, SIGINT, signal_stop, events);
	event_add(on_term, NULL);
	event_add(on_int, NULL);
	if (qbipc_poll_libevent_init(&poll, events) < 0)
		return EXIT_FAILURE;

	service = qb_ipcs_create(name, 0, type, &handlers);
	qbipc_poll_libevent_attach(&poll, service);
	r = qb_ipcs_run(service);
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", name, strerror(-r));
		return EXIT_FAILURE;
	}
	printf("serving %s\n", name);
	fflush(stdout);

	event_base_dispatch(events);

	qb_ipcs_destroy(service);
	qbipc_poll_libevent_fini(&poll);
	event_free(on_term);
	event_free(on_int);
	event_base_free(events);
	return EXIT_SUCCESS;
}
