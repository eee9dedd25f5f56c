/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The counters that servers publish, per connection and per service. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

static const struct qb_ipcs_connection_stats_2 *connection_stats(struct host *h, int number,
								 int clear)
{
	host_call(h, remote_connection_stats, number, clear);
	return (const void *)h->shared->blob;
}

static void check_service(struct host *h, uint32_t active, uint32_t closed)
{
	const struct qb_ipcs_stats *stats = (const void *)h->shared->blob;

	ck_assert_int_eq(host_call(h, remote_stats, 0), 0);
	ck_assert_uint_eq(stats->active_connections, active);
	ck_assert_uint_eq(stats->closed_connections, closed);
}

START_TEST(requests_responses_and_events_are_counted)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	const struct qb_ipcs_connection_stats_2 *stats;

	for (int n = 0; n < 3; n++)
		client_echo(c, 64);
	client_must_send(c, MSG_EVENT, 64);
	client_must_recv_event(c, MSG_EVENT, 64);
	client_must_send(c, MSG_SILENT, 64);
	host_expect_trace(h, "accept:1 created:1 msg:1 msg:1 msg:1 msg:1 msg:1");
	stats = connection_stats(h, 1, 0);
	ck_assert_int_eq(stats->client_pid, getpid());
	ck_assert_uint_eq(stats->requests, 5);
	ck_assert_uint_eq(stats->responses, 3);
	ck_assert_uint_eq(stats->events, 1);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(clearing_zeroes_the_counters_and_keeps_the_pid)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	const struct qb_ipcs_connection_stats_2 *stats;

	client_echo(c, 64);
	stats = connection_stats(h, 1, 1);
	ck_assert_uint_eq(stats->requests, 1);
	stats = connection_stats(h, 1, 0);
	ck_assert_int_eq(stats->client_pid, getpid());
	ck_assert_uint_eq(stats->requests, 0);
	ck_assert_uint_eq(stats->responses, 0);
	client_echo(c, 64);
	ck_assert_uint_eq(connection_stats(h, 1, 0)->requests, 1);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static int64_t old_stats(struct server *sv, const int64_t *args)
{
	struct qb_ipcs_connection_stats stats;

	memset(&stats, 0x5a, sizeof(stats));
	SERVER_REQUIRE_EQ(sv,
			  qb_ipcs_connection_stats_get(server_connection(sv, 1), &stats,
						       (int32_t)args[0]),
			  0);
	memcpy(sv->shared->blob, &stats, sizeof(stats));
	return 0;
}

START_TEST(old_statistics_call_gives_the_same_counters)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	const struct qb_ipcs_connection_stats *stats = (void *)h->shared->blob;

	client_echo(c, 64);
	host_call(h, old_stats, 1);
	ck_assert_int_eq(stats->client_pid, getpid());
	ck_assert_uint_eq(stats->requests, 1);
	ck_assert_uint_eq(stats->responses, 1);
	ck_assert_uint_eq(stats->events, 0);
	ck_assert_int_eq(stats->flow_control_state, 0);
	host_call(h, old_stats, 0);
	ck_assert_int_eq(stats->client_pid, getpid());
	ck_assert_uint_eq(stats->requests, 0);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(event_queue_length_counts_events_not_yet_read)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	host_await_trace(h, "created:1");
	ck_assert_uint_eq(connection_stats(h, 1, 0)->event_q_length, 0);
	ck_assert_int_eq(host_call(h, remote_events, 1, 64, 200, 4), 4);
	ck_assert_uint_eq(connection_stats(h, 1, 0)->event_q_length, 4);
	client_must_recv_event(c, 200, 64);
	ck_assert_uint_eq(connection_stats(h, 1, 0)->event_q_length, 3);
	for (int32_t id = 201; id < 204; id++)
		client_must_recv_event(c, id, 64);
	ck_assert_uint_eq(connection_stats(h, 1, 0)->event_q_length, 0);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(event_that_finds_no_room_counts_as_a_retry_not_as_an_event)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	const struct qb_ipcs_connection_stats_2 *stats;
	int64_t accepted;

	host_await_trace(h, "created:1");
	accepted = host_call(h, remote_events, 1, 1000, 1, 100000);
	ck_assert_int_eq(host_slot(h, 0), -EAGAIN);
	stats = connection_stats(h, 1, 0);
	ck_assert_uint_eq(stats->events, (uint64_t)accepted);
	ck_assert_uint_ge(stats->send_retries, 1);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(service_counts_active_and_closed_connections)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *a, *b;

	check_service(h, 0, 0);
	a = client_connect(h->name, 0);
	b = client_connect(h->name, 0);
	host_await_trace(h, "created:2");
	check_service(h, 2, 0);
	qb_ipcc_disconnect(a);
	host_await_trace(h, "destroyed:1");
	check_service(h, 1, 1);
	host_call(h, remote_disconnect, 2);
	host_await_trace(h, "destroyed:2");
	check_service(h, 0, 2);
	qb_ipcc_disconnect(b);
	host_stop(h);
}
END_TEST

START_TEST(clearing_the_service_counters_zeroes_them)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	host_await_trace(h, "created:1");
	qb_ipcc_disconnect(c);
	host_await_trace(h, "destroyed:1");
	ck_assert_int_eq(host_call(h, remote_stats, 1), 0);
	check_service(h, 0, 0);
	host_stop(h);
}
END_TEST

static int32_t accept_refuses(struct server *sv, qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	return -EACCES;
}

START_TEST(refused_connection_does_not_stay_active)
{
	struct host *h =
		host_start(&(struct server_spec){ VARIANT_SPEC(_i), .accept = accept_refuses });
	const struct qb_ipcs_stats *stats = (const void *)h->shared->blob;

	for (int n = 0; n < 3; n++)
		ck_assert_ptr_null(qb_ipcc_connect(h->name, 0));
	host_await_trace(h, "destroyed:3");
	host_call(h, remote_stats, 0);
	ck_assert_uint_eq(stats->active_connections, 0);
	host_stop(h);
}
END_TEST

static void created_disconnects(struct server *sv, qb_ipcs_connection_t *c)
{
	qb_ipcs_disconnect(c);
}

START_TEST(connection_disconnected_inside_created_does_not_stay_active)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .created = created_disconnects });
	const struct qb_ipcs_stats *stats = (const void *)h->shared->blob;
	qb_ipcc_connection_t *c = qb_ipcc_connect(h->name, 0);

	host_await_trace(h, "destroyed:1");
	host_call(h, remote_stats, 0);
	ck_assert_uint_eq(stats->active_connections, 0);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static void stats_in_callback(struct server *sv, qb_ipcs_connection_t *c)
{
	const int64_t args[CALL_ARGS] = { server_number(sv, c) };

	remote_connection_stats(sv, args);
	SERVER_REQUIRE_EQ(
		sv, ((struct qb_ipcs_connection_stats_2 *)(void *)sv->shared->blob)->client_pid,
		getppid());
	SERVER_REQUIRE_EQ(sv, old_stats(sv, args), 0);
}

static int32_t closed_asks(struct server *sv, qb_ipcs_connection_t *c)
{
	stats_in_callback(sv, c);
	return 0;
}

START_TEST(statistics_can_be_read_inside_created_and_closed)
{
	struct host *h = host_start(&(struct server_spec){
		VARIANT_SPEC(_i), .created = stats_in_callback, .closed = closed_asks });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	host_expect_trace(h, "accept:1 created:1 msg:1 closed:1 destroyed:1");
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("server statistics");
	TCase *tc = tcase_new(s, "connection");

	add_variant_test(tc, requests_responses_and_events_are_counted);
	add_transport_test(tc, clearing_zeroes_the_counters_and_keeps_the_pid);
	add_transport_test(tc, old_statistics_call_gives_the_same_counters);
	add_transport_test(tc, event_queue_length_counts_events_not_yet_read);
	add_transport_test(tc, event_that_finds_no_room_counts_as_a_retry_not_as_an_event);
	add_variant_test(tc, statistics_can_be_read_inside_created_and_closed);

	tc = tcase_new(s, "service");
	add_variant_test(tc, service_counts_active_and_closed_connections);
	add_transport_test(tc, clearing_the_service_counters_zeroes_them);
	add_variant_test(tc, refused_connection_does_not_stay_active);
	add_variant_test(tc, connection_disconnected_inside_created_does_not_stay_active);
	return suite_main(s);
}
