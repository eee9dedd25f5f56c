/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Work that a user can hold up is done in a thread of that user, and counts for the user until
 * it is done. Users are held up here by a pipe that has nothing to read.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/reclaim.h"
#include "base/util.h"
#include "server/limits.h"
#include "tests/lib/census.h"
#include "tests/lib/deadline.h"

enum { ALICE = 54321, BOB = 54322, BYTES = 1000 };

#define AWAIT(condition)                                                                       \
	do {                                                                                   \
		uint64_t end_ = now_ms() + (uint64_t)deadline_ms();                            \
		while (!(condition)) {                                                         \
			ck_assert_msg(now_ms() < end_, "never came true: %s", #condition);     \
			pause_briefly();                                                       \
		}                                                                              \
	} while (0)

/* What the work of a test is to do, and did. Processes share it. */
struct notes {
	int pipe[2];
	atomic_int attempts; /* of one that is held up for a while */
	atomic_int waiting;  /* begun to */
	atomic_int done;
	atomic_int policy;
	atomic_int signals; /* that the thread does not block */
};
static struct notes *notes;
static int threads_before;

static int threads(void)
{
	struct census census;

	census_take(&census);
	return census.threads;
}

static void setup(void)
{
	census_setup();
	notes = mmap(NULL, sizeof(*notes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	ck_assert(notes != MAP_FAILED);
	ck_assert_int_eq(pipe2(notes->pipe, O_CLOEXEC), 0);
	threads_before = threads();
}

static void teardown(void)
{
	AWAIT(threads() == threads_before);
	close(notes->pipe[0]);
	if (notes->pipe[1] >= 0)
		close(notes->pipe[1]);
	munmap(notes, sizeof(*notes));
	census_teardown();
}

/* -- Work --------------------------------------------------------------------- */

static int work_quick(struct qbi_reclaim *r)
{
	atomic_fetch_add(&notes->done, 1);
	return 0;
}

/* Until the pipe has no more writer. */
static int work_waiting(struct qbi_reclaim *r)
{
	char byte;

	atomic_fetch_add(&notes->waiting, 1);
	while (read(notes->pipe[0], &byte, 1) > 0)
		;
	atomic_fetch_add(&notes->done, 1);
	return 0;
}

static int work_held_up_thrice(struct qbi_reclaim *r)
{
	if (atomic_fetch_add(&notes->attempts, 1) < 3)
		return QBI_AGAIN;
	atomic_fetch_add(&notes->done, 1);
	return 0;
}

static int work_curious(struct qbi_reclaim *r)
{
	sigset_t mask;
	int signal, open = 0;

	(void)pthread_sigmask(SIG_BLOCK, NULL, &mask);
	for (signal = 1; signal < SIGSYS; signal++)
		open += signal != SIGKILL && signal != SIGSTOP && !sigismember(&mask, signal);
	atomic_store(&notes->signals, open);
	atomic_store(&notes->policy, sched_getscheduler(0));
	atomic_fetch_add(&notes->done, 1);
	return 0;
}

static int work_add(qbi_reclaim_fn run, uid_t uid)
{
	struct qbi_reclaim *r = malloc(sizeof(*r));
	int err;

	ck_assert_ptr_nonnull(r);
	err = qbi_reclaim_add(r, run, BYTES, uid);
	if (err)
		free(r);
	return err;
}

static void waiting_end(void)
{
	close(notes->pipe[1]);
	notes->pipe[1] = -1;
}

static uint32_t pending(uid_t uid)
{
	return qbi_reclaim_pending(uid).in_all;
}

static uint64_t pending_bytes(uid_t uid)
{
	return qbi_reclaim_pending(uid).memory;
}

static uint32_t pending_n(uid_t uid)
{
	return qbi_reclaim_pending(uid).n;
}

/* -- The queue ---------------------------------------------------------------- */

START_TEST(work_is_done_and_pending_no_more)
{
	for (int i = 1; i <= 1000; i++) {
		ck_assert_int_eq(work_add(work_quick, i % 2 ? ALICE : BOB), 0);
		if (i % 10 == 0)
			AWAIT(atomic_load(&notes->done) == i);
	}
	AWAIT(pending(ALICE) == 0 && pending(BOB) == 0);
	ck_assert_uint_eq(pending_n(ALICE), 0);
}
END_TEST

START_TEST(who_holds_it_up_is_charged_and_nobody_else_waits)
{
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(work_add(work_waiting, ALICE), 0);
	ck_assert_uint_eq(pending(ALICE), 3);
	ck_assert_int_eq(threads(), threads_before + 1);
	ck_assert_int_eq(work_add(work_quick, BOB), 0);
	AWAIT(atomic_load(&notes->done) == 1 && pending(BOB) == 0);
	/* Who comes back at once finds room; who goes on does not. */
	AWAIT(pending_n(ALICE) == 3);
	ck_assert_uint_eq(pending_bytes(ALICE), 3 * BYTES);
	ck_assert_uint_eq(pending_bytes(BOB), 0);
	waiting_end();
	AWAIT(pending(ALICE) == 0);
	ck_assert_int_eq(atomic_load(&notes->done), 4);
}
END_TEST

START_TEST(work_added_just_now_does_not_count)
{
	uint64_t began = now_ms();
	uint32_t n;

	ck_assert_int_eq(work_add(work_waiting, ALICE), 0);
	n = pending_n(ALICE) + (uint32_t)pending_bytes(ALICE);
	ck_assert(n == 0 || now_ms() - began >= 100);
	waiting_end();
	AWAIT(pending(ALICE) == 0);
}
END_TEST

START_TEST(work_that_is_held_up_is_tried_again)
{
	ck_assert_int_eq(work_add(work_held_up_thrice, ALICE), 0);
	ck_assert_int_eq(work_add(work_quick, ALICE), 0);
	AWAIT(pending(ALICE) == 0);
	ck_assert_int_eq(atomic_load(&notes->attempts), 4);
	ck_assert_int_eq(atomic_load(&notes->done), 2);
}
END_TEST

START_TEST(thread_has_no_signals_and_the_ordinary_policy)
{
	struct sched_param highest = { .sched_priority = 1 }, ordinary = { 0 };
	bool raised = sched_setscheduler(0, SCHED_RR, &highest) == 0;

	ck_assert_int_eq(work_add(work_curious, ALICE), 0);
	if (raised)
		ck_assert_int_eq(sched_setscheduler(0, SCHED_OTHER, &ordinary), 0);
	AWAIT(atomic_load(&notes->done) == 1);
	ck_assert_int_eq(atomic_load(&notes->policy), SCHED_OTHER);
	ck_assert_int_eq(atomic_load(&notes->signals), 0);
}
END_TEST

START_TEST(there_are_so_many_users_and_no_more)
{
	for (uid_t i = 0; i < QBI_RECLAIM_USERS; i++)
		ck_assert_int_eq(work_add(work_waiting, ALICE + i), 0);
	ck_assert_int_eq(work_add(work_waiting, ALICE + QBI_RECLAIM_USERS), -EUSERS);
	ck_assert_uint_eq(pending(ALICE + QBI_RECLAIM_USERS), 0);
	/* Of those it has there may be more. */
	ck_assert_int_eq(work_add(work_quick, ALICE), 0);
	waiting_end();
	AWAIT(atomic_load(&notes->done) == QBI_RECLAIM_USERS + 1);
	AWAIT(pending(ALICE) == 0);
	ck_assert_int_eq(work_add(work_quick, ALICE + QBI_RECLAIM_USERS), 0);
	AWAIT(pending(ALICE + QBI_RECLAIM_USERS) == 0);
}
END_TEST

/* -- Processes ---------------------------------------------------------------- */

/* The result of @run in a child, which leaves by exit(3) or _exit(2). */
static int in_child(int (*run)(void), void (*leave)(int))
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		leave(run());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int child_of_a_parent_with_work(void)
{
	if (pending(ALICE) != 0 || pending_n(ALICE) != 0)
		return 1;
#ifndef __SANITIZE_THREAD__ /* it has no threads in a child of a process with threads */
	if (work_add(work_quick, ALICE) != 0)
		return 2;
	AWAIT(pending(ALICE) == 0);
	if (atomic_load(&notes->done) != 1)
		return 3;
#endif
	return 0;
}

START_TEST(child_has_no_part_in_the_work_of_its_parent)
{
	ck_assert_int_eq(work_add(work_waiting, ALICE), 0);
	ck_assert_int_eq(work_add(work_waiting, ALICE), 0);
	/* A checker's locks, which a thread has while it starts, would stay locked in a child. */
	AWAIT(atomic_load(&notes->waiting) == 1);
	ck_assert_int_eq(in_child(child_of_a_parent_with_work, _exit), 0);
	ck_assert_uint_eq(pending(ALICE), 2);
	waiting_end();
	AWAIT(pending(ALICE) == 0);
	ck_assert_int_ge(atomic_load(&notes->done), 2);
}
END_TEST

/* The leak checker stops all threads at exit, and hangs if one of them ends meanwhile. */
#ifndef __SANITIZE_ADDRESS__
static int child_that_exits_with_work(void)
{
	return work_add(work_held_up_thrice, ALICE) == 0 ? 0 : 1;
}

static int child_that_exits_while_it_is_held_up(void)
{
	return work_add(work_waiting, BOB) == 0 ? 0 : 1;
}

START_TEST(exit_waits_for_the_work_but_for_nobody_who_holds_it_up)
{
	ck_assert_int_eq(in_child(child_that_exits_while_it_is_held_up, exit), 0);
	ck_assert_int_eq(atomic_load(&notes->done), 0);
	/* Three pauses of milliseconds; on a busy machine they may be too long. */
	for (int tries = 0; atomic_load(&notes->done) == 0; tries++) {
		ck_assert_int_lt(tries, 100);
		atomic_store(&notes->attempts, 0);
		ck_assert_int_eq(in_child(child_that_exits_with_work, exit), 0);
	}
}
END_TEST
#endif

static int child_without_threads(void)
{
	struct rlimit none = { 0, 0 };

	if (geteuid() == 0 && setuid(ALICE) != 0)
		return 1;
	if (setrlimit(RLIMIT_NPROC, &none) != 0)
		return 2;
	if (work_add(work_quick, BOB) != -EAGAIN)
		return 3;
	return pending(BOB) == 0 && atomic_load(&notes->done) == 0 ? 0 : 4;
}

START_TEST(without_a_thread_nothing_has_happened)
{
	ck_assert_int_eq(in_child(child_without_threads, _exit), 0);
}
END_TEST

/* -- The quota ---------------------------------------------------------------- */

static struct qbi_limits limits;

/* One connection of @uid, begun and ended: 0, or why it is refused. */
static enum qbi_refusal admitted(uid_t uid)
{
	struct qbi_limits_verdict verdict = { .error = 0 };
	struct qbi_limits_entry entry;
	int r;

	qbi_limits_entry_init(&entry);
	ck_assert_int_eq(qbi_limits_begin(&limits, &entry, uid), 0);
	r = qbi_limits_admit(&limits, &entry, STDIN_FILENO, 8192, &verdict);
	ck_assert_int_eq(r, verdict.error);
	qbi_limits_end(&limits, &entry);
	return r == 0 ? QBI_REFUSALS : verdict.why;
}

START_TEST(what_is_pending_counts_in_the_quota_of_its_user)
{
	struct qbipc_service_limits at = { .connections_per_uid = 2 };

	qbi_limits_init(&limits);
	ck_assert_int_eq(qbi_limits_set(&limits, &at), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(admitted(ALICE), QBI_REFUSALS);
		ck_assert_int_eq(work_add(work_waiting, ALICE), 0);
	}
	AWAIT(admitted(ALICE) == QBI_REFUSED_CONNECTIONS_PER_UID);
	ck_assert_uint_eq(admitted(BOB), QBI_REFUSALS);
	ck_assert_uint_eq(admitted(geteuid()), QBI_REFUSALS);
	/* The memory counts to the byte. */
	at = (struct qbipc_service_limits){ .memory_per_uid = 3 * (8192 + (72 << 10)) + 1999 };
	ck_assert_int_eq(qbi_limits_set(&limits, &at), 0);
	ck_assert_uint_eq(admitted(ALICE), QBI_REFUSED_MEMORY);
	at.memory_per_uid++;
	ck_assert_int_eq(qbi_limits_set(&limits, &at), 0);
	ck_assert_uint_eq(admitted(ALICE), QBI_REFUSALS);
	ck_assert_int_eq(work_add(work_waiting, ALICE), 0);
	AWAIT(admitted(ALICE) == QBI_REFUSED_MEMORY);
	waiting_end();
	AWAIT(pending(ALICE) == 0);
	ck_assert_uint_eq(admitted(ALICE), QBI_REFUSALS);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("reclaim");
	TCase *tc = tcase_create("reclaim");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 4 * deadline_ms() / 1000);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, work_is_done_and_pending_no_more);
	tcase_add_test(tc, who_holds_it_up_is_charged_and_nobody_else_waits);
	tcase_add_test(tc, work_added_just_now_does_not_count);
	tcase_add_test(tc, work_that_is_held_up_is_tried_again);
	tcase_add_test(tc, thread_has_no_signals_and_the_ordinary_policy);
	tcase_add_test(tc, there_are_so_many_users_and_no_more);
	tcase_add_test(tc, child_has_no_part_in_the_work_of_its_parent);
#ifndef __SANITIZE_ADDRESS__
	tcase_add_test(tc, exit_waits_for_the_work_but_for_nobody_who_holds_it_up);
#endif
	tcase_add_test(tc, without_a_thread_nothing_has_happened);
	tcase_add_test(tc, what_is_pending_counts_in_the_quota_of_its_user);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
