/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clients whose connections are watched by the loop under test; the server is a child. */
#include <errno.h>
#include <poll.h>
#include <qbipc/bodies.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/adapters/loop.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

enum { FIRST_EVENT = 1000, EVENT_SIZE = 64, FLOOD = 100 };

static size_t event_size = EVENT_SIZE;
static void *loop;
static struct host *server;
static qb_ipcc_connection_t *client;
static struct qbipc_client_watch *watch;

/* What the watch's callbacks saw, and what they do. */
static int events_seen;
static int events_until_stop;
static int gone_seen;
static int gone_error;
static void (*act_in_event)(void); /* in the last event before the stop */

static void on_event(qb_ipcc_connection_t *c, void *event, size_t size, void *data)
{
	ck_assert_ptr_eq(c, client);
	ck_assert_ptr_eq(data, &events_seen);
	ck_assert_int_eq(gone_seen, 0);
	response_check(event, (ssize_t)size, FIRST_EVENT + events_seen, event_size);
	if (++events_seen != events_until_stop)
		return;
	test_loop.stop(loop);
	if (act_in_event)
		act_in_event();
}

static void on_gone(qb_ipcc_connection_t *c, int error, void *data)
{
	ck_assert_ptr_eq(c, client);
	ck_assert_ptr_eq(data, &events_seen);
	gone_seen++;
	gone_error = error;
	test_loop.stop(loop);
}

static void watch_start(void)
{
	watch = test_loop.watch_client(loop, QB_LOOP_MED, client, on_event, on_gone,
				       &events_seen);
	ck_assert_ptr_nonnull(watch);
}

static void client_setup(int transport)
{
	server = host_start(&(struct server_spec){ .type = variants[transport].type,
						   .libqb_wire = variants[transport].libqb_wire,
						   .quiet = true });
	client = client_connect(server->name, 0);
	host_await_trace(server, "created:1");
	loop = test_loop.open();
	watch_start();
}

static void client_teardown(void)
{
	test_loop.close(loop);
	qb_ipcc_disconnect(client);
	host_stop(server);
}

static void events_send(int n)
{
	static int next;

	ck_assert_int_eq(host_call(server, remote_events, 1, EVENT_SIZE, FIRST_EVENT + next, n),
			 n);
	next += n;
}

static void run_until_event(int n)
{
	events_until_stop = n;
	test_loop.run(loop);
	ck_assert_int_ge(events_seen, n);
}

static void run_until_gone(void)
{
	while (!gone_seen)
		test_loop.run(loop);
}

START_TEST(events_are_handed_over_in_order)
{
	int sent = 0;

	client_setup(_i);
	for (int n = 1; n <= 24; n++) {
		events_send(n);
		sent += n;
		run_until_event(sent);
		ck_assert_int_eq(events_seen, sent);
	}
	ck_assert_int_eq(gone_seen, 0);
	qbipc_client_unwatch(watch);
	client_teardown();
}
END_TEST

static int other_turns;

static int32_t other_ready(int32_t fd, int32_t revents, void *data)
{
	other_turns++;
	return 0;
}

/* An eventfd that is always readable, next to a queue of events. */
static int64_t remote_takes_bodies(struct server *sv, const int64_t *args)
{
	return qbipc_service_body_limit_set(sv->service, (size_t)args[0]);
}

/* On libqb's wire there are none. */
START_TEST(events_beyond_the_agreed_size_are_handed_over)
{
	enum { BODY = 300000 };
	int64_t sent;

	client_setup(_i);
	ck_assert_int_eq(host_call(server, remote_takes_bodies, BODY), 0);
	/* The limit holds for connections made afterwards. */
	test_loop.close(loop);
	qb_ipcc_disconnect(client);
	client = client_connect(server->name, 0);
	host_await_trace(server, "created:2");
	loop = test_loop.open();
	watch_start();
	ck_assert_int_eq(qbipc_body_limit_set(client, BODY), 0);
	client_echo(client, EVENT_SIZE);
	event_size = BODY - sizeof(struct response);
	sent = host_call(server, remote_event, 2, (int64_t)event_size, FIRST_EVENT);
	if (variants[_i].libqb_wire) {
		ck_assert_int_eq(sent, -EMSGSIZE);
	} else {
		ck_assert_int_gt(sent, (int64_t)event_size);
		run_until_event(1);
	}
	client_teardown();
}
END_TEST

START_TEST(other_descriptors_have_their_turn_between_events)
{
	struct qbipc_poll *poll_of;
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

	client_setup(_i);
	poll_of = test_loop.poll(loop);
	ck_assert_int_eq(qbipc_poll_add(poll_of, QB_LOOP_MED, fd, POLLIN, NULL, other_ready),
			 0);
	events_send(FLOOD);
	run_until_event(FLOOD);
	ck_assert_int_ge(other_turns, FLOOD / QBIPC_CLIENT_EVENTS - 2);
	ck_assert_int_eq(qbipc_poll_del(poll_of, fd), 0);
	close(fd);
	qbipc_client_unwatch(watch);
	client_teardown();
}
END_TEST

static void act_echo(void)
{
	client_echo(client, 64);
	client_echo(client, 5000);
}

START_TEST(requests_may_be_made_inside_an_event)
{
	client_setup(_i);
	act_in_event = act_echo;
	events_send(5);
	run_until_event(1);
	act_in_event = NULL;
	if (events_seen < 5)
		run_until_event(5);
	ck_assert_int_eq(events_seen, 5);
	qbipc_client_unwatch(watch);
	client_teardown();
}
END_TEST

START_TEST(a_server_that_was_killed_is_gone)
{
	client_setup(_i);
	host_kill(server);
	run_until_gone();
	ck_assert_int_eq(gone_seen, 1);
	ck_assert_int_lt(gone_error, 0);
	ck_assert_int_eq(events_seen, 0);
	client_teardown();
}
END_TEST

START_TEST(a_client_that_was_disconnected_is_told_so)
{
	client_setup(_i);
	host_call(server, remote_disconnect, 1);
	run_until_gone();
	ck_assert_int_eq(gone_error, -ENOTCONN);
	ck_assert(!qb_ipcc_is_connected(client));
	client_teardown();
}
END_TEST

START_TEST(queued_events_come_before_the_end)
{
	client_setup(_i);
	events_send(25);
	host_call(server, remote_disconnect, 1);
	run_until_gone();
	ck_assert_int_eq(events_seen, 25);
	ck_assert_int_eq(gone_error, -ENOTCONN);
	client_teardown();
}
END_TEST

static void act_unwatch(void)
{
	qbipc_client_unwatch(watch);
}

START_TEST(the_watch_may_end_inside_an_event_and_takes_no_more)
{
	client_setup(_i);
	act_in_event = act_unwatch;
	events_send(5);
	run_until_event(2);
	ck_assert_int_eq(events_seen, 2);
	for (int i = 2; i < 5; i++)
		client_must_recv_event(client, FIRST_EVENT + i, EVENT_SIZE);
	/* And may begin anew. */
	watch_start();
	events_send(1);
	events_seen = 5;
	act_in_event = NULL;
	run_until_event(6);
	qbipc_client_unwatch(watch);
	client_teardown();
}
END_TEST

static void act_disconnect(void)
{
	qbipc_client_unwatch(watch);
	qb_ipcc_disconnect(client);
	client = NULL;
}

START_TEST(the_client_may_disconnect_inside_an_event)
{
	client_setup(_i);
	act_in_event = act_disconnect;
	events_send(5);
	run_until_event(2);
	ck_assert_int_eq(events_seen, 2);
	ck_assert_int_eq(gone_seen, 0);
	client_teardown();
}
END_TEST

static void on_gone_disconnect(qb_ipcc_connection_t *c, int error, void *data)
{
	gone_seen++;
	qbipc_client_unwatch(watch); /* does nothing */
	qb_ipcc_disconnect(c);
	client = NULL;
	test_loop.stop(loop);
}

START_TEST(the_client_may_disconnect_when_it_is_told_of_the_end)
{
	client_setup(_i);
	qbipc_client_unwatch(watch);
	watch = test_loop.watch_client(loop, QB_LOOP_LOW, client, on_event, on_gone_disconnect,
				       &events_seen);
	ck_assert_ptr_nonnull(watch);
	host_kill(server);
	run_until_gone();
	ck_assert_int_eq(gone_seen, 1);
	client_teardown();
}
END_TEST

static void act_end(void)
{
	test_loop.end(loop);
}

START_TEST(the_adapter_may_end_inside_an_event)
{
	client_setup(_i);
	act_in_event = act_end;
	events_send(5);
	run_until_event(2);
	ck_assert_int_eq(events_seen, 2);
	client_must_recv_event(client, FIRST_EVENT + 2, EVENT_SIZE);
	client_teardown();
}
END_TEST

START_TEST(the_watch_ends_with_the_adapter)
{
	client_setup(_i);
	events_send(1);
	client_teardown();
	ck_assert_int_eq(events_seen, 0);
	ck_assert_int_eq(gone_seen, 0);
}
END_TEST

START_TEST(a_connection_is_watched_once)
{
	client_setup(_i);
	errno = 0;
	ck_assert_ptr_null(
		test_loop.watch_client(loop, QB_LOOP_MED, client, on_event, on_gone, NULL));
	ck_assert_int_eq(errno, EEXIST);
	qbipc_client_unwatch(watch);
	errno = 0;
	ck_assert_ptr_null(
		test_loop.watch_client(loop, QB_LOOP_MED, NULL, on_event, on_gone, NULL));
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_ptr_null(
		test_loop.watch_client(loop, QB_LOOP_MED, client, NULL, on_gone, NULL));
	ck_assert_int_eq(errno, EINVAL);
	qbipc_client_unwatch(NULL);
	client_teardown();
}
END_TEST

void add_client_tests(Suite *s)
{
	TCase *tc = tcase_loop(s, "clients");

	add_transport_test(tc, events_are_handed_over_in_order);
	add_transport_test(tc, events_beyond_the_agreed_size_are_handed_over);
	add_transport_test(tc, other_descriptors_have_their_turn_between_events);
	add_transport_test(tc, requests_may_be_made_inside_an_event);
	add_transport_test(tc, a_server_that_was_killed_is_gone);
	add_transport_test(tc, a_client_that_was_disconnected_is_told_so);
	add_transport_test(tc, queued_events_come_before_the_end);
	add_transport_test(tc, the_watch_may_end_inside_an_event_and_takes_no_more);
	add_transport_test(tc, the_client_may_disconnect_inside_an_event);
	add_transport_test(tc, the_client_may_disconnect_when_it_is_told_of_the_end);
	add_transport_test(tc, the_adapter_may_end_inside_an_event);
	add_transport_test(tc, the_watch_ends_with_the_adapter);
	add_transport_test(tc, a_connection_is_watched_once);
}
