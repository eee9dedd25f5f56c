/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Turns of threads that may vanish (base/turn.h). */
#include "config.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/turn.h"
#include "base/util.h"
#include "tests/lib/deadline.h"
#include "tests/lib/variant.h"

static struct qbi_turn turn;
static sigjmp_buf out;

static void on_signal(int number)
{
	siglongjmp(out, number);
}

static uint64_t soon(void)
{
	return qbi_deadline_from_ms(deadline_ms());
}

static bool is_cancellable(void)
{
	int state;

	(void)pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
	(void)pthread_setcancelstate(state, NULL);
	return state == PTHREAD_CANCEL_ENABLE;
}

/* Leaves by siglongjmp, with its turn. */
static void turn_left(bool watching)
{
	signal(SIGUSR1, on_signal);
	if (sigsetjmp(out, 1) == 0) {
		ck_assert_int_eq(qbi_turn_take(&turn, 0), 0);
		qbi_turn_watch(&turn, watching);
		raise(SIGUSR1);
	}
}

START_TEST(who_has_a_turn_is_not_cancelled_and_may_be_afterwards)
{
	ck_assert_int_eq(qbi_turn_take(&turn, 0), 0);
	ck_assert(!is_cancellable());
	qbi_turn_rest(&turn);
	ck_assert(is_cancellable());
	ck_assert_int_eq(qbi_turn_resume(&turn), 0);
	ck_assert(!is_cancellable());
	qbi_turn_release(&turn);
	ck_assert(is_cancellable());
}
END_TEST

START_TEST(who_left_in_the_middle_leaves_the_part_broken)
{
	turn_left(false);
	ck_assert_int_eq(qbi_turn_take(&turn, soon()), QBI_GONE);
	ck_assert_int_eq(turn.broken, QBI_TURN_LEFT);
	ck_assert(is_cancellable());
	ck_assert_int_eq(qbi_turn_take(&turn, soon()), QBI_GONE);
}
END_TEST

START_TEST(who_left_while_watching_leaves_it_whole)
{
	turn_left(true);
	ck_assert_int_eq(qbi_turn_take(&turn, soon()), 0);
	qbi_turn_release(&turn);
	ck_assert(is_cancellable());
}
END_TEST

static void *takes_at_once(void *result)
{
	*(int *)result = qbi_turn_take(&turn, 0);
	return result;
}

START_TEST(turn_of_another_thread_is_busy)
{
	pthread_t thread;
	int result = 0;

	ck_assert_int_eq(qbi_turn_take(&turn, 0), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, takes_at_once, &result), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(result, QBI_BUSY);
	qbi_turn_release(&turn);
}
END_TEST

static int in_child(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(qbi_turn_take(&turn, soon()) << 4 | turn.broken);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

START_TEST(a_child_has_what_nobody_was_changing)
{
	ck_assert_int_eq(qbi_turn_take(&turn, 0), 0);
	ck_assert_int_eq(in_child(), QBI_GONE << 4 | QBI_TURN_COPIED);
	qbi_turn_watch(&turn, true);
	ck_assert_int_eq(in_child(), 0);
	qbi_turn_rest(&turn);
	ck_assert_int_eq(in_child(), 0);
	ck_assert_int_eq(turn.broken, QBI_TURN_WHOLE);
}
END_TEST

static void *polls_for_ever(void *fd)
{
	struct pollfd p = { .fd = *(int *)fd, .events = POLLIN };

	if (qbi_turn_take(&turn, soon()) == 0)
		(void)qbi_turn_poll(&turn, &p, 1, -1);
	return NULL;
}

START_TEST(who_polls_rests_and_may_be_cancelled)
{
	pthread_t thread;
	void *result;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, polls_for_ever, &fds[0]), 0);
	ck_assert_int_eq(qbi_turn_take(&turn, soon()), 0);
	qbi_turn_release(&turn);
	pthread_cancel(thread);
	pthread_join(thread, &result);
	ck_assert_ptr_eq(result, PTHREAD_CANCELED);
	ck_assert_int_eq(qbi_turn_take(&turn, soon()), 0);
	qbi_turn_release(&turn);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("turn");
	TCase *tc = tcase_new(s, "turn");

	tcase_add_test(tc, who_has_a_turn_is_not_cancelled_and_may_be_afterwards);
	tcase_add_test(tc, turn_of_another_thread_is_busy);
	tcase_add_test(tc, who_left_in_the_middle_leaves_the_part_broken);
	tcase_add_test(tc, who_left_while_watching_leaves_it_whole);
	tcase_add_test(tc, a_child_has_what_nobody_was_changing);
	tcase_add_test(tc, who_polls_rests_and_may_be_cancelled);
	return suite_main(s);
}
