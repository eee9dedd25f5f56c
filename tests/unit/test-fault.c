/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Faults in guarded mappings are survived. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/test-fault.h"

START_TEST(fault_in_a_guarded_mapping_is_survived)
{
	ck_assert(victim_touch(&v, 0));
	victim_must_survive(&v);
}
END_TEST

START_TEST(faulted_mapping_reads_as_zeros_and_takes_writes)
{
	victim_must_survive(&v);
	for (size_t i = 0; i < SIZE; i++)
		ck_assert_uint_eq(v.bytes[i], 0);
	memset(v.map.part[0], 1, SIZE);
	ck_assert_uint_eq(v.bytes[SIZE - 1], 1);
}
END_TEST

START_TEST(errno_is_kept_across_a_fault)
{
	victim_truncate(&v);
	qbi_fault_enter(&v.map.guard);
	errno = 1234;
	(void)v.bytes[PAGE];
	ck_assert_int_eq(errno, 1234);
	ck_assert(!qbi_fault_leave(&v.map.guard));
}
END_TEST

START_TEST(write_fault_is_survived)
{
	victim_truncate(&v);
	qbi_fault_enter(&v.map.guard);
	v.bytes[3 * PAGE + 17] = 1;
	ck_assert(!qbi_fault_leave(&v.map.guard));
}
END_TEST

START_TEST(any_number_of_faults_is_survived)
{
	for (int i = 0; i < 1000; i++) {
		struct victim x;

		victim_open(&x);
		victim_must_survive(&x);
		victim_close(&x);
	}
}
END_TEST

START_TEST(fault_in_one_mapping_leaves_the_others)
{
	struct victim x;

	victim_open(&x);
	victim_must_survive(&x);
	ck_assert(victim_touch(&v, SIZE - 1));
	ck_assert(!qbi_fault_happened(&v.map.guard));
	victim_close(&x);
	ck_assert(victim_touch(&v, 0));
}
END_TEST

static void *thread_fault_often(void *data)
{
	for (int i = 0; i < 200; i++) {
		struct victim x;

		victim_open(&x);
		victim_must_survive(&x);
		victim_close(&x);
	}
	return NULL;
}

START_TEST(threads_fault_at_the_same_time)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, thread_fault_often, NULL),
				 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert(victim_touch(&v, 0));
}
END_TEST

static void *thread_with_everything_blocked(void *data)
{
	sigset_t all, after;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	qbi_fault_guard_check(true);
	victim_must_survive(&v);
	pthread_sigmask(SIG_BLOCK, NULL, &after);
	ck_assert_int_eq(sigismember(&after, SIGBUS), 1);
	ck_assert_int_eq(sigismember(&after, SIGUSR1), 1);
	return NULL;
}

/* The kernel kills for a fault whose signal is blocked. */
START_TEST(thread_that_blocks_sigbus_survives_and_keeps_its_mask)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, thread_with_everything_blocked, NULL),
			 0);
	pthread_join(thread, NULL);
}
END_TEST

START_TEST(removing_a_guard_twice_is_once)
{
	struct qbi_fault_guard never = QBI_FAULT_GUARD_INIT;
	struct victim x;

	qbi_fault_guard_remove(&never);
	victim_open(&x);
	victim_close(&x);
	qbi_mapping_close(&x.map);
	victim_must_survive(&v);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault");
	TCase *tc = tcase_fault(s, "guarded mappings");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, fault_in_a_guarded_mapping_is_survived);
	tcase_add_test(tc, faulted_mapping_reads_as_zeros_and_takes_writes);
	tcase_add_test(tc, errno_is_kept_across_a_fault);
	tcase_add_test(tc, write_fault_is_survived);
	tcase_add_test(tc, any_number_of_faults_is_survived);
	tcase_add_test(tc, fault_in_one_mapping_leaves_the_others);
	tcase_add_test(tc, threads_fault_at_the_same_time);
	tcase_add_test(tc, thread_that_blocks_sigbus_survives_and_keeps_its_mask);
	tcase_add_test(tc, removing_a_guard_twice_is_once);
	add_handler_tests(s);

	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
