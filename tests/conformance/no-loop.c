/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A callback that does not return to its loop until the client has moved: what the client
 * needs for that goes out all the same, with the next thing that the callback asks of the
 * connection.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/session.h"
#include "tests/lib/variant.h"

enum {
	/* More than a ring holds, and that more than the bytes of a stream. */
	EVENTS = 20000,
	SMALL = 24,
	MEDIUM = 1000,
	LARGE = 150000, /* two packets, of which a socket holds three */
	GO = 7,
};

static char buffer[LARGE];

/* Accepted, however long the client takes. */
static void send_for_certain(struct server *sv, qb_ipcs_connection_t *c, int32_t id,
			     size_t size, bool event)
{
	uint64_t end = now_ms() + (uint64_t)deadline_ms();
	struct response *r = (void *)buffer;
	ssize_t n;

	r->hdr = (struct qb_ipc_response_header){ .id = id, .size = (int32_t)size };
	pattern_fill(r->body, size - sizeof(r->hdr), (uint32_t)id);
	while ((n = event ? qb_ipcs_event_send(c, r, size) :
			    qb_ipcs_response_send(c, r, size)) == -EAGAIN) {
		SERVER_REQUIRE(sv, now_ms() < end);
		pause_briefly();
	}
	SERVER_REQUIRE_EQ(sv, n, (long long)size);
}

static void must_be(ssize_t got, int32_t id, size_t size)
{
	const struct response *r = (void *)buffer;

	ck_assert_msg(got == (ssize_t)size, "message %d of %zu bytes: %zd", id, size, got);
	ck_assert_int_eq(r->hdr.id, id);
	ck_assert(pattern_matches(r->body, size - sizeof(r->hdr), (uint32_t)id));
}

/* As many applications do: no more than one event per report of readiness. */
static void recv_event(qb_ipcc_connection_t *c, int32_t id, size_t size)
{
	ck_assert_msg(fd_readable_within(client_fd(c), deadline_ms()), "no report for event %d",
		      id);
	/* Of one in pieces it may be the first. */
	must_be(qb_ipcc_event_recv(c, buffer, sizeof(buffer), deadline_ms()), id, size);
}

static void recv_response(qb_ipcc_connection_t *c, int32_t id, size_t size)
{
	must_be(qb_ipcc_recv(c, buffer, sizeof(buffer), deadline_ms()), id, size);
}

/* Small ones, and now and then one that needs the room of all of them. */
static size_t stress_size(int32_t id)
{
	return id % 1000 == 999 ? LARGE : SMALL;
}

static void stress(struct server *sv, qb_ipcs_connection_t *c)
{
	for (int32_t id = 0; id < EVENTS; id++)
		send_for_certain(sv, c, id, stress_size(id), true);
}

static void recv_stress(qb_ipcc_connection_t *c)
{
	for (int32_t id = 0; id < EVENTS; id++)
		recv_event(c, id, stress_size(id));
}

static struct host *start(int i, size_t max_msg_size,
			  int32_t (*msg)(struct server *, qb_ipcs_connection_t *, void *,
					 size_t),
			  qb_ipcc_connection_t **ret_c)
{
	struct host *h =
		host_start(&(struct server_spec){ VARIANT_SPEC(i), .quiet = true, .msg = msg });

	*ret_c = client_connect(h->name, max_msg_size);
	return h;
}

static int32_t answer_and_stress(struct server *sv, qb_ipcs_connection_t *c, void *data,
				 size_t size)
{
	send_for_certain(sv, c, GO, SMALL, false);
	stress(sv, c);
	return 0;
}

START_TEST(events_are_sent_again_until_there_is_room)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, LARGE, answer_and_stress, &c);

	client_must_send(c, GO, SMALL);
	recv_response(c, GO, SMALL);
	recv_stress(c);
	session_stop(h, c);
}
END_TEST

/* As many as are taken; the client takes them all before its first event. */
static int32_t answer_large_and_stress(struct server *sv, qb_ipcs_connection_t *c, void *data,
				       size_t size)
{
	struct response *r = (void *)buffer;
	int32_t id = 0;

	do {
		r->hdr = (struct qb_ipc_response_header){ .id = id, .size = LARGE };
		pattern_fill(r->body, LARGE - sizeof(r->hdr), (uint32_t)id++);
	} while (qb_ipcs_response_send(c, r, LARGE) == LARGE);
	sv->shared->slot[0] = id - 1;
	server_trace(sv, "full");
	stress(sv, c);
	return 0;
}

START_TEST(rest_of_a_response_goes_out_while_events_find_no_room)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, LARGE, answer_large_and_stress, &c);

	client_must_send(c, GO, SMALL);
	host_await_trace(h, "full");
	for (int32_t id = 0; id < host_slot(h, 0); id++)
		recv_response(c, id, LARGE);
	recv_stress(c);
	session_stop(h, c);
}
END_TEST

/* The response is refused until the client, which does nothing but events, takes some. */
static int32_t stress_and_answer(struct server *sv, qb_ipcs_connection_t *c, void *data,
				 size_t size)
{
	for (int32_t id = 0; id < EVENTS; id++)
		send_for_certain(sv, c, id, MEDIUM, true);
	for (int32_t id = 0; id < EVENTS; id++)
		send_for_certain(sv, c, id, MEDIUM, false);
	return 0;
}

START_TEST(events_go_out_while_responses_find_no_room)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, 0, stress_and_answer, &c);

	client_must_send(c, GO, SMALL);
	for (int32_t id = 0; id < EVENTS; id++)
		recv_event(c, id, MEDIUM);
	for (int32_t id = 0; id < EVENTS; id++)
		recv_response(c, id, MEDIUM);
	session_stop(h, c);
}
END_TEST

/* As many events as are taken, and then the callback waits until the client has them. */
static int32_t stress_and_wait(struct server *sv, qb_ipcs_connection_t *c, void *data,
			       size_t size)
{
	uint64_t end = now_ms() + (uint64_t)deadline_ms();
	struct qb_ipcs_connection_stats_2 *stats;
	uint32_t queued;
	int32_t id;

	for (id = 0; id < EVENTS; id++) {
		struct qb_ipc_response_header h = { .id = id, .size = SMALL };

		memcpy(buffer, &h, sizeof(h));
		if (qb_ipcs_event_send(c, buffer, SMALL) < 0)
			break;
	}
	do {
		stats = qb_ipcs_connection_stats_get_2(c, 0);
		SERVER_REQUIRE(sv, stats && now_ms() < end);
		queued = stats->event_q_length;
		free(stats);
		pause_briefly();
	} while (queued > 0);
	send_for_certain(sv, c, id, SMALL, false);
	return 0;
}

START_TEST(events_go_out_while_the_callback_waits_for_none_to_be_queued)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, 0, stress_and_wait, &c);
	const struct response *r = (void *)buffer;
	int32_t count = 0;

	client_must_send(c, GO, SMALL);
	while (qb_ipcc_recv(c, buffer, sizeof(buffer), 0) < 0) {
		if (!fd_readable_within(client_fd(c), 10))
			continue;
		ck_assert_int_eq(qb_ipcc_event_recv(c, buffer, sizeof(buffer), 0), SMALL);
		ck_assert_int_eq(r->hdr.id, count++);
	}
	ck_assert_int_eq(r->hdr.id, count);
	session_stop(h, c);
}
END_TEST

/* More than is kept for a client that is not ready yet. */
static void created_and_stress(struct server *sv, qb_ipcs_connection_t *c)
{
	for (int32_t id = 0; id < EVENTS; id++)
		send_for_certain(sv, c, id, MEDIUM, true);
}

START_TEST(early_events_go_out_without_the_loop)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true,
							   .created = created_and_stress });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	for (int32_t id = 0; id < EVENTS; id++)
		recv_event(c, id, MEDIUM);
	session_stop(h, c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("no-loop");
	TCase *tc = tcase_new(s, "no-loop");

	add_variant_test(tc, events_are_sent_again_until_there_is_room);
	add_transport_test(tc, rest_of_a_response_goes_out_while_events_find_no_room);
	add_transport_test(tc, events_go_out_while_responses_find_no_room);
	add_transport_test(tc, events_go_out_while_the_callback_waits_for_none_to_be_queued);
	add_transport_test(tc, early_events_go_out_without_the_loop);
	return suite_main(s);
}
