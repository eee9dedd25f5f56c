/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long to poll for the next message, by when the last ones came and by what a wake-up
 * takes. Times are given, so nothing here waits, and what is counted is exact.
 */
#include <stdbool.h>
#include <string.h>

#include "base/arrivals.h"
#include "tests/lib/variant.h"

#define US 1000ull
#define MS 1000000ull

/* More than are remembered. */
enum { MANY = 2 * QBI_ARRIVALS_KEPT };

static struct qbi_arrivals a;
static uint64_t now;
static uint64_t polled, sleeps; /* ns; number */
static bool same_cpu;

static void setup(void)
{
	qbi_arrivals_init(&a, QBI_ARRIVALS_OF_RESPONSES);
	now = 60 * 1000 * MS;
	polled = sleeps = 0;
	same_cpu = false;
}

/* The next message comes @after this end began to wait, and a wake-up takes @wake. */
static void message(uint64_t after, uint64_t wake)
{
	uint64_t began = now, length = qbi_arrivals_length(&a);

	if (after <= length) {
		polled += after;
		now += after;
		qbi_arrivals_note(&a, after);
		return;
	}
	polled += length;
	sleeps++;
	qbi_arrivals_sleep(&a, began, began + length);
	now += after + wake;
	qbi_arrivals_woken(&a, now, began + after, same_cpu);
}

static void messages(unsigned int n, uint64_t after, uint64_t wake)
{
	while (n-- > 0)
		message(after, wake);
}

static uint64_t length(void)
{
	return qbi_arrivals_length(&a);
}

/* -- What is polled -------------------------------------------------------------------- */

START_TEST(first_poll_is_as_long_as_a_sleep_costs)
{
	ck_assert_uint_ge(length(), 2 * QBI_ARRIVALS_WAKE_NS);
	ck_assert_uint_le(length(), 2 * QBI_ARRIVALS_WAKE_NS * 5 / 4);
	qbi_arrivals_init(&a, QBI_ARRIVALS_OF_REQUESTS);
	ck_assert_uint_ge(length(), QBI_ARRIVALS_WAKE_NS);
	ck_assert_uint_le(length(), QBI_ARRIVALS_WAKE_NS * 5 / 4);
}
END_TEST

/* As a client at the pace of daemons: a sleeping server answers when it was woken. */
START_TEST(answers_that_come_about_when_a_wake_up_is_done_are_polled_for)
{
	static const uint64_t wakes[] = { 4 * US, 15 * US, 45 * US, 90 * US };
	uint64_t wake = wakes[_i];

	/* The machine is known by then. */
	messages(MANY, 5 * MS, wake);
	messages(MANY, wake * 5 / 4, wake);
	sleeps = polled = 0;
	messages(100, wake * 5 / 4, wake);
	ck_assert_uint_eq(sleeps, 0);
	ck_assert_uint_eq(polled, 100 * (wake * 5 / 4));
	/* And not for much longer than they take. */
	ck_assert_uint_le(length(), 2 * wake * 5 / 4);
}
END_TEST

START_TEST(answers_that_take_longer_than_a_sleep_costs_are_slept_for_at_once)
{
	static const uint64_t afters[] = { 100 * US, 500 * US, 5 * MS, 100 * MS, 5000 * MS };

	messages(MANY, afters[_i], 40 * US);
	polled = 0;
	messages(100, afters[_i], 40 * US);
	ck_assert_uint_eq(polled, 0);
	ck_assert_uint_eq(length(), 0);
}
END_TEST

/* A poll would take more of the server's CPU than to sleep and to be woken. */
START_TEST(requests_that_come_later_than_a_wake_up_takes_are_slept_for_at_once)
{
	qbi_arrivals_init(&a, QBI_ARRIVALS_OF_REQUESTS);
	messages(MANY, 50 * US, 30 * US);
	polled = 0;
	messages(100, 50 * US, 30 * US);
	ck_assert_uint_eq(polled, 0);
	messages(MANY, 20 * US, 30 * US);
	sleeps = 0;
	messages(100, 20 * US, 30 * US);
	ck_assert_uint_eq(sleeps, 0);
}
END_TEST

START_TEST(two_polls_in_vain_are_enough_at_first)
{
	messages(2, 5 * MS, 40 * US);
	ck_assert_uint_eq(length(), 0);
	ck_assert_uint_le(polled, 2 * 100 * US);
}
END_TEST

START_TEST(messages_that_come_soon_again_are_polled_for_after_one_of_them)
{
	messages(MANY, 5 * MS, 40 * US);
	ck_assert_uint_eq(length(), 0);
	message(1 * US, 40 * US);
	ck_assert_uint_ge(length(), 1 * US);
}
END_TEST

START_TEST(one_pause_in_a_stream_changes_nothing)
{
	uint64_t before;

	messages(MANY, 1 * US, 40 * US);
	before = length();
	ck_assert_uint_ge(before, 50 * US);
	message(5 * MS, 40 * US);
	ck_assert_uint_ge(length(), 50 * US);
	messages(MANY, 1 * US, 40 * US);
	ck_assert_uint_ge(length(), 50 * US);
}
END_TEST

/* Calls in groups: soon within one, late between two of them. */
START_TEST(groups_are_polled_for_within_them_and_hardly_between)
{
	for (int i = 0; i < 20; i++) {
		messages(3, 2 * US, 40 * US);
		message(5 * MS, 40 * US);
	}
	sleeps = polled = 0;
	for (int i = 0; i < 20; i++) {
		messages(3, 2 * US, 40 * US);
		message(5 * MS, 40 * US);
	}
	ck_assert_uint_eq(sleeps, 20);
	ck_assert_uint_le(polled, 20 * (3 * 2 + 4) * US);
}
END_TEST

/*
 * A wake-up takes little there, and the other end has to run before the next message comes:
 * which it does when this end yields.
 */
START_TEST(other_end_on_this_cpu_is_yielded_to_for_a_moment)
{
	same_cpu = true;
	messages(MANY, 5 * MS, 2 * US);
	ck_assert_uint_eq(length(), 0);
	messages(8, 10 * US, 2 * US);
	ck_assert_uint_gt(length(), 0);
	ck_assert_uint_le(length(), 4 * US);
	/* But if the CPU was idle meanwhile, yielding finds nothing. */
	polled = 0;
	messages(100, 10 * US, 2 * US);
	ck_assert_uint_le(polled, 100 * 4 * US);
	messages(MANY, 100 * US, 2 * US);
	ck_assert_uint_eq(length(), 0);
}
END_TEST

/* A client that calls every 50 us sleeps on the CPU of its server, which would yield to nobody. */
START_TEST(client_on_this_cpu_that_sleeps_between_its_calls_is_not_polled_for)
{
	qbi_arrivals_init(&a, QBI_ARRIVALS_OF_REQUESTS);
	same_cpu = true;
	messages(MANY, 40 * US, 4 * US);
	polled = 0;
	messages(100, 40 * US, 4 * US);
	ck_assert_uint_eq(polled, 0);
	/* One that only works in between is. */
	messages(QBI_ARRIVALS_KEPT / 2, 5 * US, 4 * US);
	ck_assert_uint_gt(length(), 0);
	/* Nor does one that is away a little longer begin it again. */
	messages(MANY, 5 * MS, 4 * US);
	messages(QBI_ARRIVALS_KEPT / 2, 12 * US, 4 * US);
	ck_assert_uint_eq(length(), 0);
	/* A server that answers works for longer. */
	qbi_arrivals_init(&a, QBI_ARRIVALS_OF_RESPONSES);
	messages(MANY, 5 * MS, 4 * US);
	ck_assert_uint_eq(length(), 0);
	messages(QBI_ARRIVALS_KEPT / 2, 40 * US, 4 * US);
	ck_assert_uint_gt(length(), 0);
}
END_TEST

/* Whatever the pattern: not much more than twice what sleeping at once would have cost. */
START_TEST(polls_cost_little_more_than_sleeping_at_once_would)
{
	uint32_t state = 1 + (uint32_t)_i;
	const uint64_t wake = 20 * US;
	uint64_t n = 0;

	for (; n < 5000; n++) {
		state = state * 1664525u + 1013904223u;
		message((state >> 8) % (1u << (10 + (state >> 4) % 12)), wake);
	}
	ck_assert_uint_le(polled + sleeps * 2 * wake, n * 2 * wake * 3 / 2);
}
END_TEST

/* -- What a wake-up takes ---------------------------------------------------------------- */

START_TEST(a_wake_up_is_believed_as_it_was_measured)
{
	static const uint64_t wakes[] = { 1 * US, 4 * US, 40 * US, 99 * US };

	messages(MANY, 5 * MS, wakes[_i]);
	ck_assert_uint_eq(a.wake, wakes[_i]);
}
END_TEST

/* Others had the CPU, which says nothing about what sleeping costs. */
START_TEST(wake_ups_that_had_to_wait_for_a_cpu_are_not_believed)
{
	messages(MANY, 5 * MS, 10 * US);
	for (int i = 0; i < 100; i++)
		message(5 * MS, i % 2 ? 10 * US : 3 * MS);
	ck_assert_uint_le(a.wake, 12 * US);
}
END_TEST

START_TEST(another_machine_is_learned)
{
	messages(MANY, 5 * MS, 10 * US);
	messages(100, 5 * MS, 60 * US);
	ck_assert_uint_eq(a.wake, 60 * US);
	messages(100, 5 * MS, 5 * US);
	ck_assert_uint_eq(a.wake, 5 * US);
}
END_TEST

/* As a server at 20,000 requests a second whose first wake-up had to wait for a CPU. */
START_TEST(slow_wake_up_is_not_believed_for_ever_by_an_end_that_never_sleeps)
{
	qbi_arrivals_init(&a, QBI_ARRIVALS_OF_REQUESTS);
	messages(MANY, 5 * MS, 90 * US);
	messages(MANY, 40 * US, 90 * US);
	ck_assert_uint_ge(length(), 40 * US);
	messages(10 * QBI_ARRIVALS_FOUND_MAX, 40 * US, 5 * US);
	ck_assert_uint_eq(length(), 0);
	ck_assert_uint_lt(a.wake, 40 * US);
	/* One that is as slow as before costs a sleep now and then. */
	messages(MANY, 5 * MS, 90 * US);
	messages(100, 5 * MS, 90 * US);
	messages(MANY, 40 * US, 90 * US);
	sleeps = 0;
	messages(10 * QBI_ARRIVALS_FOUND_MAX, 40 * US, 90 * US);
	ck_assert_uint_ge(sleeps, 9);
	ck_assert_uint_le(sleeps, 10);
}
END_TEST

/* The other end says nothing: a switch on one CPU, and what is assumed on several. */
START_TEST(wake_up_of_an_end_that_says_nothing_is_not_measured)
{
	for (int i = 0; i < 2 * MANY; i++) {
		uint64_t began = now;

		qbi_arrivals_sleep(&a, began, began);
		now += 40 * US;
		qbi_arrivals_woken(&a, now, 0, i < MANY);
		ck_assert_uint_eq(a.wake, i < MANY ? QBI_ARRIVALS_SWITCH_NS : 0);
	}
}
END_TEST

START_TEST(a_wake_up_has_bounds)
{
	messages(MANY, 5 * MS, 1000 * MS);
	ck_assert_uint_eq(a.wake, QBI_ARRIVALS_WAKE_MAX_NS);
	messages(200, 5 * MS, 0);
	ck_assert_uint_gt(a.wake, 0);
}
END_TEST

/* -- What the other end says -------------------------------------------------------------- */

/* It says nothing, or what cannot be: before this end slept, or in the future. */
START_TEST(a_time_that_cannot_be_is_no_measurement)
{
	for (int i = 0; i < MANY; i++) {
		uint64_t began = now;
		const uint64_t said[] = { 0, began - 1, now + 6 * MS, UINT64_MAX };

		qbi_arrivals_sleep(&a, began, began);
		now += 5 * MS;
		qbi_arrivals_woken(&a, now, said[i % 4], false);
	}
	ck_assert_uint_eq(a.wake, 0);
	ck_assert_uint_eq(length(), 0);
}
END_TEST

/* It rings late, and says that it rang while this end still polled. */
START_TEST(a_message_did_not_come_while_this_end_polled)
{
	uint64_t vain = 0;

	for (int i = 0; i < 1000; i++) {
		uint64_t began = now, l = length();

		vain += l;
		qbi_arrivals_sleep(&a, began, began + l);
		now += 10 * MS;
		qbi_arrivals_woken(&a, now, began + 1, false);
	}
	/* Lies do not pay: each longer poll in vain speaks against the next one. */
	ck_assert_uint_le(vain, 1000 * 100 * US);
	ck_assert_uint_le(length(), 2 * QBI_ARRIVALS_WAKE_MAX_NS * 5 / 4);
}
END_TEST

/* Whatever is said and whenever it comes, the next poll is bounded and the counts are right. */
START_TEST(anything_leaves_it_sound)
{
	uint32_t state = 7;

	for (int i = 0; i < 100000; i++) {
		unsigned int sum = 0;
		uint64_t word;

		state = state * 1664525u + 1013904223u;
		word = (uint64_t)state << (state >> 27);
		switch ((state >> 20) % 3) {
		case 0: qbi_arrivals_note(&a, word); break;
		case 1: qbi_arrivals_sleep(&a, now, now + word % MS); break;
		default: qbi_arrivals_woken(&a, now, now - word % (2 * MS), false);
		}
		now += state % MS;
		for (size_t k = 0; k <= QBI_ARRIVALS_STEPS; k++)
			sum += a.count[k];
		ck_assert_uint_eq(sum, a.n);
		ck_assert_uint_le(a.n, QBI_ARRIVALS_KEPT);
		ck_assert_uint_le(length(), 2 * QBI_ARRIVALS_WAKE_MAX_NS * 5 / 4);
	}
}
END_TEST

START_TEST(a_message_that_woke_nobody_is_not_counted)
{
	struct qbi_arrivals before = a;

	qbi_arrivals_woken(&a, now, now, false);
	ck_assert_int_eq(memcmp(&a, &before, sizeof(a)), 0);
	qbi_arrivals_sleep(&a, now, now);
	qbi_arrivals_woken(&a, now - 1, now - 1, false);
	ck_assert_uint_eq(a.n, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("arrivals");
	TCase *tc = tcase_new(s, "polls");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, first_poll_is_as_long_as_a_sleep_costs);
	tcase_add_loop_test(tc, answers_that_come_about_when_a_wake_up_is_done_are_polled_for,
			    0, 4);
	tcase_add_loop_test(
		tc, answers_that_take_longer_than_a_sleep_costs_are_slept_for_at_once, 0, 5);
	tcase_add_test(tc, requests_that_come_later_than_a_wake_up_takes_are_slept_for_at_once);
	tcase_add_test(tc, two_polls_in_vain_are_enough_at_first);
	tcase_add_test(tc, messages_that_come_soon_again_are_polled_for_after_one_of_them);
	tcase_add_test(tc, one_pause_in_a_stream_changes_nothing);
	tcase_add_test(tc, groups_are_polled_for_within_them_and_hardly_between);
	tcase_add_test(tc, other_end_on_this_cpu_is_yielded_to_for_a_moment);
	tcase_add_test(tc, client_on_this_cpu_that_sleeps_between_its_calls_is_not_polled_for);
	tcase_add_loop_test(tc, polls_cost_little_more_than_sleeping_at_once_would, 0, 10);

	tc = tcase_new(s, "wake-ups");
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, a_wake_up_is_believed_as_it_was_measured, 0, 4);
	tcase_add_test(tc, wake_ups_that_had_to_wait_for_a_cpu_are_not_believed);
	tcase_add_test(tc, another_machine_is_learned);
	tcase_add_test(tc, slow_wake_up_is_not_believed_for_ever_by_an_end_that_never_sleeps);
	tcase_add_test(tc, wake_up_of_an_end_that_says_nothing_is_not_measured);
	tcase_add_test(tc, a_wake_up_has_bounds);
	tcase_add_test(tc, a_time_that_cannot_be_is_no_measurement);
	tcase_add_test(tc, a_message_did_not_come_while_this_end_polled);
	tcase_add_test(tc, anything_leaves_it_sound);
	tcase_add_test(tc, a_message_that_woke_nobody_is_not_counted);
	return suite_main(s);
}
