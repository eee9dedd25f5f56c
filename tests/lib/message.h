/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages with contents that can be checked, and the client's side of using them. */
#ifndef TEST_MESSAGE_H
#define TEST_MESSAGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <qb/qbipc_common.h>
#include <qb/qbipcc.h>

#include "tests/lib/pattern.h"

/* What the default server does with a request, by its id. Anything else: echo. */
enum {
	MSG_ECHO = 1,	       /* the body comes back as the response */
	MSG_SILENT = 2,	       /* nothing */
	MSG_EVENT = 3,	       /* the body comes back as an event */
	MSG_DISCONNECT_ME = 4, /* disconnected inside msg_process */
};

struct request {
	struct qb_ipc_request_header hdr;
	uint8_t body[];
};

struct response {
	struct qb_ipc_response_header hdr;
	uint8_t body[];
};

/* A request of @size bytes, header included, patterned by its id. The caller frees. */
struct request *request_new(int32_t id, size_t size);

/* Is @r, of which @size bytes came, what the default server makes of that request? */
void response_check(const struct response *r, ssize_t size, int32_t id, size_t request_size);

/* Connect, or fail the test. */
qb_ipcc_connection_t *client_connect(const char *name, size_t max_msg_size);
/* What qb_ipcc_send() returns for a request of @size bytes. */
ssize_t client_send(qb_ipcc_connection_t *c, int32_t id, size_t size);
/* The same, sent for certain. */
void client_must_send(qb_ipcc_connection_t *c, int32_t id, size_t size);
/* The same, waiting for room: another library may make it only after its answer. */
void client_send_patiently(qb_ipcc_connection_t *c, int32_t id, size_t size);
/* There and back, checked. */
void client_echo(qb_ipcc_connection_t *c, size_t size);
/* The next response or event, waited for and checked. */
void client_must_recv(qb_ipcc_connection_t *c, int32_t id, size_t request_size);
void client_must_recv_event(qb_ipcc_connection_t *c, int32_t id, size_t request_size);
/* The descriptor to poll. */
int client_fd(qb_ipcc_connection_t *c);

#endif
