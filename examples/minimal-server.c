/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers every request with its own bytes; runs until it is killed. */
#include <error.h>
#include <qb/qbipcs.h>
#include <qb/qbloop.h>

static int32_t fd_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
		      qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_add(NULL, p, fd, events, data, fn);
}

static int32_t fd_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
		      qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_mod(NULL, p, fd, events, data, fn);
}

static int32_t fd_del(int32_t fd)
{
	return qb_loop_poll_del(NULL, fd);
}

static int32_t request_answer(qb_ipcs_connection_t *c, void *data, size_t size)
{
	if (qb_ipcs_response_send(c, data, size) < 0)
		qb_ipcs_disconnect(c);
	return 0;
}

int main(void)
{
	struct qb_ipcs_poll_handlers poll = { NULL, fd_add, fd_mod, fd_del };
	struct qb_ipcs_service_handlers handlers = { .msg_process = request_answer };
	qb_loop_t *loop = qb_loop_create();
	qb_ipcs_service_t *service = qb_ipcs_create("minimal", 0, QB_IPC_SHM, &handlers);
	int32_t r;

	qb_ipcs_poll_handlers_set(service, &poll);
	r = qb_ipcs_run(service);
	if (r < 0)
		error(1, -r, "cannot serve 'minimal'");
	qb_loop_run(loop);
	return 0;
}
