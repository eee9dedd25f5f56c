/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls of clients that the loop under test dispatches; the server is a child. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <qbipc/call.h>

#include "tests/adapters/loop.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

enum { CLIENTS = 50, EACH = 200, ALL = CLIENTS * EACH, SIZE = 40, FIRST = 100 };

static void *loop;
static struct host *server;
static qb_ipcc_connection_t *clients[CLIENTS];
static int n_clients;
static struct qbipc_calls_watch *watch; /* of the first client */
static int n_done, n_until_stop, last_error;
static int next_id[CLIENTS]; /* of the next response */
static void (*act_in_call)(void);

static void on_done(qb_ipcc_connection_t *c, int error, void *response, size_t size, void *data)
{
	int *next = data;

	ck_assert_ptr_eq(c, clients[next - next_id]);
	last_error = error;
	if (error == 0)
		response_check(response, (ssize_t)size, FIRST + *next, SIZE);
	++*next;
	if (++n_done == n_until_stop)
		test_loop.stop(loop);
	if (act_in_call)
		act_in_call();
}

static int64_t call_send(int client, int id)
{
	struct request *r = request_new(FIRST + id, SIZE);
	struct iovec iov = { r, SIZE };
	int64_t call = qbipc_call_send(clients[client], &iov, 1, -1, on_done, &next_id[client]);

	free(r);
	return call;
}

static void call_must_send(int client, int id)
{
	int64_t call;

	WAIT_FOR((call = call_send(client, id)) != -EAGAIN);
	ck_assert_int_gt(call, 0);
}

static void clients_setup(const struct server_spec *spec, int n)
{
	n_done = 0;
	act_in_call = NULL;
	memset(next_id, 0, sizeof(next_id));
	server = host_start(spec);
	loop = test_loop.open();
	for (n_clients = 0; n_clients < n; n_clients++) {
		clients[n_clients] = client_connect(server->name, 0);
		watch = test_loop.watch_calls(loop, QB_LOOP_MED, clients[n_clients]);
		ck_assert_ptr_nonnull(watch);
	}
}

static void clients_teardown(void)
{
	for (int i = 0; i < n_clients; i++)
		qb_ipcc_disconnect(clients[i]);
	test_loop.close(loop);
	host_stop(server);
}

static void one_setup(int transport)
{
	clients_setup(&(struct server_spec){ VARIANT_SPEC(transport), .quiet = true }, 1);
}

static void run_until(int n)
{
	n_until_stop = n;
	while (n_done < n)
		test_loop.run(loop);
}

/* -- Many ------------------------------------------------------------------------------ */

/* In the child: requests that came, by the number of the connection, and in all. */
static int came[CLIENTS], n_came;

static void answers_send(struct server *sv)
{
	for (int id = 0; id < EACH; id++)
		for (int i = 0; i < CLIENTS; i++) {
			struct request *r = request_new(FIRST + id, SIZE);

			(void)server_answer(sv, server_connection(sv, i + 1), r, SIZE);
			free(r);
		}
}

/* Answers only when the last request of all is there. */
static int32_t all_collect(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	const struct qb_ipc_request_header *hdr = data;

	SERVER_REQUIRE_EQ(sv, hdr->id, FIRST + came[server_number(sv, c) - 1]++);
	if (++n_came == ALL)
		answers_send(sv);
	return 0;
}

START_TEST(ten_thousand_calls_are_under_way_over_fifty_connections)
{
	clients_setup(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = all_collect },
		CLIENTS);
	for (int id = 0; id < EACH; id++)
		for (int i = 0; i < CLIENTS; i++)
			call_must_send(i, id);
	ck_assert_int_eq(n_done, 0);
	run_until(ALL);
	for (int i = 0; i < CLIENTS; i++)
		ck_assert_int_eq(next_id[i], EACH);
	ck_assert_int_eq(n_done, ALL);
	clients_teardown();
}
END_TEST

/* -- One -------------------------------------------------------------------------------- */

static void act_send(void)
{
	if (n_done < 50)
		call_must_send(0, n_done);
}

START_TEST(calls_are_sent_inside_a_call)
{
	one_setup(_i);
	act_in_call = act_send;
	call_must_send(0, 0);
	run_until(50);
	ck_assert_int_eq(last_error, 0);
	clients_teardown();
}
END_TEST

START_TEST(calls_of_a_killed_server_are_done)
{
	one_setup(_i);
	host_freeze(server);
	for (int i = 0; i < 5; i++)
		call_must_send(0, i);
	host_kill(server);
	run_until(5);
	ck_assert_int_eq(last_error, -ENOTCONN);
	clients_teardown();
}
END_TEST

static void act_disconnect(void)
{
	if (n_clients == 0)
		return;
	n_clients = 0;
	qb_ipcc_disconnect(clients[0]);
}

/* The watch ends with the connection. */
START_TEST(a_call_may_disconnect_what_is_watched)
{
	one_setup(_i);
	act_in_call = act_disconnect;
	for (int i = 0; i < 5; i++)
		call_must_send(0, i);
	run_until(5);
	ck_assert_int_eq(last_error, -ECANCELED);
	clients_teardown();
}
END_TEST

static void act_unwatch_and_watch(void)
{
	qbipc_calls_unwatch(watch);
	watch = test_loop.watch_calls(loop, QB_LOOP_LOW, clients[0]);
}

START_TEST(the_watch_may_end_and_begin_anew_inside_a_call)
{
	one_setup(_i);
	act_in_call = act_unwatch_and_watch;
	for (int i = 0; i < 5; i++)
		call_must_send(0, i);
	run_until(5);
	ck_assert_int_eq(last_error, 0);
	ck_assert_ptr_nonnull(watch);
	qbipc_calls_unwatch(watch);
	qbipc_calls_unwatch(NULL);
	clients_teardown();
}
END_TEST

START_TEST(calls_are_watched_once)
{
	one_setup(_i);
	errno = 0;
	ck_assert_ptr_null(test_loop.watch_calls(loop, QB_LOOP_MED, clients[0]));
	ck_assert_int_eq(errno, EEXIST);
	ck_assert_ptr_null(test_loop.watch_calls(loop, QB_LOOP_MED, NULL));
	ck_assert_int_eq(errno, EINVAL);
	qbipc_calls_unwatch(watch);
	ck_assert_ptr_null(test_loop.watch_calls(loop, (enum qb_loop_priority)7, clients[0]));
	ck_assert_int_eq(errno, EINVAL);
	watch = test_loop.watch_calls(loop, QB_LOOP_MED, clients[0]);
	ck_assert_ptr_nonnull(watch);
	clients_teardown();
}
END_TEST

START_TEST(the_loop_may_end_before_the_connection)
{
	one_setup(_i);
	call_must_send(0, 0);
	test_loop.end(loop);
	qb_ipcc_disconnect(clients[0]);
	ck_assert_int_eq(last_error, -ECANCELED);
	n_clients = 0;
	clients_teardown();
}
END_TEST

void add_call_tests(Suite *s)
{
	TCase *tc = tcase_loop(s, "calls");

	add_transport_test(tc, calls_are_sent_inside_a_call);
	add_transport_test(tc, calls_of_a_killed_server_are_done);
	add_transport_test(tc, a_call_may_disconnect_what_is_watched);
	add_transport_test(tc, the_watch_may_end_and_begin_anew_inside_a_call);
	add_transport_test(tc, calls_are_watched_once);
	add_transport_test(tc, the_loop_may_end_before_the_connection);
	tc = tcase_loop_many(s, "many calls");
	add_transport_test(tc, ten_thousand_calls_are_under_way_over_fifty_connections);
}
