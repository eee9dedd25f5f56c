/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connecting, requests, responses and flow control, between the two libraries. */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/compat/cell.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"

enum { RATE_NORMAL = 1, RATE_OFF = 3, RATE_OFF_2 = 4, ANSWER_MORE = 8 };

START_TEST(bodies_from_nothing_to_the_maximum_come_back)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);
	size_t most = (size_t)qb_ipcc_get_buffer_size(c) - ANSWER_MORE;

	for (size_t size = 16; size < 60; size++)
		echo(c, size);
	for (size_t size = 60; size < most; size += 211)
		echo(c, size);
	for (size_t size = most - 9; size <= most; size++)
		echo(c, size);
	qb_ipcc_disconnect(c);
	peer_stop(s);
}
END_TEST

START_TEST(large_bodies_come_back)
{
	struct peer *s = peer_start(_i, NULL);
	size_t most = cell_is_shm(_i) ? 1024 * 1024 : 128 * 1024;
	qb_ipcc_connection_t *c = connect_to(s, most);

	ck_assert_int_eq(qb_ipcc_get_buffer_size(c), (int32_t)most);
	for (size_t size = 16; size <= most - ANSWER_MORE; size = size * 2 + 3)
		echo(c, size);
	echo(c, most - ANSWER_MORE);
	qb_ipcc_disconnect(c);
	peer_stop(s);
}
END_TEST

START_TEST(requests_of_the_buffer_size_arrive_and_larger_ones_are_refused)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);
	size_t most = (size_t)qb_ipcc_get_buffer_size(c);

	client_send_patiently(c, COMPAT_SILENT, most);
	ck_assert_int_eq(client_send(c, COMPAT_SILENT, most + 1), -EMSGSIZE);
	echo(c, 64);
	qb_ipcc_disconnect(c);
	peer_stop(s);
}
END_TEST

/* An answer has a longer header than its request. */
START_TEST(answer_above_the_agreed_size_arrives_if_the_server_sends_it)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);
	size_t most = (size_t)qb_ipcc_get_buffer_size(c);

	client_send_patiently(c, 77, most);
	if (!strcmp(s->cell->server, "libqb"))
		client_must_recv(c, 77, most);
	else
		WAIT_FOR(strstr(peer_tell(s, "trace"), "answer-failed"));
	echo(c, 64);
	qb_ipcc_disconnect(c);
	peer_stop(s);
}
END_TEST

START_TEST(requests_in_bursts_are_answered_in_order)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);

	for (int32_t id = 1000; id < 4000; id += 5) {
		for (int32_t k = 0; k < 5; k++)
			client_send_patiently(c, id + k, 16 + (size_t)(id + k) % 500);
		for (int32_t k = 0; k < 5; k++)
			client_must_recv(c, id + k, 16 + (size_t)(id + k) % 500);
	}
	qb_ipcc_disconnect(c);
	peer_stop(s);
}
END_TEST

START_TEST(sendv_recv_with_empty_entries_works)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);
	struct request *r = request_new(77, 116);
	char buf[200] __attribute__((aligned(8)));
	struct iovec iov[5] = { { r, 16 },
				{ NULL, 0 },
				{ r->body, 60 },
				{ NULL, 0 },
				{ r->body + 60, 40 } };

	for (int n = 0; n < 100; n++)
		response_check((void *)buf, qb_ipcc_sendv_recv(c, iov, 5, buf, sizeof(buf), -1),
			       77, 116);
	free(r);
	qb_ipcc_disconnect(c);
	peer_stop(s);
}
END_TEST

START_TEST(flow_control_off_refuses_requests_until_it_is_normal)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);

	peer_tell(s, "rate %d", RATE_OFF);
	ck_assert_int_eq(client_send(c, COMPAT_ECHO, 64), -EAGAIN);
	peer_tell(s, "rate %d", RATE_NORMAL);
	echo(c, 64);
	qb_ipcc_disconnect(c);
	peer_stop(s);
}
END_TEST

START_TEST(flow_control_off_2_holds_requests_back_but_does_not_refuse_them)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);
	char buf[200];

	peer_tell(s, "rate %d", RATE_OFF_2);
	client_send_patiently(c, 100, 64);
	client_send_patiently(c, 101, 64);
	ck_assert_int_eq(qb_ipcc_recv(c, buf, sizeof(buf), 50), -ETIMEDOUT);
	peer_tell(s, "rate %d", RATE_NORMAL);
	client_must_recv(c, 100, 64);
	client_must_recv(c, 101, 64);
	qb_ipcc_disconnect(c);
	peer_stop(s);
}
END_TEST

START_TEST(flow_control_off_2_refuses_clients_whose_maximum_is_2)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);

	ck_assert_int_eq(qb_ipcc_fc_enable_max_set(c, 2), 0);
	peer_tell(s, "rate %d", RATE_OFF_2);
	ck_assert_int_eq(client_send(c, COMPAT_ECHO, 64), -EAGAIN);
	peer_tell(s, "rate %d", RATE_NORMAL);
	echo(c, 64);
	qb_ipcc_disconnect(c);
	peer_stop(s);
}
END_TEST

START_TEST(refusal_reaches_the_client_as_errno)
{
	struct peer *s = peer_start(_i, NULL);

	peer_tell(s, "refuse %d", -EACCES);
	errno = 0;
	ck_assert_ptr_null(qb_ipcc_connect(s->name, 0));
	ck_assert_int_eq(errno, EACCES);
	peer_expect(s, "accept destroyed");
	peer_stop(s);
}
END_TEST

/* Older releases of libqb have not got it. */
#if !defined(CLIENT_IS_LIBQB) || defined(HAVE_QB_IPCC_CONNECT_ASYNC)
#define CONNECTS_IN_TWO_STEPS
START_TEST(connect_in_two_steps_works)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c;
	int fd;

	c = qb_ipcc_connect_async(s->name, 0, &fd);
	ck_assert_ptr_nonnull(c);
	ck_assert(fd_readable_within(fd, deadline_ms()));
	ck_assert_int_eq(qb_ipcc_connect_continue(c), 0);
	echo(c, 64);
	qb_ipcc_disconnect(c);
	peer_stop(s);
}
END_TEST
#endif

START_TEST(both_sides_agree_on_size_and_pid_and_count_the_same)
{
	struct peer *s = peer_start(_i, &(struct peer_options){ .min_size = 70000 });
	qb_ipcc_connection_t *c = client_connect(s->name, 0);
	char expected[64];
	pid_t pid;
	uid_t uid;
	gid_t gid;

	for (int n = 0; n < 3; n++)
		echo(c, 30000);
	client_send_patiently(c, COMPAT_EVENT, 64);
	client_must_recv_event(c, COMPAT_EVENT, 64);
	ck_assert_int_eq(qb_ipcc_get_buffer_size(c), 70000);
	snprintf(expected, sizeof(expected), "70000 %d 4 3 1", (int)getpid());
	ck_assert_str_eq(peer_tell(s, "connection"), expected);
	ck_assert_int_eq(qb_ipcc_auth_get(c, &pid, &uid, &gid), 0);
	ck_assert_int_eq(pid, s->pid);
	ck_assert_int_eq((int)uid, (int)getuid());
	ck_assert_int_eq((int)gid, (int)getgid());
	qb_ipcc_disconnect(c);
	peer_stop(s);
}
END_TEST

START_TEST(several_connections_of_one_process_are_independent)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c[8];

	for (int k = 0; k < 8; k++)
		c[k] = connect_to(s, 0);
	for (int32_t id = 100; id < 200; id++) {
		for (int k = 0; k < 8; k++)
			client_send_patiently(c[k], id * 10 + k, 50 + (size_t)k);
		for (int k = 7; k >= 0; k--)
			client_must_recv(c[k], id * 10 + k, 50 + (size_t)k);
	}
	for (int k = 0; k < 8; k++)
		qb_ipcc_disconnect(c[k]);
	peer_stop(s);
}
END_TEST

static void *send_requests(void *arg)
{
	for (int32_t id = 100; id < 2100; id++)
		while (client_send(arg, id, 100) != 100)
			pause_briefly();
	return NULL;
}

START_TEST(a_sending_and_a_receiving_thread_share_a_connection)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 256 * 1024);
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, send_requests, c), 0);
	for (int32_t id = 100; id < 2100; id++)
		client_must_recv(c, id, 100);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	qb_ipcc_disconnect(c);
	peer_stop(s);
}
END_TEST

void add_message_tests(TCase *tc, int cell)
{
	add_cell_test(tc, bodies_from_nothing_to_the_maximum_come_back, cell);
	add_cell_test(tc, large_bodies_come_back, cell);
	add_cell_test(tc, requests_of_the_buffer_size_arrive_and_larger_ones_are_refused, cell);
	add_cell_test(tc, answer_above_the_agreed_size_arrives_if_the_server_sends_it, cell);
	add_cell_test(tc, requests_in_bursts_are_answered_in_order, cell);
	add_cell_test(tc, sendv_recv_with_empty_entries_works, cell);
	add_cell_test(tc, flow_control_off_refuses_requests_until_it_is_normal, cell);
	add_cell_test(tc, flow_control_off_2_holds_requests_back_but_does_not_refuse_them,
		      cell);
	add_cell_test(tc, flow_control_off_2_refuses_clients_whose_maximum_is_2, cell);
	add_cell_test(tc, refusal_reaches_the_client_as_errno, cell);
#ifdef CONNECTS_IN_TWO_STEPS
	add_cell_test(tc, connect_in_two_steps_works, cell);
#endif
	add_cell_test(tc, both_sides_agree_on_size_and_pid_and_count_the_same, cell);
	add_cell_test(tc, several_connections_of_one_process_are_independent, cell);
	/* A ring of that size holds all answers; sockets would need a patient server. */
	if (cell_is_shm(cell))
		add_cell_test(tc, a_sending_and_a_receiving_thread_share_a_connection, cell);
}
