/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What recv, event_recv and sendv_recv return, and when. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/session.h"
#include "tests/lib/variant.h"

enum { SHORT_MS = 60 };

static char buffer[20000] __attribute__((aligned(8)));

static struct host *start(int i, qb_ipcc_connection_t **c)
{
	struct host *h = session_start(i, c);

	client_echo(*c, 64);
	return h;
}

static ssize_t echo_vector(qb_ipcc_connection_t *c, int32_t id, int32_t timeout)
{
	struct request *r = request_new(id, 100);
	struct iovec iov = { r, 100 };
	ssize_t n = qb_ipcc_sendv_recv(c, &iov, 1, buffer, sizeof(buffer), timeout);

	free(r);
	return n;
}

START_TEST(recv_with_nothing_there_is_etimedout_at_once_for_timeout_0)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	ck_assert_int_eq(qb_ipcc_recv(c, buffer, sizeof(buffer), 0), -ETIMEDOUT);
	client_echo(c, 64);
	session_stop(h, c);
}
END_TEST

START_TEST(recv_waits_for_its_timeout_and_not_less)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);
	uint64_t begin = now_ms();

	ck_assert_int_eq(qb_ipcc_recv(c, buffer, sizeof(buffer), SHORT_MS), -ETIMEDOUT);
	ck_assert_uint_ge(now_ms() - begin, SHORT_MS - 1);
	client_echo(c, 64);
	session_stop(h, c);
}
END_TEST

START_TEST(event_recv_with_nothing_there_is_eagain_for_any_timeout)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);
	uint64_t begin;

	ck_assert_int_eq(qb_ipcc_event_recv(c, buffer, sizeof(buffer), 0), -EAGAIN);
	begin = now_ms();
	ck_assert_int_eq(qb_ipcc_event_recv(c, buffer, sizeof(buffer), SHORT_MS), -EAGAIN);
	ck_assert_uint_ge(now_ms() - begin, SHORT_MS - 1);
	client_echo(c, 64);
	session_stop(h, c);
}
END_TEST

START_TEST(receiving_on_no_connection_is_einval)
{
	ck_assert_int_eq(qb_ipcc_recv(NULL, buffer, sizeof(buffer), 0), -EINVAL);
	ck_assert_int_eq(qb_ipcc_event_recv(NULL, buffer, sizeof(buffer), 0), -EINVAL);
}
END_TEST

START_TEST(recv_that_waits_for_ever_gets_a_late_message)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	client_must_send(c, MSG_SILENT, 64);
	ck_assert_int_eq(qb_ipcc_recv(c, buffer, sizeof(buffer), SHORT_MS), -ETIMEDOUT);
	ck_assert_int_eq(host_call(h, remote_response, 1, 64, 5), 72);
	response_check((void *)buffer, qb_ipcc_recv(c, buffer, sizeof(buffer), -1), 5, 64);
	session_stop(h, c);
}
END_TEST

static void check_nobufs(int i, remote_fn send_one,
			 ssize_t (*recv_fn)(qb_ipcc_connection_t *, void *, size_t, int32_t))
{
	qb_ipcc_connection_t *c;
	struct host *h = start(i, &c);

	ck_assert_int_eq(host_call(h, send_one, 1, 1000, 5), 1008);
	ck_assert_int_eq(host_call(h, send_one, 1, 500, 6), 508);
	ck_assert_int_eq(recv_fn(c, buffer, 1007, deadline_ms()), -ENOBUFS);
	ck_assert_int_eq(recv_fn(c, buffer, 24, deadline_ms()), -ENOBUFS);
	ck_assert_int_eq(qb_ipcc_is_connected(c), 1);
	response_check((void *)buffer, recv_fn(c, buffer, 1008, deadline_ms()), 5, 1000);
	response_check((void *)buffer, recv_fn(c, buffer, 508, deadline_ms()), 6, 500);
	client_echo(c, 64);
	session_stop(h, c);
}

START_TEST(recv_into_too_small_a_buffer_is_enobufs_and_keeps_the_message)
{
	check_nobufs(_i, remote_response, qb_ipcc_recv);
}
END_TEST

START_TEST(event_recv_into_too_small_a_buffer_is_enobufs_and_keeps_the_message)
{
	check_nobufs(_i, remote_event, qb_ipcc_event_recv);
}
END_TEST

static void check_nothing_beyond(int i, bool event)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(i, &c);

	for (size_t size = 16; size < 9000; size += 431) {
		size_t room = size + 8; /* exactly the answer's */
		ssize_t n;

		memset(buffer, 0x5a, sizeof(buffer));
		client_must_send(c, event ? MSG_EVENT : 100, size);
		n = event ? qb_ipcc_event_recv(c, buffer, room, deadline_ms()) :
			    qb_ipcc_recv(c, buffer, room, deadline_ms());
		ck_assert_int_eq(n, (ssize_t)room);
		for (size_t at = room; at < sizeof(buffer); at++)
			ck_assert_msg(buffer[at] == 0x5a, "byte %zu behind %zu", at, room);
	}
	session_stop(h, c);
}

START_TEST(recv_writes_nothing_beyond_its_buffer)
{
	check_nothing_beyond(_i, false);
}
END_TEST

START_TEST(event_recv_writes_nothing_beyond_its_buffer)
{
	check_nothing_beyond(_i, true);
}
END_TEST

/* The kernel refuses to poll so many descriptors, as it does in some sandboxes. */
START_TEST(waiting_in_a_process_that_may_not_poll_fails_at_once)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);
	struct rlimit limit, none;
	ssize_t event, response;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ 0, limit.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	event = qb_ipcc_event_recv(c, buffer, sizeof(buffer), -1);
	response = qb_ipcc_recv(c, buffer, sizeof(buffer), SHORT_MS);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(event, -EINVAL);
	/* Where it sleeps on a word it needs no poll. */
	if (response != -ETIMEDOUT)
		ck_assert_int_eq(response, -EINVAL);
	client_echo(c, 64);
	session_stop(h, c);
}
END_TEST

START_TEST(descriptor_stays_readable_after_enobufs)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	ck_assert_int_eq(host_call(h, remote_event, 1, 1000, 5), 1008);
	ck_assert(fd_readable_within(client_fd(c), deadline_ms()));
	ck_assert_int_eq(qb_ipcc_event_recv(c, buffer, 100, 0), -ENOBUFS);
	ck_assert(fd_readable_within(client_fd(c), 0));
	client_must_recv_event(c, 5, 1000);
	ck_assert(!fd_readable_within(client_fd(c), 0));
	session_stop(h, c);
}
END_TEST

START_TEST(event_recv_is_enotconn_only_after_the_queued_events_were_read)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	ck_assert_int_eq(host_call(h, remote_events, 1, 200, 10, 3), 3);
	host_call(h, remote_disconnect, 1);
	host_await_trace(h, "destroyed:1");
	for (int32_t id = 10; id < 13; id++)
		client_must_recv_event(c, id, 200);
	ck_assert_int_eq(qb_ipcc_event_recv(c, buffer, sizeof(buffer), 0), -ENOTCONN);
	ck_assert_int_eq(qb_ipcc_event_recv(c, buffer, sizeof(buffer), -1), -ENOTCONN);
	session_stop(h, c);
}
END_TEST

START_TEST(events_of_a_killed_server_are_read_before_enotconn)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	ck_assert_int_eq(host_call(h, remote_events, 1, 200, 10, 3), 3);
	host_kill(h);
	for (int32_t id = 10; id < 13; id++)
		client_must_recv_event(c, id, 200);
	ck_assert_int_eq(qb_ipcc_event_recv(c, buffer, sizeof(buffer), -1), -ENOTCONN);
	session_stop(h, c);
}
END_TEST

START_TEST(recv_after_the_server_disconnected_is_enotconn)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	host_call(h, remote_disconnect, 1);
	ck_assert_int_eq(qb_ipcc_recv(c, buffer, sizeof(buffer), deadline_ms()), -ENOTCONN);
	ck_assert_int_eq(qb_ipcc_recv(c, buffer, sizeof(buffer), -1), -ENOTCONN);
	session_stop(h, c);
}
END_TEST

START_TEST(recv_after_the_server_was_killed_is_enotconn)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	host_kill(h);
	ck_assert_int_eq(qb_ipcc_recv(c, buffer, sizeof(buffer), -1), -ENOTCONN);
	session_stop(h, c);
}
END_TEST

START_TEST(sendv_recv_returns_the_answer)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	response_check((void *)buffer, echo_vector(c, MSG_ECHO, deadline_ms()), MSG_ECHO, 100);
	response_check((void *)buffer, echo_vector(c, MSG_ECHO, -1), MSG_ECHO, 100);
	session_stop(h, c);
}
END_TEST

START_TEST(sendv_recv_times_out_and_the_late_answer_goes_to_the_next_call)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);
	uint64_t begin = now_ms();

	ck_assert_int_eq(echo_vector(c, MSG_SILENT, SHORT_MS), -ETIMEDOUT);
	ck_assert_uint_ge(now_ms() - begin, SHORT_MS - 1);
	ck_assert_int_eq(host_call(h, remote_response, 1, 100, 77), 108);
	response_check((void *)buffer, echo_vector(c, MSG_SILENT, deadline_ms()), 77, 100);
	session_stop(h, c);
}
END_TEST

START_TEST(sendv_recv_above_the_buffer_size_is_emsgsize)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);
	struct request *r = request_new(MSG_ECHO, sizeof(buffer));
	struct iovec iov = { r, sizeof(buffer) };

	ck_assert_int_eq(qb_ipcc_sendv_recv(c, &iov, 1, buffer, sizeof(buffer), 1000),
			 -EMSGSIZE);
	free(r);
	client_echo(c, 64);
	session_stop(h, c);
}
END_TEST

START_TEST(sendv_recv_while_flow_control_is_on_is_eagain)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	host_call(h, remote_rate, QB_IPCS_RATE_OFF);
	ck_assert_int_eq(echo_vector(c, MSG_ECHO, SHORT_MS), -EAGAIN);
	host_call(h, remote_rate, QB_IPCS_RATE_NORMAL);
	response_check((void *)buffer, echo_vector(c, MSG_ECHO, -1), MSG_ECHO, 100);
	session_stop(h, c);
}
END_TEST

START_TEST(sendv_recv_for_ever_is_enotconn_when_the_server_disconnects)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	ck_assert_int_eq(echo_vector(c, MSG_DISCONNECT_ME, -1), -ENOTCONN);
	ck_assert_int_eq(echo_vector(c, MSG_ECHO, -1), -ENOTCONN);
	session_stop(h, c);
}
END_TEST

static void *kill_when_asked(void *arg)
{
	struct host *h = arg;

	while (!strstr(host_trace(h), "msg:1"))
		pause_briefly();
	kill(h->pid, SIGKILL);
	return NULL;
}

START_TEST(sendv_recv_for_ever_is_enotconn_when_the_server_is_killed)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	pthread_t killer;

	ck_assert_int_eq(pthread_create(&killer, NULL, kill_when_asked, h), 0);
	ck_assert_int_eq(echo_vector(c, MSG_SILENT, -1), -ENOTCONN);
	ck_assert_int_eq(pthread_join(killer, NULL), 0);
	host_kill(h);
	session_stop(h, c);
}
END_TEST

START_TEST(responses_and_events_do_not_mix)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	ck_assert_int_eq(host_call(h, remote_event, 1, 100, 1), 108);
	ck_assert_int_eq(host_call(h, remote_response, 1, 100, 2), 108);
	ck_assert_int_eq(host_call(h, remote_event, 1, 100, 3), 108);
	ck_assert_int_eq(host_call(h, remote_response, 1, 100, 4), 108);
	client_must_recv(c, 2, 100);
	client_must_recv_event(c, 1, 100);
	client_must_recv_event(c, 3, 100);
	client_must_recv(c, 4, 100);
	session_stop(h, c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("client receive");
	TCase *tc = tcase_new(s, "waiting");

	add_transport_test(tc, recv_with_nothing_there_is_etimedout_at_once_for_timeout_0);
	add_transport_test(tc, recv_waits_for_its_timeout_and_not_less);
	add_transport_test(tc, event_recv_with_nothing_there_is_eagain_for_any_timeout);
	tcase_add_test(tc, receiving_on_no_connection_is_einval);
	add_transport_test(tc, recv_that_waits_for_ever_gets_a_late_message);

	tc = tcase_new(s, "buffers");
	add_transport_test(tc, recv_into_too_small_a_buffer_is_enobufs_and_keeps_the_message);
	add_transport_test(tc,
			   event_recv_into_too_small_a_buffer_is_enobufs_and_keeps_the_message);
	add_transport_test(tc, recv_writes_nothing_beyond_its_buffer);
	add_transport_test(tc, event_recv_writes_nothing_beyond_its_buffer);
	add_transport_test(tc, descriptor_stays_readable_after_enobufs);
	add_transport_test(tc, responses_and_events_do_not_mix);

	/* By a limit of descriptors, which memcheck keeps for itself. */
	tc = tcase_new(s, "poll");
	tcase_set_tags(tc, "scarce");
	add_transport_test(tc, waiting_in_a_process_that_may_not_poll_fails_at_once);

	tc = tcase_new(s, "end");
	add_transport_test(tc, event_recv_is_enotconn_only_after_the_queued_events_were_read);
	add_transport_test(tc, events_of_a_killed_server_are_read_before_enotconn);
	add_transport_test(tc, recv_after_the_server_disconnected_is_enotconn);
	add_transport_test(tc, recv_after_the_server_was_killed_is_enotconn);

	tc = tcase_new(s, "there and back");
	add_variant_test(tc, sendv_recv_returns_the_answer);
	add_transport_test(tc, sendv_recv_times_out_and_the_late_answer_goes_to_the_next_call);
	add_transport_test(tc, sendv_recv_above_the_buffer_size_is_emsgsize);
	add_transport_test(tc, sendv_recv_while_flow_control_is_on_is_eagain);
	add_transport_test(tc, sendv_recv_for_ever_is_enotconn_when_the_server_disconnects);
	add_transport_test(tc, sendv_recv_for_ever_is_enotconn_when_the_server_is_killed);
	return suite_main(s);
}
