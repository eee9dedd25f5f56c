/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A service on the loop under test, in a child; its clients are here. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/adapters/loop.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

enum {
	MANY = 1000,
	BUSY = 20,	 /* clients that are served when the service goes */
	SLOT_GONE = 1,	 /* the parent to the server: the client has left */
	SLOT_CLOSED = 2, /* times that connection_closed was called */
	SLOT_SERVED = 3,
};

static struct host *service_start(int transport, struct server_spec spec)
{
	spec.type = variants[transport].type;
	spec.libqb_wire = variants[transport].libqb_wire;
	spec.adapter = &adapter_real;
	return host_start(&spec);
}
#define SERVICE_START(i, ...) service_start(i, (struct server_spec){ __VA_ARGS__ })

START_TEST(requests_of_every_size_are_answered)
{
	struct host *h = SERVICE_START(_i, .quiet = true);
	qb_ipcc_connection_t *c = client_connect(h->name, 200000);

	for (size_t size = sizeof(struct qb_ipc_request_header); size < 150000; size *= 3)
		client_echo(c, size);
	qb_ipcc_disconnect(c);
	host_expect_trace(h, "accept:1 created:1 closed:1 destroyed:1");
	host_stop(h);
}
END_TEST

START_TEST(requests_in_a_row_are_all_served)
{
	struct host *h = SERVICE_START(_i, .quiet = true, .msg = server_answer);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 20; i++)
			client_send_patiently(c, 100 + i, 64);
		for (int i = 0; i < 20; i++)
			client_must_recv(c, 100 + i, 64);
	}
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(events_arrive_in_order)
{
	struct host *h = SERVICE_START(_i, 0);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	int64_t sent = 0, got = 0;

	host_await_trace(h, "created:1");
	while (got < 500) {
		sent += host_call(h, remote_events, 1, 64, 1000 + sent, 50);
		for (; got < sent; got++)
			client_must_recv_event(c, (int32_t)(1000 + got), 64);
	}
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* -- Ends ---------------------------------------------------------------------- */

/*
 * On one transport, a second stream of a client whose connection has ended may still be in the
 * loop, and a timer with it: it is dispatched after the call that asks, which has priority.
 */
static void only_the_listener_stays(struct host *h)
{
	WAIT_FOR(host_call(h, remote_adapter_counts) == 1);
}

static int32_t msg_wait_for_hang_up(struct server *sv, qb_ipcs_connection_t *c, void *data,
				    size_t size)
{
	uint64_t end = now_ms() + (uint64_t)deadline_ms();

	while (!atomic_load(&sv->shared->slot[SLOT_GONE])) {
		SERVER_REQUIRE(sv, now_ms() < end);
		pause_briefly();
	}
	return server_default_msg(sv, c, data, size);
}

START_TEST(a_client_may_hang_up_while_a_callback_serves_it)
{
	struct host *h = SERVICE_START(_i, .msg = msg_wait_for_hang_up);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	client_must_send(c, MSG_ECHO, 64);
	host_await_trace(h, "msg:1");
	qb_ipcc_disconnect(c);
	atomic_store(&h->shared->slot[SLOT_GONE], 1);
	host_expect_trace(h, "accept:1 created:1 msg:1 closed:1 destroyed:1");
	c = client_connect(h->name, 0);
	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(a_connection_may_be_disconnected_while_it_is_served)
{
	struct host *h = SERVICE_START(_i, 0);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	qb_ipcc_connection_t *other = client_connect(h->name, 0);

	host_await_trace(h, "created:2");
	client_must_send(c, MSG_DISCONNECT_ME, 64);
	host_await_trace(h, "destroyed:1");
	client_echo(other, 64);
	WAIT_FOR(!qb_ipcc_is_connected(c));
	qb_ipcc_disconnect(c);
	qb_ipcc_disconnect(other);
	host_stop(h);
}
END_TEST

static int32_t msg_disconnect_all(struct server *sv, qb_ipcs_connection_t *c, void *data,
				  size_t size)
{
	for (int number = 1; number <= sv->accepted; number++)
		qb_ipcs_disconnect(server_connection(sv, number));
	return 0;
}

START_TEST(all_connections_may_be_disconnected_while_one_is_served)
{
	struct host *h = SERVICE_START(_i, .msg = msg_disconnect_all);
	qb_ipcc_connection_t *c[3];

	for (int i = 0; i < 3; i++)
		c[i] = client_connect(h->name, 0);
	host_await_trace(h, "created:3");
	client_must_send(c[1], MSG_ECHO, 64);
	for (int i = 0; i < 3; i++) {
		WAIT_FOR(!qb_ipcc_is_connected(c[i]));
		qb_ipcc_disconnect(c[i]);
	}
	host_await_trace(h, "destroyed:3");
	only_the_listener_stays(h);
	host_stop(h);
}
END_TEST

static void created_disconnect(struct server *sv, qb_ipcs_connection_t *c)
{
	qb_ipcs_disconnect(c);
}

START_TEST(a_connection_may_be_disconnected_in_created)
{
	struct host *h = SERVICE_START(_i, .created = created_disconnect);
	qb_ipcc_connection_t *c = qb_ipcc_connect(h->name, 0);

	host_expect_trace(h, "accept:1 created:1 destroyed:1");
	qb_ipcc_disconnect(c);
	only_the_listener_stays(h);
	host_stop(h);
}
END_TEST

static int32_t msg_destroy_service(struct server *sv, qb_ipcs_connection_t *c, void *data,
				   size_t size)
{
	if (sv->service)
		qb_ipcs_destroy(sv->service);
	sv->service = NULL;
	return 0;
}

START_TEST(the_service_may_be_destroyed_while_it_serves)
{
	struct host *h = SERVICE_START(_i, .quiet = true, .msg = msg_destroy_service);
	qb_ipcc_connection_t *c[3];

	for (int i = 0; i < 3; i++)
		c[i] = client_connect(h->name, 0);
	host_await_trace(h, "created:3");
	client_must_send(c[0], MSG_ECHO, 64);
	for (int i = 0; i < 3; i++) {
		WAIT_FOR(!qb_ipcc_is_connected(c[i]));
		qb_ipcc_disconnect(c[i]);
	}
	ck_assert_int_eq(host_call(h, remote_adapter_counts), 0);
	host_stop(h);
}
END_TEST

/* Requests of all clients are under way; hang-ups come in between. */
START_TEST(the_service_may_be_destroyed_while_it_is_busy)
{
	struct host *h = SERVICE_START(_i, .quiet = true);
	qb_ipcc_connection_t *c[BUSY];

	for (int i = 0; i < BUSY; i++)
		c[i] = client_connect(h->name, 0);
	for (int n = 0; n < 10; n++)
		for (int i = 0; i < BUSY; i++)
			(void)client_send(c[i], i % 2 ? MSG_EVENT : MSG_SILENT, 64);
	for (int i = 0; i < BUSY; i += 4) {
		qb_ipcc_disconnect(c[i]);
		c[i] = NULL;
	}
	host_call(h, remote_destroy);
	ck_assert_int_eq(host_call(h, remote_adapter_counts), 0);
	for (int i = 0; i < BUSY; i++) {
		WAIT_FOR(!c[i] || !qb_ipcc_is_connected(c[i]));
		qb_ipcc_disconnect(c[i]);
	}
	host_stop(h);
}
END_TEST

static int32_t closed_thrice(struct server *sv, qb_ipcs_connection_t *c)
{
	return atomic_fetch_add(&sv->shared->slot[SLOT_CLOSED], 1) < 2 ? -1 : 0;
}

START_TEST(closed_is_called_again_by_a_job_while_it_asks_for_that)
{
	struct host *h = SERVICE_START(_i, .closed = closed_thrice);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	host_expect_trace(h, "accept:1 created:1 msg:1 closed:1 closed:1 closed:1 "
			     "destroyed:1");
	host_stop(h);
}
END_TEST

START_TEST(descriptor_numbers_are_used_again_at_once)
{
	struct host *h = SERVICE_START(_i, .quiet = true);

	for (int n = 1; n <= 20; n++) {
		qb_ipcc_connection_t *c = client_connect(h->name, 0);
		qb_ipcc_connection_t *next;

		client_must_send(c, MSG_DISCONNECT_ME, 64);
		next = client_connect(h->name, 0);
		client_echo(next, 64);
		qb_ipcc_disconnect(c);
		client_echo(next, 64);
		qb_ipcc_disconnect(next);
	}
	host_await_trace(h, "destroyed:40");
	ck_assert_int_eq(host_call(h, remote_adapter_counts), 1);
	host_stop(h);
}
END_TEST

/* -- Rates --------------------------------------------------------------------- */

START_TEST(rates_change_priorities_while_clients_are_served)
{
	struct host *h = SERVICE_START(_i, .quiet = true);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	for (int round = 0; round < 3; round++) {
		for (int rate = QB_IPCS_RATE_FAST; rate <= QB_IPCS_RATE_SLOW; rate++) {
			host_call(h, remote_rate, rate);
			client_echo(c, 64);
		}
	}
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(flow_control_stops_clients_and_lets_them_go_on)
{
	struct host *h = SERVICE_START(_i, .quiet = true);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	client_echo(c, 64);
	for (int round = 0; round < 3; round++) {
		host_call(h, remote_rate, QB_IPCS_RATE_OFF);
		ck_assert_int_eq(client_send(c, MSG_ECHO, 64), -EAGAIN);
		ck_assert_int_eq(client_send(c, MSG_ECHO, 64), -EAGAIN);
		host_call(h, remote_rate, QB_IPCS_RATE_NORMAL);
		client_echo(c, 64);
	}
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* A client that ignores the stop: its requests wait, and the loop does not turn round
 * and round for them. */
START_TEST(requests_that_came_while_stopped_are_served_afterwards)
{
	struct host *h = SERVICE_START(_i, .quiet = true);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	struct adapter_counts *counts = (void *)h->shared->blob;
	int dispatches;

	client_echo(c, 64);
	host_call(h, remote_rate, QB_IPCS_RATE_OFF_2);
	for (int i = 0; i < 5; i++)
		client_must_send(c, 100 + i, 64);
	host_call(h, remote_adapter_counts);
	dispatches = counts->dispatches;
	for (int i = 0; i < 50; i++)
		host_call(h, remote_adapter_counts);
	ck_assert_int_le(counts->dispatches, dispatches + 2);
	host_call(h, remote_rate, QB_IPCS_RATE_NORMAL);
	for (int i = 0; i < 5; i++)
		client_must_recv(c, 100 + i, 64);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(hang_ups_of_stopped_clients_are_noticed)
{
	struct host *h = SERVICE_START(_i, .quiet = true);
	qb_ipcc_connection_t *c[3];

	for (int i = 0; i < 3; i++)
		c[i] = client_connect(h->name, 0);
	host_await_trace(h, "created:3");
	host_call(h, remote_rate, QB_IPCS_RATE_OFF);
	qb_ipcc_disconnect(c[1]);
	host_await_trace(h, "destroyed:2");
	qb_ipcc_disconnect(c[0]);
	host_await_trace(h, "destroyed:1");
	host_call(h, remote_rate, QB_IPCS_RATE_FAST);
	client_echo(c[2], 64);
	qb_ipcc_disconnect(c[2]);
	host_await_trace(h, "destroyed:3");
	host_stop(h);
}
END_TEST

/* -- Many ---------------------------------------------------------------------- */

static int32_t msg_count(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	atomic_fetch_add(&sv->shared->slot[SLOT_SERVED], 1);
	return server_default_msg(sv, c, data, size);
}

START_TEST(a_thousand_connections_are_served)
{
	qb_ipcc_connection_t **c = calloc(MANY, sizeof(*c));
	struct qb_ipcs_stats stats;
	struct host *h;

	test_loop_descriptors(8 * MANY);
	h = SERVICE_START(_i, .untraced = true, .msg = msg_count);
	for (int i = 0; i < MANY; i++)
		c[i] = client_connect(h->name, 0);
	for (int i = 0; i < MANY; i++)
		client_must_send(c[i], MSG_ECHO, 64);
	for (int i = 0; i < MANY; i++)
		client_must_recv(c[i], MSG_ECHO, 64);
	ck_assert_int_eq(host_slot(h, SLOT_SERVED), MANY);
	for (int i = 0; i < MANY; i += 2)
		qb_ipcc_disconnect(c[i]);
	do {
		host_call(h, remote_stats, 0);
		memcpy(&stats, h->shared->blob, sizeof(stats));
	} while (stats.active_connections > MANY / 2);
	for (int i = 1; i < MANY; i += 2)
		client_echo(c[i], 64);
	host_call(h, remote_destroy);
	for (int i = 1; i < MANY; i += 2)
		qb_ipcc_disconnect(c[i]);
	free(c);
	host_stop(h);
}
END_TEST

void add_service_tests(Suite *s)
{
	TCase *tc = tcase_loop(s, "services");

	add_transport_test(tc, requests_of_every_size_are_answered);
	add_transport_test(tc, requests_in_a_row_are_all_served);
	add_transport_test(tc, events_arrive_in_order);
	add_transport_test(tc, a_client_may_hang_up_while_a_callback_serves_it);
	add_transport_test(tc, a_connection_may_be_disconnected_while_it_is_served);
	add_transport_test(tc, all_connections_may_be_disconnected_while_one_is_served);
	add_transport_test(tc, a_connection_may_be_disconnected_in_created);
	add_transport_test(tc, the_service_may_be_destroyed_while_it_serves);
	add_transport_test(tc, the_service_may_be_destroyed_while_it_is_busy);
	add_transport_test(tc, closed_is_called_again_by_a_job_while_it_asks_for_that);
	add_transport_test(tc, descriptor_numbers_are_used_again_at_once);
	add_transport_test(tc, rates_change_priorities_while_clients_are_served);
	add_transport_test(tc, flow_control_stops_clients_and_lets_them_go_on);
	add_transport_test(tc, requests_that_came_while_stopped_are_served_afterwards);
	add_transport_test(tc, hang_ups_of_stopped_clients_are_noticed);

	tc = tcase_loop_many(s, "many connections");
	/* The native ones, of both types: more would only take longer. */
	tcase_add_loop_test(tc, a_thousand_connections_are_served, 0, 2);
}
