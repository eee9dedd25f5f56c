/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "tests/lib/deadline.h"

struct request *request_new(int32_t id, size_t size)
{
	struct request *r;

	ck_assert_uint_ge(size, sizeof(r->hdr));
	r = calloc(1, size);
	ck_assert_ptr_nonnull(r);
	r->hdr.id = id;
	r->hdr.size = (int32_t)size;
	pattern_fill(r->body, size - sizeof(r->hdr), (uint32_t)id);
	return r;
}

void response_check(const struct response *r, ssize_t size, int32_t id, size_t request_size)
{
	size_t body = request_size - sizeof(struct qb_ipc_request_header);

	ck_assert_int_eq(size, (ssize_t)(sizeof(r->hdr) + body));
	ck_assert_int_eq(r->hdr.id, id);
	ck_assert_int_eq(r->hdr.size, size);
	ck_assert_int_eq(r->hdr.error, 0);
	ck_assert_msg(pattern_matches(r->body, body, (uint32_t)id),
		      "the body of message %d is not what was sent", id);
}

qb_ipcc_connection_t *client_connect(const char *name, size_t max_msg_size)
{
	qb_ipcc_connection_t *c = qb_ipcc_connect(name, max_msg_size);

	ck_assert_msg(c, "connect: %s", strerror(errno));
	return c;
}

ssize_t client_send(qb_ipcc_connection_t *c, int32_t id, size_t size)
{
	struct request *r = request_new(id, size);
	ssize_t sent = qb_ipcc_send(c, r, size);

	free(r);
	return sent;
}

void client_must_send(qb_ipcc_connection_t *c, int32_t id, size_t size)
{
	ck_assert_int_eq(client_send(c, id, size), (ssize_t)size);
}

void client_send_patiently(qb_ipcc_connection_t *c, int32_t id, size_t size)
{
	ssize_t sent;

	WAIT_FOR((sent = client_send(c, id, size)) != -EAGAIN);
	ck_assert_int_eq(sent, (ssize_t)size);
}

static void must_recv(qb_ipcc_connection_t *c, int32_t id, size_t request_size,
		      ssize_t (*recv_fn)(qb_ipcc_connection_t *, void *, size_t, int32_t))
{
	size_t size = request_size + sizeof(struct response);
	struct response *r = malloc(size);
	ssize_t n;

	ck_assert_ptr_nonnull(r);
	n = recv_fn(c, r, size, deadline_ms());
	response_check(r, n, id, request_size);
	free(r);
}

void client_must_recv(qb_ipcc_connection_t *c, int32_t id, size_t request_size)
{
	must_recv(c, id, request_size, qb_ipcc_recv);
}

void client_must_recv_event(qb_ipcc_connection_t *c, int32_t id, size_t request_size)
{
	must_recv(c, id, request_size, qb_ipcc_event_recv);
}

void client_echo(qb_ipcc_connection_t *c, size_t size)
{
	client_must_send(c, MSG_ECHO, size);
	client_must_recv(c, MSG_ECHO, size);
}

int client_fd(qb_ipcc_connection_t *c)
{
	int32_t fd = -1;

	ck_assert_int_eq(qb_ipcc_fd_get(c, &fd), 0);
	ck_assert_int_ge(fd, 0);
	return fd;
}
