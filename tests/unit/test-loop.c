/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The loop's life, and what other threads may do to it. */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/util.h"
#include "tests/unit/test-loop-trace.h"

/* -- Life ------------------------------------------------------------------------ */

START_TEST(a_loop_can_be_run_again_after_stop)
{
	int calls = 0;

	for (int i = 1; i <= 100; i++) {
		qb_loop_job_add(loop, QB_LOOP_MED, &calls, count_call);
		qb_loop_job_add(loop, QB_LOOP_MED, NULL, stop_loop);
		run();
		ck_assert_int_eq(calls, i);
	}
}
END_TEST

START_TEST(a_stop_before_run_is_forgotten)
{
	int calls = 0;

	qb_loop_stop(loop);
	qb_loop_job_add(loop, QB_LOOP_MED, &calls, count_call);
	settle();
	ck_assert_int_eq(calls, 1);
}
END_TEST

START_TEST(stop_ends_the_round_and_the_rest_stays_for_the_next_run)
{
	qb_loop_job_add(loop, QB_LOOP_MED, letter('a'), trace_call);
	qb_loop_job_add(loop, QB_LOOP_MED, NULL, stop_loop);
	qb_loop_job_add(loop, QB_LOOP_MED, letter('b'), trace_call);
	qb_loop_job_add(loop, QB_LOOP_LOW, letter('c'), trace_call);
	run();
	ck_assert_str_eq(trace, "a");
	settle();
	ck_assert_str_eq(trace, "abc");
}
END_TEST

static void run_inside(void *data)
{
	qb_loop_job_add(loop, QB_LOOP_MED, letter('i'), trace_call);
	qb_loop_job_add(loop, QB_LOOP_MED, NULL, stop_loop);
	qb_loop_run(loop);
	trace_call(letter('r'));
}

START_TEST(a_loop_can_be_run_inside_its_callback_and_stop_ends_both)
{
	qb_loop_job_add(loop, QB_LOOP_MED, NULL, run_inside);
	qb_loop_job_add(loop, QB_LOOP_MED, letter('o'), trace_call);
	run();
	ck_assert_str_eq(trace, "oir");
}
END_TEST

static void destroy_loop(void *data)
{
	qb_loop_destroy(loop);
	loop = NULL;
}

START_TEST(a_loop_destroyed_inside_its_callback_goes_when_run_returns)
{
	qb_loop_job_add(loop, QB_LOOP_MED, NULL, destroy_loop);
	qb_loop_job_add(loop, QB_LOOP_MED, letter('x'), trace_call);
	qb_loop_run(loop);
	ck_assert_ptr_null(loop);
	ck_assert_str_eq(trace, "");
}
END_TEST

START_TEST(destroy_drops_what_is_left_without_calling_it)
{
	int fds[2];

	make_pipe(fds, true);
	for (int p = QB_LOOP_LOW; p <= QB_LOOP_HIGH; p++) {
		qb_loop_job_add(loop, p, NULL, never_called);
		qb_loop_timer_add(loop, p, 0, NULL, never_called, NULL);
		qb_loop_signal_add(loop, p, SIGUSR1, NULL, never_called_signal, NULL);
	}
	qb_loop_poll_add(loop, QB_LOOP_LOW, fds[0], POLLIN, NULL, never_called_fd);
	raise(SIGUSR1);
	destroy_loop(NULL);
	close_pipe(fds);
}
END_TEST

START_TEST(destroy_drops_what_is_ready_without_calling_it)
{
	int fds[2];

	make_pipe(fds, true);
	qb_loop_job_add(loop, QB_LOOP_HIGH, NULL, stop_loop);
	qb_loop_job_add(loop, QB_LOOP_LOW, NULL, never_called);
	qb_loop_timer_add(loop, QB_LOOP_LOW, 0, NULL, never_called, NULL);
	qb_loop_signal_add(loop, QB_LOOP_LOW, SIGUSR1, NULL, never_called_signal, NULL);
	qb_loop_poll_add(loop, QB_LOOP_LOW, fds[0], POLLIN, NULL, never_called_fd);
	raise(SIGUSR1);
	run();
	destroy_loop(NULL);
	close_pipe(fds);
}
END_TEST

START_TEST(a_null_loop_is_the_oldest_there_is)
{
	qb_loop_t *first = loop, *second = qb_loop_create();

	qb_loop_job_add(NULL, QB_LOOP_MED, letter('1'), trace_call);
	settle();
	ck_assert_str_eq(trace, "1");

	loop = second;
	settle();
	ck_assert_str_eq(trace, "1");
	qb_loop_destroy(first);
	qb_loop_job_add(NULL, QB_LOOP_MED, letter('2'), trace_call);
	settle();
	ck_assert_str_eq(trace, "12");
}
END_TEST

START_TEST(without_a_loop_everything_is_refused)
{
	void *handle = loop;

	destroy_loop(NULL);
	ck_assert_int_eq(qb_loop_job_add(NULL, 0, NULL, never_called), -EINVAL);
	ck_assert_int_eq(qb_loop_job_del(NULL, 0, NULL, never_called), -EINVAL);
	ck_assert_int_eq(qb_loop_timer_add(NULL, 0, 0, NULL, never_called, NULL), -EINVAL);
	ck_assert_int_eq(qb_loop_timer_del(NULL, 1), -EINVAL);
	ck_assert_int_eq(qb_loop_timer_is_running(NULL, 1), QB_FALSE);
	ck_assert_uint_eq(qb_loop_timer_expire_time_get(NULL, 1), 0);
	ck_assert_uint_eq(qb_loop_timer_expire_time_remaining(NULL, 1), 0);
	ck_assert_int_eq(qb_loop_poll_low_fds_event_set(NULL, NULL), -EINVAL);
	ck_assert_int_eq(qb_loop_poll_add(NULL, 0, 0, POLLIN, NULL, never_called_fd), -EINVAL);
	ck_assert_int_eq(qb_loop_poll_mod(NULL, 0, 0, POLLIN, NULL, never_called_fd), -EINVAL);
	ck_assert_int_eq(qb_loop_poll_del(NULL, 0), -EINVAL);
	ck_assert_int_eq(qb_loop_signal_add(NULL, 0, SIGHUP, NULL, never_called_signal, NULL),
			 -EINVAL);
	ck_assert_int_eq(qb_loop_signal_mod(NULL, 0, SIGHUP, NULL, never_called_signal, handle),
			 -EINVAL);
	ck_assert_int_eq(qb_loop_signal_del(NULL, handle), -EINVAL);
	qb_loop_run(NULL);
	qb_loop_stop(NULL);
	qb_loop_destroy(NULL);
}
END_TEST

START_TEST(destroying_null_leaves_the_first_loop_alone)
{
	int calls = 0;

	qb_loop_destroy(NULL);
	qb_loop_job_add(NULL, QB_LOOP_MED, &calls, count_call);
	settle();
	ck_assert_int_eq(calls, 1);
}
END_TEST

/* -- Threads --------------------------------------------------------------------- */

/*
 * Another thread that acts once the loop runs: at once, or when it can be expected to
 * sleep already. No outcome depends on which it is.
 */
struct outsider {
	pthread_t thread;
	pthread_t runner;
	atomic_bool running;
	bool late;
	void (*act)(struct outsider *o);
	int calls;
};

static void *outsider_main(void *data)
{
	struct outsider *o = data;

	while (!atomic_load(&o->running))
		;
	for (int i = 0; o->late && i < 5; i++)
		pause_briefly();
	o->act(o);
	return NULL;
}

static void outsider_may_act(void *data)
{
	struct outsider *o = data;

	atomic_store(&o->running, true);
}

/* The loop has nothing but its first job: only @act can end its sleep. */
static void run_with_outsider(struct outsider *o)
{
	o->runner = pthread_self();
	qb_loop_job_add(loop, QB_LOOP_MED, o, outsider_may_act);
	ck_assert_int_eq(pthread_create(&o->thread, NULL, outsider_main, o), 0);
	qb_loop_run(loop);
	pthread_join(o->thread, NULL);
}

static void act_stop(struct outsider *o)
{
	qb_loop_stop(loop);
}

START_TEST(stop_from_another_thread_ends_a_loop_that_waits_for_nothing)
{
	for (int i = 0; i < 50; i++)
		run_with_outsider(&(struct outsider){ .act = act_stop, .late = i % 2 });
}
END_TEST

static void stop_in_handler(int sig)
{
	qb_loop_stop(loop);
}

static void act_signal(struct outsider *o)
{
	pthread_kill(o->runner, SIGUSR2);
}

START_TEST(stop_from_a_signal_handler_ends_run)
{
	struct sigaction action = { .sa_handler = stop_in_handler }, before;

	sigaction(SIGUSR2, &action, &before);
	for (int i = 0; i < 50; i++)
		run_with_outsider(&(struct outsider){ .act = act_signal, .late = i % 2 });
	sigaction(SIGUSR2, &before, NULL);
}
END_TEST

static void act_job(struct outsider *o)
{
	qb_loop_job_add(loop, QB_LOOP_LOW, NULL, stop_loop);
}

START_TEST(a_job_from_another_thread_runs_at_once)
{
	for (int i = 0; i < 50; i++)
		run_with_outsider(&(struct outsider){ .act = act_job, .late = i % 2 });
}
END_TEST

static void act_destroy(struct outsider *o)
{
	qb_loop_t *l = loop;

	loop = NULL;
	qb_loop_destroy(l);
}

START_TEST(destroy_from_another_thread_ends_run)
{
	for (int i = 0; i < 50; i++) {
		run_with_outsider(&(struct outsider){ .act = act_destroy, .late = i % 2 });
		loop = qb_loop_create();
	}
}
END_TEST

static void act_run(struct outsider *o)
{
	qb_loop_run(loop);
	o->calls++;
	qb_loop_stop(loop);
}

START_TEST(a_second_thread_does_not_get_to_run_the_loop)
{
	struct outsider o = { .act = act_run };

	run_with_outsider(&o);
	ck_assert_int_eq(o.calls, 1);
}
END_TEST

struct own_loop {
	qb_loop_t *l;
	int left;
};

static void own_loop_tick(void *data)
{
	struct own_loop *own = data;

	if (--own->left == 0)
		qb_loop_stop(own->l);
	else
		qb_loop_timer_add(own->l, QB_LOOP_MED, 1000, own, own_loop_tick, NULL);
}

static void *own_loop_main(void *data)
{
	struct own_loop own = { .l = qb_loop_create(), .left = 200 };

	qb_loop_timer_add(own.l, QB_LOOP_MED, 0, &own, own_loop_tick, NULL);
	qb_loop_run(own.l);
	qb_loop_destroy(own.l);
	return NULL;
}

START_TEST(loops_in_several_threads_do_not_know_each_other)
{
	pthread_t threads[4];

	for (size_t i = 0; i < QBI_ARRAY_SIZE(threads); i++)
		pthread_create(&threads[i], NULL, own_loop_main, NULL);
	own_loop_main(NULL);
	for (size_t i = 0; i < QBI_ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("loop");
	TCase *tc = add_case(s, "life");

	tcase_add_checked_fixture(tc, trace_clear, NULL);
	tcase_add_test(tc, a_loop_can_be_run_again_after_stop);
	tcase_add_test(tc, a_stop_before_run_is_forgotten);
	tcase_add_test(tc, stop_ends_the_round_and_the_rest_stays_for_the_next_run);
	tcase_add_test(tc, a_loop_can_be_run_inside_its_callback_and_stop_ends_both);
	tcase_add_test(tc, a_loop_destroyed_inside_its_callback_goes_when_run_returns);
	tcase_add_test(tc, destroy_drops_what_is_left_without_calling_it);
	tcase_add_test(tc, destroy_drops_what_is_ready_without_calling_it);
	tcase_add_test(tc, a_null_loop_is_the_oldest_there_is);
	tcase_add_test(tc, without_a_loop_everything_is_refused);
	tcase_add_test(tc, destroying_null_leaves_the_first_loop_alone);
	tc = add_case(s, "threads");
	tcase_add_test(tc, stop_from_another_thread_ends_a_loop_that_waits_for_nothing);
	tcase_add_test(tc, stop_from_a_signal_handler_ends_run);
	tcase_add_test(tc, a_job_from_another_thread_runs_at_once);
	tcase_add_test(tc, destroy_from_another_thread_ends_run);
	tcase_add_test(tc, a_second_thread_does_not_get_to_run_the_loop);
	tcase_add_test(tc, loops_in_several_threads_do_not_know_each_other);
	return run_suite(s);
}
