/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls in an event loop: who gets which response, and what a call ends with. */
#include "tests/conformance/calls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <qbipc/call.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/session.h"
#include "tests/lib/variant.h"

enum { SHORT_MS = 40, FIRST = 100, LARGE = 1000000 };

static char buffer[20000] __attribute__((aligned(8)));

/* A request to which the server does not answer by itself, and its answer. */
static struct called *call_silent(int timeout_ms)
{
	return call_must(MSG_SILENT, 64, timeout_ms);
}

static void answer_silent(size_t size)
{
	ck_assert_int_eq(host_call(host, remote_response, 1, (int64_t)size, MSG_SILENT),
			 (int64_t)size + 8);
}

static ssize_t echo_vector(int32_t id, size_t size, int32_t timeout)
{
	struct request *r = request_new(id, size);
	struct iovec iov = { r, size };
	ssize_t n = qb_ipcc_sendv_recv(client, &iov, 1, buffer, sizeof(buffer), timeout);

	free(r);
	return n;
}

static void echo_must(int32_t id, size_t size)
{
	response_check((void *)buffer, echo_vector(id, size, deadline_ms()), id, size);
}

/* -- Responses ------------------------------------------------------------------------- */

START_TEST(each_call_gets_its_own_response_in_order)
{
	calls_start(_i);
	for (int i = 0; i < 500; i++)
		while (call_try(FIRST + i, 16 + (size_t)(i * 37 % 4000), -1) == -EAGAIN)
			calls_run(n_done + 1);
	calls_run(500);
	calls_check(500, 0);
	calls_settle();
	calls_stop();
}
END_TEST

START_TEST(call_into_a_full_queue_is_eagain_and_the_others_are_answered)
{
	int sent = 0;
	int64_t r;

	calls_start(_i);
	host_freeze(host);
	while ((r = call_try(FIRST + sent, 3000, -1)) >= 0)
		sent++;
	ck_assert_int_eq(r, -EAGAIN);
	ck_assert_int_gt(sent, 1);
	host_thaw(host);
	calls_run(sent);
	calls_check(sent, 0);
	call_must(7, 3000, -1);
	calls_run(sent + 1);
	calls_stop();
}
END_TEST

/* Over sockets it travels in pieces, and a server that is stopped takes only some. */
START_TEST(large_requests_of_calls_go_out_without_waiting)
{
	int sent = 0;

	calls_start_sized(_i, LARGE + 100);
	host_freeze(host);
	while (sent < 8 && call_try(FIRST + sent, LARGE, -1) >= 0)
		sent++;
	host_thaw(host);
	if (sent == 0)
		while (call_try(FIRST, LARGE, -1) < 0)
			pause_briefly();
	calls_run(sent ? sent : 1);
	calls_check(sent ? sent : 1, 0);
	calls_stop();
}
END_TEST

START_TEST(call_while_the_server_asks_to_stop_is_eagain)
{
	calls_start(_i);
	host_call(host, remote_rate, QB_IPCS_RATE_OFF);
	ck_assert_int_eq(call_try(FIRST, 64, -1), -EAGAIN);
	host_call(host, remote_rate, QB_IPCS_RATE_NORMAL);
	call_must(FIRST, 64, -1);
	calls_run(1);
	calls_check(1, 0);
	calls_stop();
}
END_TEST

START_TEST(call_without_a_function_throws_its_response_away)
{
	struct request *r = request_new(FIRST, 64);
	struct iovec iov = { r, 64 };

	calls_start(_i);
	ck_assert_int_gt(qbipc_call_send(client, &iov, 1, -1, NULL, NULL), 0);
	call_must(FIRST + 1, 64, -1);
	calls_run(1);
	calls_check(1, 0);
	free(r);
	calls_stop();
}
END_TEST

/* -- Ends other than a response ----------------------------------------------------------- */

START_TEST(response_after_the_time_is_never_given_to_the_next_call)
{
	calls_start(_i);
	call_silent(SHORT_MS);
	calls_run(1);
	ck_assert_int_eq(called[0].error, -ETIMEDOUT);
	answer_silent(64);
	call_must(FIRST, 100, -1);
	calls_run(2);
	ck_assert_int_eq(called[1].error, 0);
	/* Late once more, this time behind the next request. */
	call_silent(0);
	calls_run(3);
	ck_assert_int_eq(called[2].error, -ETIMEDOUT);
	call_silent(-1);
	answer_silent(200);
	answer_silent(64);
	calls_run(4);
	ck_assert_int_eq(called[3].error, 0);
	calls_settle();
	calls_stop();
}
END_TEST

START_TEST(no_time_is_over_before_it_is)
{
	static const int after[] = { 3, 1, 4, 0, 2 };
	uint64_t sent[5];

	calls_start(_i);
	for (int i = 0; i < 5; i++) {
		sent[i] = now_ms();
		call_silent(SHORT_MS + 20 * after[i]);
	}
	for (int done = 0; done < 5; done = n_done) {
		calls_run(done + 1);
		for (int i = 0; i < 5; i++)
			if (called[i].times && called[i].order >= done)
				ck_assert_uint_ge(now_ms() - sent[i] + 1,
						  (uint64_t)(SHORT_MS + 20 * after[i]));
	}
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(called[i].error, -ETIMEDOUT);
	calls_settle();
	calls_stop();
}
END_TEST

START_TEST(response_that_has_come_counts_before_the_time)
{
	calls_start(_i);
	call_silent(0);
	answer_silent(64);
	calls_run(1);
	calls_check(1, 0);
	calls_stop();
}
END_TEST

START_TEST(cancelled_call_is_done_at_once_and_its_response_is_dropped)
{
	struct called *first, *second;

	calls_start(_i);
	first = call_silent(-1);
	second = call_silent(-1);
	ck_assert_int_eq(qbipc_call_cancel(client, first->handle), 0);
	ck_assert_int_eq(first->times, 1);
	ck_assert_int_eq(first->error, -ECANCELED);
	ck_assert_int_eq(qbipc_call_cancel(client, first->handle), -ENOENT);
	answer_silent(300);
	answer_silent(64);
	calls_run(2);
	ck_assert_int_eq(second->error, 0);
	ck_assert_int_eq(qbipc_call_cancel(client, second->handle), -ENOENT);
	ck_assert_int_eq(qbipc_call_cancel(client, 0), -ENOENT);
	ck_assert_int_eq(qbipc_call_cancel(client, -5), -ENOENT);
	ck_assert_int_eq(qbipc_call_cancel(client, INT64_MAX), -ENOENT);
	calls_stop();
}
END_TEST

/* A thread has received the response already, while it waited for its own. */
START_TEST(call_whose_response_waits_for_the_dispatch_can_be_cancelled)
{
	calls_start(_i);
	call_must(FIRST, 64, -1);
	echo_must(FIRST + 1, 64);
	ck_assert_int_eq(n_done, 0);
	ck_assert_int_eq(qbipc_call_cancel(client, called[0].handle), 0);
	calls_check(1, -ECANCELED);
	calls_settle();
	ck_assert_int_eq(n_done, 1);
	calls_stop();
}
END_TEST

static void check_gone(int n, int answered)
{
	for (int i = 0; i < n; i++) {
		ck_assert_int_eq(called[i].times, 1);
		ck_assert_int_eq(called[i].order, i);
		ck_assert_int_eq(called[i].error, i < answered ? 0 : -ENOTCONN);
	}
	ck_assert_int_eq(call_try(FIRST, 64, -1), -ENOTCONN);
	calls_settle();
	ck_assert_int_eq(qbipc_calls_dispatch(client), 0);
	ck_assert_int_eq(n_done, n);
	ck_assert_int_eq(echo_vector(FIRST, 64, -1), -ENOTCONN);
	ck_assert_int_eq(qb_ipcc_recv(client, buffer, sizeof(buffer), -1), -ENOTCONN);
}

START_TEST(calls_of_a_killed_server_are_enotconn_once_and_in_order)
{
	calls_start(_i);
	for (int i = 0; i < 200; i++)
		call_silent(i % 2 ? -1 : 100000);
	host_kill(host);
	calls_run(200);
	check_gone(200, 0);
	calls_stop();
}
END_TEST

START_TEST(answers_of_a_server_that_leaves_come_before_enotconn)
{
	calls_start(_i);
	for (int i = 0; i < 20; i++)
		call_silent(-1);
	for (int i = 0; i < 5; i++)
		answer_silent(64);
	host_call(host, remote_disconnect, 1);
	calls_run(20);
	check_gone(20, 5);
	calls_stop();
}
END_TEST

START_TEST(disconnect_cancels_all_calls_in_order)
{
	struct host *h;

	calls_start(_i);
	h = host;
	for (int i = 0; i < 10; i++)
		call_silent(-1);
	qb_ipcc_disconnect(client);
	calls_check(10, -ECANCELED);
	host_stop(h);
}
END_TEST

/* -- Inside the function of a call -------------------------------------------------------- */

static void act_send(struct called *call)
{
	called[n_called].act = n_called < 20 ? act_send : NULL;
	call_must(FIRST + n_called, 64, -1);
}

START_TEST(calls_may_be_sent_inside_a_call)
{
	calls_start(_i);
	called[0].act = act_send;
	call_must(FIRST, 64, -1);
	calls_run(21);
	calls_check(21, 0);
	calls_stop();
}
END_TEST

static void act_cancel_others(struct called *call)
{
	for (int i = 0; i < n_called; i++)
		if (&called[i] != call)
			ck_assert_int_eq(qbipc_call_cancel(client, called[i].handle), 0);
	ck_assert_int_eq(qbipc_call_cancel(client, call->handle), -ENOENT);
}

START_TEST(calls_may_be_cancelled_inside_a_call)
{
	calls_start(_i);
	called[0].act = act_cancel_others;
	for (int i = 0; i < 8; i++)
		call_must(FIRST + i, 64, -1);
	calls_run(8);
	ck_assert_int_eq(called[0].error, 0);
	for (int i = 1; i < 8; i++)
		ck_assert_int_eq(called[i].error, -ECANCELED);
	call_must(FIRST, 64, -1);
	calls_run(9);
	ck_assert_int_eq(called[8].error, 0);
	calls_stop();
}
END_TEST

static void act_wait_and_dispatch(struct called *call)
{
	echo_must(FIRST + 50, 700);
	if (call == called)
		calls_run(5);
}

START_TEST(a_call_may_wait_for_another_response_and_dispatch)
{
	calls_start(_i);
	called[0].act = called[1].act = act_wait_and_dispatch;
	for (int i = 0; i < 5; i++)
		call_must(FIRST + i, 64, -1);
	calls_run(5);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(called[i].times, 1);
	calls_settle();
	calls_stop();
}
END_TEST

static void act_disconnect(struct called *call)
{
	qb_ipcc_disconnect(client);
	call->act = NULL;
}

/* The one that is done, and one of those that are cancelled by it. */
START_TEST(a_call_may_disconnect)
{
	struct host *h;
	int n;

	calls_start(_i);
	h = host;
	called[1].act = called[3].act = act_disconnect;
	for (int i = 0; i < 6; i++)
		call_must(FIRST + i, 64, -1);
	while (n_done < 6) {
		ck_assert(fd_readable_within(qbipc_calls_fd(client), deadline_ms()));
		n = qbipc_calls_dispatch(client);
		ck_assert_int_le(n, 2);
	}
	for (int i = 0; i < 6; i++) {
		ck_assert_int_eq(called[i].times, 1);
		ck_assert_int_eq(called[i].error, i < 2 ? 0 : -ECANCELED);
	}
	host_stop(h);
}
END_TEST

/* -- Beside other ways to receive ----------------------------------------------------------- */

START_TEST(a_caller_that_waits_gets_its_own_response_between_calls)
{
	calls_start(_i);
	for (int i = 0; i < 100; i++) {
		call_must(FIRST + 2 * i, 64 + (size_t)i, -1);
		echo_must(FIRST + 2 * i + 1, 200 + (size_t)i);
		if (i % 10 == 0)
			calls_settle();
	}
	calls_run(100);
	calls_check(100, 0);
	calls_stop();
}
END_TEST

START_TEST(late_response_of_a_caller_that_waited_is_not_given_to_a_call)
{
	calls_start(_i);
	ck_assert_int_ge(qbipc_calls_fd(client), 0);
	ck_assert_int_eq(echo_vector(MSG_SILENT, 64, SHORT_MS), -ETIMEDOUT);
	answer_silent(200);
	call_must(FIRST, 64, -1);
	calls_run(1);
	calls_check(1, 0);
	calls_stop();
}
END_TEST

START_TEST(recv_gets_what_belongs_to_no_call)
{
	calls_start(_i);
	call_must(FIRST, 64, -1);
	client_must_send(client, FIRST + 1, 500);
	client_must_recv(client, FIRST + 1, 500);
	ck_assert_int_eq(n_done, 0);
	ck_assert_int_eq(qb_ipcc_recv(client, buffer, sizeof(buffer), 0), -ETIMEDOUT);
	calls_run(1);
	calls_check(1, 0);
	calls_stop();
}
END_TEST

START_TEST(response_that_does_not_fit_stays_for_recv)
{
	struct request *r = request_new(FIRST, 500);
	struct iovec iov = { r, 500 };

	calls_start(_i);
	ck_assert_int_eq(qbipc_late_responses_drop(client), 0);
	ck_assert_int_eq(qb_ipcc_sendv_recv(client, &iov, 1, buffer, 100, deadline_ms()),
			 -ENOBUFS);
	ck_assert_int_eq(qb_ipcc_recv(client, buffer, 507, 0), -ENOBUFS);
	response_check((void *)buffer, qb_ipcc_recv(client, buffer, 508, 0), FIRST, 500);
	ck_assert_int_eq(qb_ipcc_recv(client, buffer, 508, 0), -ETIMEDOUT);
	echo_must(FIRST, 64);
	free(r);
	calls_stop();
}
END_TEST

START_TEST(response_from_before_its_request_is_thrown_away)
{
	calls_start(_i);
	ck_assert_int_ge(qbipc_calls_fd(client), 0);
	answer_silent(300);
	answer_silent(64);
	call_must(FIRST, 100, -1);
	calls_run(1);
	calls_check(1, 0);
	answer_silent(64);
	echo_must(FIRST + 1, 100);
	calls_stop();
}
END_TEST

START_TEST(late_responses_are_dropped_for_a_client_that_asks_for_it)
{
	calls_start(_i);
	ck_assert_int_eq(qbipc_late_responses_drop(client), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(echo_vector(MSG_SILENT, 64, i ? 0 : SHORT_MS), -ETIMEDOUT);
	for (int i = 0; i < 3; i++)
		answer_silent(64 + 8 * (size_t)i);
	for (int i = 0; i < 10; i++)
		echo_must(FIRST + i, 100);
	calls_stop();
}
END_TEST

/* What the one above is protected from. */
START_TEST(without_it_the_next_call_gets_the_late_response_as_with_libqb)
{
	calls_start(_i);
	ck_assert_int_eq(echo_vector(MSG_SILENT, 64, SHORT_MS), -ETIMEDOUT);
	answer_silent(64);
	response_check((void *)buffer, echo_vector(FIRST, 100, deadline_ms()), MSG_SILENT, 64);
	calls_stop();
}
END_TEST

/* -- The rest ---------------------------------------------------------------------------- */

static void child_of_fork(void)
{
	int fd = qbipc_calls_fd(client);

	ck_assert_int_ge(fd, 0);
	n_done = 0;
	call_must(FIRST + 9, 64, -1);
	calls_run(1);
	ck_assert_int_eq(called[0].times, 0);
	ck_assert_int_eq(called[1].times, 1);
	qb_ipcc_disconnect(client);
	ck_assert_int_eq(n_done, 1);
	_exit(0);
}

/* The parent's call was given up there: the response of the child's is the second. */
START_TEST(calls_are_not_done_in_a_child)
{
	int status;
	pid_t pid;

	calls_start(_i);
	call_silent(-1);
	answer_silent(64);
	pid = fork();
	if (pid == 0)
		child_of_fork();
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(n_done, 0);
	ck_assert_int_eq(qbipc_call_cancel(client, called[0].handle), 0);
	calls_stop();
}
END_TEST

START_TEST(bad_arguments_are_einval)
{
	struct iovec iov = { buffer, 64 }, huge = { buffer, SIZE_MAX / 2 };
	struct iovec two[2] = { huge, huge };

	calls_start(_i);
	ck_assert_int_eq(qbipc_call_send(NULL, &iov, 1, -1, NULL, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_call_send(client, NULL, 1, -1, NULL, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_call_send(client, &iov, 0, -1, NULL, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_call_send(client, &huge, 1, -1, NULL, NULL), -EMSGSIZE);
	ck_assert_int_eq(qbipc_call_send(client, two, 2, -1, NULL, NULL), -EMSGSIZE);
	ck_assert_int_eq(qbipc_call_cancel(NULL, 1), -EINVAL);
	ck_assert_int_eq(qbipc_calls_fd(NULL), -EINVAL);
	ck_assert_int_eq(qbipc_calls_dispatch(NULL), -EINVAL);
	ck_assert_int_eq(qbipc_late_responses_drop(NULL), -EINVAL);
	ck_assert_int_eq(qbipc_calls_dispatch(client), 0);
	calls_stop();
}
END_TEST

static void add_responses(Suite *s)
{
	TCase *tc = tcase_new(s, "responses");

	add_transport_test(tc, each_call_gets_its_own_response_in_order);
	add_transport_test(tc, call_into_a_full_queue_is_eagain_and_the_others_are_answered);
	add_transport_test(tc, large_requests_of_calls_go_out_without_waiting);
	add_transport_test(tc, call_while_the_server_asks_to_stop_is_eagain);
	add_transport_test(tc, call_without_a_function_throws_its_response_away);
}

static void add_ends(Suite *s)
{
	TCase *tc = tcase_new(s, "other ends");

	add_transport_test(tc, response_after_the_time_is_never_given_to_the_next_call);
	add_transport_test(tc, no_time_is_over_before_it_is);
	add_transport_test(tc, response_that_has_come_counts_before_the_time);
	add_transport_test(tc, cancelled_call_is_done_at_once_and_its_response_is_dropped);
	add_transport_test(tc, call_whose_response_waits_for_the_dispatch_can_be_cancelled);
	add_transport_test(tc, calls_of_a_killed_server_are_enotconn_once_and_in_order);
	add_transport_test(tc, answers_of_a_server_that_leaves_come_before_enotconn);
	add_transport_test(tc, disconnect_cancels_all_calls_in_order);
}

static void add_inside(Suite *s)
{
	TCase *tc = tcase_new(s, "inside a call");

	add_transport_test(tc, calls_may_be_sent_inside_a_call);
	add_transport_test(tc, calls_may_be_cancelled_inside_a_call);
	add_transport_test(tc, a_call_may_wait_for_another_response_and_dispatch);
	add_transport_test(tc, a_call_may_disconnect);
}

static void add_beside(Suite *s)
{
	TCase *tc = tcase_new(s, "beside other receivers");

	add_transport_test(tc, a_caller_that_waits_gets_its_own_response_between_calls);
	add_transport_test(tc, late_response_of_a_caller_that_waited_is_not_given_to_a_call);
	add_transport_test(tc, recv_gets_what_belongs_to_no_call);
	add_transport_test(tc, response_that_does_not_fit_stays_for_recv);
	add_transport_test(tc, response_from_before_its_request_is_thrown_away);
	add_transport_test(tc, late_responses_are_dropped_for_a_client_that_asks_for_it);
	add_transport_test(tc, without_it_the_next_call_gets_the_late_response_as_with_libqb);
}

int main(void)
{
	Suite *s = suite_create("calls in an event loop");
	TCase *tc;

	add_responses(s);
	add_ends(s);
	add_inside(s);
	add_beside(s);
	tc = tcase_new(s, "processes and arguments");
	add_transport_test(tc, calls_are_not_done_in_a_child);
	add_transport_test(tc, bad_arguments_are_einval);
	return suite_main(s);
}
