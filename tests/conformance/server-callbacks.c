/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which callbacks a server gets, in which order, for every way a connection can end. */
#include <errno.h>
#include <unistd.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

START_TEST(client_that_leaves_is_closed_then_destroyed)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	client_echo(c, 64);
	host_expect_trace(h, "accept:1 created:1 msg:1");
	qb_ipcc_disconnect(c);
	host_expect_trace(h, "accept:1 created:1 msg:1 closed:1 destroyed:1");
	host_stop(h);
}
END_TEST

static int32_t closed_three_times(struct server *sv, qb_ipcs_connection_t *c)
{
	return ++sv->shared->slot[0] < 3 ? -1 : 0;
}

START_TEST(closed_is_called_again_while_it_returns_non_zero)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .closed = closed_three_times });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	qb_ipcc_disconnect(c);
	host_expect_trace(h, "accept:1 created:1 closed:1 closed:1 closed:1 destroyed:1");
	host_stop(h);
}
END_TEST

static int32_t closed_notes_when(struct server *sv, qb_ipcs_connection_t *c)
{
	int n = sv->shared->slot[0]++;

	if (n == 0)
		sv->shared->slot[1] = (int)now_ms();
	sv->shared->slot[2] = (int)now_ms();
	return n < 2 ? -1 : 0;
}

/* As with libqb: on a loop with nothing else to do, 50 ms later, and again. */
START_TEST(closed_is_called_again_at_the_pace_of_jobs)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .closed = closed_notes_when });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	qb_ipcc_disconnect(c);
	host_expect_trace(h, "accept:1 created:1 closed:1 closed:1 closed:1 destroyed:1");
	ck_assert_int_ge(host_slot(h, 2) - host_slot(h, 1), 2 * 49);
	host_stop(h);
}
END_TEST

START_TEST(closed_that_wants_again_without_job_add_is_done)
{
	struct host *h =
		host_start(&(struct server_spec){ .type = variants[_i].type,
						  .libqb_wire = variants[_i].libqb_wire,
						  .adapter = &adapter_glib_like,
						  .closed = closed_three_times });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	qb_ipcc_disconnect(c);
	host_expect_trace(h, "accept:1 created:1 closed:1 destroyed:1");
	host_stop(h);
}
END_TEST

static int32_t accept_refuses(struct server *sv, qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	return (int32_t)atomic_load(&sv->shared->slot[1]);
}

static void check_refusal(int i, int32_t value, int expected)
{
	struct host *h =
		host_start(&(struct server_spec){ VARIANT_SPEC(i), .accept = accept_refuses });

	atomic_store(&h->shared->slot[1], value);
	errno = 0;
	ck_assert_ptr_null(qb_ipcc_connect(h->name, 0));
	ck_assert_int_eq(errno, expected);
	host_expect_trace(h, "accept:1 destroyed:1");
	ck_assert_int_eq(host_call(h, remote_walk), 0);
	host_stop(h);
}

START_TEST(refusal_by_accept_reaches_the_client_as_errno)
{
	check_refusal(_i, -EACCES, EACCES);
}
END_TEST

START_TEST(refusal_with_eagain_reaches_the_client_as_errno)
{
	check_refusal(_i, -EAGAIN, EAGAIN);
}
END_TEST

START_TEST(refusal_with_minus_one_is_a_refusal)
{
	check_refusal(_i, -1, EPERM);
}
END_TEST

START_TEST(refusal_with_a_positive_value_is_a_refusal)
{
	check_refusal(_i, 1, -1);
}
END_TEST

START_TEST(server_serves_on_after_a_refusal)
{
	struct host *h =
		host_start(&(struct server_spec){ VARIANT_SPEC(_i), .accept = accept_refuses });
	qb_ipcc_connection_t *c;

	atomic_store(&h->shared->slot[1], -EBUSY);
	ck_assert_ptr_null(qb_ipcc_connect(h->name, 0));
	atomic_store(&h->shared->slot[1], 0);
	c = client_connect(h->name, 0);
	client_echo(c, 100);
	qb_ipcc_disconnect(c);
	host_expect_trace(h, "accept:1 destroyed:1 accept:2 created:2 msg:2 closed:2 "
			     "destroyed:2");
	host_stop(h);
}
END_TEST

static int32_t accept_disconnects(struct server *sv, qb_ipcs_connection_t *c, uid_t uid,
				  gid_t gid)
{
	qb_ipcs_disconnect(c);
	return 0;
}

START_TEST(disconnect_inside_accept_is_ignored)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .accept = accept_disconnects });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	host_expect_trace(h, "accept:1 created:1 msg:1 closed:1 destroyed:1");
	host_stop(h);
}
END_TEST

static void created_disconnects(struct server *sv, qb_ipcs_connection_t *c)
{
	qb_ipcs_disconnect(c);
	server_trace(sv, "returned:%d", server_number(sv, c));
}

START_TEST(disconnect_inside_created_destroys_without_closed_after_it_returns)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .created = created_disconnects });
	/* Whether connect() still finds all it needs is a matter of who is faster. */
	qb_ipcc_connection_t *c = qb_ipcc_connect(h->name, 0);
	char buf[256];

	host_expect_trace(h, "accept:1 created:1 returned:1 destroyed:1");
	if (c)
		ck_assert_int_eq(qb_ipcc_recv(c, buf, sizeof(buf), deadline_ms()), -ENOTCONN);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(disconnect_inside_msg_process_closes_and_destroys)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	char buf[256];

	client_must_send(c, MSG_DISCONNECT_ME, 64);
	host_expect_trace(h, "accept:1 created:1 msg:1 closed:1 destroyed:1");
	ck_assert_int_eq(qb_ipcc_recv(c, buf, sizeof(buf), deadline_ms()), -ENOTCONN);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static int32_t msg_references_and_disconnects(struct server *sv, qb_ipcs_connection_t *c,
					      void *data, size_t size)
{
	qb_ipcs_connection_ref(c);
	qb_ipcs_disconnect(c);
	return 0;
}

START_TEST(destroyed_waits_for_the_last_reference)
{
	struct host *h = host_start(&(struct server_spec){
		VARIANT_SPEC(_i), .msg = msg_references_and_disconnects });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	client_must_send(c, MSG_ECHO, 64);
	host_expect_trace(h, "accept:1 created:1 msg:1 closed:1");
	ck_assert_int_eq(host_call(h, remote_nothing), 0);
	host_expect_trace(h, "accept:1 created:1 msg:1 closed:1");
	host_call(h, remote_unref, 1);
	host_expect_trace(h, "accept:1 created:1 msg:1 closed:1 destroyed:1");
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(messages_after_a_disconnect_inside_msg_process_are_not_delivered)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	host_freeze(h);
	client_must_send(c, MSG_ECHO, 64);
	client_must_send(c, MSG_DISCONNECT_ME, 64);
	client_must_send(c, MSG_ECHO, 64);
	host_thaw(h);
	host_expect_trace(h, "accept:1 created:1 msg:1 msg:1 closed:1 destroyed:1");
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(disconnect_by_the_server_closes_and_destroys)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	host_await_trace(h, "created:1");
	host_call(h, remote_disconnect, 1);
	host_expect_trace(h, "accept:1 created:1 closed:1 destroyed:1");
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static int64_t disconnect_twice(struct server *sv, const int64_t *args)
{
	qb_ipcs_connection_t *c = server_connection(sv, 1);

	qb_ipcs_connection_ref(c);
	qb_ipcs_disconnect(c);
	qb_ipcs_disconnect(c);
	qb_ipcs_connection_unref(c);
	return 0;
}

START_TEST(disconnecting_twice_is_disconnecting_once)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	host_await_trace(h, "created:1");
	host_call(h, disconnect_twice);
	host_expect_trace(h, "accept:1 created:1 closed:1 destroyed:1");
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(destroying_the_service_disconnects_every_connection)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *a = client_connect(h->name, 0);
	qb_ipcc_connection_t *b = client_connect(h->name, 0);

	host_await_trace(h, "created:2");
	host_call(h, remote_destroy);
	host_await_trace(h, "closed:1");
	host_await_trace(h, "destroyed:1");
	host_await_trace(h, "closed:2");
	host_await_trace(h, "destroyed:2");
	WAIT_FOR(!qb_ipcc_is_connected(a));
	WAIT_FOR(!qb_ipcc_is_connected(b));
	qb_ipcc_disconnect(a);
	qb_ipcc_disconnect(b);
	host_stop(h);
}
END_TEST

static void created_sends_events(struct server *sv, qb_ipcs_connection_t *c)
{
	int64_t args[CALL_ARGS] = { server_number(sv, c), 80, 500, 3 };

	SERVER_REQUIRE_EQ(sv, remote_events(sv, args), 3);
}

START_TEST(events_sent_inside_created_arrive)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .created = created_sends_events });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	for (int32_t id = 500; id < 503; id++)
		client_must_recv_event(c, id, 80);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static void created_sends_responses(struct server *sv, qb_ipcs_connection_t *c)
{
	for (int64_t id = 500; id < 503; id++) {
		int64_t args[CALL_ARGS] = { server_number(sv, c), 80, id };

		SERVER_REQUIRE(sv, remote_response(sv, args) > 0);
	}
}

/* Its client has no socket yet, where responses need one. */
START_TEST(responses_sent_inside_created_arrive)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .created = created_sends_responses });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	for (int32_t id = 500; id < 503; id++)
		client_must_recv(c, id, 80);
	client_echo(c, 100);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(first_response_comes_after_those_sent_inside_created)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .created = created_sends_responses });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	client_must_send(c, MSG_ECHO, 100);
	for (int32_t id = 500; id < 503; id++)
		client_must_recv(c, id, 80);
	client_must_recv(c, MSG_ECHO, 100);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static int32_t accept_checks(struct server *sv, qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	const int64_t args[CALL_ARGS] = { server_number(sv, c) };
	struct qb_ipcs_connection_stats_2 *stats = (void *)sv->shared->blob;

	SERVER_REQUIRE_EQ(sv, uid, getuid());
	SERVER_REQUIRE_EQ(sv, gid, getgid());
	remote_connection_stats(sv, args);
	atomic_store(&sv->shared->slot[0], stats->client_pid);
	SERVER_REQUIRE_EQ(sv, remote_walk(sv, args), 0);
	return 0;
}

START_TEST(accept_gets_uid_and_gid_and_already_knows_the_pid)
{
	struct host *h =
		host_start(&(struct server_spec){ VARIANT_SPEC(_i), .accept = accept_checks });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	ck_assert_int_eq(host_slot(h, 0), getpid());
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static void created_walks(struct server *sv, qb_ipcs_connection_t *c)
{
	const int64_t args[CALL_ARGS] = { 0 };

	SERVER_REQUIRE_EQ(sv, remote_walk(sv, args), server_number(sv, c));
}

START_TEST(connection_is_listed_inside_created)
{
	struct host *h =
		host_start(&(struct server_spec){ VARIANT_SPEC(_i), .created = created_walks });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	host_await_trace(h, "created:1");
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("server callbacks");
	TCase *tc = tcase_new(s, "order");

	add_variant_test(tc, client_that_leaves_is_closed_then_destroyed);
	add_transport_test(tc, closed_is_called_again_while_it_returns_non_zero);
	add_transport_test(tc, closed_is_called_again_at_the_pace_of_jobs);
	add_transport_test(tc, closed_that_wants_again_without_job_add_is_done);
	add_variant_test(tc, refusal_by_accept_reaches_the_client_as_errno);
	add_transport_test(tc, refusal_with_eagain_reaches_the_client_as_errno);
	add_transport_test(tc, refusal_with_minus_one_is_a_refusal);
	add_transport_test(tc, refusal_with_a_positive_value_is_a_refusal);
	add_variant_test(tc, server_serves_on_after_a_refusal);
	add_variant_test(tc, disconnect_inside_accept_is_ignored);
	add_variant_test(tc,
			 disconnect_inside_created_destroys_without_closed_after_it_returns);
	add_variant_test(tc, disconnect_inside_msg_process_closes_and_destroys);
	add_variant_test(tc, destroyed_waits_for_the_last_reference);
	add_variant_test(tc, messages_after_a_disconnect_inside_msg_process_are_not_delivered);
	add_variant_test(tc, disconnect_by_the_server_closes_and_destroys);
	add_variant_test(tc, disconnecting_twice_is_disconnecting_once);
	add_variant_test(tc, destroying_the_service_disconnects_every_connection);
	add_variant_test(tc, events_sent_inside_created_arrive);
	add_variant_test(tc, responses_sent_inside_created_arrive);
	add_variant_test(tc, first_response_comes_after_those_sent_inside_created);
	add_variant_test(tc, accept_gets_uid_and_gid_and_already_knows_the_pid);
	add_variant_test(tc, connection_is_listed_inside_created);
	return suite_main(s);
}
