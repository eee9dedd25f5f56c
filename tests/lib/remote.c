/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/remote.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"

int64_t remote_rate(struct server *sv, const int64_t *args)
{
	qb_ipcs_request_rate_limit(sv->service, (enum qb_ipcs_rate_limit)args[0]);
	return 0;
}

int64_t remote_disconnect(struct server *sv, const int64_t *args)
{
	qb_ipcs_disconnect(server_connection(sv, (int)args[0]));
	return 0;
}

int64_t remote_ref(struct server *sv, const int64_t *args)
{
	qb_ipcs_connection_ref(server_connection(sv, (int)args[0]));
	return 0;
}

int64_t remote_unref(struct server *sv, const int64_t *args)
{
	qb_ipcs_connection_unref(server_connection(sv, (int)args[0]));
	return 0;
}

int64_t remote_buffer_size(struct server *sv, const int64_t *args)
{
	return qb_ipcs_connection_get_buffer_size(server_connection(sv, (int)args[0]));
}

int64_t remote_destroy(struct server *sv, const int64_t *args)
{
	qb_ipcs_destroy(sv->service);
	sv->service = NULL;
	return 0;
}

/* What a request of @request_size bytes with that @id is echoed as. */
static struct response *echo_of(struct server *sv, int64_t request_size, int64_t id,
				size_t *size)
{
	size_t body = (size_t)request_size - sizeof(struct qb_ipc_request_header);
	struct response *r;

	*size = sizeof(*r) + body;
	r = calloc(1, *size);
	SERVER_REQUIRE(sv, r);
	r->hdr.id = (int32_t)id;
	r->hdr.size = (int32_t)*size;
	pattern_fill(r->body, body, (uint32_t)id);
	return r;
}

int64_t remote_event(struct server *sv, const int64_t *args)
{
	size_t size;
	struct response *r = echo_of(sv, args[1], args[2], &size);
	ssize_t n = qb_ipcs_event_send(server_connection(sv, (int)args[0]), r, size);

	free(r);
	return n;
}

int64_t remote_response(struct server *sv, const int64_t *args)
{
	size_t size;
	struct response *r = echo_of(sv, args[1], args[2], &size);
	ssize_t n = qb_ipcs_response_send(server_connection(sv, (int)args[0]), r, size);

	free(r);
	return n;
}

int64_t remote_events(struct server *sv, const int64_t *args)
{
	int64_t one[CALL_ARGS] = { args[0], args[1], args[2] };
	int64_t n, result = 0;

	for (n = 0; n < args[3]; n++, one[2]++) {
		result = remote_event(sv, one);
		if (result < 0)
			break;
	}
	atomic_store(&sv->shared->slot[0], result);
	return n;
}

int64_t remote_connection_stats(struct server *sv, const int64_t *args)
{
	struct qb_ipcs_connection_stats_2 *stats;

	stats = qb_ipcs_connection_stats_get_2(server_connection(sv, (int)args[0]),
					       (int32_t)args[1]);
	SERVER_REQUIRE(sv, stats);
	memcpy(sv->shared->blob, stats, sizeof(*stats));
	free(stats);
	return 0;
}

int64_t remote_stats(struct server *sv, const int64_t *args)
{
	struct qb_ipcs_stats stats;
	int32_t result = qb_ipcs_stats_get(sv->service, &stats, (int32_t)args[0]);

	memcpy(sv->shared->blob, &stats, sizeof(stats));
	return result;
}

int64_t remote_walk(struct server *sv, const int64_t *args)
{
	qb_ipcs_connection_t *c = qb_ipcs_connection_first_get(sv->service);
	int64_t met = 0;

	while (c) {
		qb_ipcs_connection_t *next = qb_ipcs_connection_next_get(sv->service, c);

		met = met * 10 + server_number(sv, c);
		qb_ipcs_connection_unref(c);
		c = next;
	}
	return met;
}

int64_t remote_adapter_counts(struct server *sv, const int64_t *args)
{
	memcpy(sv->shared->blob, &adapter_counts, sizeof(adapter_counts));
	return adapter_counts.live;
}

static bool loop_rests(struct host *h)
{
	struct adapter_counts *counts = (void *)h->shared->blob;
	int before;

	host_call(h, remote_adapter_counts);
	before = counts->dispatches;
	for (int n = 0; n < 10; n++)
		host_call(h, remote_adapter_counts);
	return counts->dispatches == before;
}

void host_await_rest(struct host *h)
{
	WAIT_FOR(loop_rests(h));
}

int64_t remote_nothing(struct server *sv, const int64_t *args)
{
	return 0;
}
