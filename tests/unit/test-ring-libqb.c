/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Our end of a ring and the installed libqb's end of the same files. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include <qb/qbrb.h>

#include "tests/lib/census.h"
#include "tests/unit/test-ring-pair.h"

/* Messages it takes to go around the ring several times. */
enum { ROUNDS = 3000 };

static struct qbi_shm_dir dir;
static struct qbi_qbring ours;
static qb_ringbuffer_t *theirs;

/* _i: 0 the files are ours, 1 they are libqb's. */
static void rings_open(int by_libqb)
{
	struct qbi_owner owner = owner_nobody_else();
	struct qbi_peer_cred self = cred_self();
	char name[32];

	dir = (struct qbi_shm_dir)QBI_SHM_DIR_INIT;
	ours = (struct qbi_qbring)QBI_QBRING_INIT;
	if (by_libqb) {
		snprintf(name, sizeof(name), "test-%d-%d", (int)getpid(), by_libqb);
		theirs = qb_rb_open(name, PAIR_MAX,
				    QB_RB_FLAG_SHARED_PROCESS | QB_RB_FLAG_CREATE, 4);
		ck_assert_ptr_nonnull(theirs);
		ck_assert_int_eq(qbi_qbring_open(&ours, name, PAIR_MAX, &self), 0);
		return;
	}
	ck_assert_int_eq(qbi_shm_dir_create(&dir, getpid(), 1), 0);
	ck_assert_int_eq(qbi_qbring_create(&ours, &dir, "request", "libqb", PAIR_MAX, true,
					   &owner, NULL),
			 0);
	ck_assert_int_eq(qbi_shm_dir_hand_over(&dir, &owner), 0);
	theirs = qb_rb_open(qbi_qbring_prefix(&ours), PAIR_MAX, QB_RB_FLAG_SHARED_PROCESS, 4);
	ck_assert_ptr_nonnull(theirs);
}

static void rings_close(void)
{
	qb_rb_close(theirs);
	qbi_qbring_remove_files(&ours);
	qbi_qbring_close(&ours);
	qbi_shm_dir_remove(&dir);
}

/* Sizes around every boundary, spread over the small and the large. */
static size_t size_of(uint32_t i)
{
	switch (i % 8) {
	case 0: return i % PAIR_MAX;
	case 1: return PAIR_MAX - i % 9;
	default: return 1 + (i * 37) % 700;
	}
}

static ssize_t their_write(size_t n, uint32_t seed)
{
	static unsigned char buf[PAIR_MAX + 4096];

	fill_pattern(buf, n, seed);
	return qb_rb_chunk_write(theirs, buf, n);
}

static void their_read(size_t n, uint32_t seed)
{
	static unsigned char buf[PAIR_MAX + 4096], expected[PAIR_MAX + 4096];

	fill_pattern(expected, n, seed);
	ck_assert_int_eq(qb_rb_chunk_read(theirs, buf, sizeof(buf), 0), (ssize_t)n);
	ck_assert_mem_eq(buf, expected, n);
}

static bool our_write_fits(size_t n, uint32_t seed)
{
	int r = put_pattern(&ours, n, seed);

	ck_assert_msg(r == 0 || r == QBI_FULL, "put: %d", r);
	return r == 0;
}

START_TEST(what_libqb_writes_we_read)
{
	rings_open(_i);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		ck_assert_int_eq(their_write(size_of(i), i), (ssize_t)size_of(i));
		ck_assert_uint_eq(qbi_qbring_count(&ours), 1);
		take_pattern(&ours, size_of(i), i);
	}
	rings_close();
}
END_TEST

START_TEST(what_we_write_libqb_reads)
{
	rings_open(_i);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		/* A length of 0 reads as "nothing" there. */
		size_t n = size_of(i) ? size_of(i) : 1;

		ck_assert(our_write_fits(n, i));
		ck_assert_int_eq(qb_rb_chunks_used(theirs), 1);
		their_read(n, i);
	}
	rings_close();
}
END_TEST

START_TEST(both_call_the_ring_full_at_the_same_byte)
{
	size_t first, second, before;

	for (first = 5000; first < 5008; first++) {
		rings_open(_i);
		for (before = 0; qb_rb_space_free(theirs) > PAIR_MAX; before++)
			ck_assert(our_write_fits(first, 1));
		/* libqb's idea of the free bytes; a chunk needs 12 more than it holds. */
		second = (size_t)qb_rb_space_free(theirs) - 12;
		ck_assert_int_lt(their_write(second + 1, 2), 0);
		ck_assert(!our_write_fits(second + 1, 2));
		ck_assert(our_write_fits(second, 2));
		while (before-- > 0)
			their_read(first, 1);
		their_read(second, 2);
		rings_close();
	}
}
END_TEST

START_TEST(libqb_fills_and_we_drain_again_and_again)
{
	uint32_t i, n;

	rings_open(_i);
	for (uint32_t round = 0; round < 40; round++) {
		for (n = 0; their_write(200 + round, n) > 0; n++)
			;
		ck_assert_uint_gt(n, 50);
		ck_assert_uint_eq(qbi_qbring_count(&ours), n);
		for (i = 0; i < n; i++)
			take_pattern(&ours, 200 + round, i);
		ck_assert_int_eq(qb_rb_space_free(theirs), page_round(PAIR_MAX + 13));
	}
	rings_close();
}
END_TEST

START_TEST(we_fill_and_libqb_drains_again_and_again)
{
	uint32_t i, n;

	rings_open(_i);
	for (uint32_t round = 0; round < 40; round++) {
		for (n = 0; our_write_fits(200 + round, n); n++)
			;
		ck_assert_uint_gt(n, 50);
		ck_assert_int_eq(qb_rb_chunks_used(theirs), (ssize_t)n);
		for (i = 0; i < n; i++)
			their_read(200 + round, i);
		ck_assert_uint_eq(qbi_qbring_count(&ours), 0);
	}
	rings_close();
}
END_TEST

START_TEST(user_data_is_the_same_word)
{
	int32_t *word;

	rings_open(_i);
	word = qb_rb_shared_user_data_get(theirs);
	*word = 0x12345678;
	ck_assert_int_eq(qbi_qbring_user_get(&ours), 0x12345678);
	qbi_qbring_user_set(&ours, 2);
	ck_assert_int_eq(*word, 2);
	rings_close();
}
END_TEST

START_TEST(reference_count_is_the_same_word)
{
	int32_t before;

	rings_open(_i);
	before = qb_rb_refcount_get(theirs);
	ck_assert_int_eq((int)ours.head->ref_count, before);
	qbi_qbring_refs_add(&ours, 1);
	ck_assert_int_eq(qb_rb_refcount_get(theirs), before + 1);
	qbi_qbring_refs_add(&ours, -1);
	rings_close();
}
END_TEST

START_TEST(fresh_headers_are_byte_for_byte_the_same)
{
	unsigned char theirs_bytes[8252], ours_bytes[8252];
	char path[512];
	FILE *f;

	for (int who = 0; who < 2; who++) {
		unsigned char *bytes = who ? theirs_bytes : ours_bytes;

		rings_open(who);
		if (who)
			snprintf(path, sizeof(path), "/dev/shm/qb-test-%d-1-header",
				 (int)getpid());
		else
			snprintf(path, sizeof(path), "%s-header", qbi_qbring_prefix(&ours));
		qbi_qbring_refs_set(&ours, 1);
		f = fopen(path, "re");
		ck_assert_ptr_nonnull(f);
		ck_assert_uint_eq(fread(bytes, 1, 8252, f), 8252);
		ck_assert_int_eq(fgetc(f), EOF);
		fclose(f);
		ck_assert_str_eq((char *)bytes + 12, path);
		memset(bytes + 12, 0, 8192); /* the names differ */
		rings_close();
	}
	ck_assert_mem_eq(ours_bytes, theirs_bytes, 8252);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ring, libqb at the other end");
	TCase *t = tcase_create("interoperation");
	int failed;

	tcase_add_checked_fixture(t, census_setup, census_teardown);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, what_libqb_writes_we_read, 0, 2);
	tcase_add_loop_test(t, what_we_write_libqb_reads, 0, 2);
	tcase_add_loop_test(t, both_call_the_ring_full_at_the_same_byte, 0, 2);
	tcase_add_loop_test(t, libqb_fills_and_we_drain_again_and_again, 0, 2);
	tcase_add_loop_test(t, we_fill_and_libqb_drains_again_and_again, 0, 2);
	tcase_add_loop_test(t, user_data_is_the_same_word, 0, 2);
	tcase_add_loop_test(t, reference_count_is_the_same_word, 0, 2);
	tcase_add_test(t, fresh_headers_are_byte_for_byte_the_same);
	suite_add_tcase(s, t);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
