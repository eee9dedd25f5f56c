/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A service with three handlers, and what a client and the test ask of it. */
#ifndef TEST_HANDLERS_H
#define TEST_HANDLERS_H

#include <stdlib.h>
#include <string.h>

#include <qb/qbipc_ext.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/variant.h"

enum { ID_GET = 100, ID_SET = 101, ID_BARE = 102, ID_NOTE = 103, ID_OTHER = 777 };

struct set_request {
	struct qb_ipc_request_header hdr;
	uint64_t value;
};

/* What a handler answers: who it is in error, the id of the request. */
struct answer {
	struct qb_ipc_response_header hdr;
};

static inline int32_t answer_with(qb_ipcs_connection_t *c, const void *data, int32_t error)
{
	const struct qb_ipc_request_header *request = data;
	struct answer a;

	memset(&a, 0, sizeof(a));
	a.hdr.id = request->id;
	a.hdr.size = sizeof(a);
	a.hdr.error = error;
	return qb_ipcs_response_send(c, &a, sizeof(a)) < 0 ? -1 : 0;
}

/* Answers with its context: a small number. */
static inline int32_t on_any(qb_ipcs_connection_t *c, void *data, size_t size, void *context)
{
	return answer_with(c, data, (int32_t)(intptr_t)context);
}

static inline int32_t on_set(qb_ipcs_connection_t *c, void *data, size_t size, void *context)
{
	struct set_request *r = data;

	SERVER_REQUIRE(the_server, size >= sizeof(*r));
	r->value = 0; /* a private copy: it may be written to */
	return answer_with(c, data, 2);
}

static inline int32_t on_note(qb_ipcs_connection_t *c, void *data, size_t size, void *context)
{
	atomic_fetch_add(&the_server->shared->slot[0], 1);
	return 0;
}

#define AS(n) ((void *)(intptr_t)(n))

static const struct qbipc_handler table[] = {
	{ .size = sizeof(struct qbipc_handler),
	  .id = ID_GET,
	  .fn = on_any,
	  .context = AS(1),
	  .name = "get" },
	QBIPC_HANDLER(ID_SET, on_set, struct set_request),
	{ .size = sizeof(struct qbipc_handler),
	  .id = ID_NOTE,
	  .fn = on_note,
	  .flags = QBIPC_HANDLER_ONE_WAY,
	  .min_size = sizeof(struct set_request) },
};
enum { TABLE_SIZE = sizeof(table) / sizeof(table[0]) };

static inline void prepare_table(struct server *sv)
{
	SERVER_REQUIRE_EQ(sv, qbipc_service_handlers_register(sv->service, table, TABLE_SIZE),
			  0);
}

#define START(i, ...)                                                                          \
	host_start(&(struct server_spec){ VARIANT_SPEC(i), .quiet = true, __VA_ARGS__ })

/* Ask, and return the error of the answer, which is otherwise as it should be. */
static inline int32_t ask(qb_ipcc_connection_t *c, int32_t id, size_t size)
{
	struct request *r = request_new(id, size);
	struct iovec iov = { r, size };
	struct answer a, expected;
	ssize_t n;

	memset(&expected, 0, sizeof(expected));
	memset(&a, 0x5a, sizeof(a));
	n = qb_ipcc_sendv_recv(c, &iov, 1, &a, sizeof(a), deadline_ms());
	free(r);
	ck_assert_int_eq(n, sizeof(a));
	expected.hdr.id = id;
	expected.hdr.size = sizeof(a);
	expected.hdr.error = a.hdr.error;
	/* Between the fields, too, there is nothing of the server's memory. */
	ck_assert_mem_eq(&a, &expected, sizeof(a));
	return a.hdr.error;
}

static inline void stop(struct host *h, qb_ipcc_connection_t *c)
{
	qb_ipcc_disconnect(c);
	host_stop(h);
}

static inline int64_t remote_handler_stats(struct server *sv, const int64_t *args)
{
	struct qbipc_handler_stats stats = { .size = sizeof(stats) };
	int r = qbipc_service_handler_stats_get(sv->service, (int32_t)args[0], &stats);

	memcpy(sv->shared->blob, &stats, sizeof(stats));
	if (r == 0 && stats.name)
		strcpy((char *)sv->shared->blob + sizeof(stats), stats.name);
	return r;
}

static inline struct qbipc_handler_stats handler_stats(struct host *h, int32_t id)
{
	struct qbipc_handler_stats stats;

	ck_assert_int_eq(host_call(h, remote_handler_stats, id), 0);
	memcpy(&stats, h->shared->blob, sizeof(stats));
	return stats;
}

#endif
