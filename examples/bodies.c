/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sends 10 MB there and back, on a connection for messages of 12 KiB. The child is the client. */
#include <errno.h>
#include <error.h>
#include <stdio.h>
#include <unistd.h>
#include <qbipc/bodies.h>
#include <qbipc/poll-qb.h>

static struct qbipc_poll_qb loop;

static int32_t request_answer(qb_ipcs_connection_t *c, void *data, size_t size)
{
	return qb_ipcs_response_send(c, data, size) < 0 ? -1 : 0;
}

static int32_t client_left(qb_ipcs_connection_t *c)
{
	qb_loop_stop(loop.loop);
	return 0;
}

static int client_run(const char *name)
{
	static struct {
		struct qb_ipc_response_header header;
		char bytes[10000000];
	} body = { { QB_IPC_MSG_USER_START, sizeof(body), 0 }, "" };
	qb_ipcc_connection_t *c = qb_ipcc_connect(name, 0);

	if (!c || qbipc_body_limit_set(c, QBIPC_BODY_LIMIT) < 0)
		error(1, errno, "cannot connect to '%s'", name);
	if (qb_ipcc_send(c, &body, sizeof(body)) != sizeof(body))
		error(1, 0, "cannot send");
	printf("%zd bytes came back\n", qb_ipcc_recv(c, &body, sizeof(body), -1));
	qb_ipcc_disconnect(c);
	return 0;
}

int main(void)
{
	struct qb_ipcs_service_handlers on = { .msg_process = request_answer,
					       .connection_closed = client_left };
	char name[32];
	qb_ipcs_service_t *service;

	snprintf(name, sizeof(name), "bodies-%d", (int)getpid());
	service = qb_ipcs_create(name, 0, QB_IPC_SHM, &on);
	qbipc_service_body_limit_set(service, QBIPC_BODY_LIMIT);
	if (qbipc_poll_qb_init(&loop, qb_loop_create()) || qbipc_poll_qb_attach(&loop, service))
		error(1, 0, "no loop");
	if (qb_ipcs_run(service) < 0)
		error(1, 0, "cannot serve '%s'", name);
	if (fork() == 0)
		return client_run(name);
	qb_loop_run(loop.loop);
	qb_ipcs_destroy(service);
	return 0;
}
