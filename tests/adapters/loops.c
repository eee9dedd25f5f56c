/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several loops, and the end of one. */
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <qbipc/poll/handlers.h>

#include "tests/adapters/loop.h"

enum { THREADS = 4, TURNS = 200 };

struct task {
	void *loop;
	int fds[2];
	int calls;
	bool end_inside;	/* the first call ends the adapter */
};

static int32_t task_ready(int32_t fd, int32_t revents, void *data)
{
	struct task *t = data;

	t->calls++;
	if (t->end_inside) {
		test_loop.stop(t->loop);
		test_loop.end(t->loop);
	} else if (t->calls == TURNS) {
		test_loop.stop(t->loop);
	}
	return 0;
}

static void task_open(struct task *t, int32_t events)
{
	struct qb_ipcs_poll_handlers *poll_of;

	t->loop = test_loop.open();
	t->calls = 0;
	poll_of = test_loop.handlers(t->loop);
	REQUIRE(poll_of);
	REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, t->fds));
	REQUIRE(poll_of->dispatch_add(QB_LOOP_MED, t->fds[0], events, t, task_ready) == 0);
	REQUIRE(send(t->fds[1], "x", 1, 0) == 1);
}

static void task_close(struct task *t)
{
	test_loop.close(t->loop);
	close(t->fds[0]);
	close(t->fds[1]);
}

START_TEST(handlers_are_the_same_each_time)
{
	void *loop = test_loop.open();

	ck_assert_ptr_nonnull(test_loop.handlers(loop));
	ck_assert_ptr_eq(test_loop.handlers(loop), test_loop.handlers(loop));
	test_loop.close(loop);
}
END_TEST

START_TEST(as_many_loops_as_promised_have_handlers_and_no_more)
{
	void *loops[QBIPC_POLL_LOOPS + 1];

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i <= QBIPC_POLL_LOOPS; i++)
			loops[i] = test_loop.open();
		for (int i = 0; i < QBIPC_POLL_LOOPS; i++)
			ck_assert_ptr_nonnull(test_loop.handlers(loops[i]));
		errno = 0;
		ck_assert_ptr_null(test_loop.handlers(loops[QBIPC_POLL_LOOPS]));
		ck_assert_int_eq(errno, ENOSPC);
		/* One that ends leaves its set to the next. */
		test_loop.close(loops[3]);
		ck_assert_ptr_nonnull(test_loop.handlers(loops[QBIPC_POLL_LOOPS]));
		for (int i = 0; i <= QBIPC_POLL_LOOPS; i++)
			if (i != 3)
				test_loop.close(loops[i]);
	}
}
END_TEST

/* Each has its own descriptors, also under the same number. */
START_TEST(loops_do_not_know_each_others_descriptors)
{
	struct task a = { 0 }, b = { 0 };

	task_open(&a, POLLIN);
	task_open(&b, POLLIN);
	ck_assert_int_eq(test_loop.handlers(b.loop)->dispatch_del(a.fds[0]), -EBADF);
	ck_assert_int_eq(test_loop.handlers(a.loop)->dispatch_del(b.fds[0]), -EBADF);
	test_loop.run(a.loop);
	ck_assert_int_eq(a.calls, TURNS);
	ck_assert_int_eq(b.calls, 0);
	test_loop.run(b.loop);
	ck_assert_int_eq(a.calls, TURNS);
	ck_assert_int_eq(b.calls, TURNS);
	task_close(&a);
	task_close(&b);
}
END_TEST

static void *task_run(void *arg)
{
	struct task *t = arg;

	for (int i = 0; i < 10; i++) {
		task_open(t, POLLIN);
		test_loop.run(t->loop);
		REQUIRE(t->calls == TURNS);
		task_close(t);
	}
	return NULL;
}

START_TEST(loops_of_several_threads_run_at_the_same_time)
{
	struct task tasks[THREADS] = { 0 };
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, task_run, &tasks[i]), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}
END_TEST

START_TEST(what_is_left_in_the_loop_is_dropped_at_its_end)
{
	struct task a = { 0 };

	task_open(&a, POLLIN);
	task_close(&a);
	task_open(&a, POLLPRI | POLLHUP);
	task_close(&a);
	ck_assert_int_eq(a.calls, 0);
}
END_TEST

static void check_ended_inside(int32_t events)
{
	struct task a = { .end_inside = true };

	task_open(&a, events);
	if (!(events & POLLIN))
		shutdown(a.fds[1], SHUT_RDWR);
	test_loop.run(a.loop);
	ck_assert_int_eq(a.calls, 1);
	task_close(&a);
}

START_TEST(a_callback_may_end_the_adapter)
{
	check_ended_inside(POLLIN);
	check_ended_inside(POLLPRI | POLLHUP);
}
END_TEST

START_TEST(handlers_of_an_ended_adapter_refuse)
{
	struct qb_ipcs_poll_handlers old;
	struct task a = { 0 };

	task_open(&a, POLLIN);
	old = *test_loop.handlers(a.loop);
	test_loop.end(a.loop);
	test_loop.end(a.loop);
	ck_assert_int_eq(old.dispatch_del(a.fds[0]), -EBADF);
	ck_assert_int_eq(old.dispatch_mod(QB_LOOP_MED, a.fds[0], POLLIN, &a, task_ready),
			 -EBADF);
	ck_assert_int_eq(old.dispatch_add(QB_LOOP_MED, a.fds[0], POLLIN, &a, task_ready),
			 -EINVAL);
	ck_assert_int_eq(old.job_add(QB_LOOP_MED, NULL, free), -EINVAL);
	task_close(&a);
}
END_TEST

void add_loop_tests(Suite *s)
{
	TCase *tc = tcase_loop(s, "loops");

	tcase_add_test(tc, handlers_are_the_same_each_time);
	tcase_add_test(tc, as_many_loops_as_promised_have_handlers_and_no_more);
	tcase_add_test(tc, loops_do_not_know_each_others_descriptors);
	tcase_add_test(tc, loops_of_several_threads_run_at_the_same_time);
	tcase_add_test(tc, what_is_left_in_the_loop_is_dropped_at_its_end);
	tcase_add_test(tc, a_callback_may_end_the_adapter);
	tcase_add_test(tc, handlers_of_an_ended_adapter_refuse);
}
