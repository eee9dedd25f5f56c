/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Echo server in a loop of libuv: answers each request with its own bytes and sends
 * events when asked, as many as there is room for.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <qbipc/poll-libuv.h>

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

static void signal_stop(uv_signal_t *on_signal, int sig)
{
	uv_stop(on_signal->loop);
}

int main(int argc, char **argv)
{
	struct qb_ipcs_service_handlers handlers = { .msg_process = request_process };
	enum qb_ipc_type type = QB_IPC_SHM;
	const char *name = ECHO_NAME;
	qb_ipcs_service_t *service;
	struct qbipc_poll_libuv poll;
	uv_signal_t on_term, on_int;
	uv_loop_t *loop;
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
	loop = uv_default_loop();
	uv_signal_init(loop, &on_term);
	uv_signal_init(loop, &on_int);
	uv_signal_start(&on_term, signal_stop, SIGTERM);
	uv_signal_start(&on_int, signal_stop, SIGINT);
	qbipc_poll_libuv_init(&poll, loop);

	service = qb_ipcs_create(name, 0, type, &handlers);
	qbipc_poll_libuv_attach(&poll, service);
	r = qb_ipcs_run(service);
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", name, strerror(-r));
		return EXIT_FAILURE;
	}
	printf("serving %s\n", name);
	fflush(stdout);

	uv_run(loop, UV_RUN_DEFAULT);

	qb_ipcs_destroy(service);
	qbipc_poll_libuv_fini(&poll);
	uv_close((uv_handle_t *)&on_term, NULL);
	uv_close((uv_handle_t *)&on_int, NULL);
	uv_run(loop, UV_RUN_DEFAULT); /* libuv gives back what was closed */
	if (uv_loop_close(loop) < 0)
		return EXIT_FAILURE;
	return EXIT_SUCCESS;
}
