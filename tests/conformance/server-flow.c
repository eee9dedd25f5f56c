/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rates and flow control: who may send, and what the server takes, while it is off. */
#include <errno.h>
#include <sys/socket.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/session.h"
#include "tests/lib/variant.h"

enum { SLOT_TAKEN };

static int32_t msg_counts(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	const struct qb_ipc_request_header *hdr = data;

	/* In order, none lost: the ids count up from 1000. */
	SERVER_REQUIRE_EQ(sv, hdr->id, 1000 + sv->shared->slot[SLOT_TAKEN]);
	sv->shared->slot[SLOT_TAKEN]++;
	return 0;
}

static struct host *start(int i, qb_ipcc_connection_t **c)
{
	return session_start_spec(
		&(struct server_spec){ VARIANT_SPEC(i), .quiet = true, .msg = msg_counts }, c);
}

START_TEST(off_refuses_requests_of_default_clients)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	host_call(h, remote_rate, QB_IPCS_RATE_OFF);
	ck_assert_int_eq(client_send(c, 1000, 64), -EAGAIN);
	ck_assert_int_eq(client_send(c, 1000, 64), -EAGAIN);
	host_call(h, remote_rate, QB_IPCS_RATE_NORMAL);
	client_must_send(c, 1000, 64);
	WAIT_FOR(host_slot(h, SLOT_TAKEN) == 1);
	session_stop(h, c);
}
END_TEST

static void check_rate_turns_on(int i, enum qb_ipcs_rate_limit rate)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(i, &c);

	host_call(h, remote_rate, QB_IPCS_RATE_OFF);
	ck_assert_int_eq(client_send(c, 1000, 64), -EAGAIN);
	host_call(h, remote_rate, rate);
	client_must_send(c, 1000, 64);
	WAIT_FOR(host_slot(h, SLOT_TAKEN) == 1);
	session_stop(h, c);
}

START_TEST(fast_turns_flow_on_again)
{
	check_rate_turns_on(_i, QB_IPCS_RATE_FAST);
}
END_TEST

START_TEST(slow_turns_flow_on_again)
{
	check_rate_turns_on(_i, QB_IPCS_RATE_SLOW);
}
END_TEST

START_TEST(off_2_does_not_refuse_default_clients)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	host_call(h, remote_rate, QB_IPCS_RATE_OFF_2);
	for (int32_t id = 1000; id < 1005; id++)
		client_must_send(c, id, 64);
	host_call(h, remote_rate, QB_IPCS_RATE_NORMAL);
	WAIT_FOR(host_slot(h, SLOT_TAKEN) == 5);
	session_stop(h, c);
}
END_TEST

START_TEST(off_2_refuses_clients_whose_maximum_is_2)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	ck_assert_int_eq(qb_ipcc_fc_enable_max_set(c, 2), 0);
	host_call(h, remote_rate, QB_IPCS_RATE_OFF_2);
	ck_assert_int_eq(client_send(c, 1000, 64), -EAGAIN);
	host_call(h, remote_rate, QB_IPCS_RATE_OFF);
	ck_assert_int_eq(client_send(c, 1000, 64), -EAGAIN);
	host_call(h, remote_rate, QB_IPCS_RATE_FAST);
	client_must_send(c, 1000, 64);
	session_stop(h, c);
}
END_TEST

START_TEST(off_does_not_refuse_clients_whose_maximum_is_0)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	ck_assert_int_eq(qb_ipcc_fc_enable_max_set(c, 0), 0);
	host_call(h, remote_rate, QB_IPCS_RATE_OFF);
	client_must_send(c, 1000, 64);
	client_must_send(c, 1001, 64);
	host_call(h, remote_rate, QB_IPCS_RATE_NORMAL);
	WAIT_FOR(host_slot(h, SLOT_TAKEN) == 2);
	session_stop(h, c);
}
END_TEST

START_TEST(maximum_above_2_is_einval_and_changes_nothing)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	ck_assert_int_eq(qb_ipcc_fc_enable_max_set(c, 3), -EINVAL);
	ck_assert_int_eq(qb_ipcc_fc_enable_max_set(c, UINT32_MAX), -EINVAL);
	ck_assert_int_eq(qb_ipcc_fc_enable_max_set(NULL, 1), -EINVAL);
	host_call(h, remote_rate, QB_IPCS_RATE_OFF);
	ck_assert_int_eq(client_send(c, 1000, 64), -EAGAIN);
	host_call(h, remote_rate, QB_IPCS_RATE_OFF_2);
	client_must_send(c, 1000, 64);
	session_stop(h, c);
}
END_TEST

START_TEST(server_takes_nothing_while_off)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);
	struct adapter_counts *counts = (void *)h->shared->blob;
	int dispatches;

	host_call(h, remote_rate, QB_IPCS_RATE_OFF_2);
	client_must_send(c, 1000, 64);
	client_must_send(c, 1001, 64);
	/* The loop has come round often enough to have taken them. */
	for (int n = 0; n < 20; n++)
		host_call(h, remote_adapter_counts);
	ck_assert_int_eq(host_slot(h, SLOT_TAKEN), 0);
	dispatches = counts->dispatches;
	host_call(h, remote_adapter_counts);
	ck_assert_int_le(counts->dispatches, dispatches + 2);
	host_call(h, remote_rate, QB_IPCS_RATE_NORMAL);
	WAIT_FOR(host_slot(h, SLOT_TAKEN) == 2);
	session_stop(h, c);
}
END_TEST

START_TEST(what_was_queued_while_off_arrives_in_order_when_on)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);
	int32_t id = 1000;
	ssize_t n;

	host_call(h, remote_rate, QB_IPCS_RATE_OFF_2);
	while ((n = client_send(c, id, 700)) == 700)
		id++;
	ck_assert_int_eq(n, -EAGAIN);
	ck_assert_int_gt(id, 1001);
	host_call(h, remote_rate, QB_IPCS_RATE_NORMAL);
	WAIT_FOR(host_slot(h, SLOT_TAKEN) == id - 1000);
	client_must_send(c, id, 700);
	WAIT_FOR(host_slot(h, SLOT_TAKEN) == id - 1000 + 1);
	session_stop(h, c);
}
END_TEST

static int32_t msg_turns_off(struct server *sv, qb_ipcs_connection_t *c, void *data,
			     size_t size)
{
	int32_t result = msg_counts(sv, c, data, size);

	if (sv->shared->slot[SLOT_TAKEN] == 2)
		qb_ipcs_request_rate_limit(sv->service, QB_IPCS_RATE_OFF);
	return result;
}

START_TEST(turning_off_inside_msg_process_ends_the_dispatch)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_turns_off });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	host_await_trace(h, "created:1");
	host_freeze(h);
	for (int32_t id = 1000; id < 1005; id++)
		client_must_send(c, id, 64);
	host_thaw(h);
	WAIT_FOR(host_slot(h, SLOT_TAKEN) == 2);
	for (int n = 0; n < 20; n++)
		host_call(h, remote_nothing);
	ck_assert_int_eq(host_slot(h, SLOT_TAKEN), 2);
	host_call(h, remote_rate, QB_IPCS_RATE_NORMAL);
	WAIT_FOR(host_slot(h, SLOT_TAKEN) == 5);
	session_stop(h, c);
}
END_TEST

START_TEST(connection_made_while_off_starts_off)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_counts });
	qb_ipcc_connection_t *c;

	host_call(h, remote_rate, QB_IPCS_RATE_OFF);
	c = client_connect(h->name, 0);
	host_await_trace(h, "created:1");
	ck_assert_int_eq(client_send(c, 1000, 64), -EAGAIN);
	host_call(h, remote_rate, QB_IPCS_RATE_NORMAL);
	client_must_send(c, 1000, 64);
	WAIT_FOR(host_slot(h, SLOT_TAKEN) == 1);
	session_stop(h, c);
}
END_TEST

START_TEST(hang_up_of_a_client_is_noticed_while_off)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	host_call(h, remote_rate, QB_IPCS_RATE_OFF);
	qb_ipcc_disconnect(c);
	host_expect_trace(h, "accept:1 created:1 closed:1 destroyed:1");
	host_stop(h);
}
END_TEST

/* Nobody reads it, so a loop that watches for it calls again at once. */
START_TEST(urgent_byte_while_off_does_not_keep_the_server_busy)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	host_call(h, remote_rate, QB_IPCS_RATE_OFF);
	/* Linux before 5.15 has none for unix sockets. */
	if (send(client_fd(c), "!", 1, MSG_OOB | MSG_NOSIGNAL) == 1)
		host_await_rest(h);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(responses_and_events_flow_while_off)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	client_echo(c, 64);
	host_call(h, remote_rate, QB_IPCS_RATE_OFF);
	ck_assert_int_eq(host_call(h, remote_event, 1, 100, 7), 108);
	ck_assert_int_eq(host_call(h, remote_response, 1, 100, 8), 108);
	client_must_recv_event(c, 7, 100);
	client_must_recv(c, 8, 100);
	session_stop(h, c);
}
END_TEST

static void check_state(struct host *h, int32_t state, uint64_t count)
{
	struct qb_ipcs_connection_stats_2 *stats = (void *)h->shared->blob;

	host_call(h, remote_connection_stats, 1, 0);
	ck_assert_int_eq(stats->flow_control_state, state);
	ck_assert_uint_eq(stats->flow_control_count, count);
}

START_TEST(statistics_show_state_and_number_of_changes_of_flow_control)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	check_state(h, 0, 0);
	host_call(h, remote_rate, QB_IPCS_RATE_OFF);
	check_state(h, 1, 1);
	host_call(h, remote_rate, QB_IPCS_RATE_OFF);
	check_state(h, 1, 1);
	host_call(h, remote_rate, QB_IPCS_RATE_OFF_2);
	check_state(h, 2, 2);
	host_call(h, remote_rate, QB_IPCS_RATE_FAST);
	check_state(h, 0, 3);
	session_stop(h, c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("server flow control");
	TCase *tc = tcase_new(s, "sending");

	add_variant_test(tc, off_refuses_requests_of_default_clients);
	add_transport_test(tc, fast_turns_flow_on_again);
	add_transport_test(tc, slow_turns_flow_on_again);
	add_variant_test(tc, off_2_does_not_refuse_default_clients);
	add_transport_test(tc, off_2_refuses_clients_whose_maximum_is_2);
	add_transport_test(tc, off_does_not_refuse_clients_whose_maximum_is_0);
	add_transport_test(tc, maximum_above_2_is_einval_and_changes_nothing);

	tc = tcase_new(s, "taking");
	add_variant_test(tc, server_takes_nothing_while_off);
	add_variant_test(tc, what_was_queued_while_off_arrives_in_order_when_on);
	add_variant_test(tc, turning_off_inside_msg_process_ends_the_dispatch);
	add_variant_test(tc, connection_made_while_off_starts_off);
	add_variant_test(tc, hang_up_of_a_client_is_noticed_while_off);
	add_variant_test(tc, urgent_byte_while_off_does_not_keep_the_server_busy);
	add_variant_test(tc, responses_and_events_flow_while_off);
	add_transport_test(tc, statistics_show_state_and_number_of_changes_of_flow_control);
	return suite_main(s);
}
