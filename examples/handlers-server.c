/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A function for each kind of message: handlers-server [NAME]. From outside,
 * "qbipc describe handlers" shows the table, and "qbipc call -m hello handlers MSG_ECHO"
 * sends one of the messages.
 */
#include <error.h>
#include <stdio.h>

#include <qb/qbipc_ext.h>
#include <qb/qbloop.h>
#include <qbipc/poll-qb.h>

enum { MSG_ECHO = 1, MSG_TICK = 2, MSG_NOTE = 3 };

/* The body of the request, behind the header of a response. */
static int on_echo(qb_ipcs_connection_t *c, void *data, size_t size, void *context)
{
	size_t n = size - sizeof(struct qb_ipc_request_header);
	struct qb_ipc_response_header header = { .id = MSG_ECHO,
						 .size = (int32_t)(sizeof(header) + n) };
	struct iovec iov[] = { { &header, sizeof(header) },
			       { (struct qb_ipc_request_header *)data + 1, n } };

	return qb_ipcs_response_sendv(c, iov, 2) < 0 ? -1 : 0;
}

/* A response without a body, and an event. */
static int on_tick(qb_ipcs_connection_t *c, void *data, size_t size, void *context)
{
	struct qb_ipc_response_header header = { .id = MSG_TICK, .size = sizeof(header) };

	if (qb_ipcs_response_send(c, &header, sizeof(header)) < 0)
		return -1;
	return qb_ipcs_event_send(c, &header, sizeof(header)) < 0 ? -1 : 0;
}

/* No response. */
static int on_note(qb_ipcs_connection_t *c, void *data, size_t size, void *context)
{
	printf("note of %zu bytes\n", size - sizeof(struct qb_ipc_request_header));
	fflush(stdout);
	return 0;
}

static const struct qbipc_handler table[] = {
	QBIPC_HANDLER(MSG_ECHO, on_echo, struct qb_ipc_request_header),
	QBIPC_HANDLER(MSG_TICK, on_tick, struct qb_ipc_request_header),
	{ sizeof(table[0]), MSG_NOTE, QBIPC_HANDLER_ONE_WAY, 20, on_note, NULL, "MSG_NOTE" },
};

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "handlers";
	struct qb_ipcs_service_handlers none = { NULL };
	qb_ipcs_service_t *service = qb_ipcs_create(name, 0, QB_IPC_SHM, &none);
	qb_loop_t *loop = qb_loop_create();
	struct qbipc_poll_qb poll = { 0 };
	int r = qbipc_poll_qb_init(&poll, loop);

	if (r == 0)
		r = qbipc_poll_qb_attach(&poll, service);
	if (r == 0)
		r = qbipc_service_handlers_register(service, table,
						    sizeof(table) / sizeof(table[0]));
	if (r == 0)
		r = qb_ipcs_run(service);
	if (r < 0)
		error(1, -r, "cannot serve '%s'", name);
	printf("serving %s\n", name);
	fflush(stdout);
	qb_loop_run(loop);
	return 0;
}
