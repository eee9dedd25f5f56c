/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Jobs, their pace, and how the priorities share the loop. */
#include "config.h"

#include "tests/unit/test-loop-trace.h"

/* -- Jobs ------------------------------------------------------------------------ */

START_TEST(a_job_needs_a_priority_and_a_function)
{
	ck_assert_int_eq(qb_loop_job_add(loop, -1, NULL, never_called), -EINVAL);
	ck_assert_int_eq(qb_loop_job_add(loop, 3, NULL, never_called), -EINVAL);
	ck_assert_int_eq(qb_loop_job_add(loop, QB_LOOP_LOW, NULL, NULL), -EINVAL);
	ck_assert_int_eq(qb_loop_job_del(loop, 3, NULL, never_called), -EINVAL);
	ck_assert_int_eq(qb_loop_job_del(loop, QB_LOOP_LOW, NULL, NULL), -EINVAL);
	settle();
}
END_TEST

START_TEST(jobs_of_one_priority_run_in_order_and_once)
{
	enum qb_loop_priority p = (enum qb_loop_priority)_i;

	for (char c = 'a'; c <= 'e'; c++)
		qb_loop_job_add(loop, p, letter(c), trace_call);
	settle();
	settle();
	ck_assert_str_eq(trace, "abcde");
}
END_TEST

static void add_next(void *data)
{
	trace_call(letter('1'));
	qb_loop_job_add(loop, QB_LOOP_HIGH, letter('2'), trace_call);
}

START_TEST(a_job_added_by_a_job_runs_in_the_next_round)
{
	qb_loop_job_add(loop, QB_LOOP_HIGH, NULL, add_next);
	qb_loop_job_add(loop, QB_LOOP_LOW, letter('l'), trace_call);
	settle();
	ck_assert_str_eq(trace, "1l2");
}
END_TEST

START_TEST(job_del_drops_the_first_that_matches_all_three)
{
	void *a = letter('a');

	qb_loop_job_add(loop, QB_LOOP_MED, a, trace_call);
	qb_loop_job_add(loop, QB_LOOP_MED, letter('b'), trace_call);
	qb_loop_job_add(loop, QB_LOOP_MED, a, trace_call);
	ck_assert_int_eq(qb_loop_job_del(loop, QB_LOOP_LOW, a, trace_call), -ENOENT);
	ck_assert_int_eq(qb_loop_job_del(loop, QB_LOOP_MED, a, never_called), -ENOENT);
	ck_assert_int_eq(qb_loop_job_del(loop, QB_LOOP_MED, NULL, trace_call), -ENOENT);
	ck_assert_int_eq(qb_loop_job_del(loop, QB_LOOP_MED, a, trace_call), 0);
	settle();
	ck_assert_str_eq(trace, "ba");
	ck_assert_int_eq(qb_loop_job_del(loop, QB_LOOP_MED, a, trace_call), -ENOENT);
}
END_TEST

static void delete_other(void *data)
{
	ck_assert_int_eq(qb_loop_job_del(loop, QB_LOOP_LOW, data, never_called), 0);
	ck_assert_int_eq(qb_loop_job_del(loop, QB_LOOP_LOW, data, never_called), -ENOENT);
}

START_TEST(a_job_whose_turn_is_next_can_still_be_deleted)
{
	qb_loop_job_add(loop, QB_LOOP_HIGH, trace, delete_other);
	qb_loop_job_add(loop, QB_LOOP_LOW, trace, never_called);
	settle();
}
END_TEST

struct repeated {
	int level;
	int calls;
	int stop_after;
	void *other;
};

/* Adds @other again, which is itself, or the two take turns. */
static void add_again(void *data)
{
	struct repeated *r = data, *other = r->other;

	if (++r->calls == r->stop_after)
		qb_loop_stop(loop);
	qb_loop_job_add(loop, (enum qb_loop_priority)other->level, other, add_again);
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * QBI_NS_PER_S + (uint64_t)ts.tv_nsec;
}

START_TEST(a_job_that_adds_itself_again_is_paced)
{
	struct repeated r = { .level = _i, .stop_after = 11, .other = &r };
	uint64_t begin = qbi_now_ns(), cpu = cpu_ns();

	qb_loop_job_add(loop, (enum qb_loop_priority)_i, &r, add_again);
	run();
	/* Ten waits of 50 ms; the clock of the wait may be a little behind. */
	ck_assert_uint_ge(qbi_now_ns() - begin, 10 * 49 * MS);
	ck_assert_uint_le(cpu_ns() - cpu, test_slowdown() * 50 * MS);
}
END_TEST

START_TEST(jobs_that_add_each_other_are_paced_too)
{
	struct repeated a = { .level = QB_LOOP_LOW, .stop_after = 4 };
	struct repeated b = { .level = QB_LOOP_HIGH, .other = &a };
	uint64_t begin = qbi_now_ns();

	a.other = &b;
	qb_loop_job_add(loop, QB_LOOP_LOW, &a, add_again);
	run();
	ck_assert_uint_ge(qbi_now_ns() - begin, 6 * 49 * MS);
	ck_assert_int_eq(b.calls, 3);
}
END_TEST

START_TEST(jobs_of_every_priority_that_add_themselves_again_are_paced)
{
	struct repeated r[3];
	uint64_t begin;
	int waits;

	for (int p = 0; p < 3; p++) {
		r[p] = (struct repeated){ .level = p, .other = &r[p] };
		qb_loop_job_add(loop, (enum qb_loop_priority)p, &r[p], add_again);
	}
	begin = qbi_now_ns();
	run_for(500);
	waits = (int)((qbi_now_ns() - begin) / (49 * MS)) + 2;
	for (int p = 0; p < 3; p++) {
		ck_assert_int_ge(r[p].calls, 1);
		/* Passing over levels makes up to three rounds of one wait. */
		ck_assert_int_le(r[p].calls, 3 * waits);
	}
}
END_TEST

/* -- Priorities ------------------------------------------------------------------ */

START_TEST(high_goes_before_med_before_low)
{
	qb_loop_timer_add(loop, QB_LOOP_LOW, 0, letter('l'), trace_call, NULL);
	qb_loop_timer_add(loop, QB_LOOP_MED, 0, letter('m'), trace_call, NULL);
	qb_loop_timer_add(loop, QB_LOOP_HIGH, 0, letter('h'), trace_call, NULL);
	qb_loop_job_add(loop, QB_LOOP_LOW, letter('l'), trace_call);
	qb_loop_job_add(loop, QB_LOOP_MED, letter('m'), trace_call);
	qb_loop_job_add(loop, QB_LOOP_HIGH, letter('h'), trace_call);
	settle();
	ck_assert_str_eq(trace, "hhmmll");
}
END_TEST

static int32_t count_ready(int32_t fd, int32_t revents, void *data)
{
	++*(int *)data;
	return 0;
}

static int32_t count_and_stop(int32_t fd, int32_t revents, void *data)
{
	if (++*(int *)data == 3000)
		qb_loop_stop(loop);
	return 0;
}

START_TEST(busy_priorities_share_the_loop_three_to_two_to_one)
{
	int fds[3][2], calls[3] = { 0 };

	for (int p = 0; p < 3; p++) {
		make_pipe(fds[p], true);
		qb_loop_poll_add(loop, (enum qb_loop_priority)p, fds[p][0], POLLIN, &calls[p],
				 p == QB_LOOP_HIGH ? count_and_stop : count_ready);
	}
	run();
	ck_assert_int_ge(calls[QB_LOOP_MED], 1998);
	ck_assert_int_le(calls[QB_LOOP_MED], 2002);
	ck_assert_int_ge(calls[QB_LOOP_LOW], 998);
	ck_assert_int_le(calls[QB_LOOP_LOW], 1002);
	for (int p = 0; p < 3; p++)
		close_pipe(fds[p]);
}
END_TEST

enum { CROWD = 300 };

START_TEST(a_crowd_of_busy_high_descriptors_does_not_starve_a_low_one)
{
	static int fds[CROWD][2], calls[CROWD];
	int low[2], low_calls = 0, least;

	for (int i = 0; i < CROWD; i++) {
		make_pipe(fds[i], true);
		qb_loop_poll_add(loop, QB_LOOP_HIGH, fds[i][0], POLLIN, &calls[i],
				 i == 0 ? count_and_stop : count_ready);
	}
	make_pipe(low, true);
	qb_loop_poll_add(loop, QB_LOOP_LOW, low[0], POLLIN, &low_calls, count_ready);
	run();
	/* 3000 turns for the first: the others had as many, the low one a third. */
	least = calls[0];
	for (int i = 0; i < CROWD; i++) {
		least = QB_MIN(least, calls[i]);
		close_pipe(fds[i]);
	}
	close_pipe(low);
	ck_assert_int_ge(least, 2900);
	ck_assert_int_ge(low_calls, 900);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("loop jobs");
	TCase *tc = add_case(s, "jobs");

	tcase_add_checked_fixture(tc, trace_clear, NULL);
	tcase_add_test(tc, a_job_needs_a_priority_and_a_function);
	tcase_add_loop_test(tc, jobs_of_one_priority_run_in_order_and_once, 0, 3);
	tcase_add_test(tc, a_job_added_by_a_job_runs_in_the_next_round);
	tcase_add_test(tc, job_del_drops_the_first_that_matches_all_three);
	tcase_add_test(tc, a_job_whose_turn_is_next_can_still_be_deleted);
	tcase_add_loop_test(tc, a_job_that_adds_itself_again_is_paced, 0, 3);
	tcase_add_test(tc, jobs_that_add_each_other_are_paced_too);
	tcase_add_test(tc, jobs_of_every_priority_that_add_themselves_again_are_paced);
	tc = add_case(s, "priorities");
	tcase_add_checked_fixture(tc, trace_clear, NULL);
	tcase_add_test(tc, high_goes_before_med_before_low);
	tcase_add_test(tc, busy_priorities_share_the_loop_three_to_two_to_one);
	tcase_add_test(tc, a_crowd_of_busy_high_descriptors_does_not_starve_a_low_one);
	return run_suite(s);
}
