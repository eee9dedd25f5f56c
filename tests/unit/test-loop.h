/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For the tests of the loop: one loop per test, made and destroyed by the fixture,
 * which also counts what the process holds, and a run that cannot hang.
 */
#ifndef TEST_LOOP_H
#define TEST_LOOP_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <check.h>
#include <qb/qbdefs.h>
#include <qb/qbloop.h>

#include "base/clock.h"
#include "tests/lib/census.h"
#include "tests/lib/deadline.h"

#define MS QBI_NS_PER_MS

static qb_loop_t *loop;

static inline void *do_nothing(void *data)
{
	return NULL;
}

static inline void loop_setup(void)
{
	pthread_t thread;

	/* ThreadSanitizer adds a thread of its own to the first; let it be counted. */
	ck_assert_int_eq(pthread_create(&thread, NULL, do_nothing, NULL), 0);
	pthread_join(thread, NULL);
	census_setup();
	loop = qb_loop_create();
	ck_assert_ptr_nonnull(loop);
}

static inline void loop_teardown(void)
{
	qb_loop_destroy(loop);
	census_teardown();
}

static inline void fail_late(void *data)
{
	ck_abort_msg("the loop was not stopped in time");
}

static inline void stop_loop(void *data)
{
	qb_loop_stop(loop);
}

/* Until something calls qb_loop_stop(), or the test fails. */
static inline void run(void)
{
	qb_loop_timer_handle guard;

	ck_assert_int_eq(qb_loop_timer_add(loop, QB_LOOP_HIGH, (uint64_t)deadline_ms() * MS,
					   NULL, fail_late, &guard),
			 0);
	qb_loop_run(loop);
	ck_assert_int_eq(qb_loop_timer_del(loop, guard), 0);
}

static inline void run_for(unsigned int ms)
{
	ck_assert_int_eq(qb_loop_timer_add(loop, QB_LOOP_LOW, ms * MS, NULL, stop_loop, NULL),
			 0);
	run();
}

/*
 * Let everything run that is ready now, at all levels: a LOW job queued behind a LOW
 * job has its turn after what is ready, in at most three cycles.
 */
static inline void settle_again(void *data)
{
	int *left = data;

	if (--*left == 0)
		qb_loop_stop(loop);
	else
		ck_assert_int_eq(qb_loop_job_add(loop, QB_LOOP_LOW, left, settle_again), 0);
}

static inline void settle(void)
{
	int left = 2;

	ck_assert_int_eq(qb_loop_job_add(loop, QB_LOOP_LOW, &left, settle_again), 0);
	run();
}

struct awaited {
	const int *counter;
	int wanted;
};

static inline void awaited_look(void *data)
{
	const struct awaited *a = data;

	if (*a->counter >= a->wanted)
		qb_loop_stop(loop);
	else
		ck_assert_int_eq(
			qb_loop_timer_add(loop, QB_LOOP_LOW, MS, data, awaited_look, NULL), 0);
}

static inline void run_until_at_least(const int *counter, int wanted)
{
	struct awaited a = { counter, wanted };

	ck_assert_int_eq(qb_loop_timer_add(loop, QB_LOOP_LOW, 0, &a, awaited_look, NULL), 0);
	run();
}

/* Until *@counter is what is @wanted, and a little longer: it must not be more. */
static inline void run_until(const int *counter, int wanted)
{
	run_until_at_least(counter, wanted);
	settle();
	ck_assert_int_eq(*counter, wanted);
}

/* A pipe; with something to read when @full. */
static inline void make_pipe(int fds[2], bool full)
{
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	if (full)
		ck_assert_int_eq(write(fds[1], "x", 1), 1);
}

static inline void close_pipe(const int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

static inline void never_called(void *data)
{
	ck_abort_msg("called after all");
}

static inline int32_t never_called_fd(int32_t fd, int32_t revents, void *data)
{
	ck_abort_msg("called after all");
}

static inline int32_t never_called_signal(int32_t sig, void *data)
{
	ck_abort_msg("called after all");
}

static inline void count_call(void *data)
{
	++*(int *)data;
}

static inline TCase *add_case(Suite *s, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 3 * deadline_ms() / 1000);
	tcase_add_checked_fixture(tc, loop_setup, loop_teardown);
	suite_add_tcase(s, tc);
	return tc;
}

static inline int run_suite(Suite *s)
{
	SRunner *sr = srunner_create(s);
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
