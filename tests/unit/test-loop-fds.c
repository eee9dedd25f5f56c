/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors: numbers that are used again, other threads, running out of them. */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/unit/test-loop-poll.h"

/* -- Numbers that are used again ------------------------------------------------- */

static int replace_other(struct meddler *m)
{
	int fds[2];

	ck_assert_int_eq(qb_loop_poll_del(loop, m->other), 0);
	close(m->other);
	make_pair(fds); /* with nothing to read */
	if (fds[0] != m->other) {
		ck_assert_int_eq(dup3(fds[0], m->other, O_CLOEXEC), m->other);
		close(fds[0]);
	}
	m->instead->fd = fds[1];
	return qb_loop_poll_add(loop, QB_LOOP_LOW, m->other, POLLIN, m->instead, note);
}

START_TEST(an_event_does_not_reach_the_next_owner_of_the_number)
{
	int fds[2];
	struct seen s = { 0 };
	struct meddler m = { .meddle = replace_other, .instead = &s };

	make_pipe(fds, true);
	m.other = fds[0];
	qb_loop_poll_add(loop, QB_LOOP_LOW, fds[0], POLLIN, NULL, never_called_fd);
	run_meddler(&m);
	ck_assert_int_eq(s.calls, 0);
	ck_assert_int_eq(write(s.fd, "x", 1), 1);
	close(s.fd);
	settle();
	ck_assert_int_ge(s.calls, 1);
	ck_assert_int_eq(qb_loop_poll_del(loop, fds[0]), 0);
	close_pipe(fds);
}
END_TEST

static int32_t replace_itself(int32_t fd, int32_t revents, void *data)
{
	struct meddler m = { .other = fd, .instead = data };

	ck_assert_int_eq(replace_other(&m), 0);
	return -1;
}

START_TEST(an_answer_does_not_remove_the_next_owner_of_the_number)
{
	int fds[2];
	struct seen s = { 0 };

	make_pipe(fds, true);
	qb_loop_poll_add(loop, QB_LOOP_LOW, fds[0], POLLIN, &s, replace_itself);
	settle();
	ck_assert_int_eq(s.calls, 0);
	ck_assert_int_eq(write(s.fd, "x", 1), 1);
	close(s.fd);
	settle();
	ck_assert_int_ge(s.calls, 1);
	ck_assert_int_eq(qb_loop_poll_del(loop, fds[0]), 0);
	close_pipe(fds);
}
END_TEST

START_TEST(a_number_closed_without_removal_can_be_added_again)
{
	int old[2], fresh[2];
	struct seen s = { 0 };

	make_pipe(old, true);
	qb_loop_poll_add(loop, QB_LOOP_LOW, old[0], POLLIN, NULL, never_called_fd);
	close_pipe(old);
	make_pipe(fresh, true);
	ck_assert_int_eq(fresh[0], old[0]);
	ck_assert_int_eq(
		qb_loop_poll_mod(loop, QB_LOOP_LOW, fresh[0], POLLOUT, NULL, never_called_fd),
		-EBADF);
	ck_assert_int_eq(qb_loop_poll_add(loop, QB_LOOP_LOW, fresh[0], POLLIN, &s, note), 0);
	settle();
	ck_assert_int_ge(s.calls, 1);
	ck_assert_int_eq(qb_loop_poll_del(loop, fresh[0]), 0);
	close_pipe(fresh);
}
END_TEST

START_TEST(a_file_that_outlives_its_number_is_never_reported)
{
	int old[2], fresh[2], copy;
	struct seen s = { 0 }, other = { 0 };

	make_pipe(fresh, true);
	qb_loop_poll_add(loop, QB_LOOP_LOW, fresh[0], POLLIN, &other, note);
	make_pipe(old, true);
	copy = fcntl(old[0], F_DUPFD_CLOEXEC, 0);
	qb_loop_poll_add(loop, QB_LOOP_LOW, old[0], POLLIN, NULL, never_called_fd);
	ck_assert_int_eq(dup3(fresh[1], old[0], O_CLOEXEC), old[0]);
	/* The kernel reports the old file under the number of the new one. */
	ck_assert_int_eq(qb_loop_poll_add(loop, QB_LOOP_LOW, old[0], POLLIN, &s, note), 0);
	settle();
	settle();
	ck_assert_int_eq(s.calls, 0);
	ck_assert_int_eq(other.ever, POLLIN);
	qb_loop_poll_mod(loop, QB_LOOP_LOW, old[0], POLLOUT, &s, note);
	settle();
	ck_assert_int_eq(s.ever, POLLOUT);
	s.calls = other.calls = 0;
	settle();
	ck_assert_int_ge(s.calls, 1);
	ck_assert_int_ge(other.calls, 1);
	close(copy);
	close_pipe(old);
	close_pipe(fresh);
}
END_TEST

START_TEST(a_number_that_gets_its_old_file_back_can_be_added_again)
{
	int fds[2], other[2], copy;
	struct seen s = { 0 };

	make_pipe(fds, false);
	make_pipe(other, false);
	copy = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
	qb_loop_poll_add(loop, QB_LOOP_LOW, fds[0], POLLIN, NULL, never_called_fd);
	ck_assert_int_eq(dup3(other[0], fds[0], O_CLOEXEC), fds[0]);
	ck_assert_int_eq(qb_loop_poll_del(loop, fds[0]), 0);
	ck_assert_int_eq(dup3(copy, fds[0], O_CLOEXEC), fds[0]);
	ck_assert_int_eq(qb_loop_poll_add(loop, QB_LOOP_LOW, fds[0], POLLIN, &s, note), 0);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	settle();
	ck_assert_int_ge(s.calls, 1);
	close(copy);
	close_pipe(other);
	close_pipe(fds);
}
END_TEST

/* -- Threads --------------------------------------------------------------------- */

static int32_t stop_and_leave(int32_t fd, int32_t revents, void *data)
{
	qb_loop_stop(loop);
	return -1;
}

struct registrar {
	pthread_t thread;
	atomic_bool running;
	int fd;
	bool modify;
};

static void *registrar_main(void *data)
{
	struct registrar *r = data;

	while (!atomic_load(&r->running))
		;
	for (int i = 0; i < 3; i++)
		pause_briefly();
	if (r->modify)
		qb_loop_poll_mod(loop, QB_LOOP_LOW, r->fd, POLLOUT, NULL, stop_and_leave);
	else
		qb_loop_poll_add(loop, QB_LOOP_LOW, r->fd, POLLOUT, NULL, stop_and_leave);
	return NULL;
}

static void set_running(void *data)
{
	atomic_store((atomic_bool *)data, true);
}

START_TEST(another_thread_can_add_and_change_descriptors_of_a_sleeping_loop)
{
	int fds[2];

	make_pair(fds);
	for (int i = 0; i < 20; i++) {
		struct registrar r = { .fd = fds[0], .modify = i % 2 };

		if (r.modify)
			qb_loop_poll_add(loop, QB_LOOP_LOW, fds[0], POLLIN, NULL,
					 never_called_fd);
		pthread_create(&r.thread, NULL, registrar_main, &r);
		qb_loop_job_add(loop, QB_LOOP_MED, &r.running, set_running);
		run();
		pthread_join(r.thread, NULL);
	}
	close_pipe(fds);
}
END_TEST

/* -- Running out ----------------------------------------------------------------- */

static struct {
	int calls;
	int32_t not_enough;
	int32_t available;
} told;

static void note_low(int32_t not_enough, int32_t available)
{
	told.calls++;
	told.not_enough = not_enough;
	told.available = available;
}

enum { LIMIT = 120 };

static void limit_fds(struct rlimit *before)
{
	struct rlimit limit;

	memset(&told, 0, sizeof(told));
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, before), 0);
	limit = *before;
	limit.rlim_cur = LIMIT;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Watches as many copies of @fd as there can be. Returns how many. */
static int watch_until_full(int fd, int *copies)
{
	int n = 0;

	while ((copies[n] = fcntl(fd, F_DUPFD_CLOEXEC, 0)) >= 0) {
		ck_assert_int_eq(qb_loop_poll_add(loop, QB_LOOP_LOW, copies[n], POLLIN, NULL,
						  never_called_fd),
				 0);
		n++;
	}
	ck_assert_int_eq(errno, EMFILE);
	return n;
}

static void unwatch(const int *copies, int n)
{
	for (int i = 0; i < n; i++) {
		ck_assert_int_eq(qb_loop_poll_del(loop, copies[i]), 0);
		close(copies[i]);
	}
}

START_TEST(running_out_is_told_once_and_so_is_the_return)
{
	int fds[2], copies[LIMIT], n;
	struct rlimit before;

	limit_fds(&before);
	make_pipe(fds, false);
	ck_assert_int_eq(qb_loop_poll_low_fds_event_set(loop, note_low), 0);
	settle();
	ck_assert_int_eq(told.calls, 0);

	n = watch_until_full(fds[0], copies);
	settle();
	settle();
	ck_assert_int_eq(told.calls, 1);
	ck_assert_int_eq(told.not_enough, 1);
	ck_assert_int_eq(told.available, 0);

	unwatch(copies, n);
	settle();
	settle();
	ck_assert_int_eq(told.calls, 2);
	ck_assert_int_eq(told.not_enough, 0);
	ck_assert_int_gt(told.available, 0);
	ck_assert_int_lt(told.available, LIMIT);
	close_pipe(fds);
	setrlimit(RLIMIT_NOFILE, &before);
}
END_TEST

START_TEST(who_asks_when_descriptors_have_run_out_is_told)
{
	int fds[2], copies[LIMIT], n;
	struct rlimit before;

	limit_fds(&before);
	make_pipe(fds, false);
	n = watch_until_full(fds[0], copies);
	settle();
	ck_assert_int_eq(qb_loop_poll_low_fds_event_set(loop, note_low), 0);
	settle();
	ck_assert_int_eq(told.calls, 1);
	ck_assert_int_eq(told.not_enough, 1);
	ck_assert_int_eq(qb_loop_poll_low_fds_event_set(loop, note_low), 0);
	settle();
	ck_assert_int_eq(told.calls, 2);

	ck_assert_int_eq(qb_loop_poll_low_fds_event_set(loop, NULL), 0);
	unwatch(copies, n);
	settle();
	ck_assert_int_eq(told.calls, 2);
	close_pipe(fds);
	setrlimit(RLIMIT_NOFILE, &before);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("loop descriptor numbers");
	TCase *tc = add_case(s, "numbers");

	tcase_add_test(tc, an_event_does_not_reach_the_next_owner_of_the_number);
	tcase_add_test(tc, an_answer_does_not_remove_the_next_owner_of_the_number);
	tcase_add_test(tc, a_number_closed_without_removal_can_be_added_again);
	tcase_add_test(tc, a_file_that_outlives_its_number_is_never_reported);
	tcase_add_test(tc, a_number_that_gets_its_old_file_back_can_be_added_again);
	tc = add_case(s, "threads");
	tcase_add_test(tc, another_thread_can_add_and_change_descriptors_of_a_sleeping_loop);
	tc = add_case(s, "running out");
	tcase_add_test(tc, running_out_is_told_once_and_so_is_the_return);
	tcase_add_test(tc, who_asks_when_descriptors_have_run_out_is_told);
	return run_suite(s);
}
