/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* No lock outlives its holder, and fork(2) leaves whole objects with free locks. */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mutex.h"

static struct qbi_mutex m;
static volatile int a, b; /* changed together, under the lock */
static atomic_bool stop;

static int cancel_state(void)
{
	int state, ignored;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pthread_setcancelstate(state, &ignored);
	return state;
}

START_TEST(holder_is_not_cancelled_and_its_own_state_comes_back)
{
	struct qbi_mutex inner;
	int ignored;

	qbi_mutex_init(&m);
	qbi_mutex_init(&inner);
	qbi_mutex_lock(&m);
	qbi_mutex_lock(&inner);
	ck_assert_int_eq(cancel_state(), PTHREAD_CANCEL_DISABLE);
	qbi_mutex_unlock(&inner);
	ck_assert_int_eq(cancel_state(), PTHREAD_CANCEL_DISABLE);
	qbi_mutex_unlock(&m);
	ck_assert_int_eq(cancel_state(), PTHREAD_CANCEL_ENABLE);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &ignored);
	qbi_mutex_lock(&m);
	qbi_mutex_unlock(&m);
	ck_assert_int_eq(cancel_state(), PTHREAD_CANCEL_DISABLE);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &ignored);
	qbi_mutex_destroy(&inner);
	qbi_mutex_destroy(&m);
}
END_TEST

static void *hold_and_end(void *data)
{
	qbi_mutex_lock(&m);
	return NULL;
}

START_TEST(lock_of_a_thread_that_ended_is_free)
{
	pthread_t thread;

	qbi_mutex_init(&m);
	for (int k = 0; k < 3; k++) {
		ck_assert_int_eq(pthread_create(&thread, NULL, hold_and_end, NULL), 0);
		ck_assert_int_eq(pthread_join(thread, NULL), 0);
		qbi_mutex_lock(&m);
		qbi_mutex_unlock(&m);
	}
	qbi_mutex_destroy(&m);
}
END_TEST

static sigjmp_buf out;

static void jump(int sig)
{
	siglongjmp(out, 1);
}

START_TEST(holder_that_jumped_out_gets_it_again)
{
	signal(SIGUSR1, jump);
	qbi_mutex_init(&m);
	if (sigsetjmp(out, 1) == 0) {
		qbi_mutex_lock(&m);
		raise(SIGUSR1);
	}
	qbi_mutex_lock(&m);
	qbi_mutex_unlock(&m);
	ck_assert_int_eq(cancel_state(), PTHREAD_CANCEL_ENABLE);
	qbi_mutex_destroy(&m);
	signal(SIGUSR1, SIG_DFL);
}
END_TEST

static void *change(void *data)
{
	static const struct timespec moment = { .tv_nsec = 50000 };

	while (!atomic_load(&stop)) {
		qbi_mutex_lock(&m);
		a++;
		nanosleep(&moment, NULL);
		b++;
		qbi_mutex_unlock(&m);
	}
	return NULL;
}

/* Its exit status: is the object whole, and the lock free? */
static int child_looks(uint32_t generation)
{
	alarm(10);
	if (qbi_generation() != generation + 1)
		return 1;
	qbi_mutex_lock(&m);
	if (a != b)
		return 2;
	qbi_mutex_unlock(&m);
	return cancel_state() == PTHREAD_CANCEL_ENABLE ? 0 : 3;
}

START_TEST(fork_beside_a_holder_leaves_the_child_a_whole_object)
{
	enum { FORKS = 100 };
	uint32_t generation = qbi_generation();
	pthread_t thread;

	qbi_mutex_init(&m);
	ck_assert_int_eq(pthread_create(&thread, NULL, change, NULL), 0);
	for (int k = 0; k < FORKS; k++) {
		int status;
		pid_t pid = fork();

		ck_assert_int_ge(pid, 0);
		if (pid == 0)
			_exit(child_looks(generation));
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_uint_eq(qbi_generation(), generation);
	atomic_store(&stop, true);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	qbi_mutex_destroy(&m);
}
END_TEST

/* The bit of base/lock.c. */
static bool somebody_waits_for(struct qbi_mutex *mutex)
{
	return atomic_load(&mutex->lock.state) & 0x80000000u;
}

static struct qbi_mutex outer;
static atomic_bool forked;

static void *change_under_two(void *data)
{
	qbi_mutex_lock(&outer);
	a++;
	atomic_store(&stop, false);
	while (!somebody_waits_for(&outer) && !atomic_load(&forked))
		sched_yield();
	qbi_mutex_lock(&m);
	b++;
	qbi_mutex_unlock(&m);
	qbi_mutex_unlock(&outer);
	while (!atomic_load(&forked))
		sched_yield();
	return NULL;
}

/* A thread that is not scheduled for long may be left behind, but not each time. */
START_TEST(holder_gets_another_lock_while_a_fork_waits_for_it)
{
	enum { TRIES = 10 };
	int k, status = -1;

	qbi_mutex_init(&m);
	qbi_mutex_init(&outer);
	for (k = 0; k < TRIES && status != 0; k++) {
		uint32_t generation = qbi_generation();
		pthread_t thread;
		pid_t pid;

		atomic_store(&stop, true);
		atomic_store(&forked, false);
		ck_assert_int_eq(pthread_create(&thread, NULL, change_under_two, NULL), 0);
		while (atomic_load(&stop))
			sched_yield();
		pid = fork();
		ck_assert_int_ge(pid, 0);
		if (pid == 0)
			_exit(child_looks(generation));
		atomic_store(&forked, true);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(pthread_join(thread, NULL), 0);
	}
	ck_assert_int_eq(status, 0);
	qbi_mutex_destroy(&outer);
	qbi_mutex_destroy(&m);
}
END_TEST

/* Two threads, of which one always holds its lock, as far as the other one gets its own. */
static struct hand {
	struct qbi_mutex mutex;
	atomic_bool holds;
	atomic_int before, after; /* changed together */
} hands[2];

static void wait_for_other(struct hand *other)
{
	uint64_t end = qbi_now_ns() + 20 * QBI_NS_PER_MS;

	while (!atomic_load(&other->holds) && qbi_now_ns() < end)
		sched_yield();
}

static void *hand_over_hand(void *data)
{
	struct hand *mine = data;

	while (!atomic_load(&stop)) {
		qbi_mutex_lock(&mine->mutex);
		mine->before++;
		atomic_store(&mine->holds, true);
		wait_for_other(mine == &hands[0] ? &hands[1] : &hands[0]);
		atomic_store(&mine->holds, false);
		mine->after++;
		qbi_mutex_unlock(&mine->mutex);
	}
	return NULL;
}

static int child_looks_at_hands(void)
{
	for (int k = 0; k < 2; k++)
		if (hands[k].before != hands[k].after)
			return 1;
	return 0;
}

START_TEST(fork_comes_before_threads_that_hold_no_lock)
{
	enum { TRIES = 10 };
	pthread_t thread[2];
	int status = -1;

	for (int k = 0; k < 2; k++)
		qbi_mutex_init(&hands[k].mutex);
	for (int k = 0; k < 2; k++)
		ck_assert_int_eq(pthread_create(&thread[k], NULL, hand_over_hand, &hands[k]),
				 0);
	while (!hands[0].before || !hands[1].before)
		sched_yield();
	for (int k = 0; k < TRIES && status != 0; k++) {
		pid_t pid = fork();

		ck_assert_int_ge(pid, 0);
		if (pid == 0)
			_exit(child_looks_at_hands());
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	}
	ck_assert_int_eq(status, 0);
	atomic_store(&stop, true);
	for (int k = 0; k < 2; k++) {
		ck_assert_int_eq(pthread_join(thread[k], NULL), 0);
		qbi_mutex_destroy(&hands[k].mutex);
	}
}
END_TEST

START_TEST(fork_of_the_holder_itself_does_not_hang)
{
	int status;
	pid_t pid;

	qbi_mutex_init(&m);
	qbi_mutex_lock(&m);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		alarm(10);
		qbi_mutex_lock(&m);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	qbi_mutex_unlock(&m);
	qbi_mutex_destroy(&m);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mutex");
	TCase *tc = tcase_create("holders");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);

	tcase_add_test(tc, holder_is_not_cancelled_and_its_own_state_comes_back);
	tcase_add_test(tc, lock_of_a_thread_that_ended_is_free);
	tcase_add_test(tc, holder_that_jumped_out_gets_it_again);
	tcase_add_test(tc, fork_beside_a_holder_leaves_the_child_a_whole_object);
	tcase_add_test(tc, holder_gets_another_lock_while_a_fork_waits_for_it);
	tcase_add_test(tc, fork_comes_before_threads_that_hold_no_lock);
	tcase_add_test(tc, fork_of_the_holder_itself_does_not_hang);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
