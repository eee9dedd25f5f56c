/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pace of jobs that add themselves again, beside timers, descriptors and other jobs:
 * who runs how often in which order. Time passes only while the loop waits, so what is
 * counted is exact.
 */
#include "config.h"

#include "tests/unit/test-loop-trace.h"
#include "tests/unit/test-loop-wrap.h"

enum { HASTY_PERIOD_MS = 10, ROUND = 60 };

static void clock_setup(void)
{
	own_clock = QBI_NS_PER_S;
	trace_clear();
}

static void clock_teardown(void)
{
	own_clock = 0;
}

static void trace_add(char c)
{
	trace_call(letter(c));
	if (strlen(trace) == ROUND)
		qb_loop_stop(loop);
}

static enum qb_loop_priority job_level, timer_level;
static uint64_t timer_ns;

static void job_again(void *data)
{
	trace_add('j');
	qb_loop_job_add(loop, job_level, data, job_again);
}

static void timer_again(void *data)
{
	trace_add('t');
	qb_loop_timer_add(loop, timer_level, timer_ns, data, timer_again, NULL);
}

static void run_both(enum qb_loop_priority job, enum qb_loop_priority timer, uint64_t ns)
{
	job_level = job;
	timer_level = timer;
	timer_ns = ns;
	qb_loop_job_add(loop, job, NULL, job_again);
	qb_loop_timer_add(loop, timer, ns, NULL, timer_again, NULL);
	qb_loop_run(loop);
}

START_TEST(a_timer_does_not_hasten_a_job_that_adds_itself_again)
{
	enum qb_loop_priority p = (enum qb_loop_priority)_i;

	run_both(p, p, HASTY_PERIOD_MS * MS);
	/* 50 ms apart, and first when both are due. */
	ck_assert_str_eq(trace, "jttttjtttttjtttttjtttttjtttttjtttttjtttttjtttttjtttttjtttttj");
}
END_TEST

START_TEST(a_timer_of_long_periods_does_not_delay_it)
{
	run_both(QB_LOOP_MED, QB_LOOP_MED, 200 * MS);
	/* Every 50 ms, and the timer after each fourth. */
	ck_assert_str_eq(trace, "jjjjjtjjjjtjjjjtjjjjtjjjjtjjjjtjjjjtjjjjtjjjjtjjjjtjjjjtjjjj");
}
END_TEST

START_TEST(a_timer_that_is_due_at_once_leaves_nothing_to_be_waited_for)
{
	run_both(QB_LOOP_MED, QB_LOOP_MED, 0);
	ck_assert_str_eq(trace, "jtjtjtjtjtjtjtjtjtjtjtjtjtjtjtjtjtjtjtjtjtjtjtjtjtjtjtjtjtjt");
}
END_TEST

START_TEST(a_low_job_has_its_share_beside_such_a_timer)
{
	run_both(QB_LOOP_LOW, QB_LOOP_HIGH, 0);
	ck_assert_str_eq(trace, "tjtttjtttjtttjtttjtttjtttjtttjtttjtttjtttjtttjtttjtttjtttjtt");
}
END_TEST

START_TEST(a_low_timer_has_its_share_beside_a_high_job)
{
	run_both(QB_LOOP_HIGH, QB_LOOP_LOW, 0);
	ck_assert_str_eq(trace, "jtjjjtjjjtjjjtjjjtjjjtjjjtjjjtjjjtjjjtjjjtjjjtjjjtjjjtjjjtjj");
}
END_TEST

static int32_t ready_again(int32_t fd, int32_t revents, void *data)
{
	trace_add('f');
	return 0;
}

START_TEST(a_descriptor_that_is_ready_hastens_it)
{
	int fds[2];

	make_pipe(fds, true);
	qb_loop_poll_add(loop, QB_LOOP_MED, fds[0], POLLIN, NULL, ready_again);
	run_both(QB_LOOP_MED, QB_LOOP_MED, HASTY_PERIOD_MS * MS);
	/* Time stands still, so the timer is never due. */
	ck_assert_str_eq(trace, "jfjfjfjfjfjfjfjfjfjfjfjfjfjfjfjfjfjfjfjfjfjfjfjfjfjfjfjfjfjf");
	close_pipe(fds);
}
END_TEST

static int32_t on_signal(int32_t sig, void *data)
{
	trace_add('s');
	return 0;
}

static void raise_one(void *data)
{
	trace_add('t');
	ck_assert_int_eq(raise(SIGUSR1), 0);
}

START_TEST(a_signal_hastens_it)
{
	qb_loop_signal_add(loop, QB_LOOP_LOW, SIGUSR1, NULL, on_signal, NULL);
	job_level = QB_LOOP_LOW;
	qb_loop_job_add(loop, QB_LOOP_LOW, NULL, job_again);
	qb_loop_timer_add(loop, QB_LOOP_LOW, 10 * MS, NULL, raise_one, NULL);
	qb_loop_timer_add(loop, QB_LOOP_LOW, 20 * MS, NULL, stop_loop, NULL);
	qb_loop_run(loop);
	ck_assert_str_eq(trace, "jtjs");
}
END_TEST

static void job_of_timer(void *data)
{
	trace_add('o');
}

static void add_other_job(void *data)
{
	trace_add('t');
	qb_loop_job_add(loop, QB_LOOP_LOW, NULL, job_of_timer);
}

START_TEST(a_job_that_a_timer_adds_runs_at_once)
{
	qb_loop_timer_add(loop, QB_LOOP_LOW, 10 * MS, NULL, add_other_job, NULL);
	qb_loop_timer_add(loop, QB_LOOP_LOW, 10 * MS + 1, NULL, stop_loop, NULL);
	qb_loop_run(loop);
	ck_assert_str_eq(trace, "to");
}
END_TEST

START_TEST(a_timer_is_on_time_beside_it)
{
	uint64_t begin = own_clock;

	qb_loop_timer_add(loop, QB_LOOP_LOW, 30 * MS, NULL, stop_loop, NULL);
	job_level = QB_LOOP_HIGH;
	qb_loop_job_add(loop, QB_LOOP_HIGH, NULL, job_again);
	qb_loop_run(loop);
	ck_assert_uint_eq(own_clock - begin, 30 * MS);
	ck_assert_str_eq(trace, "j");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("loop pace");
	TCase *tc = add_case(s, "pace");

	tcase_add_checked_fixture(tc, clock_setup, clock_teardown);
	tcase_add_loop_test(tc, a_timer_does_not_hasten_a_job_that_adds_itself_again, 0, 3);
	tcase_add_test(tc, a_timer_of_long_periods_does_not_delay_it);
	tcase_add_test(tc, a_timer_that_is_due_at_once_leaves_nothing_to_be_waited_for);
	tcase_add_test(tc, a_low_job_has_its_share_beside_such_a_timer);
	tcase_add_test(tc, a_low_timer_has_its_share_beside_a_high_job);
	tcase_add_test(tc, a_descriptor_that_is_ready_hastens_it);
	tcase_add_test(tc, a_signal_hastens_it);
	tcase_add_test(tc, a_job_that_a_timer_adds_runs_at_once);
	tcase_add_test(tc, a_timer_is_on_time_beside_it);
	return run_suite(s);
}
