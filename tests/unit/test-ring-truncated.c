/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The old wire's ring against a peer that takes pages away from its files. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/msg.h"
#include "tests/lib/census.h"
#include "tests/unit/test-ring-hostile.h"

static void truncate_file(int which)
{
	ck_assert_int_eq(ftruncate(p.fd[which], 0), 0);
}

static void everything_says_bad(struct qbi_qbring *r)
{
	char buf[16];
	size_t n;

	ck_assert(qbi_fault_happened(&r->map.guard));
	ck_assert_int_eq(put_pattern(r, 10, 1), -EBADMSG);
	ck_assert_int_eq(qbi_qbring_take(r, buf, sizeof(buf), &n), -EBADMSG);
	ck_assert_int_eq(qbi_qbring_wait(r, QBI_FOREVER), -EBADMSG);
	ck_assert_uint_eq(qbi_qbring_count(r), 0);
	ck_assert_int_eq(qbi_qbring_user_get(r), 0);
	qbi_qbring_user_set(r, 1);
	qbi_qbring_refs_set(r, 1);
	qbi_qbring_refs_add(r, 1);
}

/* _i: which file */
START_TEST(file_truncated_before_use_is_bad)
{
	truncate_file(_i);
	ck_assert_int_eq(put_pattern(&p.client, 10, 1), -EBADMSG);
	everything_says_bad(&p.client);
}
END_TEST

START_TEST(file_truncated_with_messages_in_it_is_bad)
{
	for (uint32_t i = 0; i < 5; i++)
		ck_assert_int_eq(put_pattern(&p.client, 1000, i), 0);
	take_pattern(&p.server, 1000, 0);
	truncate_file(_i);
	ck_assert_int_eq(take_watched(&p.server, PAIR_MAX), -EBADMSG);
	everything_says_bad(&p.server);
}
END_TEST

START_TEST(file_truncated_and_grown_again_is_survived)
{
	ck_assert_int_eq(put_pattern(&p.client, 1000, 1), 0);
	truncate_file(_i);
	ck_assert_int_eq(ftruncate(p.fd[_i], (off_t)p.size[_i]), 0);
	use_everything(&p.server);
	use_everything(&p.client);
	truncate_file(_i);
	use_everything(&p.server);
	ck_assert(qbi_fault_happened(&p.server.map.guard));
	truncate_file(_i);
	everything_says_bad(&p.server);
}
END_TEST

START_TEST(file_truncated_at_close_is_survived)
{
	ck_assert_int_eq(put_pattern(&p.client, 10, 1), 0);
	truncate_file(_i);
	qbi_qbring_close(&p.client);
	qbi_qbring_close(&p.server);
}
END_TEST

static void *thread_truncate(void *data)
{
	_Atomic(bool) *stop = data;
	unsigned int seed = 7;

	while (!atomic_load(stop)) {
		int which = rand_r(&seed) % 2;

		if (ftruncate(p.fd[which], 0) || ftruncate(p.fd[which], (off_t)p.size[which]))
			break;
	}
	return NULL;
}

START_TEST(file_truncated_during_use_is_survived)
{
	for (int round = 0; round < 20; round++) {
		_Atomic(bool) stop = false;
		pthread_t thread;

		ck_assert_int_eq(pthread_create(&thread, NULL, thread_truncate, &stop), 0);
		for (int i = 0; i < 500; i++) {
			put_any(&p.client, (size_t)i * 20 % PAIR_MAX);
			take_watched(&p.server, PAIR_MAX);
			qbi_qbring_wait(&p.server, qbi_now_ns());
			qbi_qbring_refs_add(&p.server, 1);
		}
		atomic_store(&stop, true);
		pthread_join(thread, NULL);
		pair_close(&p);
		pair_open(&p, PAIR_MAX);
	}
}
END_TEST

START_TEST(holes_punched_are_survived)
{
	ck_assert_int_eq(put_pattern(&p.client, 1000, 1), 0);
	ck_assert_int_eq(fallocate(p.fd[_i], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				   (off_t)p.size[_i]),
			 0);
	use_everything(&p.server);
	use_everything(&p.client);
}
END_TEST

START_TEST(a_thousand_truncated_rings_leave_nothing)
{
	for (int i = 0; i < 1000; i++) {
		truncate_file(i % 2);
		put_any(&p.client, 100);
		take_watched(&p.server, 100);
		pair_close(&p);
		pair_open(&p, PAIR_MAX);
	}
}
END_TEST

/* The one who has it reads zeros and is told afterwards. */
START_TEST(file_truncated_under_a_message_in_place_is_told_by_done)
{
	enum { LARGE = 2 * QBI_IN_PLACE_MIN };
	static unsigned char buf[LARGE], zeros[LARGE];
	void *message;
	size_t n;

	pair_close(&p);
	pair_open(&p, LARGE);
	memset(buf, 'x', sizeof(buf));
	ck_assert_int_eq(put_bytes(&p.client, buf, LARGE), 0);
	ck_assert_int_eq(qbi_qbring_take_in_place(&p.server, &message, &n), 0);
	ck_assert_uint_eq(n, LARGE);
	ck_assert_mem_eq(message, buf, LARGE);
	truncate_file(_i);
	ck_assert_mem_eq(message, _i ? zeros : buf, LARGE);
	ck_assert_int_eq(qbi_qbring_done(&p.server, true), -EBADMSG);
	everything_says_bad(&p.server);
}
END_TEST

void add_truncation_tests(Suite *s)
{
	TCase *tc = tcase_create("files");

	tcase_add_checked_fixture(tc, hostile_setup, hostile_teardown);
	tcase_set_timeout(tc, 120);
	tcase_set_tags(tc, "faults");
	tcase_add_loop_test(tc, file_truncated_before_use_is_bad, 0, 2);
	tcase_add_loop_test(tc, file_truncated_with_messages_in_it_is_bad, 0, 2);
	tcase_add_loop_test(tc, file_truncated_and_grown_again_is_survived, 0, 2);
	tcase_add_loop_test(tc, file_truncated_at_close_is_survived, 0, 2);
	tcase_add_loop_test(tc, file_truncated_under_a_message_in_place_is_told_by_done, 0, 2);
	tcase_add_test(tc, file_truncated_during_use_is_survived);
	tcase_add_loop_test(tc, holes_punched_are_survived, 0, 2);
	tcase_add_test(tc, a_thousand_truncated_rings_leave_nothing);
	suite_add_tcase(s, tc);
}
