/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls of a loop, while other threads wait for responses on the same connection. */
#include "tests/conformance/calls.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <qbipc/call.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/task.h"
#include "tests/lib/variant.h"

enum { THREADS = 4, EACH = 200, PER_THREAD = 10000, SIZE = 300 };

struct waiter {
	pthread_t thread;
	int32_t id; /* of its first request */
	int count;
	int32_t timeout;
	_Atomic(pid_t) tid;
	atomic_bool ended;
	ssize_t got; /* of the last */
	const char *failure;
};

static bool is_echo(const struct response *r, ssize_t n, int32_t id, size_t size)
{
	size_t body = size - sizeof(struct qb_ipc_request_header);

	return n == (ssize_t)(sizeof(r->hdr) + body) && r->hdr.id == id &&
	       pattern_matches(r->body, body, (uint32_t)id);
}

/* Failed assertions belong to the main thread: a waiter leaves a word for it. */
static void *waiter_run(void *arg)
{
	char buf[1024] __attribute__((aligned(8)));
	/* It may be cancelled: no memory to free. */
	char bytes[SIZE] __attribute__((aligned(8)));
	struct request *r = (struct request *)bytes;
	struct iovec iov = { r, SIZE };
	struct waiter *w = arg;

	w->tid = (pid_t)syscall(SYS_gettid);
	for (int32_t id = w->id; id < w->id + w->count; id++) {
		r->hdr = (struct qb_ipc_request_header){ .id = id, .size = SIZE };
		pattern_fill(r->body, SIZE - sizeof(r->hdr), (uint32_t)id);
		do
			w->got = qb_ipcc_sendv_recv(client, &iov, 1, buf, sizeof(buf),
						    w->timeout);
		while (w->got == -EAGAIN);
		if (w->got >= 0 && id != MSG_SILENT && !is_echo((void *)buf, w->got, id, SIZE))
			w->failure = "the response belongs to another request";
	}
	w->ended = true;
	return NULL;
}

static void waiter_start(struct waiter *w, int32_t id, int count, int32_t timeout)
{
	*w = (struct waiter){ .id = id, .count = count, .timeout = timeout };
	ck_assert_int_eq(pthread_create(&w->thread, NULL, waiter_run, w), 0);
}

static void waiter_join(struct waiter *w, ssize_t got)
{
	ck_assert_int_eq(pthread_join(w->thread, NULL), 0);
	ck_assert_msg(!w->failure, "%s", w->failure);
	ck_assert_int_eq(w->got, got);
}

/* Or its time was over before anybody saw it. */
static void await_sleep(struct waiter *w)
{
	WAIT_FOR(w->tid && (w->ended || task_sleeps(w->tid)));
}

static void answer(int32_t id)
{
	ck_assert_int_eq(host_call(host, remote_response, 1, SIZE, id), SIZE + 8);
}

START_TEST(threads_that_wait_and_calls_get_their_own_responses)
{
	struct waiter w[THREADS];

	calls_start(_i);
	ck_assert_int_ge(qbipc_calls_fd(client), 0);
	for (int i = 0; i < THREADS; i++)
		waiter_start(&w[i], PER_THREAD * (i + 1), EACH, deadline_ms());
	for (int i = 0; i < EACH; i++)
		while (call_try(100 + i, 64 + (size_t)i, -1) == -EAGAIN)
			calls_run(n_done + 1);
	calls_run(EACH);
	for (int i = 0; i < THREADS; i++)
		waiter_join(&w[i], SIZE + 8);
	calls_check(EACH, 0);
	calls_settle();
	calls_stop();
}
END_TEST

/* The first one to wait receives for all, until it has its own. */
START_TEST(a_thread_that_reads_hands_over_and_another_one_goes_on)
{
	struct waiter w[3];

	calls_start(_i);
	ck_assert_int_eq(qbipc_late_responses_drop(client), 0);
	for (int i = 0; i < 3; i++) {
		waiter_start(&w[i], MSG_SILENT, 1, -1);
		await_sleep(&w[i]);
	}
	call_must(MSG_SILENT, SIZE, -1);
	for (int i = 0; i < 3; i++) {
		answer(MSG_SILENT);
		waiter_join(&w[i], SIZE + 8);
	}
	ck_assert_int_eq(n_done, 0);
	answer(MSG_SILENT);
	calls_run(1);
	calls_check(1, 0);
	calls_stop();
}
END_TEST

START_TEST(the_loop_is_woken_by_a_thread_that_reads_its_response)
{
	struct waiter w;

	calls_start(_i);
	call_must(MSG_SILENT, SIZE, -1);
	waiter_start(&w, MSG_SILENT, 1, -1);
	await_sleep(&w);
	answer(MSG_SILENT);
	calls_run(1);
	calls_check(1, 0);
	answer(MSG_SILENT);
	waiter_join(&w, SIZE + 8);
	calls_stop();
}
END_TEST

START_TEST(threads_and_calls_are_enotconn_when_the_server_is_killed)
{
	struct waiter w[THREADS];

	calls_start(_i);
	for (int i = 0; i < THREADS; i++) {
		call_must(MSG_SILENT, SIZE, -1);
		waiter_start(&w[i], MSG_SILENT, 1, -1);
		await_sleep(&w[i]);
	}
	host_kill(host);
	for (int i = 0; i < THREADS; i++)
		waiter_join(&w[i], -ENOTCONN);
	calls_run(THREADS);
	calls_check(THREADS, -ENOTCONN);
	calls_stop();
}
END_TEST

START_TEST(a_thread_whose_time_is_over_lets_the_others_go_on)
{
	struct waiter first, second;

	calls_start(_i);
	ck_assert_int_eq(qbipc_late_responses_drop(client), 0);
	waiter_start(&first, MSG_SILENT, 1, 50);
	await_sleep(&first);
	waiter_start(&second, MSG_SILENT, 1, -1);
	waiter_join(&first, -ETIMEDOUT);
	answer(4000);
	answer(MSG_SILENT);
	waiter_join(&second, SIZE + 8);
	calls_stop();
}
END_TEST

static void check_cancelled(int which)
{
	struct waiter w[2];
	void *result;

	ck_assert_int_eq(qbipc_late_responses_drop(client), 0);
	for (int i = 0; i < 2; i++) {
		waiter_start(&w[i], MSG_SILENT, 1, -1);
		await_sleep(&w[i]);
	}
	ck_assert_int_eq(pthread_cancel(w[which].thread), 0);
	ck_assert_int_eq(pthread_join(w[which].thread, &result), 0);
	ck_assert_ptr_eq(result, PTHREAD_CANCELED);
	/* The late one of the cancelled thread, and the other's own, in their order. */
	answer(which == 0 ? 4000 : MSG_SILENT);
	answer(which == 0 ? MSG_SILENT : 4000);
	waiter_join(&w[1 - which], SIZE + 8);
	call_must(100, 64, -1);
	calls_run(1);
	calls_check(1, 0);
}

START_TEST(a_thread_that_reads_may_be_cancelled)
{
	calls_start(_i);
	check_cancelled(0);
	calls_stop();
}
END_TEST

START_TEST(a_thread_that_follows_may_be_cancelled)
{
	calls_start(_i);
	check_cancelled(1);
	calls_stop();
}
END_TEST

static void *send_calls(void *arg)
{
	struct request *r = request_new(MSG_ECHO, 64);
	struct iovec iov = { r, 64 };
	int *sent = arg;

	for (int i = 0; i < EACH; i++) {
		while (qbipc_call_send(client, &iov, 1, -1, NULL, NULL) == -EAGAIN)
			pause_briefly();
		++*sent;
	}
	free(r);
	return NULL;
}

START_TEST(any_thread_may_send_calls)
{
	pthread_t threads[THREADS];
	int sent[THREADS] = { 0 };
	int n = 0;

	calls_start(_i);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, send_calls, &sent[i]), 0);
	while (n < THREADS * EACH) {
		int r;

		ck_assert(fd_readable_within(qbipc_calls_fd(client), deadline_ms()));
		r = qbipc_calls_dispatch(client);
		ck_assert_int_ge(r, 0);
		n += r;
	}
	for (int i = 0; i < THREADS; i++) {
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
		ck_assert_int_eq(sent[i], EACH);
	}
	calls_stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("calls beside threads");
	TCase *tc = tcase_new(s, "threads");

	add_transport_test(tc, threads_that_wait_and_calls_get_their_own_responses);
	add_transport_test(tc, a_thread_that_reads_hands_over_and_another_one_goes_on);
	add_transport_test(tc, the_loop_is_woken_by_a_thread_that_reads_its_response);
	add_transport_test(tc, threads_and_calls_are_enotconn_when_the_server_is_killed);
	add_transport_test(tc, a_thread_whose_time_is_over_lets_the_others_go_on);
	add_transport_test(tc, a_thread_that_reads_may_be_cancelled);
	add_transport_test(tc, a_thread_that_follows_may_be_cancelled);
	add_transport_test(tc, any_thread_may_send_calls);
	return suite_main(s);
}
