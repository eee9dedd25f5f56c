/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The common part of the poll adapters over a library that fails when it is told to. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <check.h>
#include <qbipc/poll.h>

#include "tests/lib/variant.h"

/* What the library was asked to do, and what it answers. */
static struct {
	int starts, updates, stops, arms;
	int start_result, update_result, arm_result;
	unsigned int last_ms;
	int last_events;
	struct qbipc_poll_watch *last_watch;
	struct qbipc_poll_jobs *last_jobs;
} lib;

static struct qbipc_poll *loop;
static int fds[2];

static int fake_start(struct qbipc_poll_watch *w)
{
	lib.starts++;
	lib.last_watch = w;
	lib.last_events = w->events;
	return lib.start_result;
}

static int fake_update(struct qbipc_poll_watch *w)
{
	lib.updates++;
	lib.last_events = w->events;
	return lib.update_result;
}

static void fake_stop(struct qbipc_poll_watch *w)
{
	lib.stops++;
}

static int fake_arm(struct qbipc_poll_jobs *j, unsigned int ms)
{
	lib.arms++;
	lib.last_jobs = j;
	lib.last_ms = ms;
	return lib.arm_result;
}

static void fake_jobs_stop(struct qbipc_poll_jobs *j)
{
}

static const struct qbipc_poll_ops fake_ops = {
	.size = sizeof(fake_ops),
	.in_out_only = true,
	.watch_size = sizeof(struct qbipc_poll_watch),
	.watch_start = fake_start,
	.watch_update = fake_update,
	.watch_stop = fake_stop,
	.jobs_size = sizeof(struct qbipc_poll_jobs),
	.jobs_arm = fake_arm,
	.jobs_stop = fake_jobs_stop,
};

static int32_t nothing(int32_t fd, int32_t revents, void *data)
{
	return 0;
}

static void setup(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ck_assert_int_eq(qbipc_poll_new(&fake_ops, &lib, &loop), 0);
}

/* Each start that did not fail has its stop. */
static void teardown(void)
{
	qbipc_poll_free(loop);
	ck_assert_int_eq(lib.starts, lib.stops);
	close(fds[0]);
	close(fds[1]);
}

static int32_t add(int32_t events)
{
	return qbipc_poll_add(loop, QB_LOOP_MED, fds[0], events, NULL, nothing);
}

static int32_t mod(enum qb_loop_priority p, int32_t events)
{
	return qbipc_poll_mod(loop, p, fds[0], events, NULL, nothing);
}

START_TEST(what_the_library_refuses_is_not_there)
{
	lib.start_result = -ENOSPC;
	ck_assert_int_eq(add(POLLIN), -ENOSPC);
	ck_assert_int_eq(qbipc_poll_del(loop, fds[0]), -EBADF);
	ck_assert_int_eq(lib.stops, 0);
	lib.starts = 0;
	lib.start_result = 0;
	ck_assert_int_eq(add(POLLIN), 0);
}
END_TEST

START_TEST(no_change_is_not_passed_on)
{
	ck_assert_int_eq(add(POLLIN), 0);
	ck_assert_int_eq(mod(QB_LOOP_MED, POLLIN), 0);
	ck_assert_int_eq(lib.updates, 0);
	ck_assert_int_eq(mod(QB_LOOP_HIGH, POLLIN), 0);
	ck_assert_int_eq(mod(QB_LOOP_HIGH, POLLIN | POLLOUT), 0);
	ck_assert_int_eq(lib.updates, 2);
}
END_TEST

/* ... and is tried again by the same mod. */
START_TEST(a_change_that_the_library_refuses_has_not_happened)
{
	ck_assert_int_eq(add(POLLIN), 0);
	lib.update_result = -ENOMEM;
	ck_assert_int_eq(mod(QB_LOOP_HIGH, POLLOUT), -ENOMEM);
	ck_assert_int_eq(lib.last_watch->events, POLLIN);
	ck_assert_int_eq(lib.last_watch->priority, QB_LOOP_MED);
	lib.update_result = 0;
	ck_assert_int_eq(mod(QB_LOOP_HIGH, POLLOUT), 0);
	ck_assert_int_eq(lib.updates, 2);
	ck_assert_int_eq(lib.last_events, POLLOUT);
}
END_TEST

/* The library watches the one epoll for all of them, and only while there are some. */
START_TEST(hang_ups_take_one_descriptor_of_the_library)
{
	ck_assert_int_eq(add(POLLHUP), 0);
	ck_assert_int_eq(lib.starts, 1);
	ck_assert_int_eq(lib.last_events, POLLIN);
	ck_assert_int_eq(qbipc_poll_add(loop, QB_LOOP_LOW, fds[1], 0, NULL, nothing), 0);
	ck_assert_int_eq(lib.starts, 1);
	ck_assert_int_eq(qbipc_poll_del(loop, fds[1]), 0);
	ck_assert_int_eq(lib.stops, 0);
	ck_assert_int_eq(mod(QB_LOOP_MED, POLLIN), 0);
	ck_assert_int_eq(lib.starts, 2);
	ck_assert_int_eq(lib.stops, 1);
}
END_TEST

START_TEST(hang_ups_that_the_library_refuses_leave_nothing)
{
	lib.start_result = -ENOMEM;
	ck_assert_int_eq(add(POLLHUP), -ENOMEM);
	lib.starts = 0;
	lib.start_result = 0;
	/* The epoll does not know it any more either: EEXIST otherwise. */
	ck_assert_int_eq(add(POLLHUP), 0);
	ck_assert_int_eq(lib.starts, 1);
}
END_TEST

START_TEST(input_that_the_library_refuses_to_watch_again_can_be_asked_for_again)
{
	ck_assert_int_eq(add(POLLHUP), 0);
	lib.start_result = -ENOMEM;
	ck_assert_int_eq(mod(QB_LOOP_MED, POLLIN), -ENOMEM);
	lib.start_result = 0;
	ck_assert_int_eq(mod(QB_LOOP_MED, POLLIN), 0);
	ck_assert_int_eq(lib.last_events, POLLIN);
	lib.starts--; /* the one that failed */
	ck_assert_int_eq(lib.starts, 2);
	ck_assert_int_eq(qbipc_poll_del(loop, fds[0]), 0);
}
END_TEST

START_TEST(a_watch_that_fell_out_can_be_removed)
{
	ck_assert_int_eq(add(POLLHUP), 0);
	lib.start_result = -ENOMEM;
	ck_assert_int_eq(mod(QB_LOOP_MED, POLLIN), -ENOMEM);
	lib.starts--;
	ck_assert_int_eq(qbipc_poll_del(loop, fds[0]), 0);
}
END_TEST

static int32_t last_revents;

static int32_t note(int32_t fd, int32_t revents, void *data)
{
	ck_assert_int_eq(last_revents, 0);
	last_revents = revents;
	return 0;
}

START_TEST(a_report_of_what_is_no_longer_watched_is_no_news)
{
	struct qbipc_poll_watch *w;

	ck_assert_int_eq(qbipc_poll_add(loop, QB_LOOP_MED, fds[0], POLLOUT, NULL, note), 0);
	w = lib.last_watch;
	qbipc_poll_ready(w, POLLOUT | POLLIN);
	ck_assert_int_eq(last_revents, POLLOUT);
	ck_assert_int_eq(qbipc_poll_mod(loop, QB_LOOP_MED, fds[0], POLLIN, NULL, note), 0);
	qbipc_poll_ready(w, POLLOUT);
	ck_assert_int_eq(last_revents, POLLOUT);
	last_revents = 0;
	qbipc_poll_ready(w, POLLOUT | POLLHUP | POLLERR | POLLNVAL);
	ck_assert_int_eq(last_revents, POLLHUP | POLLERR | POLLNVAL);
}
END_TEST

static int jobs_run;

static void job(void *data)
{
	jobs_run++;
}

START_TEST(a_job_without_a_timer_is_refused)
{
	lib.arm_result = -EMFILE;
	ck_assert_int_eq(qbipc_poll_job(loop, QB_LOOP_LOW, NULL, job), -ENOMEM);
	lib.arm_result = 0;
	ck_assert_int_eq(qbipc_poll_job(loop, QB_LOOP_LOW, NULL, job), 0);
	qbipc_poll_jobs_run(lib.last_jobs);
	ck_assert_int_eq(jobs_run, 1);
}
END_TEST

static void job_again(void *data)
{
	ck_assert_int_eq(qbipc_poll_job(loop, QB_LOOP_LOW, NULL, job_again), 0);
	jobs_run++;
}

START_TEST(a_job_that_comes_again_waits_for_the_pause)
{
	ck_assert_int_eq(qbipc_poll_job(loop, QB_LOOP_LOW, NULL, job_again), 0);
	ck_assert_uint_eq(lib.last_ms, 0);
	qbipc_poll_jobs_run(lib.last_jobs);
	ck_assert_int_eq(jobs_run, 1);
	ck_assert_int_eq(lib.arms, 2);
	ck_assert_uint_eq(lib.last_ms, QBIPC_POLL_JOB_PAUSE);
	/* Another one does not wait with it. */
	ck_assert_int_eq(qbipc_poll_job(loop, QB_LOOP_LOW, NULL, job), 0);
	ck_assert_uint_eq(lib.last_ms, 0);
}
END_TEST

START_TEST(without_a_descriptor_there_is_no_loop_and_nothing_to_end)
{
	struct rlimit limit, none = { 0 };
	struct qbipc_poll *other;
	int r;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none.rlim_max = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	r = qbipc_poll_new(&fake_ops, &lib, &other);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(r, -EMFILE);
	ck_assert_ptr_null(other);
}
END_TEST

static int refused(struct qbipc_poll_ops ops)
{
	struct qbipc_poll *other = loop;
	int r = qbipc_poll_new(&ops, &lib, &other);

	ck_assert_ptr_null(other);
	return r;
}

START_TEST(adapters_that_make_no_sense_are_refused)
{
	struct {
		struct qbipc_poll_ops known;
		void *later;
	} newer = { .known = fake_ops };
	struct qbipc_poll_ops ops = fake_ops;
	struct qbipc_poll *other;

	ck_assert_int_eq(qbipc_poll_new(NULL, &lib, &other), -EINVAL);
	ck_assert_int_eq(qbipc_poll_new(&ops, NULL, &other), -EINVAL);
	ck_assert_int_eq(qbipc_poll_new(&ops, &lib, NULL), -EINVAL);
	ops.size = 8;
	ck_assert_int_eq(refused(ops), -EINVAL);
	ops = fake_ops;
	ops.watch_size = sizeof(struct qbipc_poll_watch) - 1;
	ck_assert_int_eq(refused(ops), -EINVAL);
	ops = fake_ops;
	ops.jobs_stop = NULL;
	ck_assert_int_eq(refused(ops), -EINVAL);
	newer.known.size = sizeof(newer);
	newer.later = &newer;
	ck_assert_int_eq(qbipc_poll_new(&newer.known, &lib, &other), -E2BIG);
	newer.later = NULL;
	ck_assert_int_eq(qbipc_poll_new(&newer.known, &lib, &other), 0);
	qbipc_poll_free(other);
	qbipc_poll_free(NULL);
	ck_assert_int_eq(qbipc_poll_attach(NULL, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_poll_attach(loop, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_poll_mod(NULL, QB_LOOP_MED, 0, 0, NULL, nothing), -EBADF);
	ck_assert_int_eq(qbipc_poll_job(NULL, QB_LOOP_MED, NULL, free), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("poll adapters, the common part");
	TCase *tc = tcase_new(s, "parts");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_the_library_refuses_is_not_there);
	tcase_add_test(tc, no_change_is_not_passed_on);
	tcase_add_test(tc, a_change_that_the_library_refuses_has_not_happened);
	tcase_add_test(tc, hang_ups_take_one_descriptor_of_the_library);
	tcase_add_test(tc, hang_ups_that_the_library_refuses_leave_nothing);
	tcase_add_test(tc,
		       input_that_the_library_refuses_to_watch_again_can_be_asked_for_again);
	tcase_add_test(tc, a_watch_that_fell_out_can_be_removed);
	tcase_add_test(tc, a_report_of_what_is_no_longer_watched_is_no_news);
	tcase_add_test(tc, a_job_without_a_timer_is_refused);
	tcase_add_test(tc, a_job_that_comes_again_waits_for_the_pause);
	tcase_add_test(tc, without_a_descriptor_there_is_no_loop_and_nothing_to_end);
	tcase_add_test(tc, adapters_that_make_no_sense_are_refused);
	return suite_main(s);
}
