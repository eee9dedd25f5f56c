/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A service that systemd starts when its first client comes, and that serves its name
 * itself when it is started by hand. activated.socket and activated.service are its units;
 * each message has a function of its own, and the library refuses what none takes.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qb/qbipc_ext.h>
#include <qb/qbipcs.h>
#include <qb/qbloop.h>

#define NAME "activated"
#define ID_ECHO 1

static qb_loop_t *loop;

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

/* Echo: a client that sends 24 bytes or more gets them back. */
static int32_t on_echo(qb_ipcs_connection_t *c, void *data, size_t size, void *context)
{
	struct qb_ipc_response_header *header = data;

	header->error = 0;
	return qb_ipcs_response_send(c, data, size) < 0 ? -1 : 0;
}

static const struct qbipc_handler handlers[] = {
	QBIPC_HANDLER(ID_ECHO, on_echo, struct qb_ipc_response_header),
};

static int32_t signal_stop(int32_t sig, void *data)
{
	qb_loop_stop(loop);
	return 0;
}

static int service_set_up(qb_ipcs_service_t *s)
{
	struct qb_ipcs_poll_handlers poll = { NULL, fd_add, fd_mod, fd_del };
	int fd = qbipc_listen_fd(NULL);
	int r = qbipc_service_handlers_register(s, handlers, 1);

	qb_ipcs_poll_handlers_set(s, &poll);
	if (r == 0 && fd != -ENOENT)
		r = fd < 0 ? fd : qbipc_service_listen_fd_set(s, fd);
	return r;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NAME;
	struct qb_ipcs_service_handlers none = { .msg_process = NULL };
	qb_ipcs_service_t *s = qb_ipcs_create(name, 0, QB_IPC_SHM, &none);
	int r;

	loop = qb_loop_create();
	if (!s || !loop) {
		perror(name);
		return EXIT_FAILURE;
	}
	r = service_set_up(s);
	if (r == 0)
		r = qb_ipcs_run(s);
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", name, strerror(-r));
		return EXIT_FAILURE;
	}
	qb_loop_signal_add(loop, QB_LOOP_HIGH, SIGTERM, NULL, signal_stop, NULL);
	qb_loop_run(loop);
	qb_ipcs_destroy(s);
	qb_loop_destroy(loop);
	return EXIT_SUCCESS;
}
