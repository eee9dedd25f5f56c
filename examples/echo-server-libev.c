/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Echo server in a loop of libev: answers each request with its own bytes and sends
 * events when asked, as many as there is room for.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <qbipc/poll-libev.h>

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

static void signal_stop(struct ev_loop *loop, ev_signal *on_signal, int what)
{
	ev_break(loop, EVBREAK_ALL);
}

int main(int argc, char **argv)
{
	struct qb_ipcs_service_handlers handlers = { .msg_process = request_process };
	enum qb_ipc_type type = QB_IPC_SHM;
	const char *name = ECHO_NAME;
	qb_ipcs_service_t *service;
	struct qbipc_poll_libev poll;
	ev_signal on_term, on_int;
	struct ev_loop *loop;
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
	loop = ev_default_loop(EVFLAG_AUTO);
	ev_signal_init(&on_term, signal_stop, SIGTERM);
	ev_signal_init(&on_int, signal_stop, SIGINT);
	ev_signal_start(loop, &on_term);
	ev_signal_start(loop, &on_int);
	if (qbipc_poll_libev_init(&poll, loop) < 0)
		return EXIT_FAILURE;

	service = qb_ipcs_create(name, 0, type, &handlers);
	qbipc_poll_libev_attach(&poll, service);
	r = qb_ipcs_run(service);
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", name, strerror(-r));
		return EXIT_FAILURE;
	}
	printf("serving %s\n", name);
	fflush(stdout);

	ev_run(loop, 0);

	qb_ipcs_destroy(service);
	qbipc_poll_libev_fini(&poll);
	ev_loop_destroy(loop);
	return EXIT_SUCCESS;
}
