/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The descriptor that applications poll is readable iff an event is queued or the server
 * is gone: looked at after every single step, and while the server sends.
 */
#include "config.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "tests/lib/deadline.h"
#include "tests/lib/variant.h"
#include "tests/unit/test-native-ends.h"

enum { STEPS = 30000, EVENTS = 20000 };

static struct native_ends e;

static bool is_readable(void)
{
	return fd_readable_within(e.cops->event_fd(e.client), 0);
}

static size_t event_size(uint32_t i)
{
	return i % 512 == 9 ? ENDS_MAX : 16 + i % 100;
}

static int event_send(uint32_t i)
{
	return ends_send(e.sops->eventv, e.server, event_size(i), i);
}

static int event_recv(uint32_t i, uint64_t deadline)
{
	return ends_recv(e.cops->event_recv, e.client, event_size(i), i, deadline);
}

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

START_TEST(readable_iff_an_event_is_queued_after_every_step)
{
	uint64_t state = 88172645463325252ull;
	uint32_t sent = 0, taken = 0;

	ends_open(&e, _i);
	for (int i = 0; i < STEPS; i++) {
		/* Bursts of sending, then of taking. */
		bool send = random_next(&state) % 100 < (i / 500 % 2 ? 65 : 35);

		if (send && event_send(sent) == 0)
			sent++;
		ck_assert_int_eq(is_readable(), sent != taken);
		if (!send && taken != sent)
			ck_assert_int_eq(event_recv(taken++, 0), 0);
		else if (!send)
			ck_assert_int_eq(event_recv(taken, 0), QBI_EMPTY);
		ck_assert_int_eq(is_readable(), sent != taken);
		ck_assert_uint_eq(e.sops->events_queued(e.server), sent - taken);
	}
	ends_close(&e);
}
END_TEST

START_TEST(readable_after_a_buffer_that_was_too_small)
{
	char small[8];
	size_t size = 0;

	ends_open(&e, _i);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_int_eq(event_send(i), 0);
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_int_eq(e.cops->event_recv(e.client, small, sizeof(small), 0, &size),
				 -ENOBUFS);
		ck_assert_uint_eq(size, event_size(i));
		ck_assert(is_readable());
		ck_assert_int_eq(event_recv(i, 0), 0);
	}
	ck_assert(!is_readable());
	ends_close(&e);
}
END_TEST

START_TEST(responses_do_not_make_the_descriptor_readable)
{
	ends_open(&e, _i);
	for (uint32_t i = 0; i < 100; i++) {
		ck_assert_int_eq(ends_send(e.sops->respondv, e.server, 50, i), 0);
		ck_assert(!is_readable());
		ck_assert_int_eq(ends_recv(e.cops->recv, e.client, 50, i, ends_soon(1000)), 0);
		/* Asleep now and then, so that the next one has to wake. */
		ck_assert_int_eq(ends_recv(e.cops->recv, e.client, 50, i, 0), QBI_EMPTY);
		ck_assert(!is_readable());
	}
	ends_close(&e);
}
END_TEST

START_TEST(events_that_were_queued_are_read_before_the_end_is_told)
{
	ends_open(&e, _i);
	for (uint32_t i = 0; i < 5; i++)
		ck_assert_int_eq(event_send(i), 0);
	ends_close_server(&e, true);
	for (uint32_t i = 0; i < 5; i++) {
		ck_assert(is_readable());
		ck_assert_int_eq(event_recv(i, QBI_FOREVER), 0);
	}
	ck_assert(is_readable());
	ck_assert_int_eq(event_recv(5, QBI_FOREVER), QBI_GONE);
	ck_assert_int_eq(event_recv(5, 0), QBI_GONE);
	ends_close(&e);
}
END_TEST

/* -- While the server sends ------------------------------------------------------- */

static _Atomic(uint32_t) sent; /* events whose sending has returned */
static const char *wrong;      /* what the sender found */

static void *thread_send(void *data)
{
	const uint32_t *pause = data;

	for (uint32_t i = 0; i < EVENTS; i++) {
		int r;

		while ((r = event_send(i)) == QBI_FULL)
			sched_yield();
		if (r != 0)
			wrong = "an event was not accepted";
		atomic_store(&sent, i + 1);
		if (*pause && i % *pause == 0)
			sched_yield();
	}
	return NULL;
}

/*
 * An application that polls, and takes one event only when it was told to; or (@eager)
 * also when it was not.
 */
static void take_all(bool eager)
{
	for (uint32_t i = 0; i < EVENTS;) {
		uint32_t at_least = atomic_load(&sent);
		bool readable = is_readable();
		int r;

		ck_assert_msg(readable || at_least <= i,
			      "event %u of %u is queued and nothing is readable", i, at_least);
		if (!readable && !eager) {
			ck_assert_msg(
				fd_readable_within(e.cops->event_fd(e.client), deadline_ms()),
				"event %u never made it readable", i);
			readable = true;
		}
		r = event_recv(i, 0);
		ck_assert_msg(r == 0 || !readable, "readable, and yet no event %u: %d", i, r);
		ck_assert(r == 0 || r == QBI_EMPTY);
		i += r == 0;
	}
	ck_assert(!is_readable());
}

static void run(int index, bool eager, uint32_t pause)
{
	pthread_t thread;

	wrong = NULL;
	atomic_store(&sent, 0);
	ends_open(&e, index);
	ck_assert_int_eq(pthread_create(&thread, NULL, thread_send, &pause), 0);
	take_all(eager);
	pthread_join(thread, NULL);
	ck_assert_msg(!wrong, "%s", wrong);
	ck_assert(!is_readable());
	ck_assert_int_eq(event_recv(0, 0), QBI_EMPTY);
	ends_close(&e);
}

START_TEST(readable_promises_an_event_while_the_server_sends)
{
	run(_i, false, 0);
	run(_i, false, 1);
	run(_i, false, 3);
}
END_TEST

START_TEST(event_that_was_sent_makes_readable_for_one_that_takes_without_asking)
{
	run(_i, true, 0);
	run(_i, true, 2);
}
END_TEST

START_TEST(waiting_receiver_gets_every_event)
{
	uint32_t pause = 1;
	pthread_t thread;

	ends_open(&e, _i);
	ck_assert_int_eq(pthread_create(&thread, NULL, thread_send, &pause), 0);
	for (uint32_t i = 0; i < EVENTS; i++) {
		uint64_t deadline = ends_soon(deadline_ms());

		ck_assert_int_eq(event_recv(i, i % 2 ? deadline : QBI_FOREVER), 0);
	}
	pthread_join(thread, NULL);
	ck_assert(!is_readable());
	ends_close(&e);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("native events");
	TCase *tc = tcase_new(s, "step by step");

	tcase_add_loop_test(tc, readable_iff_an_event_is_queued_after_every_step, 0,
			    NATIVE_TRANSPORTS);
	tcase_add_loop_test(tc, readable_after_a_buffer_that_was_too_small, 0,
			    NATIVE_TRANSPORTS);
	tcase_add_loop_test(tc, responses_do_not_make_the_descriptor_readable, 0,
			    NATIVE_TRANSPORTS);
	tcase_add_loop_test(tc, events_that_were_queued_are_read_before_the_end_is_told, 0,
			    NATIVE_TRANSPORTS);

	tc = tcase_new(s, "two threads");
	tcase_add_loop_test(tc, readable_promises_an_event_while_the_server_sends, 0,
			    NATIVE_TRANSPORTS);
	tcase_add_loop_test(
		tc, event_that_was_sent_makes_readable_for_one_that_takes_without_asking, 0,
		NATIVE_TRANSPORTS);
	tcase_add_loop_test(tc, waiting_receiver_gets_every_event, 0, NATIVE_TRANSPORTS);
	return suite_main(s);
}
