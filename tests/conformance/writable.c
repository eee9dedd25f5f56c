/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Being told when a connection that refused a message can take one again. */
#include <errno.h>
#include <qb/qbipc_ext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/session.h"
#include "tests/lib/variant.h"

/* Slots. 0 is that of remote_events(). */
enum {
	TOLD = 1, /* calls so far */
	ACTION,	  /* what the function does */
	NEXT,	  /* id of the next event to send */
	END,	  /* the first that is not to be sent */
	GONE,	  /* connections closed */
	TOLD_OF,  /* bit n: connection n */
};

enum { DO_NOTHING, DO_SEND, DO_DISCONNECT, DO_DISCONNECT_ALL, DO_DESTROY, DO_UNSET };

enum { SIZE = 300, MANY = 100000, CLIENTS = 5 };

static void slot_set(struct server *sv, int i, int64_t value)
{
	atomic_store(&sv->shared->slot[i], value);
}

static int64_t slot_get(struct server *sv, int i)
{
	return atomic_load(&sv->shared->slot[i]);
}

static void send_more(struct server *sv, qb_ipcs_connection_t *c)
{
	int64_t args[CALL_ARGS] = { server_number(sv, c), SIZE, slot_get(sv, NEXT),
				    slot_get(sv, END) - slot_get(sv, NEXT) };
	int64_t sent = remote_events(sv, args);

	SERVER_REQUIRE(sv, args[3] == 0 || sent > 0);
	slot_set(sv, NEXT, args[2] + sent);
}

static void disconnect_all(struct server *sv)
{
	qb_ipcs_connection_t *c;

	while ((c = qb_ipcs_connection_first_get(sv->service))) {
		qb_ipcs_disconnect(c);
		qb_ipcs_connection_unref(c);
	}
}

static void on_writable(qb_ipcs_connection_t *c, void *data)
{
	struct server *sv = data;

	SERVER_REQUIRE(sv, sv == the_server && server_number(sv, c) > 0);
	SERVER_REQUIRE(sv, !(slot_get(sv, GONE) & 1 << server_number(sv, c)));
	atomic_fetch_or(&sv->shared->slot[TOLD_OF], 1 << server_number(sv, c));
	switch (slot_get(sv, ACTION)) {
	case DO_SEND: send_more(sv, c); break;
	case DO_DISCONNECT: qb_ipcs_disconnect(c); break;
	case DO_DISCONNECT_ALL: disconnect_all(sv); break;
	case DO_DESTROY: remote_destroy(sv, NULL); break;
	case DO_UNSET:
		SERVER_REQUIRE_EQ(sv, qbipc_service_writable_set(sv->service, NULL, NULL), 0);
		break;
	}
	atomic_fetch_add(&sv->shared->slot[TOLD], 1);
}

static void set_function(struct server *sv)
{
	SERVER_REQUIRE_EQ(sv, qbipc_service_writable_set(sv->service, on_writable, sv), 0);
}

/* Looking for requests before it sleeps would count as being woken. */
static void set_function_and_sleep(struct server *sv)
{
	SERVER_REQUIRE_EQ(sv, qbipc_busy_poll_set(0), 0);
	set_function(sv);
}

static int32_t note_closed(struct server *sv, qb_ipcs_connection_t *c)
{
	atomic_fetch_or(&sv->shared->slot[GONE], 1 << server_number(sv, c));
	return 0;
}

static int64_t remote_slot(struct server *sv, const int64_t *args)
{
	slot_set(sv, (int)args[0], args[1]);
	return 0;
}

static struct host *start_with(int i, void (*prepare)(struct server *sv),
			       qb_ipcc_connection_t **c)
{
	return session_start_spec(&(struct server_spec){ VARIANT_SPEC(i), .quiet = true,
							 .prepare = prepare,
							 .closed = note_closed },
				  c);
}

static struct host *start(int i, qb_ipcc_connection_t **c)
{
	return start_with(i, set_function, c);
}

/* Send events with ids from 0 on to connection @n until one is refused. How many went. */
static int32_t fill(struct host *h, int n)
{
	int64_t sent = host_call(h, remote_events, n, SIZE, 0, MANY);

	ck_assert_int_eq(host_slot(h, 0), -EAGAIN);
	ck_assert_int_ge(sent, 1);
	return (int32_t)sent;
}

static void read_all(qb_ipcc_connection_t *c, int32_t n)
{
	for (int32_t id = 0; id < n; id++)
		client_must_recv_event(c, id, SIZE);
}

START_TEST(refused_event_is_told_once_when_the_client_has_read)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);
	int32_t sent = fill(h, 1);

	ck_assert_int_eq(host_slot(h, TOLD), 0);
	read_all(c, sent);
	WAIT_FOR(host_slot(h, TOLD) == 1);
	/* Nothing was refused since: whatever moves now is no news. */
	for (int32_t id = 0; id < 20; id++) {
		ck_assert_int_eq(host_call(h, remote_event, 1, SIZE, id), SIZE + 8);
		client_must_recv_event(c, id, SIZE);
		client_echo(c, 64);
	}
	ck_assert_int_eq(host_slot(h, TOLD), 1);
	ck_assert_int_eq(host_slot(h, TOLD_OF), 1 << 1);
	session_stop(h, c);
}
END_TEST

START_TEST(client_that_does_not_read_is_not_told_of)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	fill(h, 1);
	/* Requests have it looked at each time. */
	for (int i = 0; i < 50; i++)
		client_echo(c, 64);
	ck_assert_int_eq(host_slot(h, TOLD), 0);
	session_stop(h, c);
}
END_TEST

START_TEST(refused_response_is_told_when_the_client_has_read)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);
	int32_t sent = 0;
	int64_t n;

	while ((n = host_call(h, remote_response, 1, SIZE, sent)) > 0)
		sent++;
	ck_assert_int_eq(n, -EAGAIN);
	for (int32_t id = 0; id < sent; id++)
		client_must_recv(c, id, SIZE);
	WAIT_FOR(host_slot(h, TOLD) == 1);
	ck_assert_int_eq(host_call(h, remote_response, 1, SIZE, 7), SIZE + 8);
	client_must_recv(c, 7, SIZE);
	session_stop(h, c);
}
END_TEST

START_TEST(responses_and_events_are_told_separately)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);
	int32_t responses = 0;
	int32_t events = fill(h, 1);

	while (host_call(h, remote_response, 1, SIZE, responses) > 0)
		responses++;
	read_all(c, events);
	WAIT_FOR(host_slot(h, TOLD) == 1);
	for (int32_t id = 0; id < responses; id++)
		client_must_recv(c, id, SIZE);
	WAIT_FOR(host_slot(h, TOLD) == 2);
	session_stop(h, c);
}
END_TEST

START_TEST(sender_that_only_waits_to_be_told_gets_everything_through)
{
	enum { EVENTS = 20000 };
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);
	int32_t sent;

	host_call(h, remote_slot, ACTION, DO_SEND);
	host_call(h, remote_slot, END, EVENTS);
	host_call(h, remote_slot, NEXT, EVENTS);
	sent = fill(h, 1);
	host_call(h, remote_slot, NEXT, sent);
	read_all(c, EVENTS);
	ck_assert(!fd_readable_within(client_fd(c), 0));
	ck_assert_int_ge(host_slot(h, TOLD), 1);
	session_stop(h, c);
}
END_TEST

START_TEST(message_of_the_buffer_size_is_told_when_it_fits)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);
	int64_t most = qb_ipcc_get_buffer_size(c) - 8;
	int32_t sent = fill(h, 1);

	host_call(h, remote_slot, ACTION, DO_NOTHING);
	while (host_call(h, remote_event, 1, most, sent) > 0)
		client_must_recv_event(c, 0, SIZE);
	read_all(c, sent);
	WAIT_FOR(host_slot(h, TOLD) == 1);
	ck_assert_int_eq(host_call(h, remote_event, 1, most, 5), most + 8);
	client_must_recv_event(c, 5, (size_t)most);
	session_stop(h, c);
}
END_TEST

START_TEST(each_of_several_clients_is_told_of)
{
	qb_ipcc_connection_t *c[CLIENTS];
	struct host *h = start(_i, &c[0]);
	int32_t sent[CLIENTS];

	for (int k = 0; k < CLIENTS; k++) {
		if (k > 0)
			c[k] = client_connect(h->name, 0);
		client_echo(c[k], 64);
		sent[k] = fill(h, k + 1);
	}
	for (int k = CLIENTS - 1; k > 0; k--) {
		read_all(c[k], sent[k]);
		WAIT_FOR(host_slot(h, TOLD_OF) & 1 << (k + 1));
		ck_assert_int_eq(host_slot(h, TOLD), CLIENTS - k);
	}
	for (int k = 1; k < CLIENTS; k++)
		qb_ipcc_disconnect(c[k]);
	session_stop(h, c[0]);
}
END_TEST

START_TEST(client_that_hung_up_is_not_told_of_once_it_is_closed)
{
	qb_ipcc_connection_t *c, *other;
	struct host *h = start(_i, &c);

	other = client_connect(h->name, 0);
	client_echo(other, 64);
	fill(h, 1);
	qb_ipcc_disconnect(c);
	host_await_trace(h, "destroyed:1");
	read_all(other, fill(h, 2));
	WAIT_FOR(host_slot(h, TOLD_OF) & 1 << 2);
	/* on_writable() looks that 1 was not closed. */
	session_stop(h, other);
}
END_TEST

START_TEST(function_may_disconnect_the_client)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);
	int32_t sent = fill(h, 1);

	host_call(h, remote_slot, ACTION, DO_DISCONNECT);
	/* What fits together with what was accepted may be cut off with the connection. */
	for (int32_t id = 0; id < sent && host_slot(h, TOLD) == 0; id++)
		client_must_recv_event(c, id, SIZE);
	host_await_trace(h, "destroyed:1");
	ck_assert_int_eq(host_slot(h, TOLD), 1);
	session_stop(h, c);
}
END_TEST

static void several_full_then_one_reads(int i, int action)
{
	qb_ipcc_connection_t *c[CLIENTS];
	struct host *h = start(i, &c[0]);
	int32_t sent = 0;

	for (int k = 0; k < CLIENTS; k++) {
		if (k > 0)
			c[k] = client_connect(h->name, 0);
		client_echo(c[k], 64);
		sent = fill(h, k + 1);
	}
	host_call(h, remote_slot, ACTION, action);
	for (int32_t id = 0; id < sent && host_slot(h, TOLD) == 0; id++)
		client_must_recv_event(c[CLIENTS - 1], id, SIZE);
	for (int k = 1; k <= CLIENTS; k++) {
		char text[32];

		snprintf(text, sizeof(text), "destroyed:%d", k);
		host_await_trace(h, text);
	}
	ck_assert_int_eq(host_slot(h, TOLD), 1);
	for (int k = 1; k < CLIENTS; k++)
		qb_ipcc_disconnect(c[k]);
	session_stop(h, c[0]);
}

START_TEST(function_may_disconnect_all_that_wait)
{
	several_full_then_one_reads(_i, DO_DISCONNECT_ALL);
}
END_TEST

START_TEST(function_may_destroy_the_service)
{
	several_full_then_one_reads(_i, DO_DESTROY);
}
END_TEST

START_TEST(nobody_is_told_after_the_function_was_taken_away)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	host_call(h, remote_slot, ACTION, DO_UNSET);
	read_all(c, fill(h, 1));
	WAIT_FOR(host_slot(h, TOLD) == 1);
	read_all(c, fill(h, 1));
	client_echo(c, 64);
	ck_assert_int_eq(host_call(h, remote_event, 1, SIZE, 9), SIZE + 8);
	client_must_recv_event(c, 9, SIZE);
	ck_assert_int_eq(host_slot(h, TOLD), 1);
	session_stop(h, c);
}
END_TEST

static int64_t dispatches(struct host *h)
{
	struct adapter_counts counts;

	host_call(h, remote_adapter_counts);
	memcpy(&counts, h->shared->blob, sizeof(counts));
	return counts.dispatches;
}

START_TEST(client_that_never_reads_wakes_the_service_seldom)
{
	qb_ipcc_connection_t *c;
	struct host *h = start_with(_i, set_function_and_sleep, &c);
	int64_t before;

	client_echo(c, 64);
	before = dispatches(h);
	fill(h, 1);
	usleep(700 * 1000);
	/* 1, 2, 4, ... 64 and then every 100 ms. A slow machine does less. */
	ck_assert_int_le(dispatches(h) - before, 20);
	session_stop(h, c);
}
END_TEST

/* Longer than any interval. */
static bool nothing_is_dispatched(struct host *h)
{
	int64_t before = dispatches(h);

	usleep(300 * 1000);
	return dispatches(h) == before;
}

START_TEST(nothing_wakes_a_service_in_which_nobody_waits)
{
	qb_ipcc_connection_t *c;
	struct host *h = start_with(_i, set_function_and_sleep, &c);

	read_all(c, fill(h, 1));
	WAIT_FOR(host_slot(h, TOLD) == 1);
	WAIT_FOR(nothing_is_dispatched(h));
	session_stop(h, c);
}
END_TEST

START_TEST(function_needs_a_service)
{
	ck_assert_int_eq(qbipc_service_writable_set(NULL, on_writable, NULL), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("writable");
	TCase *tc = tcase_new(s, "writable");

	add_variant_test(tc, refused_event_is_told_once_when_the_client_has_read);
	add_transport_test(tc, client_that_does_not_read_is_not_told_of);
	add_variant_test(tc, refused_response_is_told_when_the_client_has_read);
	add_transport_test(tc, responses_and_events_are_told_separately);
	add_variant_test(tc, sender_that_only_waits_to_be_told_gets_everything_through);
	add_transport_test(tc, message_of_the_buffer_size_is_told_when_it_fits);
	add_variant_test(tc, each_of_several_clients_is_told_of);
	add_variant_test(tc, client_that_hung_up_is_not_told_of_once_it_is_closed);
	add_variant_test(tc, function_may_disconnect_the_client);
	add_variant_test(tc, function_may_disconnect_all_that_wait);
	add_variant_test(tc, function_may_destroy_the_service);
	add_transport_test(tc, nobody_is_told_after_the_function_was_taken_away);
	add_transport_test(tc, client_that_never_reads_wakes_the_service_seldom);
	add_transport_test(tc, nothing_wakes_a_service_in_which_nobody_waits);
	tcase_add_test(tc, function_needs_a_service);
	return suite_main(s);
}
