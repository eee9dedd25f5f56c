/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Jobs of a loop, as a service would have them run. */
#include <errno.h>
#include <stdint.h>

#include "tests/adapters/loop.h"
#include "tests/lib/deadline.h"

enum { JOBS_MAX = 64, PAUSE_MS = 50 };

static void *loop;
static struct qbipc_poll *poll_of;

/* What ran, in order; the loop stops at the last one. */
static int ran[JOBS_MAX];
static int n_ran;
static int n_expected;

static void job_note(void *data)
{
	ck_assert_int_lt(n_ran, JOBS_MAX);
	ran[n_ran++] = (int)(intptr_t)data;
	if (n_ran == n_expected)
		test_loop.stop(loop);
}

static void job_add(enum qb_loop_priority p, qb_loop_job_dispatch_fn fn, int number)
{
	ck_assert_int_eq(qbipc_poll_job(poll_of, p, (void *)(intptr_t)number, fn), 0);
}

static void run_jobs(int n)
{
	n_ran = 0;
	n_expected = n;
	test_loop.run(loop);
	ck_assert_int_eq(n_ran, n);
}

static void setup(void)
{
	loop = test_loop.open();
	poll_of = test_loop.poll(loop);
	ck_assert_ptr_nonnull(poll_of);
}

static void teardown(void)
{
	test_loop.close(loop);
}

START_TEST(jobs_of_a_priority_run_once_and_in_order)
{
	for (int i = 0; i < 20; i++)
		job_add((enum qb_loop_priority)_i, job_note, i);
	run_jobs(20);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(ran[i], i);
	job_add((enum qb_loop_priority)_i, job_note, 77);
	run_jobs(1);
	ck_assert_int_eq(ran[0], 77);
}
END_TEST

START_TEST(jobs_of_higher_priorities_go_first)
{
	if (!test_loop.priorities)
		return;
	for (int p = QB_LOOP_LOW; p <= QB_LOOP_HIGH; p++)
		job_add((enum qb_loop_priority)p, job_note, p);
	run_jobs(3);
	ck_assert_int_eq(ran[0], QB_LOOP_HIGH);
	ck_assert_int_eq(ran[1], QB_LOOP_MED);
	ck_assert_int_eq(ran[2], QB_LOOP_LOW);
}
END_TEST

static void job_add_another(void *data)
{
	job_add(QB_LOOP_LOW, job_note, 2);
	job_note(data);
}

START_TEST(a_job_that_a_job_added_runs_too)
{
	job_add(QB_LOOP_LOW, job_add_another, 1);
	run_jobs(2);
	ck_assert_int_eq(ran[0], 1);
	ck_assert_int_eq(ran[1], 2);
}
END_TEST

static void job_again(void *data)
{
	job_add(QB_LOOP_LOW, job_again, 0);
	job_note(data);
}

/* A connection_closed callback that is not done for a while shall not take a CPU. The
 * clock is read around: a slow machine only makes it longer. */
START_TEST(a_job_that_adds_itself_again_does_not_make_the_loop_spin)
{
	uint64_t start = now_ms();

	job_add(QB_LOOP_LOW, job_again, 0);
	run_jobs(8);
	ck_assert_uint_ge(now_ms() - start, 6 * PAUSE_MS);
}
END_TEST

START_TEST(another_job_does_not_wait_for_one_that_comes_again)
{
	uint64_t start = now_ms();

	job_add(QB_LOOP_LOW, job_again, 0);
	run_jobs(1);
	job_add(QB_LOOP_HIGH, job_note, 1);
	n_ran = 0;
	n_expected = 1;
	while (!n_ran || ran[n_ran - 1] != 1) {
		ck_assert_uint_lt(now_ms() - start, (uint64_t)deadline_ms());
		n_expected = n_ran + 1;
		test_loop.run(loop);
	}
}
END_TEST

START_TEST(bad_jobs_are_refused)
{
	ck_assert_int_eq(qbipc_poll_job(poll_of, QB_LOOP_LOW, NULL, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_poll_job(poll_of, (enum qb_loop_priority)3, NULL, job_note),
			 -EINVAL);
	ck_assert_int_eq(qbipc_poll_job(poll_of, (enum qb_loop_priority) - 1, NULL, job_note),
			 -EINVAL);
}
END_TEST

/* What they would have called is not called, and nothing is left behind. */
START_TEST(jobs_that_wait_are_dropped_with_the_loop)
{
	for (int p = QB_LOOP_LOW; p <= QB_LOOP_HIGH; p++)
		job_add((enum qb_loop_priority)p, job_note, p);
}
END_TEST

static void job_end_loop(void *data)
{
	n_ran++;
	test_loop.stop(loop);
	test_loop.end(loop);
}

START_TEST(a_job_may_end_the_adapter)
{
	job_add(QB_LOOP_MED, job_end_loop, 0);
	job_add(QB_LOOP_MED, job_note, 1);
	n_expected = -1;
	test_loop.run(loop);
	ck_assert_int_eq(n_ran, 1);
}
END_TEST

void add_job_tests(Suite *s)
{
	TCase *tc = tcase_loop(s, "jobs");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, jobs_of_a_priority_run_once_and_in_order, QB_LOOP_LOW,
			    QB_LOOP_HIGH + 1);
	tcase_add_test(tc, jobs_of_higher_priorities_go_first);
	tcase_add_test(tc, a_job_that_a_job_added_runs_too);
	tcase_add_test(tc, a_job_that_adds_itself_again_does_not_make_the_loop_spin);
	tcase_add_test(tc, another_job_does_not_wait_for_one_that_comes_again);
	tcase_add_test(tc, bad_jobs_are_refused);
	tcase_add_test(tc, jobs_that_wait_are_dropped_with_the_loop);
	tcase_add_test(tc, a_job_may_end_the_adapter);
}
