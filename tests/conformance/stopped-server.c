/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections to a server that is stopped: no call of the client that was given a time
 * takes longer than that, and none of the others hangs.
 *
 * A machine may be slow, so that one call is late says nothing. Where a call that does
 * not keep to its time would take half a second, many of them together would take longer
 * than the deadline of the tests.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <qb/qbipc_ext.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

enum { SHORT_MS = 60, TINY_MS = 10, MANY = 40, LARGE = 1200 << 10, CLIENTS = 48, STEP = 3500 };

static char buffer[LARGE] __attribute__((aligned(8)));

/* -- Calls with a time ------------------------------------------------------------------ */

static struct host *start_frozen(int i, size_t size, qb_ipcc_connection_t **c)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(i), .quiet = true });

	*c = client_connect(h->name, size);
	client_echo(*c, 64);
	host_freeze(h);
	return h;
}

static void stop(struct host *h, qb_ipcc_connection_t *c)
{
	qb_ipcc_disconnect(c);
	host_thaw(h);
	host_stop(h);
}

START_TEST(receiving_from_a_stopped_server_ends_at_its_time)
{
	qb_ipcc_connection_t *c;
	struct host *h = start_frozen(_i, 0, &c);
	uint64_t begin = now_ms();

	ck_assert_int_eq(qb_ipcc_recv(c, buffer, sizeof(buffer), SHORT_MS), -ETIMEDOUT);
	ck_assert_uint_ge(now_ms() - begin + 1, SHORT_MS);
	begin = now_ms();
	ck_assert_int_eq(qb_ipcc_event_recv(c, buffer, sizeof(buffer), SHORT_MS), -EAGAIN);
	ck_assert_uint_ge(now_ms() - begin + 1, SHORT_MS);
	ck_assert_int_eq(qb_ipcc_recv(c, buffer, sizeof(buffer), 0), -ETIMEDOUT);
	ck_assert_int_eq(qb_ipcc_event_recv(c, buffer, sizeof(buffer), 0), -EAGAIN);
	stop(h, c);
}
END_TEST

/* Fill what there is until nothing more goes out. */
static void fill(qb_ipcc_connection_t *c, size_t size)
{
	ssize_t sent;

	while ((sent = client_send(c, MSG_SILENT, size)) >= 0)
		;
	ck_assert_int_eq(sent, -EAGAIN);
}

/* MANY times a little, which is much less than they may take together. */
static void check_calls(qb_ipcc_connection_t *c, size_t size)
{
	struct request *r = request_new(MSG_SILENT, size);
	struct iovec iov = { r, size };
	uint64_t begin = now_ms();

	for (int k = 0; k < MANY; k++) {
		ssize_t n = qb_ipcc_sendv_recv(c, &iov, 1, buffer, sizeof(buffer), TINY_MS);

		ck_assert_msg(n == -EAGAIN || n == -ETIMEDOUT, "%d", (int)n);
	}
	ck_assert_uint_le(now_ms() - begin, (uint64_t)deadline_ms());
	free(r);
}

START_TEST(calls_to_a_stopped_server_end_at_their_time_with_room_and_without)
{
	qb_ipcc_connection_t *c;
	struct host *h = start_frozen(_i, 0, &c);

	check_calls(c, 16);
	fill(c, 16);
	check_calls(c, 16);
	stop(h, c);
}
END_TEST

/* Until nothing more goes out; over sockets with most sizes a part is left before that. */
static void check_large_calls(qb_ipcc_connection_t *c, size_t size)
{
	struct request *r = request_new(MSG_SILENT, size);
	struct iovec iov = { r, size };
	ssize_t n;

	do
		n = qb_ipcc_sendv_recv(c, &iov, 1, buffer, sizeof(buffer), TINY_MS);
	while (n == -ETIMEDOUT);
	/* Datagrams are as large as the system lets them be. */
	ck_assert_msg(n == -EAGAIN || n == -EMSGSIZE, "%d", (int)n);
	free(r);
}

START_TEST(large_calls_to_a_stopped_server_end_at_their_time)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true });
	/* Over sockets more than one packet. */
	size_t large = variants[_i].type == QB_IPC_SOCKET ? LARGE : LARGE / 4;
	qb_ipcc_connection_t *c[CLIENTS];
	uint64_t begin;

	for (int k = 0; k < CLIENTS; k++)
		c[k] = client_connect(h->name, large);
	host_freeze(h);
	begin = now_ms();
	for (int k = 0; k < CLIENTS; k++)
		check_large_calls(c[k], large - (size_t)k * STEP);
	ck_assert_uint_le(now_ms() - begin, (uint64_t)deadline_ms());
	for (int k = 0; k < CLIENTS; k++)
		qb_ipcc_disconnect(c[k]);
	host_thaw(h);
	host_stop(h);
}
END_TEST

/* -- Turns of other threads ------------------------------------------------------------- */

struct other {
	qb_ipcc_connection_t *c;
	atomic_bool over;
	ssize_t result;
};

static void *recv_for_ever(void *data)
{
	static char own[20000] __attribute__((aligned(8)));
	struct other *o = data;

	o->result = qb_ipcc_recv(o->c, own, sizeof(own), -1);
	return NULL;
}

static void *event_recv_for_ever(void *data)
{
	static char own[20000] __attribute__((aligned(8)));
	struct other *o = data;

	o->result = qb_ipcc_event_recv(o->c, own, sizeof(own), -1);
	return NULL;
}

/* Whether a thread has its turn cannot be seen from outside. If it has none yet, the test
 * shows less, and does not fail. */
static void let_it_begin(void)
{
	for (int k = 0; k < 20; k++)
		pause_briefly();
}

START_TEST(turn_of_a_receiver_that_waits_for_ever_does_not_stretch_the_time)
{
	qb_ipcc_connection_t *c;
	struct host *h = start_frozen(_i, 0, &c);
	struct other response = { .c = c }, event = { .c = c };
	pthread_t threads[2];

	ck_assert_int_eq(pthread_create(&threads[0], NULL, recv_for_ever, &response), 0);
	ck_assert_int_eq(pthread_create(&threads[1], NULL, event_recv_for_ever, &event), 0);
	let_it_begin();
	ck_assert_int_eq(qb_ipcc_recv(c, buffer, sizeof(buffer), SHORT_MS), -ETIMEDOUT);
	ck_assert_int_eq(qb_ipcc_recv(c, buffer, sizeof(buffer), 0), -ETIMEDOUT);
	ck_assert_int_eq(qb_ipcc_event_recv(c, buffer, sizeof(buffer), SHORT_MS), -EAGAIN);
	ck_assert_int_eq(qb_ipcc_event_recv(c, buffer, sizeof(buffer), 0), -EAGAIN);
	check_calls(c, 16);
	host_kill(h);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	ck_assert_int_eq(response.result, -ENOTCONN);
	ck_assert_int_eq(event.result, -ENOTCONN);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static void *send_for_ever(void *data)
{
	static const struct qb_ipc_request_header m = { .id = MSG_SILENT, .size = sizeof(m) };
	struct other *o = data;

	while (!atomic_load(&o->over))
		if (qb_ipcc_send(o->c, &m, sizeof(m)) == -EAGAIN)
			pause_briefly();
	return NULL;
}

START_TEST(turn_of_a_sender_without_a_time_does_not_stretch_the_time)
{
	qb_ipcc_connection_t *c;
	struct host *h = start_frozen(_i, 0, &c);
	struct other sender = { .c = c };
	pthread_t thread;

	fill(c, 16);
	ck_assert_int_eq(pthread_create(&thread, NULL, send_for_ever, &sender), 0);
	let_it_begin();
	check_calls(c, 16);
	atomic_store(&sender.over, true);
	pthread_join(thread, NULL);
	stop(h, c);
}
END_TEST

/* -- Calls without a time --------------------------------------------------------------- */

START_TEST(disconnect_from_a_stopped_server_waits_for_nobody)
{
	qb_ipcc_connection_t *c;
	struct host *h = start_frozen(_i, 0, &c);

	fill(c, 3000);
	qb_ipcc_disconnect(c);
	host_thaw(h);
	host_await_trace(h, "destroyed:1");
	c = client_connect(h->name, 0);
	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(state_of_a_connection_to_a_stopped_server_is_told_at_once)
{
	qb_ipcc_connection_t *c;
	struct host *h = start_frozen(_i, 0, &c);
	struct qbipc_peer peer = { .size = sizeof(peer) };

	fill(c, 16);
	ck_assert(qb_ipcc_is_connected(c));
	ck_assert(!fd_readable_within(client_fd(c), 0));
	ck_assert_int_eq(qbipc_client_peer_get(c, &peer), 0);
	ck_assert_int_eq(peer.pid, h->pid);
	qbipc_peer_free(&peer);
	stop(h, c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stopped server");
	TCase *tc = tcase_new(s, "with a time");

	add_transport_test(tc, receiving_from_a_stopped_server_ends_at_its_time);
	add_transport_test(tc,
			   calls_to_a_stopped_server_end_at_their_time_with_room_and_without);
	add_transport_test(tc, large_calls_to_a_stopped_server_end_at_their_time);
	add_transport_test(tc,
			   turn_of_a_receiver_that_waits_for_ever_does_not_stretch_the_time);
	add_transport_test(tc, turn_of_a_sender_without_a_time_does_not_stretch_the_time);

	tc = tcase_new(s, "without a time");
	add_transport_test(tc, disconnect_from_a_stopped_server_waits_for_nobody);
	add_transport_test(tc, state_of_a_connection_to_a_stopped_server_is_told_at_once);
	return suite_main(s);
}
