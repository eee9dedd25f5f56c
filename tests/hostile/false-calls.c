/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls of a client whose server answers twice, what nobody asked, late, nothing, nonsense,
 * or dies. Whatever it does, each call is done once, and in time.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <qbipc/call.h>

#include "tests/hostile/false.h"
#include "tests/hostile/tools.h"
#include "tests/hostile/truth.h"

enum { CALLS = 100, SIZE = 64, TIMEOUT_MS = 100, BLOCKING_MS = 20 };

/* -- The server -------------------------------------------------------------------------- */

enum lie { TWICE, UNASKED, LATE, NEVER, ODD, DIES, LIES };

/* A response is sent, if there is room. */
static void respond(struct truth *t, size_t size)
{
	char bytes[2 * WIRE_SMALLEST] = "";

	(void)truth_put(t, RESPONSE, bytes, size);
}

static void request_serve(struct truth *t, enum lie lie, int n)
{
	static const size_t odd[] = { 0, 1, 23, WIRE_SMALLEST, WIRE_SMALLEST + 1 };

	if (lie == TWICE || lie == DIES)
		respond(t, SIZE);
	if (lie == LATE && n % 16 == 0)
		for (int i = 0; i < 16; i++)
			respond(t, SIZE);
	if (lie == ODD)
		respond(t, odd[n % 5]);
	else if (lie != NEVER && lie != LATE)
		respond(t, SIZE);
	if (lie == DIES && n == 20)
		raise(SIGKILL);
}

static void serve_falsely(struct truth *t, unsigned int which)
{
	enum lie lie = (enum lie)which;
	char r[2 * SIZE + 200];
	int n = 0;

	truth_send(t);
	while (!truth_client_left(t)) {
		if (lie == UNASKED)
			respond(t, SIZE);
		if (truth_take(t, r, sizeof(r)) == -EAGAIN)
			pause_briefly();
		else
			request_serve(t, lie, ++n);
	}
}

/* -- The client --------------------------------------------------------------------------- */

static int times[CALLS], n_sent, n_done;

static void on_done(qb_ipcc_connection_t *c, int error, void *response, size_t size, void *data)
{
	int *mine = data;

	++*mine;
	n_done++;
	ck_assert_msg(error == 0 || error == -ETIMEDOUT || error == -ENOTCONN ||
			      error == -ECANCELED,
		      "%s", strerror(-error));
	ck_assert(error == 0 || (!response && !size));
}

static ssize_t wait_once(qb_ipcc_connection_t *c, const struct request *r)
{
	char buf[2 * WIRE_SMALLEST];
	struct iovec iov = { (void *)(uintptr_t)r, SIZE };
	uint64_t began = now_ms();
	ssize_t n = qb_ipcc_sendv_recv(c, &iov, 1, buf, sizeof(buf), BLOCKING_MS);

	ck_assert_uint_lt(now_ms() - began, (uint64_t)deadline_ms());
	return n;
}

/* Calls, one of them cancelled now and then, and a thread's way to wait in between. */
static void calls_send(qb_ipcc_connection_t *c)
{
	struct request *r = request_make(MSG_ECHO, SIZE, SIZE);
	struct iovec iov = { r, SIZE };

	for (int i = 0; i < CALLS; i++) {
		int64_t call = qbipc_call_send(c, &iov, 1, TIMEOUT_MS, on_done, &times[n_sent]);

		if (call == -ENOTCONN)
			break;
		ck_assert(call > 0 || call == -EAGAIN);
		n_sent += call > 0;
		if (call > 0 && i % 10 == 3)
			(void)qbipc_call_cancel(c, call);
		if (i % 25 == 7)
			(void)wait_once(c, r);
		ck_assert_int_ge(qbipc_calls_dispatch(c), 0);
	}
	free(r);
}

START_TEST(calls_of_a_false_server_are_done_once_and_in_time)
{
	for (unsigned int which = 0; which < LIES; which++) {
		struct false_server f;
		qb_ipcc_connection_t *c;

		memset(times, 0, sizeof(times));
		n_sent = n_done = 0;
		false_begin(&f, _i, serve_falsely, which);
		c = client_connect(f.name, 0);
		calls_send(c);
		while (n_done < n_sent) {
			ck_assert(fd_readable_within(qbipc_calls_fd(c), deadline_ms()));
			ck_assert_int_ge(qbipc_calls_dispatch(c), 0);
		}
		ck_assert_int_gt(n_sent, 0);
		qb_ipcc_disconnect(c);
		ck_assert_int_eq(n_done, n_sent);
		for (int i = 0; i < n_sent; i++)
			ck_assert_int_eq(times[i], 1);
		if (which == DIES)
			false_kill(&f);
		else
			false_end(&f);
	}
}
END_TEST

/* They come all the time, and a call sees none but those after its request. */
START_TEST(server_that_answers_unasked_does_not_keep_a_sender)
{
	struct false_server f;
	qb_ipcc_connection_t *c;
	struct request *r = request_make(MSG_ECHO, SIZE, SIZE);
	struct iovec iov = { r, SIZE };
	uint64_t began = now_ms();

	n_sent = n_done = 0;
	false_begin(&f, _i, serve_falsely, UNASKED);
	c = client_connect(f.name, 0);
	for (int i = 0; i < CALLS; i++) {
		int64_t call = qbipc_call_send(c, &iov, 1, 0, on_done, &times[0]);

		ck_assert(call > 0 || call == -EAGAIN);
		n_sent += call > 0;
		while (n_done < n_sent)
			ck_assert_int_ge(qbipc_calls_dispatch(c), 0);
	}
	qb_ipcc_disconnect(c);
	ck_assert_uint_lt(now_ms() - began, 2 * (uint64_t)deadline_ms());
	free(r);
	false_end(&f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile: false answers to calls");
	TCase *tc = tcase_new(s, "calls");

	add_transport_test(tc, calls_of_a_false_server_are_done_once_and_in_time);
	add_transport_test(tc, server_that_answers_unasked_does_not_keep_a_sender);
	return arena_main(s);
}
