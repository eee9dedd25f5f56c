/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the server under test answers: at once, or waiting for room. */
#include <errno.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/server.h"

enum { BY_RESPONSE, BY_EVENT };

static ssize_t answer_once(qb_ipcs_connection_t *c, void *data, size_t size, int how)
{
	const struct qb_ipc_request_header *hdr = data;
	struct qb_ipc_response_header out = { .id = hdr->id };
	struct iovec iov[2] = { { &out, sizeof(out) },
				{ (char *)data + sizeof(*hdr), size - sizeof(*hdr) } };

	out.size = (int32_t)(sizeof(out) + size - sizeof(*hdr));
	return how == BY_EVENT ? qb_ipcs_event_sendv(c, iov, 2) :
				 qb_ipcs_response_sendv(c, iov, 2);
}

static void check_answer(struct server *sv, ssize_t sent, size_t size)
{
	/* A client that left before its answer is no failure of the server. */
	if (sent == -ENOTCONN || sent == -EPIPE || sent == -ECONNRESET)
		return;
	SERVER_REQUIRE_EQ(sv, sent, (long long)size + 8);
}

int32_t server_default_msg(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	const struct qb_ipc_request_header *hdr = data;

	SERVER_REQUIRE(sv, size >= sizeof(*hdr));
	SERVER_REQUIRE_EQ(sv, hdr->size, (long long)size);
	switch (hdr->id) {
	case MSG_SILENT: break;
	case MSG_DISCONNECT_ME: qb_ipcs_disconnect(c); break;
	case MSG_EVENT: check_answer(sv, answer_once(c, data, size, BY_EVENT), size); break;
	default: check_answer(sv, answer_once(c, data, size, BY_RESPONSE), size);
	}
	return 0;
}

static int32_t answer_patiently(struct server *sv, qb_ipcs_connection_t *c, void *data,
				size_t size, int how)
{
	uint64_t end = now_ms() + (uint64_t)deadline_ms();
	ssize_t sent;

	while ((sent = answer_once(c, data, size, how)) == -EAGAIN) {
		SERVER_REQUIRE(sv, now_ms() < end);
		pause_briefly();
	}
	check_answer(sv, sent, size);
	return 0;
}

int32_t server_answer(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	return answer_patiently(sv, c, data, size, BY_RESPONSE);
}

int32_t server_answer_by_event(struct server *sv, qb_ipcs_connection_t *c, void *data,
			       size_t size)
{
	return answer_patiently(sv, c, data, size, BY_EVENT);
}
