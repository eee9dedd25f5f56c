/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lock that no holder can take away with it (base/lock.h). */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lock.h"
#include "tests/lib/deadline.h"
#include "tests/lib/variant.h"

enum { THREADS = 4, TURNS = 20000, WAIT_MS = 50 };

static struct qbi_lock *lock; /* in memory that processes share; kind of the test */
static void *mapped;

static void lock_map(void)
{
	lock = mmap(NULL, sizeof(*lock), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		    0);
	ck_assert(lock != MAP_FAILED);
	mapped = lock;
}

static void lock_unmap(void)
{
	munmap(mapped, sizeof(*lock));
}

static void lock_make(bool shared)
{
	lock->shared = shared;
}

static uint64_t soon(void)
{
	return qbi_deadline_from_ms(deadline_ms());
}

static pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, fn, arg), 0);
	return thread;
}

static void *taken_and_kept(void *outcome)
{
	*(enum qbi_lock_outcome *)outcome = qbi_lock_take(lock, soon());
	return NULL;
}

/* What @fn returns in a child made by fork, or by clone without libc's knowledge. */
static int in_child(bool by_clone, int (*fn)(void))
{
	int status;
	pid_t pid =
		by_clone ? (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) : fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(fn());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static unsigned int count;

static void *count_in_turns(void *arg)
{
	for (int i = 0; i < TURNS; i++) {
		if (qbi_lock_take(lock, QBI_FOREVER) != QBI_LOCK_TAKEN)
			*(bool *)arg = true;
		count++;
		qbi_lock_release(lock);
	}
	return NULL;
}

START_TEST(one_at_a_time_has_it)
{
	pthread_t threads[THREADS];
	bool failed[THREADS] = { false };

	lock_make(_i);
	count = 0;
	for (int i = 0; i < THREADS; i++)
		threads[i] = start(count_in_turns, &failed[i]);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		ck_assert(!failed[i]);
	}
	ck_assert_uint_eq(count, THREADS * TURNS);
}
END_TEST

struct waited {
	enum qbi_lock_outcome at_once, later;
	uint64_t ns_at_once, late; /* beyond the deadline; wraps if too early */
	int error;
};

static void *taken_by_deadline(void *waited)
{
	struct waited *w = waited;
	uint64_t begin = qbi_now_ns();
	uint64_t deadline;

	errno = EDOM;
	w->at_once = qbi_lock_take(lock, 0);
	w->ns_at_once = qbi_now_ns() - begin;
	deadline = qbi_deadline_from_ms(WAIT_MS);
	w->later = qbi_lock_take(lock, deadline);
	w->late = qbi_now_ns() - deadline;
	w->error = errno;
	return NULL;
}

START_TEST(who_waits_gives_up_at_the_deadline)
{
	uint64_t much = (uint64_t)deadline_ms() * QBI_NS_PER_MS;
	struct waited w;

	lock_make(_i);
	ck_assert_int_eq(qbi_lock_take(lock, QBI_FOREVER), QBI_LOCK_TAKEN);
	pthread_join(start(taken_by_deadline, &w), NULL);
	ck_assert_int_eq(w.at_once, QBI_LOCK_TIMEOUT);
	ck_assert_uint_lt(w.ns_at_once, much);
	ck_assert_int_eq(w.later, QBI_LOCK_TIMEOUT);
	ck_assert_uint_lt(w.late, much);
	ck_assert_int_eq(w.error, EDOM);
}
END_TEST

START_TEST(who_waits_gets_it_when_it_is_released)
{
	enum qbi_lock_outcome outcome = QBI_LOCK_TIMEOUT;
	pthread_t thread;

	lock_make(_i);
	ck_assert_int_eq(qbi_lock_take(lock, 0), QBI_LOCK_TAKEN);
	thread = start(taken_and_kept, &outcome);
	WAIT_FOR((uint32_t)atomic_load(&lock->state) & 0x80000000u);
	qbi_lock_release(lock);
	pthread_join(thread, NULL);
	ck_assert_int_eq(outcome, QBI_LOCK_TAKEN);
}
END_TEST

static sigjmp_buf out;

static void on_signal(int number)
{
	siglongjmp(out, number);
}

START_TEST(a_thread_that_left_without_releasing_takes_it_over)
{
	lock_make(_i);
	signal(SIGUSR1, on_signal);
	if (sigsetjmp(out, 1) == 0) {
		ck_assert_int_eq(qbi_lock_take(lock, 0), QBI_LOCK_TAKEN);
		raise(SIGUSR1);
	}
	ck_assert_int_eq(qbi_lock_take(lock, 0), QBI_LOCK_REENTERED);
	qbi_lock_release(lock);
	ck_assert_int_eq(qbi_lock_take(lock, 0), QBI_LOCK_TAKEN);
}
END_TEST

START_TEST(what_an_ended_thread_held_is_taken_over)
{
	enum qbi_lock_outcome outcome = QBI_LOCK_TIMEOUT;

	lock_make(_i);
	pthread_join(start(taken_and_kept, &outcome), NULL);
	ck_assert_int_eq(outcome, QBI_LOCK_TAKEN);
	/* The kernel tells of the end of a thread a moment before it is so. */
	WAIT_FOR((outcome = qbi_lock_take(lock, 0)) != QBI_LOCK_TIMEOUT);
	ck_assert_int_eq(outcome, QBI_LOCK_ORPHANED);
}
END_TEST

static void *first_threads_lock_taken_over(void *arg)
{
	_exit(qbi_lock_take(lock, soon()) == QBI_LOCK_ORPHANED ? 0 : 1);
	return arg;
}

static int first_thread_ends(void)
{
	if (qbi_lock_take(lock, 0) != QBI_LOCK_TAKEN)
		return 2;
	start(first_threads_lock_taken_over, NULL);
	pthread_exit(NULL);
}

START_TEST(what_the_first_thread_held_when_it_ended_is_taken_over)
{
	lock_make(_i);
	ck_assert_int_eq(in_child(false, first_thread_ends), 0);
}
END_TEST

static int take(void)
{
	return (int)qbi_lock_take(lock, qbi_deadline_from_ms(WAIT_MS));
}

START_TEST(a_private_lock_that_the_parent_holds_is_free_in_the_child)
{
	enum qbi_lock_outcome outcome = QBI_LOCK_TIMEOUT;
	static struct qbi_lock of_process;

	/* Held by the thread that forks, and by another one. */
	lock = &of_process;
	ck_assert_int_eq(qbi_lock_take(lock, 0), QBI_LOCK_TAKEN);
	ck_assert_int_eq(in_child(_i, take), QBI_LOCK_FORKED);
	qbi_lock_release(lock);
	ck_assert_int_eq(in_child(_i, take), QBI_LOCK_TAKEN);
	pthread_join(start(taken_and_kept, &outcome), NULL);
	ck_assert_int_eq(outcome, QBI_LOCK_TAKEN);
	ck_assert_int_eq(in_child(_i, take), QBI_LOCK_FORKED);
}
END_TEST

static int released_by_who_forked(void)
{
	enum qbi_lock_outcome outcome = QBI_LOCK_TIMEOUT;
	uint64_t state;

	pthread_join(start(taken_and_kept, &outcome), NULL);
	if (outcome != QBI_LOCK_FORKED)
		return 1;
	state = atomic_load(&lock->state);
	qbi_lock_release(lock);
	return atomic_load(&lock->state) == state ? 0 : 2;
}

START_TEST(who_forked_while_holding_does_not_release_what_was_taken_over)
{
	static struct qbi_lock of_process;

	lock = &of_process;
	ck_assert_int_eq(qbi_lock_take(lock, 0), QBI_LOCK_TAKEN);
	ck_assert_int_eq(in_child(false, released_by_who_forked), 0);
}
END_TEST

START_TEST(a_shared_lock_that_the_parent_holds_is_held_in_the_child)
{
	lock_make(true);
	ck_assert_int_eq(qbi_lock_take(lock, 0), QBI_LOCK_TAKEN);
	ck_assert_int_eq(in_child(_i, take), QBI_LOCK_TIMEOUT);
	qbi_lock_release(lock);
	ck_assert_int_eq(in_child(_i, take), QBI_LOCK_TAKEN);
}
END_TEST

static int take_with_patience(void)
{
	return (int)qbi_lock_take(lock, soon());
}

START_TEST(a_shared_lock_goes_from_process_to_process)
{
	int status;
	pid_t pid;

	lock_make(true);
	ck_assert_int_eq(qbi_lock_take(lock, 0), QBI_LOCK_TAKEN);
	pid = fork();
	if (pid == 0)
		_exit(take_with_patience());
	WAIT_FOR((uint32_t)atomic_load(&lock->state) & 0x80000000u);
	qbi_lock_release(lock);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, QBI_LOCK_TAKEN << 8);
}
END_TEST

START_TEST(what_an_ended_process_held_is_taken_over)
{
	siginfo_t info;
	pid_t pid;

	lock_make(true);
	pid = fork();
	if (pid == 0)
		_exit(take());
	/* It ends, and is waited for only in every other run. */
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	ck_assert_int_eq(info.si_status, QBI_LOCK_TAKEN);
	if (_i)
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(qbi_lock_take(lock, soon()), QBI_LOCK_ORPHANED);
	if (!_i)
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

static void *cancelled_while_it_waits(void *reached)
{
	pthread_cancel(pthread_self());
	(void)qbi_lock_take(lock, qbi_deadline_from_ms(WAIT_MS));
	qbi_lock_release(lock);
	*(bool *)reached = true;
	pthread_testcancel();
	return NULL;
}

START_TEST(a_take_is_no_cancellation_point)
{
	bool reached = false;
	void *result;

	lock_make(_i);
	ck_assert_int_eq(qbi_lock_take(lock, 0), QBI_LOCK_TAKEN);
	pthread_join(start(cancelled_while_it_waits, &reached), &result);
	ck_assert_ptr_eq(result, PTHREAD_CANCELED);
	ck_assert(reached);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lock");
	TCase *both = tcase_new(s, "private and shared");
	TCase *forked = tcase_new(s, "processes");

	tcase_add_checked_fixture(both, lock_map, lock_unmap);
	tcase_add_checked_fixture(forked, lock_map, lock_unmap);
	tcase_add_loop_test(both, one_at_a_time_has_it, 0, 2);
	tcase_add_loop_test(both, who_waits_gives_up_at_the_deadline, 0, 2);
	tcase_add_loop_test(both, who_waits_gets_it_when_it_is_released, 0, 2);
	tcase_add_loop_test(both, a_thread_that_left_without_releasing_takes_it_over, 0, 2);
	tcase_add_loop_test(both, what_an_ended_thread_held_is_taken_over, 0, 2);
	tcase_add_loop_test(both, what_the_first_thread_held_when_it_ended_is_taken_over, 0, 2);
	tcase_add_loop_test(both, a_take_is_no_cancellation_point, 0, 2);
	/* By fork(3), and by clone(2) behind its back. */
	tcase_add_loop_test(forked, a_private_lock_that_the_parent_holds_is_free_in_the_child,
			    0, 2);
	tcase_add_test(forked, who_forked_while_holding_does_not_release_what_was_taken_over);
	tcase_add_loop_test(forked, a_shared_lock_that_the_parent_holds_is_held_in_the_child, 0,
			    2);
	tcase_add_test(forked, a_shared_lock_goes_from_process_to_process);
	tcase_add_loop_test(forked, what_an_ended_process_held_is_taken_over, 0, 2);
	return suite_main(s);
}
