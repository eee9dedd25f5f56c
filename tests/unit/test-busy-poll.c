/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Busy polling before sleeping: what it never exceeds, and when there is none. Times are given,
 * so nothing here waits.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/busy-poll.h"
#include "tests/lib/variant.h"

#define US 1000ull
#define MS 1000000ull
#define S 1000000000ull

/* Shorter than a first poll would be by itself, so it is the limit. */
enum { LONGEST = 40000 };

static atomic_uint yields;

/* Instead of that of libc. */
int sched_yield(void)
{
	yields++;
	return (int)syscall(SYS_sched_yield);
}

/* Of a peer of which nothing is known. */
static struct qbi_arrivals from;

/* Where a quota leaves less than two CPUs nobody polls; there is nothing to test. */
static bool may_poll(void)
{
	struct qbi_busy_poll b;

	qbi_busy_poll_longest_set(LONGEST);
	qbi_busy_poll_init(&b);
	qbi_arrivals_init(&from, QBI_ARRIVALS_OF_RESPONSES);
	return b.longest != 0;
}

/* Without giving way, for that depends on what others do on this CPU. */
static uint64_t allowed_at(struct qbi_busy_poll *b, uint64_t now)
{
	b->gave_way = now;
	return qbi_busy_poll_allowed(b, &from, now);
}

/* Busy polling as it would be on a machine with CPUs to spare. */
static struct qbi_busy_poll busy_poll_new(void)
{
	struct qbi_busy_poll b;

	qbi_busy_poll_longest_set(LONGEST);
	qbi_busy_poll_init(&b);
	b.longest = LONGEST;
	qbi_arrivals_init(&from, QBI_ARRIVALS_OF_RESPONSES);
	return b;
}

static uint64_t min(uint64_t x, uint64_t y)
{
	return x < y ? x : y;
}

START_TEST(poll_is_as_long_as_is_expected_to_be_useful_up_to_the_longest)
{
	static const uint64_t lengths[] = { 1 * US, 10 * US, LONGEST, 100 * US, 1 * S };
	struct qbi_busy_poll b = busy_poll_new();

	from.length = (uint32_t)lengths[_i];
	ck_assert_uint_eq(allowed_at(&b, b.filled), min(lengths[_i], LONGEST));
}
END_TEST

START_TEST(where_a_poll_is_useless_nothing_is_polled_nor_read_of_the_surroundings)
{
	struct qbi_busy_poll b = busy_poll_new(), before;

	from.length = 0;
	before = b;
	ck_assert_uint_eq(qbi_busy_poll_allowed(&b, &from, b.filled + 10 * S), 0);
	ck_assert_int_eq(memcmp(&b, &before, sizeof(b)), 0);
}
END_TEST

/* What a peer does decides about polls for that peer. */
START_TEST(peer_whose_messages_come_late_does_not_end_polling_for_others)
{
	struct qbi_busy_poll b = busy_poll_new();
	struct qbi_arrivals late, soon;
	uint64_t now = b.filled;

	qbi_arrivals_init(&late, QBI_ARRIVALS_OF_RESPONSES);
	qbi_arrivals_init(&soon, QBI_ARRIVALS_OF_RESPONSES);
	for (int i = 0; i < 100; i++, now += S) {
		qbi_busy_poll_gave_up(&b, &late, now, now + min(late.length, LONGEST));
		qbi_arrivals_woken(&late, now + 100 * MS, now + 99 * MS, false);
	}
	b.gave_way = now;
	ck_assert_uint_eq(qbi_busy_poll_allowed(&b, &late, now), 0);
	ck_assert_uint_eq(qbi_busy_poll_allowed(&b, &soon, now), LONGEST);
}
END_TEST

START_TEST(sleeping_at_once_costs_nothing_of_the_allowance)
{
	struct qbi_busy_poll b = busy_poll_new();
	int64_t before = b.allowance;

	qbi_busy_poll_gave_up(&b, &from, b.filled, b.filled);
	ck_assert_int_eq(b.allowance, before);
	qbi_busy_poll_gave_up(&b, &from, b.filled, b.filled + 1 * US);
	ck_assert_int_eq(b.allowance, before - (int64_t)US);
}
END_TEST

/* Polls as long as it may, always in vain, every @period; how much of @length it took. */
static uint64_t spent_in_vain(uint64_t period, uint64_t length)
{
	struct qbi_busy_poll b = busy_poll_new();
	uint64_t begin = qbi_now_ns() + 10 * S, now, spent = 0;

	for (now = begin; now < begin + length; now += period) {
		uint64_t allowed;

		/* The most unlucky pattern: the poll is always the longest. */
		from.length = LONGEST;
		allowed = allowed_at(&b, now);
		if (!allowed)
			continue;
		qbi_busy_poll_gave_up(&b, &from, now, now + allowed);
		spent += allowed;
		now += allowed;
	}
	return spent;
}

START_TEST(polls_in_vain_take_at_most_a_quarter_of_the_time)
{
	static const uint64_t periods[] = { 100, 1 * US, 10 * US, 60 * US, 100 * US, 500 * US };

	for (size_t i = 0; i < sizeof(periods) / sizeof(*periods); i++) {
		uint64_t spent = spent_in_vain(periods[i], 1 * S);

		/* And what had been saved up before. */
		ck_assert_uint_le(spent, S / 4 + 1000 * US + LONGEST);
		ck_assert_uint_gt(spent, 0);
	}
}
END_TEST

START_TEST(allowance_comes_back_with_time)
{
	struct qbi_busy_poll b = busy_poll_new();
	uint64_t now = qbi_now_ns() + 10 * S;

	ck_assert_uint_gt(allowed_at(&b, now), 0);
	qbi_busy_poll_gave_up(&b, &from, now, now + S);
	b.not_before = 0; /* the allowance alone */
	now += S;
	b.filled = now;
	ck_assert_uint_eq(allowed_at(&b, now), 0);
	ck_assert_uint_eq(allowed_at(&b, now + 1 * US), 0);
	/* What was spent beyond is paid back first, but not for ever. */
	ck_assert_uint_eq(allowed_at(&b, now + 10000 * US), 0);
	ck_assert_uint_gt(allowed_at(&b, now + 20000 * US), 0);
}
END_TEST

static const struct qbi_busy_poll often = { .rare = false }, rarely = { .rare = true };

START_TEST(poll_ends_when_its_time_is_up)
{
	struct qbi_spin s;
	uint64_t begin = qbi_now_ns();

	qbi_spin_begin(&s, &often, begin, 200 * US, QBI_FOREVER, _i != 0);
	while (qbi_spin_again(&s))
		;
	ck_assert_uint_ge(s.now - begin, 200 * US);
	ck_assert_uint_ge(qbi_now_ns() - begin, 200 * US);
}
END_TEST

START_TEST(poll_ends_at_its_limit)
{
	struct qbi_spin s;
	uint64_t begin = qbi_now_ns();

	qbi_spin_begin(&s, &often, begin, 60 * S, begin + 200 * US, _i != 0);
	while (qbi_spin_again(&s))
		;
	ck_assert_uint_ge(s.now - begin, 200 * US);
	ck_assert_uint_lt(s.now - begin, 30 * S);
}
END_TEST

static _Atomic(bool) hog_stop;

/* Has the CPU for a while, as somebody with work to do, and gives it back. */
static void *worker_main(void *data)
{
	while (!hog_stop) {
		uint64_t end = qbi_now_ns() + 20 * US;

		while (qbi_now_ns() < end)
			;
		sched_yield();
	}
	return data;
}

static void stay_on_one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)sched_getcpu(), &set);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(set), &set), 0);
}

START_TEST(time_that_others_used_is_not_spent)
{
	unsigned int tries = 0;
	struct qbi_spin s;
	pthread_t worker;
	uint64_t begin;
	bool seen;

	/* A thread that inherits our one CPU takes it whenever we yield. */
	stay_on_one_cpu();
	ck_assert_int_eq(pthread_create(&worker, NULL, worker_main, NULL), 0);
	/* The kernel may also take the CPU away unasked: that is spent. Not every time. */
	do {
		begin = qbi_now_ns();
		qbi_spin_begin(&s, &often, begin, 50 * US, QBI_FOREVER, true);
		while (qbi_spin_again(&s))
			;
		seen = s.now - begin >= 200 * US && s.now - s.start <= 100 * US;
	} while (!seen && ++tries < 1000);
	hog_stop = true;
	pthread_join(worker, NULL);
	ck_assert(seen);
}
END_TEST

static void *hog_main(void *data)
{
	while (!hog_stop)
		;
	return data;
}

START_TEST(time_slice_that_somebody_took_is_spent)
{
	struct qbi_spin s;
	unsigned int tries = 0;
	pthread_t hog;
	uint64_t begin;
	bool seen;

	stay_on_one_cpu();
	ck_assert_int_eq(pthread_create(&hog, NULL, hog_main, NULL), 0);
	/* A slice of the hog is milliseconds: the poll ends, and has cost all that. */
	do {
		begin = qbi_now_ns();
		qbi_spin_begin(&s, &often, begin, 100 * US, QBI_FOREVER, true);
		while (qbi_spin_again(&s))
			;
		seen = s.now - begin >= 1000 * US && s.now - s.start >= 1000 * US;
	} while (!seen && ++tries < 1000);
	hog_stop = true;
	pthread_join(hog, NULL);
	ck_assert(seen);
	ck_assert_uint_ge(s.now, s.end);
}
END_TEST

static unsigned int yields_of(const struct qbi_busy_poll *b, bool same_cpu)
{
	unsigned int before = yields;
	struct qbi_spin s;

	qbi_spin_begin(&s, b, qbi_now_ns(), 100 * US, QBI_FOREVER, same_cpu);
	while (qbi_spin_again(&s))
		;
	return yields - before;
}

/* Who yields beside a thread that is busy on this CPU loses a time slice. */
START_TEST(poll_that_is_rare_yields_to_the_other_end_only)
{
	struct qbi_busy_poll b = busy_poll_new();
	uint64_t now = b.filled + 5 * S;

	ck_assert_uint_eq(yields_of(&rarely, false), 0);
	ck_assert_uint_gt(yields_of(&rarely, true), 0);
	ck_assert_uint_gt(yields_of(&often, false), 0);
	/* Nor before it begins. */
	yields = 0;
	ck_assert_uint_gt(qbi_busy_poll_allowed(&b, &from, now), 0);
	ck_assert_uint_eq(yields, 0);
	for (unsigned int i = 1; i <= 10; i++)
		(void)qbi_busy_poll_allowed(&b, &from, now + i * 60 * US);
	ck_assert_uint_gt(yields, 0);
}
END_TEST

START_TEST(poll_long_after_the_last_one_is_rare)
{
	struct qbi_busy_poll b = busy_poll_new();
	uint64_t now = qbi_now_ns() + 10 * S;

	ck_assert_uint_gt(allowed_at(&b, now), 0);
	ck_assert(b.rare);
	ck_assert_uint_gt(allowed_at(&b, now + 900 * US), 0);
	ck_assert(!b.rare);
	ck_assert_uint_gt(allowed_at(&b, now + 2000 * US), 0);
	ck_assert(b.rare);
}
END_TEST

/* Otherwise each poll would begin by losing a slice, where a sleeper is woken at once. */
START_TEST(giving_way_to_somebody_who_takes_a_slice_ends_polling)
{
	struct qbi_busy_poll b = busy_poll_new();
	unsigned int tries = 0;
	uint64_t now, allowed;
	pthread_t hog;

	stay_on_one_cpu();
	ck_assert_int_eq(pthread_create(&hog, NULL, hog_main, NULL), 0);
	do {
		b.gave_way = 0;
		now = b.filled = qbi_now_ns();
		b.allowance = (int64_t)(from.length + 100 * US);
		allowed = qbi_busy_poll_allowed(&b, &from, now);
	} while (allowed != 0 && ++tries < 1000);
	hog_stop = true;
	pthread_join(hog, NULL);
	ck_assert_uint_eq(allowed, 0);
	ck_assert_int_lt(b.allowance, (int64_t)LONGEST);
	/* Nor does a thread that may not poll give way first. */
	ck_assert_uint_eq(qbi_busy_poll_allowed(&b, &from, now + 60 * US), 0);
	ck_assert_uint_eq(b.gave_way, now);
}
END_TEST

/* -- When there is no busy polling ----------------------------------------------- */

START_TEST(longest_of_zero_never_polls)
{
	struct qbi_busy_poll b;

	qbi_busy_poll_longest_set(0);
	qbi_busy_poll_init(&b);
	for (uint64_t now = qbi_now_ns(), i = 0; i < 10; i++, now += S) {
		ck_assert_uint_eq(allowed_at(&b, now), 0);
	}
}
END_TEST

/* What a new process with QBIPC_BUSY_POLL_US=@text has as its longest; the test's is one. */
static uint64_t longest_with(const char *text)
{
	struct qbi_busy_poll b;

	setenv("QBIPC_BUSY_POLL_US", text, 1);
	qbi_busy_poll_init(&b);
	return b.longest;
}

START_TEST(environment_variable_switches_polling_off)
{
	ck_assert_uint_eq(longest_with("0"), 0);
}
END_TEST

START_TEST(environment_variable_sets_the_longest_poll_in_microseconds)
{
	uint64_t longest = longest_with("17");

	ck_assert(longest == 17 * US || longest == 0);
	if (may_poll())
		ck_assert_uint_eq(longest, 17 * US);
}
END_TEST

START_TEST(nonsense_in_the_environment_variable_is_ignored)
{
	static const char *const texts[] = { "-1", "1e9", "999999999", "x", "" };
	uint64_t longest = longest_with(texts[_i]);

	ck_assert(longest == QBI_BUSY_POLL_DEFAULT_NS || longest == 0);
	if (may_poll())
		ck_assert_uint_eq(longest, QBI_BUSY_POLL_DEFAULT_NS);
}
END_TEST

/* The other end has it when we yield, or has one of its own. */
START_TEST(one_usable_cpu_is_enough_to_poll)
{
	struct qbi_busy_poll b;

	if (!may_poll())
		return;
	stay_on_one_cpu();
	qbi_busy_poll_init(&b);
	ck_assert_uint_eq(allowed_at(&b, qbi_now_ns()), LONGEST);
}
END_TEST

START_TEST(slice_that_somebody_took_of_our_only_cpu_ends_polling_for_half_a_second)
{
	struct qbi_busy_poll b;
	uint64_t now;

	if (!may_poll())
		return;
	stay_on_one_cpu();
	qbi_busy_poll_init(&b);
	now = qbi_now_ns();
	qbi_busy_poll_gave_up(&b, &from, now, now + 4 * MS);
	/* The debt is paid, but that is not all. */
	ck_assert_uint_eq(allowed_at(&b, now + 450 * MS), 0);
	now += 510 * MS;
	ck_assert_uint_gt(allowed_at(&b, now), 0);
	/* Still there at the next try: four times as long. */
	qbi_busy_poll_gave_up(&b, &from, now, now + 4 * MS);
	ck_assert_uint_eq(allowed_at(&b, now + 1950 * MS), 0);
	now += 2010 * MS;
	ck_assert_uint_gt(allowed_at(&b, now), 0);
	/* Gone for long: as the first time. */
	now += 60 * S;
	ck_assert_uint_gt(allowed_at(&b, now), 0);
	qbi_busy_poll_gave_up(&b, &from, now, now + 4 * MS);
	ck_assert_uint_gt(allowed_at(&b, now + 510 * MS), 0);
}
END_TEST

/* All CPUs are busy: it would lose one slice after the other. */
START_TEST(slices_that_are_lost_on_one_of_several_cpus_end_polling_for_longer_and_longer)
{
	struct qbi_busy_poll b = busy_poll_new();
	uint64_t now = b.filled, pause = 50 * MS;
	cpu_set_t all;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(all), &all), 0);
	if (!may_poll() || CPU_COUNT(&all) < 2)
		return;
	for (int i = 0; i < 5; i++, pause *= 4) {
		qbi_busy_poll_gave_up(&b, &from, now, now + 4 * MS);
		now += 4 * MS;
		from.length = LONGEST;
		ck_assert_uint_eq(allowed_at(&b, now + pause - MS - 4 * MS), 0);
		now += pause;
		ck_assert_uint_gt(allowed_at(&b, now), 0);
	}
	/* Gone for long: as the first time. */
	now += 60 * S;
	qbi_busy_poll_gave_up(&b, &from, now, now + 4 * MS);
	from.length = LONGEST;
	ck_assert_uint_gt(allowed_at(&b, now + 60 * MS), 0);
}
END_TEST

/* As an administrator does it with a program that runs. */
START_TEST(thread_that_is_moved_to_one_cpu_and_back_polls_as_is_right_there)
{
	struct qbi_busy_poll b;
	cpu_set_t all;
	uint64_t now;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(all), &all), 0);
	if (!may_poll() || CPU_COUNT(&all) < 2)
		return;
	qbi_busy_poll_init(&b);
	now = qbi_now_ns();
	qbi_busy_poll_gave_up(&b, &from, now, now + 4 * MS);
	/* There are others: not for long. */
	ck_assert_uint_gt(allowed_at(&b, now + 60 * MS), 0);
	stay_on_one_cpu();
	/* Seen as soon as somebody takes a slice. */
	now += 61 * MS;
	qbi_busy_poll_gave_up(&b, &from, now, now + 4 * MS);
	ck_assert_uint_eq(allowed_at(&b, now + 50 * MS), 0);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(all), &all), 0);
	ck_assert_uint_gt(allowed_at(&b, now + 200 * MS), 0);
}
END_TEST

/* It yields to its own priority only. Needs the right to be a real-time process. */
START_TEST(real_time_thread_with_one_cpu_does_not_poll_until_it_is_an_ordinary_one)
{
	struct sched_param param = { .sched_priority = 1 };
	struct qbi_busy_poll b;
	uint64_t end;

	if (!may_poll() || sched_setscheduler(0, SCHED_RR, &param) < 0)
		return;
	stay_on_one_cpu();
	qbi_busy_poll_init(&b);
	ck_assert(!qbi_busy_poll_is_on(&b));
	ck_assert_uint_eq(allowed_at(&b, qbi_now_ns()), 0);
	param.sched_priority = 0;
	ck_assert_int_eq(sched_setscheduler(0, SCHED_OTHER, &param), 0);
	end = qbi_now_ns() + 10 * S;
	while (!qbi_busy_poll_is_on(&b) && qbi_now_ns() < end)
		continue;
	ck_assert(qbi_busy_poll_is_on(&b));
	ck_assert_uint_gt(allowed_at(&b, qbi_now_ns()), 0);
}
END_TEST

/* Needs the right to be a real-time process; without it there is no such caller. */
START_TEST(real_time_thread_polls_for_less)
{
	static const int policies[] = { SCHED_RR, SCHED_FIFO, SCHED_RR | SCHED_RESET_ON_FORK };
	struct sched_param param = { .sched_priority = 1 };
	struct qbi_busy_poll b;

	if (!may_poll() || sched_setscheduler(0, policies[_i], &param) < 0)
		return;
	qbi_busy_poll_init(&b);
	ck_assert_uint_gt(b.longest, 0);
	ck_assert_uint_le(b.longest, 20 * US);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("busy poll");
	TCase *tc = tcase_new(s, "allowance");

	tcase_add_loop_test(tc, poll_is_as_long_as_is_expected_to_be_useful_up_to_the_longest,
			    0, 5);
	tcase_add_test(tc,
		       where_a_poll_is_useless_nothing_is_polled_nor_read_of_the_surroundings);
	tcase_add_test(tc, peer_whose_messages_come_late_does_not_end_polling_for_others);
	tcase_add_test(tc, sleeping_at_once_costs_nothing_of_the_allowance);
	tcase_add_test(tc, polls_in_vain_take_at_most_a_quarter_of_the_time);
	tcase_add_test(tc, allowance_comes_back_with_time);
	tcase_add_loop_test(tc, poll_ends_when_its_time_is_up, 0, 2);
	tcase_add_loop_test(tc, poll_ends_at_its_limit, 0, 2);
	tcase_add_test(tc, time_that_others_used_is_not_spent);
	tcase_add_test(tc, time_slice_that_somebody_took_is_spent);
	tcase_add_test(tc, poll_that_is_rare_yields_to_the_other_end_only);
	tcase_add_test(tc, poll_long_after_the_last_one_is_rare);
	tcase_add_test(tc, giving_way_to_somebody_who_takes_a_slice_ends_polling);

	tc = tcase_new(s, "switched off");
	tcase_add_test(tc, longest_of_zero_never_polls);
	tcase_add_test(tc, environment_variable_switches_polling_off);
	tcase_add_test(tc, environment_variable_sets_the_longest_poll_in_microseconds);
	tcase_add_loop_test(tc, nonsense_in_the_environment_variable_is_ignored, 0, 5);
	tcase_add_test(tc, one_usable_cpu_is_enough_to_poll);
	tcase_add_test(tc,
		       slice_that_somebody_took_of_our_only_cpu_ends_polling_for_half_a_second);
	tcase_add_test(
		tc,
		slices_that_are_lost_on_one_of_several_cpus_end_polling_for_longer_and_longer);
	tcase_add_test(tc, thread_that_is_moved_to_one_cpu_and_back_polls_as_is_right_there);
	tcase_add_test(tc,
		       real_time_thread_with_one_cpu_does_not_poll_until_it_is_an_ordinary_one);
	tcase_add_loop_test(tc, real_time_thread_polls_for_less, 0, 3);
	return suite_main(s);
}
