/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A service of bodies for qbipc to talk to.
 *
 *   bodies-server NAME
 *
 * The response to a request is what follows its header, and zeros, together 100000 bytes. With
 * id 1, an event of the same comes behind it. Says "serving" and ends with its standard input.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <qb/qbdefs.h>
#include <qbipc/bodies.h>
#include <qbipc/poll-qb.h>

static struct qbipc_poll_qb loop;

static struct {
	struct qb_ipc_response_header header;
	char bytes[100000 - sizeof(struct qb_ipc_response_header)];
} answer;

static int32_t request_answer(qb_ipcs_connection_t *c, void *data, size_t size)
{
	const size_t head = sizeof(struct qb_ipc_response_header);
	const struct qb_ipc_request_header *r = data;

	memset(&answer, 0, sizeof(answer));
	answer.header.id = r->id;
	answer.header.size = sizeof(answer);
	if (size > head && size <= sizeof(answer))
		memcpy(answer.bytes, (const char *)data + head, size - head);
	if (qb_ipcs_response_send(c, &answer, sizeof(answer)) < 0)
		return -1;
	return r->id == 1 && qb_ipcs_event_send(c, &answer, sizeof(answer)) < 0 ? -1 : 0;
}

static int32_t input_ended(int32_t fd, int32_t revents, void *data)
{
	qb_loop_stop(loop.loop);
	return -1;
}

int main(int argc, char **argv)
{
	struct qb_ipcs_service_handlers on = { .msg_process = request_answer };
	qb_ipcs_service_t *service;

	if (argc != 2)
		return 2;
	service = qb_ipcs_create(argv[1], 0, QB_IPC_SHM, &on);
	if (!service || qbipc_service_body_limit_set(service, QBIPC_BODY_LIMIT) < 0 ||
	    qbipc_poll_qb_init(&loop, qb_loop_create()) < 0 ||
	    qbipc_poll_qb_attach(&loop, service) < 0 || qb_ipcs_run(service) < 0) {
		fputs("bodies-server: cannot serve\n", stderr);
		return 1;
	}
	qb_loop_poll_add(loop.loop, QB_LOOP_MED, 0, POLLIN, NULL, input_ended);
	printf("serving %s\n", argv[1]);
	fflush(stdout);
	qb_loop_run(loop.loop);
	qb_ipcs_destroy(service);
	return 0;
}
