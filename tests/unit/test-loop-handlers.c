/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signals: handlers that are not the loop's, and signals in other threads. */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>

#include "tests/unit/test-loop-signals.h"

/* -- Handlers -------------------------------------------------------------------- */

static void someones_handler(int sig)
{
}

static void *handler_of(int sig)
{
	struct sigaction action;

	ck_assert_int_eq(sigaction(sig, NULL, &action), 0);
	return (void *)action.sa_handler;
}

START_TEST(no_other_signal_is_touched)
{
	void *before[NSIG], *ours;
	struct seen s = { 0 };

	for (int sig = 1; sig < NSIG; sig++)
		before[sig] = sig == 32 || sig == 33 ? NULL : handler_of(sig);
	watch(&s, SIGUSR1);
	raise(SIGUSR1);
	run_until(&s.calls, 1);
	ours = handler_of(SIGUSR1);
	ck_assert_ptr_ne(ours, before[SIGUSR1]);
	for (int sig = 1; sig < NSIG; sig++)
		if (sig != SIGUSR1 && sig != 32 && sig != 33)
			ck_assert_ptr_eq(handler_of(sig), before[sig]);
}
END_TEST

START_TEST(the_handler_found_is_put_back_by_the_last_registration)
{
	struct sigaction found = { .sa_handler = someones_handler,
				   .sa_flags = SA_RESTART | SA_NODEFER };
	struct sigaction now;
	struct seen a = { 0 }, b = { 0 };
	qb_loop_t *other = qb_loop_create();

	sigaddset(&found.sa_mask, SIGALRM);
	sigaction(SIGUSR1, &found, NULL);
	watch(&a, SIGUSR1);
	watch(&b, SIGUSR1);
	qb_loop_signal_add(other, QB_LOOP_LOW, SIGUSR1, NULL, never_called_signal, NULL);
	ck_assert_int_eq(qb_loop_signal_del(loop, a.handle), 0);
	ck_assert_ptr_ne(handler_of(SIGUSR1), (void *)someones_handler);
	qb_loop_destroy(other);
	ck_assert_ptr_ne(handler_of(SIGUSR1), (void *)someones_handler);
	ck_assert_int_eq(qb_loop_signal_del(loop, b.handle), 0);

	sigaction(SIGUSR1, NULL, &now);
	ck_assert_ptr_eq((void *)now.sa_handler, (void *)someones_handler);
	ck_assert_int_eq(now.sa_flags & (SA_RESTART | SA_NODEFER), SA_RESTART | SA_NODEFER);
	ck_assert_int_eq(sigismember(&now.sa_mask, SIGALRM), 1);
	signal(SIGUSR1, SIG_DFL);
}
END_TEST

START_TEST(a_signal_that_was_ignored_is_ignored_again)
{
	struct seen s = { .answer = -1 };

	signal(SIGUSR1, SIG_IGN);
	watch(&s, SIGUSR1);
	raise(SIGUSR1);
	run_until(&s.calls, 1);
	ck_assert_ptr_eq(handler_of(SIGUSR1), (void *)SIG_IGN);
	raise(SIGUSR1);
	signal(SIGUSR1, SIG_DFL);
}
END_TEST

START_TEST(mod_moves_the_handler_from_signal_to_signal)
{
	struct seen s = { 0 };

	signal(SIGUSR1, someones_handler);
	signal(SIGUSR2, someones_handler);
	watch(&s, SIGUSR1);
	ck_assert_int_eq(qb_loop_signal_mod(loop, QB_LOOP_MED, SIGUSR2, &s, note, s.handle), 0);
	ck_assert_ptr_eq(handler_of(SIGUSR1), (void *)someones_handler);
	ck_assert_ptr_ne(handler_of(SIGUSR2), (void *)someones_handler);
	ck_assert_int_eq(qb_loop_signal_del(loop, s.handle), 0);
	ck_assert_ptr_eq(handler_of(SIGUSR2), (void *)someones_handler);
	signal(SIGUSR1, SIG_DFL);
	signal(SIGUSR2, SIG_DFL);
}
END_TEST

START_TEST(a_handler_installed_over_the_loops_stays)
{
	struct seen s = { 0 };

	watch(&s, SIGUSR1);
	signal(SIGUSR1, someones_handler);
	ck_assert_int_eq(qb_loop_signal_del(loop, s.handle), 0);
	ck_assert_ptr_eq(handler_of(SIGUSR1), (void *)someones_handler);
	signal(SIGUSR1, SIG_DFL);
}
END_TEST

START_TEST(destroy_puts_handlers_back)
{
	struct seen s = { 0 };

	signal(SIGUSR1, someones_handler);
	watch(&s, SIGUSR1);
	qb_loop_destroy(loop);
	loop = NULL;
	ck_assert_ptr_eq(handler_of(SIGUSR1), (void *)someones_handler);
	signal(SIGUSR1, SIG_DFL);
}
END_TEST

/* -- Threads --------------------------------------------------------------------- */

enum { THREADS = 4, RAISES = 500 };

static void *raise_often(void *data)
{
	while (!atomic_load((atomic_bool *)data))
		;
	for (int i = 0; i < RAISES; i++)
		raise(SIGUSR1);
	return NULL;
}

static void set_flag(void *data)
{
	atomic_store((atomic_bool *)data, true);
}

static int32_t count_to_all(int32_t sig, void *data)
{
	if (++*(int *)data == THREADS * RAISES)
		qb_loop_stop(loop);
	return 0;
}

START_TEST(no_delivery_is_lost_or_doubled_among_threads)
{
	pthread_t threads[THREADS];
	atomic_bool go = false;
	int calls = 0;

	ck_assert_int_eq(
		qb_loop_signal_add(loop, QB_LOOP_MED, SIGUSR1, &calls, count_to_all, NULL), 0);
	for (size_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, raise_often, &go), 0);
	qb_loop_job_add(loop, QB_LOOP_LOW, &go, set_flag);
	run();
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	settle();
	ck_assert_int_eq(calls, THREADS * RAISES);
}
END_TEST

static void *raise_until_told(void *data)
{
	while (!atomic_load((atomic_bool *)data))
		raise(SIGUSR1);
	return NULL;
}

START_TEST(loops_come_and_go_while_signals_arrive_in_other_threads)
{
	pthread_t threads[THREADS];
	atomic_bool done = false;

	signal(SIGUSR1, SIG_IGN);
	for (size_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, raise_until_told, &done), 0);
	for (int i = 0; i < 200; i++) {
		struct seen s = { 0 };
		qb_loop_t *l = qb_loop_create();

		ck_assert_int_eq(
			qb_loop_signal_add(l, QB_LOOP_LOW, SIGUSR1, &s, note, &s.handle), 0);
		qb_loop_job_add(l, QB_LOOP_LOW, l, (void (*)(void *))qb_loop_stop);
		qb_loop_run(l);
		qb_loop_destroy(l);
	}
	atomic_store(&done, true);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	signal(SIGUSR1, SIG_DFL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("loop signal handlers");
	TCase *tc = add_case(s, "handlers");

	tcase_add_test(tc, no_other_signal_is_touched);
	tcase_add_test(tc, the_handler_found_is_put_back_by_the_last_registration);
	tcase_add_test(tc, a_signal_that_was_ignored_is_ignored_again);
	tcase_add_test(tc, mod_moves_the_handler_from_signal_to_signal);
	tcase_add_test(tc, a_handler_installed_over_the_loops_stays);
	tcase_add_test(tc, destroy_puts_handlers_back);

	tc = add_case(s, "threads");
	tcase_add_test(tc, no_delivery_is_lost_or_doubled_among_threads);

	/* Under qemu-user any program falls that changes in one thread what a signal does
	 * that another gets at that time. */
	tc = add_case(s, "threads, changes");
	tcase_set_tags(tc, "dispositions");
	tcase_add_test(tc, loops_come_and_go_while_signals_arrive_in_other_threads);
	return run_suite(s);
}
