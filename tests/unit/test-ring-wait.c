/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The semaphore of the old wire is glibc's, but only peers use it through glibc: these
 * tests keep our idea of its layout and of its sleepers true.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

#include "tests/lib/deadline.h"
#include "tests/unit/test-ring-fixture.h"

static sem_t *peer_sem(void)
{
	return (sem_t *)(void *)&p.head->sem;
}

static uint32_t sleepers(void)
{
	return atomic_load(&p.head->sem.sleepers);
}

START_TEST(glibc_counts_where_we_count)
{
	int value;

	ck_assert_int_eq(put_pattern(&p.client, 10, 1), 0);
	ck_assert_int_eq(put_pattern(&p.client, 10, 2), 0);
	ck_assert_int_eq(sem_getvalue(peer_sem(), &value), 0);
	ck_assert_int_eq(value, 2);
	ck_assert_int_eq(sem_post(peer_sem()), 0);
	ck_assert_uint_eq(qbi_qbring_count(&p.server), 3);
	ck_assert_int_eq(sem_trywait(peer_sem()), 0);
	ck_assert_int_eq(sem_trywait(peer_sem()), 0);
	ck_assert_uint_eq(qbi_qbring_count(&p.server), 1);
	take_pattern(&p.server, 10, 1);
	ck_assert_int_eq(sem_trywait(peer_sem()), -1);
	ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

static void *thread_sem_wait(void *data)
{
	return sem_wait(peer_sem()) == 0 ? NULL : data;
}

START_TEST(put_wakes_a_peer_in_sem_wait)
{
	pthread_t thread;
	void *failed;

	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(pthread_create(&thread, NULL, thread_sem_wait, &p), 0);
		WAIT_FOR(sleepers() == 1);
		ck_assert_int_eq(put_pattern(&p.server, 10, 1), 0);
		pthread_join(thread, &failed);
		ck_assert_ptr_null(failed);
		ck_assert_uint_eq(sleepers(), 0);
	}
}
END_TEST

struct waiter {
	uint64_t deadline;
	int result;
};

static void *thread_wait(void *data)
{
	struct waiter *w = data;

	w->result = qbi_qbring_wait(&p.client, w->deadline);
	return NULL;
}

START_TEST(sem_post_of_a_peer_wakes_the_wait)
{
	struct waiter w = { .deadline = QBI_FOREVER };
	pthread_t thread;

	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(pthread_create(&thread, NULL, thread_wait, &w), 0);
		WAIT_FOR(sleepers() == 1);
		ck_assert_int_eq(sem_post(peer_sem()), 0);
		pthread_join(thread, NULL);
		ck_assert_int_eq(w.result, 0);
		ck_assert_int_eq(sem_trywait(peer_sem()), 0);
		ck_assert_uint_eq(sleepers(), 0);
	}
}
END_TEST

START_TEST(put_wakes_the_wait)
{
	struct waiter w = { .deadline = QBI_FOREVER };
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, thread_wait, &w), 0);
	WAIT_FOR(sleepers() == 1);
	ck_assert_int_eq(put_pattern(&p.server, 10, 1), 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(w.result, 0);
	take_pattern(&p.client, 10, 1);
}
END_TEST

START_TEST(wait_with_a_message_there_returns_at_once)
{
	ck_assert_int_eq(put_pattern(&p.server, 10, 1), 0);
	ck_assert_int_eq(qbi_qbring_wait(&p.client, 0), 0);
	ck_assert_int_eq(qbi_qbring_wait(&p.client, QBI_FOREVER), 0);
	ck_assert_uint_eq(qbi_qbring_count(&p.client), 1);
}
END_TEST

START_TEST(wait_ends_at_its_deadline_and_not_before)
{
	uint64_t start = qbi_now_ns();
	uint64_t deadline = start + 30 * QBI_NS_PER_MS;

	ck_assert_int_eq(qbi_qbring_wait(&p.client, 0), QBI_EMPTY);
	ck_assert_int_eq(qbi_qbring_wait(&p.client, start), QBI_EMPTY);
	ck_assert_int_eq(qbi_qbring_wait(&p.client, deadline), QBI_EMPTY);
	ck_assert_uint_ge(qbi_now_ns(), deadline);
	ck_assert_uint_eq(sleepers(), 0);
}
END_TEST

static volatile sig_atomic_t alarms;

static void count_alarm(int sig)
{
	alarms++;
}

START_TEST(signals_do_not_end_the_wait)
{
	struct sigaction sa = { .sa_handler = count_alarm };
	struct itimerval every_ms = { { 0, 1000 }, { 0, 1000 } };
	uint64_t deadline;

	ck_assert_int_eq(sigaction(SIGALRM, &sa, NULL), 0);
	deadline = qbi_now_ns() + 50 * QBI_NS_PER_MS;
	ck_assert_int_eq(setitimer(ITIMER_REAL, &every_ms, NULL), 0);
	ck_assert_int_eq(qbi_qbring_wait(&p.client, deadline), QBI_EMPTY);
	ck_assert_uint_ge(qbi_now_ns(), deadline);
	every_ms = (struct itimerval){ { 0, 0 }, { 0, 0 } };
	setitimer(ITIMER_REAL, &every_ms, NULL);
	ck_assert_int_gt(alarms, 1);
	signal(SIGALRM, SIG_IGN);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ring, waiting");
	TCase *t = tcase_create("semaphore");
	int failed;

	tcase_add_checked_fixture(t, ring_setup, ring_teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, glibc_counts_where_we_count);
	tcase_add_test(t, put_wakes_a_peer_in_sem_wait);
	tcase_add_test(t, sem_post_of_a_peer_wakes_the_wait);
	tcase_add_test(t, put_wakes_the_wait);
	tcase_add_test(t, wait_with_a_message_there_returns_at_once);
	tcase_add_test(t, wait_ends_at_its_deadline_and_not_before);
	tcase_add_test(t, signals_do_not_end_the_wait);
	suite_add_tcase(s, t);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
