/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the loop asks of the system, and what it does when the system refuses. */
#include "config.h"

#include <limits.h>
#include <signal.h>
#include <string.h>

#include "base/again.h"
#include "base/util.h"
#include "loop/loop.h"
#include "tests/unit/test-loop-wrap.h"
#include "tests/unit/test-loop.h"

/* -- What it costs --------------------------------------------------------------- */

enum { ROUNDS = 100 };

static int32_t count_rounds(int32_t fd, int32_t revents, void *data)
{
	if (++*(int *)data == ROUNDS)
		qb_loop_stop(loop);
	return 0;
}

/* A run of ROUNDS rounds by a descriptor that is always ready, without a guard. */
static void run_rounds(void)
{
	int fds[2], rounds = 0;

	make_pipe(fds, true);
	ck_assert_int_eq(
		qb_loop_poll_add(loop, QB_LOOP_HIGH, fds[0], POLLIN, &rounds, count_rounds), 0);
	memset(&calls, 0, sizeof(calls));
	qb_loop_run(loop);
	ck_assert_int_eq(rounds, ROUNDS);
	ck_assert_int_eq(calls.waits, ROUNDS);
	ck_assert_int_eq(calls.controls, 0);
	ck_assert_int_eq(calls.reads, 0);
	ck_assert_int_eq(calls.writes, 0);
	qb_loop_poll_del(loop, fds[0]);
	close_pipe(fds);
}

START_TEST(a_ready_descriptor_costs_one_wait_and_nothing_else)
{
	run_rounds();
	ck_assert_int_eq(calls.clocks, 0);
}
END_TEST

static void ignore_low(int32_t not_enough, int32_t available)
{
}

START_TEST(the_limit_of_descriptors_is_read_only_when_their_number_changes)
{
	qb_loop_poll_low_fds_event_set(loop, ignore_low);
	run_rounds();
	ck_assert_int_eq(calls.limits, 1);
}
END_TEST

START_TEST(a_timer_costs_one_look_at_the_clock_per_round)
{
	qb_loop_timer_add(loop, QB_LOOP_LOW, QBI_NS_PER_S * 3600, NULL, never_called, NULL);
	run_rounds();
	ck_assert_int_eq(calls.clocks, ROUNDS);
}
END_TEST

static int32_t ask_again(int32_t fd, int32_t revents, void *data)
{
	qbi_dispatch_again = true;
	return count_rounds(fd, revents, data);
}

static int32_t count_ready(int32_t fd, int32_t revents, void *data)
{
	++*(int *)data;
	return 0;
}

START_TEST(who_has_more_to_do_is_called_again_with_a_wait_only_now_and_then)
{
	int fds[2], other[2], rounds = 0, other_calls = 0;

	make_pipe(fds, true);
	make_pipe(other, true);
	qb_loop_poll_add(loop, QB_LOOP_HIGH, fds[0], POLLIN, &rounds, ask_again);
	qb_loop_poll_add(loop, QB_LOOP_HIGH, other[0], POLLIN, &other_calls, count_ready);
	memset(&calls, 0, sizeof(calls));
	own_clock = QBI_NS_PER_S; /* no time passes */
	qb_loop_run(loop);
	own_clock = 0;
	ck_assert_int_eq(rounds, ROUNDS);
	ck_assert_int_eq(calls.waits, (ROUNDS + QBI_LOOP_BLIND) / (QBI_LOOP_BLIND + 1));
	/* And each wait is a turn for the others. */
	ck_assert_int_ge(other_calls, calls.waits - 1);
	ck_assert_int_eq(calls.writes + calls.reads + calls.controls, 0);
	close_pipe(fds);
	close_pipe(other);
}
END_TEST

static int32_t ask_again_slowly(int32_t fd, int32_t revents, void *data)
{
	own_clock += 2 * QBI_NS_PER_MS;
	return ask_again(fd, revents, data);
}

/* Others would wait for as long as nine of its calls take. */
START_TEST(who_takes_long_is_not_called_again_and_again_without_a_wait)
{
	int fds[2], rounds = 0;

	make_pipe(fds, true);
	qb_loop_poll_add(loop, QB_LOOP_HIGH, fds[0], POLLIN, &rounds, ask_again_slowly);
	memset(&calls, 0, sizeof(calls));
	own_clock = QBI_NS_PER_S;
	qb_loop_run(loop);
	own_clock = 0;
	ck_assert_int_eq(rounds, ROUNDS);
	ck_assert_int_ge(calls.waits, ROUNDS / 2);
	close_pipe(fds);
}
END_TEST

static int32_t ask_again_and_leave_it(int32_t fd, int32_t revents, void *data)
{
	char c;

	ck_assert_int_eq(read(fd, &c, 1), 1);
	qb_loop_stop(loop);
	qbi_dispatch_again = true;
	return 0;
}

START_TEST(another_function_is_not_called_for_what_its_predecessor_asked)
{
	int fds[2];

	make_pipe(fds, true);
	qb_loop_poll_add(loop, QB_LOOP_HIGH, fds[0], POLLIN, NULL, ask_again_and_leave_it);
	qb_loop_run(loop);
	ck_assert_int_eq(
		qb_loop_poll_mod(loop, QB_LOOP_HIGH, fds[0], POLLIN, NULL, never_called_fd), 0);
	settle();
	settle();
	close_pipe(fds);
}
END_TEST

START_TEST(a_mod_that_changes_no_events_costs_nothing)
{
	int fds[2];

	make_pipe(fds, false);
	qb_loop_poll_add(loop, QB_LOOP_LOW, fds[0], POLLIN, NULL, never_called_fd);
	memset(&calls, 0, sizeof(calls));
	qb_loop_poll_mod(loop, QB_LOOP_HIGH, fds[0], POLLIN, NULL, never_called_fd);
	ck_assert_int_eq(calls.controls, 0);
	qb_loop_poll_mod(loop, QB_LOOP_HIGH, fds[0], POLLOUT, NULL, never_called_fd);
	ck_assert_int_eq(calls.controls, 1);
	close_pipe(fds);
}
END_TEST

static void add_and_stop(void *data)
{
	qb_loop_job_add(loop, QB_LOOP_LOW, data, count_call);
	qb_loop_timer_add(loop, QB_LOOP_LOW, 0, data, count_call, NULL);
	qb_loop_stop(loop);
}

START_TEST(the_loops_own_thread_does_not_write_to_wake_it)
{
	int ran = 0;

	qb_loop_job_add(loop, QB_LOOP_LOW, &ran, add_and_stop);
	memset(&calls, 0, sizeof(calls));
	qb_loop_run(loop);
	ck_assert_int_eq(calls.writes, 0);
	settle();
	ck_assert_int_eq(ran, 2);
}
END_TEST

static int32_t add_stopper(int32_t fd, int32_t revents, void *data)
{
	qb_loop_job_add(loop, QB_LOOP_LOW, NULL, stop_loop);
	return -1;
}

static void add_stopper_job(void *data)
{
	qb_loop_job_add(loop, QB_LOOP_LOW, NULL, stop_loop);
}

START_TEST(a_job_added_by_a_descriptor_runs_without_a_wait)
{
	int fds[2];

	make_pipe(fds, true);
	qb_loop_poll_add(loop, QB_LOOP_LOW, fds[0], POLLIN, NULL, add_stopper);
	memset(&calls, 0, sizeof(calls));
	qb_loop_run(loop);
	ck_assert_int_eq(calls.waits, 2);
	ck_assert_int_eq(calls.timeout, 0);
	close_pipe(fds);
}
END_TEST

START_TEST(a_job_added_by_a_timer_runs_without_a_wait)
{
	qb_loop_timer_add(loop, QB_LOOP_LOW, 0, NULL, add_stopper_job, NULL);
	memset(&calls, 0, sizeof(calls));
	qb_loop_run(loop);
	ck_assert_int_eq(calls.asleep, 0);
}
END_TEST

START_TEST(a_job_added_by_a_job_waits_for_its_pace)
{
	qb_loop_job_add(loop, QB_LOOP_LOW, NULL, add_stopper_job);
	memset(&calls, 0, sizeof(calls));
	qb_loop_run(loop);
	ck_assert_int_eq(calls.asleep, 1);
	ck_assert_int_eq(calls.timeout, 50);
}
END_TEST

static void delete_job_itself_added(void *data)
{
	qb_loop_job_add(loop, QB_LOOP_LOW, NULL, never_called);
	qb_loop_job_del(loop, QB_LOOP_LOW, NULL, never_called);
	qb_loop_timer_add(loop, QB_LOOP_LOW, 10 * MS, NULL, stop_loop, NULL);
}

static void run_inside_and_add_stopper(void *data)
{
	qb_loop_timer_add(loop, QB_LOOP_LOW, 0, NULL, stop_loop, NULL);
	qb_loop_run(loop);
	memset(&calls, 0, sizeof(calls));
	qb_loop_job_add(loop, QB_LOOP_LOW, NULL, stop_loop);
}

START_TEST(a_job_added_after_a_run_inside_a_job_waits_too)
{
	qb_loop_job_add(loop, QB_LOOP_LOW, NULL, run_inside_and_add_stopper);
	qb_loop_run(loop);
	qb_loop_run(loop);
	ck_assert_int_eq(calls.asleep, 1);
	ck_assert_int_eq(calls.timeout, 50);
}
END_TEST

START_TEST(a_loop_sleeps_until_its_timer_in_one_wait)
{
	qb_loop_timer_add(loop, QB_LOOP_LOW, 10 * MS + 1, NULL, stop_loop, NULL);
	memset(&calls, 0, sizeof(calls));
	qb_loop_run(loop);
	ck_assert_int_eq(calls.waits, 1);
	ck_assert_int_le(calls.timeout, 11);
}
END_TEST

START_TEST(an_idle_loop_sleeps_in_one_wait)
{
	qb_loop_job_add(loop, QB_LOOP_LOW, NULL, delete_job_itself_added);
	memset(&calls, 0, sizeof(calls));
	qb_loop_run(loop);
	/* For the job, for the timer, and perhaps for the rest of a millisecond. */
	ck_assert_int_le(calls.waits, 3);
}
END_TEST

START_TEST(a_file_that_outlives_its_number_does_not_make_the_loop_spin)
{
	int fds[2], copy;

	make_pipe(fds, true);
	copy = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
	qb_loop_poll_add(loop, QB_LOOP_LOW, fds[0], POLLIN, NULL, never_called_fd);
	close(fds[0]);
	qb_loop_poll_del(loop, fds[0]);
	memset(&calls, 0, sizeof(calls));
	run_for(100);
	ck_assert_int_le(calls.waits, 5);
	close(copy);
	close(fds[1]);
}
END_TEST

START_TEST(an_endless_timer_means_the_longest_wait)
{
	static const uint64_t durations[] = { UINT64_MAX, UINT64_MAX - 1, INT64_MAX };

	for (size_t i = 0; i < QBI_ARRAY_SIZE(durations); i++) {
		qb_loop_timer_handle th;

		qb_loop_timer_add(loop, QB_LOOP_LOW, durations[i], NULL, never_called, &th);
		wait_error = EBADF; /* ends the run */
		qb_loop_run(loop);
		ck_assert(calls.timeout == -1 || calls.timeout == INT_MAX);
		qb_loop_timer_del(loop, th);
	}
}
END_TEST

static int turn;

static void check_turn(void *data)
{
	ck_assert_int_eq((intptr_t)data, turn++);
	if (turn == 50)
		qb_loop_stop(loop);
}

START_TEST(timers_of_the_same_nanosecond_fire_in_the_order_they_were_added)
{
	own_clock = QBI_NS_PER_S;
	turn = 0;
	for (intptr_t i = 0; i < 50; i++)
		qb_loop_timer_add(loop, QB_LOOP_LOW, 0, (void *)i, check_turn, NULL);
	memset(&calls, 0, sizeof(calls));
	qb_loop_run(loop);
	own_clock = 0;
	ck_assert_int_eq(calls.asleep, 0);
}
END_TEST

/* -- At the worst moment: between deciding to sleep and sleeping ------------------- */

static void interrupt_by_stop(void)
{
	qb_loop_stop(loop);
}

static void interrupt_by_signal(void)
{
	raise(SIGUSR1);
}

static int32_t stop_on_signal(int32_t sig, void *data)
{
	qb_loop_stop(loop);
	return 0;
}

static void (*const interruptions[])(void) = { interrupt_by_stop, interrupt_by_signal };

START_TEST(what_comes_just_before_the_sleep_ends_it)
{
	ck_assert_int_eq(
		qb_loop_signal_add(loop, QB_LOOP_LOW, SIGUSR1, NULL, stop_on_signal, NULL), 0);
	ck_assert_int_eq(qb_loop_timer_add(loop, QB_LOOP_LOW, 3600 * QBI_NS_PER_S, NULL,
					   never_called, NULL),
			 0);
	memset(&calls, 0, sizeof(calls));
	/* The loop reads the clock to know how long it may sleep. */
	at_clock = interruptions[_i];
	qb_loop_run(loop);
	ck_assert_int_eq(calls.asleep, 0);
}
END_TEST

/* -- When the system refuses ----------------------------------------------------- */

START_TEST(an_interrupted_wait_is_taken_up_again)
{
	int ran = 0;

	qb_loop_job_add(loop, QB_LOOP_LOW, &ran, count_call);
	wait_error = EINTR;
	settle();
	ck_assert_int_eq(ran, 1);
}
END_TEST

START_TEST(a_wait_that_cannot_work_ends_run)
{
	qb_loop_job_add(loop, QB_LOOP_LOW, NULL, never_called);
	wait_error = EBADF;
	qb_loop_run(loop);
	ck_assert_int_eq(wait_error, 0);
	ck_assert_int_eq(qb_loop_job_del(loop, QB_LOOP_LOW, NULL, never_called), 0);
}
END_TEST

START_TEST(create_fails_cleanly_whatever_is_refused)
{
	qb_loop_t *l = NULL;
	int n = 0;

	while (!l) {
		failing_call = ++n;
		errno = 0;
		l = qb_loop_create();
		ck_assert(l || errno == ENOMEM || errno == EMFILE);
	}
	/* Memory, eventfd, epoll, and the one in the other. */
	ck_assert_int_eq(n, 5);
	failing_call = 0;
	qb_loop_destroy(l);
}
END_TEST

static int add_job(int fd)
{
	return qb_loop_job_add(loop, QB_LOOP_LOW, NULL, never_called);
}

static int add_timer(int fd)
{
	return qb_loop_timer_add(loop, QB_LOOP_LOW, QBI_NS_PER_S, NULL, never_called, NULL);
}

static int add_fd(int fd)
{
	return qb_loop_poll_add(loop, QB_LOOP_LOW, fd, POLLIN, NULL, never_called_fd);
}

static int add_signal(int fd)
{
	return qb_loop_signal_add(loop, QB_LOOP_LOW, SIGUSR1, NULL, never_called_signal, NULL);
}

static const struct {
	int (*add)(int fd);
	int calls; /* that can be refused */
} adders[] = {
	{ add_job, 1 },
	{ add_timer, 3 }, /* the timer, its place in the heap and in the table */
	{ add_fd, 3 },	  /* the entry, the kernel, its place in the table */
	{ add_signal, 1 },
};

/* Nothing but a job, so that what it needs is not there for the next attempt. */
static void run_one_round(void)
{
	ck_assert_int_eq(qb_loop_job_add(loop, QB_LOOP_LOW, NULL, stop_loop), 0);
	qb_loop_run(loop);
}

START_TEST(an_add_without_memory_changes_nothing)
{
	int fds[2], n = 0, r;

	make_pipe(fds, true);
	do {
		failing_call = ++n;
		r = adders[_i].add(fds[0]);
		ck_assert(r == 0 || r == -ENOMEM);
		if (r < 0)
			run_one_round();
	} while (r < 0);
	failing_call = 0;
	ck_assert_int_eq(n, adders[_i].calls + 1);
	close_pipe(fds);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("loop system calls");
	TCase *tc = add_case(s, "cost");

	tcase_add_test(tc, a_ready_descriptor_costs_one_wait_and_nothing_else);
	tcase_add_test(tc, the_limit_of_descriptors_is_read_only_when_their_number_changes);
	tcase_add_test(tc, a_timer_costs_one_look_at_the_clock_per_round);
	tcase_add_test(tc, who_has_more_to_do_is_called_again_with_a_wait_only_now_and_then);
	tcase_add_test(tc, who_takes_long_is_not_called_again_and_again_without_a_wait);
	tcase_add_test(tc, another_function_is_not_called_for_what_its_predecessor_asked);
	tcase_add_test(tc, a_mod_that_changes_no_events_costs_nothing);
	tcase_add_test(tc, the_loops_own_thread_does_not_write_to_wake_it);
	tcase_add_test(tc, a_job_added_by_a_descriptor_runs_without_a_wait);
	tcase_add_test(tc, a_job_added_by_a_timer_runs_without_a_wait);
	tcase_add_test(tc, a_job_added_by_a_job_waits_for_its_pace);
	tcase_add_test(tc, a_job_added_after_a_run_inside_a_job_waits_too);
	tcase_add_test(tc, a_loop_sleeps_until_its_timer_in_one_wait);
	tcase_add_test(tc, an_endless_timer_means_the_longest_wait);
	tcase_add_test(tc, timers_of_the_same_nanosecond_fire_in_the_order_they_were_added);
	tcase_add_test(tc, an_idle_loop_sleeps_in_one_wait);
	tcase_add_test(tc, a_file_that_outlives_its_number_does_not_make_the_loop_spin);

	tc = add_case(s, "worst moment");
	tcase_add_loop_test(tc, what_comes_just_before_the_sleep_ends_it, 0,
			    (int)QBI_ARRAY_SIZE(interruptions));

	tc = add_case(s, "refusals");
	tcase_add_test(tc, an_interrupted_wait_is_taken_up_again);
	tcase_add_test(tc, a_wait_that_cannot_work_ends_run);
	tcase_add_test(tc, create_fails_cleanly_whatever_is_refused);
	tcase_add_loop_test(tc, an_add_without_memory_changes_nothing, 0,
			    (int)QBI_ARRAY_SIZE(adders));
	return run_suite(s);
}
