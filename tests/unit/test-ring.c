/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The old wire's ring between two honest ends. */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "tests/unit/test-ring-fixture.h"

/* Words a message of @n bytes takes. */
static uint32_t words_of(size_t n)
{
	return (uint32_t)(2 + (n + 3) / 4);
}

START_TEST(new_ring_has_the_bytes_of_the_wire)
{
	const uint32_t sem[3] = { [2] = 0x80 };
	char path[512];

	ck_assert_uint_eq(p.size[0], 8252);
	ck_assert_uint_eq(p.size[1], page_round(PAIR_MAX + 13));
	ck_assert_uint_eq(p.head->write_pt, 0);
	ck_assert_uint_eq(p.head->read_pt, 0);
	ck_assert_uint_eq(p.head->word_size, pair_words(&p));
	ck_assert_uint_eq(p.head->ref_count, 1);
	ck_assert_uint_eq(p.head->user_data, 0);
	ck_assert_mem_eq(&p.head->sem, sem, sizeof(sem));
	snprintf(path, sizeof(path), "%s-header", qbi_qbring_prefix(&p.server));
	ck_assert_str_eq(p.head->header_path, path);
	snprintf(path, sizeof(path), "%s-data", qbi_qbring_prefix(&p.server));
	ck_assert_str_eq(p.head->data_path, path);
}
END_TEST

START_TEST(message_has_the_bytes_of_the_wire)
{
	ck_assert_int_eq(put_bytes(&p.client, "hello", 5), 0);
	ck_assert_uint_eq(p.data[0], 5);
	ck_assert_uint_eq(p.data[1], 0xA1A1A1A1);
	ck_assert_mem_eq(&p.data[2], "hello\0\0\0", 8);
	ck_assert_uint_eq(p.head->write_pt, 4);
	ck_assert_uint_eq(p.head->read_pt, 0);
	ck_assert_uint_eq(p.head->sem.value, 1);

	char buf[8];
	size_t n;

	ck_assert_int_eq(qbi_qbring_take(&p.server, buf, sizeof(buf), &n), 0);
	ck_assert_uint_eq(p.data[0], 0);
	ck_assert_uint_eq(p.data[1], 0xD0D0D0D0);
	ck_assert_uint_eq(p.head->read_pt, 4);
	ck_assert_uint_eq(p.head->sem.value, 0);
	ck_assert_uint_eq(p.head->sem.sleepers, 0);
}
END_TEST

START_TEST(empty_ring_says_so)
{
	char buf[8];
	size_t n = 77;

	ck_assert_int_eq(qbi_qbring_take(&p.server, buf, sizeof(buf), &n), QBI_EMPTY);
	ck_assert_uint_eq(n, 77);
	ck_assert_uint_eq(qbi_qbring_count(&p.server), 0);
}
END_TEST

START_TEST(messages_come_out_in_order_and_are_counted)
{
	uint32_t i;

	for (i = 0; i < 20; i++)
		ck_assert_int_eq(put_pattern(&p.client, 16 + i, i), 0);
	ck_assert_uint_eq(qbi_qbring_count(&p.server), 20);
	ck_assert_uint_eq(qbi_qbring_count(&p.client), 20);
	for (i = 0; i < 20; i++)
		take_pattern(&p.server, 16 + i, i);
	ck_assert_uint_eq(qbi_qbring_count(&p.server), 0);
}
END_TEST

START_TEST(maximum_fits_an_empty_ring_at_every_word)
{
	uint32_t i, words = pair_words(&p);
	bool *started = calloc(words, sizeof(*started));

	/* Two strides with an odd sum: every word of the ring becomes a start. */
	ck_assert_ptr_nonnull(started);
	for (i = 0; i < 2 * words; i++) {
		size_t n = i % 2 ? PAIR_MAX : PAIR_MAX - 4;

		started[p.head->write_pt] = true;
		ck_assert_int_eq(put_pattern(&p.client, n, i), 0);
		take_pattern(&p.server, n, i);
	}
	for (i = 0; i < words; i++)
		ck_assert_msg(started[i], "no message began at word %u", i);
	free(started);
}
END_TEST

START_TEST(every_length_wraps_at_every_place)
{
	uint32_t i, n;

	/* The end of the data falls into the size, the magic, the first and the last
	 * word of the payload, and between chunks. */
	for (n = 0; n <= 17; n++) {
		for (i = 0; i < 2 * pair_words(&p) / words_of(n); i++) {
			ck_assert_int_eq(put_pattern(&p.client, n, i), 0);
			take_pattern(&p.server, n, i);
		}
		ck_assert_int_eq(put_pattern(&p.client, 1, n), 0);
		take_pattern(&p.server, 1, n);
	}
}
END_TEST

START_TEST(above_the_maximum_never_fits)
{
	ck_assert_int_eq(put_pattern(&p.client, PAIR_MAX, 1), 0);
	ck_assert_int_eq(put_pattern(&p.client, PAIR_MAX + 1, 1), -EMSGSIZE);
	ck_assert_int_eq(put_bytes(&p.client, NULL, SIZE_MAX), -EMSGSIZE);
	ck_assert_uint_eq(qbi_qbring_count(&p.server), 1);
}
END_TEST

/* A chunk of n bytes fits if and only if n + 12 bytes are free. */
START_TEST(fits_exactly_up_to_the_margin)
{
	size_t left = p.size[1] - 4; /* one word tells full from empty */
	size_t n, i, before = 0;

	for (; left > PAIR_MAX; before++)
		left -= words_of(8000) * 4;
	for (n = left - 16; n <= left + 4; n++) {
		for (i = 0; i < before; i++)
			ck_assert_int_eq(put_pattern(&p.client, 8000, 1), 0);
		ck_assert_int_eq(put_pattern(&p.client, n, 2), n + 12 <= left ? 0 : QBI_FULL);
		for (i = 0; i < before; i++)
			take_pattern(&p.server, 8000, 1);
		if (n + 12 <= left)
			take_pattern(&p.server, n, 2);
	}
}
END_TEST

START_TEST(full_then_drained_accepts_again)
{
	uint32_t round, n, i;

	for (round = 0; round < 50; round++) {
		for (n = 0; put_pattern(&p.client, 60 + round, n) == 0; n++)
			;
		ck_assert_uint_gt(n, 100);
		ck_assert_int_eq(put_pattern(&p.client, 60 + round, n), QBI_FULL);
		ck_assert_uint_eq(qbi_qbring_count(&p.server), n);
		for (i = 0; i < n; i++)
			take_pattern(&p.server, 60 + round, i);
		ck_assert_uint_eq(qbi_qbring_count(&p.server), 0);
	}
}
END_TEST

START_TEST(full_leaves_the_ring_as_it_was)
{
	uint32_t n, write;

	for (n = 0; put_pattern(&p.client, 1000, n) == 0; n++)
		;
	write = p.head->write_pt;
	ck_assert_int_eq(put_pattern(&p.client, 1000, n), QBI_FULL);
	ck_assert_uint_eq(p.head->write_pt, write);
	ck_assert_uint_eq(p.head->sem.value, n);
	take_pattern(&p.server, 1000, 0);
	ck_assert_int_eq(put_pattern(&p.client, 1000, n), 0);
}
END_TEST

START_TEST(zero_length_message_passes)
{
	size_t n = 77;
	char buf[4];

	ck_assert_int_eq(qbi_qbring_put(&p.client, NULL, 0, 0), 0);
	ck_assert_uint_eq(qbi_qbring_count(&p.server), 1);
	ck_assert_int_eq(qbi_qbring_take(&p.server, NULL, 0, &n), 0);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(qbi_qbring_take(&p.server, buf, 0, &n), QBI_EMPTY);
}
END_TEST

START_TEST(too_small_a_buffer_leaves_the_message)
{
	unsigned char buf[200];
	size_t n;

	ck_assert_int_eq(put_pattern(&p.client, 100, 5), 0);
	memset(buf, 0xEE, sizeof(buf));
	for (size_t size = 0; size < 100; size += 33) {
		n = 0;
		ck_assert_int_eq(qbi_qbring_take(&p.server, buf, size, &n), -ENOBUFS);
		ck_assert_uint_eq(n, 100);
		ck_assert_uint_eq(buf[0], 0xEE);
		ck_assert_uint_eq(qbi_qbring_count(&p.server), 1);
	}
	ck_assert_int_eq(qbi_qbring_take(&p.server, buf, 100, &n), 0);
	ck_assert_uint_eq(n, 100);
	ck_assert_uint_eq(buf[100], 0xEE);
}
END_TEST

START_TEST(empty_iovec_entries_are_skipped)
{
	char a[] = "abc", b[] = "defgh";
	struct iovec iov[] = {
		{ NULL, 0 }, { a, 3 }, { NULL, 0 }, { b, 5 }, { a, 0 }, { NULL, 0 },
	};
	char buf[16];
	size_t n;

	ck_assert_int_eq(qbi_qbring_put(&p.client, iov, QBI_ARRAY_SIZE(iov), 8), 0);
	ck_assert_int_eq(qbi_qbring_take(&p.server, buf, sizeof(buf), &n), 0);
	ck_assert_uint_eq(n, 8);
	ck_assert_mem_eq(buf, "abcdefgh", 8);
}
END_TEST

START_TEST(iov_max_entries_of_odd_lengths_pass)
{
	struct iovec *iov = calloc(IOV_MAX, sizeof(*iov));
	unsigned char whole[PAIR_MAX];
	size_t total, i, turn;

	fill_pattern(whole, sizeof(whole), 9);
	for (turn = 0; turn < 10; turn++) {
		total = 0;
		for (i = 0; i < IOV_MAX; i++) {
			iov[i].iov_base = whole + total;
			iov[i].iov_len = (i + turn) % 23;
			total += iov[i].iov_len;
		}
		ck_assert_uint_le(total, PAIR_MAX);
		ck_assert_int_eq(qbi_qbring_put(&p.client, iov, IOV_MAX, total), 0);
		take_pattern(&p.server, total, 9);
	}
	free(iov);
}
END_TEST

START_TEST(words_are_seen_by_the_other_end)
{
	qbi_qbring_user_set(&p.server, 2);
	ck_assert_int_eq(qbi_qbring_user_get(&p.client), 2);
	qbi_qbring_user_set(&p.server, -1);
	ck_assert_int_eq(qbi_qbring_user_get(&p.client), -1);
	ck_assert_uint_eq(p.client.head->ref_count, 1);
	qbi_qbring_refs_add(&p.client, 1);
	ck_assert_uint_eq(p.server.head->ref_count, 2);
	qbi_qbring_refs_add(&p.client, -1);
	qbi_qbring_refs_set(&p.server, 0);
	ck_assert_uint_eq(p.client.head->ref_count, 0);
}
END_TEST

START_TEST(late_opener_sees_what_was_queued)
{
	struct qbi_qbring late = QBI_QBRING_INIT;
	struct qbi_peer_cred self = cred_self();

	ck_assert_int_eq(put_pattern(&p.server, 500, 1), 0);
	take_pattern(&p.client, 500, 1);
	ck_assert_int_eq(put_pattern(&p.server, 600, 2), 0);
	ck_assert_int_eq(qbi_qbring_open(&late, qbi_qbring_prefix(&p.server), PAIR_MAX, &self),
			 0);
	take_pattern(&late, 600, 2);
	qbi_qbring_close(&late);
}
END_TEST

START_TEST(closing_twice_is_once)
{
	struct qbi_qbring never = QBI_QBRING_INIT;

	qbi_qbring_close(&p.client);
	qbi_qbring_close(&p.client);
	qbi_qbring_close(&never);
	ck_assert_ptr_null(qbi_qbring_prefix(&p.client));
}
END_TEST

START_TEST(sizes_that_cannot_be_are_refused)
{
	struct qbi_qbring r = QBI_QBRING_INIT;
	struct qbi_owner owner = owner_nobody_else();
	struct qbi_peer_cred self = cred_self();
	const uint32_t sizes[] = { INT32_MAX, UINT32_MAX, UINT32_MAX - 12, UINT32_MAX - 16 };

	for (size_t i = 0; i < QBI_ARRAY_SIZE(sizes); i++) {
		ck_assert_int_eq(
			qbi_qbring_open(&r, qbi_qbring_prefix(&p.server), sizes[i], &self),
			-EMSGSIZE);
		ck_assert_int_eq(qbi_qbring_create(&r, &p.dir, "event", "pair", sizes[i], false,
						   &owner, NULL),
				 -EMSGSIZE);
	}
}
END_TEST

START_TEST(killed_servers_files_are_removed_by_the_client)
{
	qbi_qbring_remove_files(&p.client);
	ck_assert_int_ne(access(p.dir.path, F_OK), 0);
	qbi_qbring_remove_files(&p.client);
	/* What is mapped goes on working. */
	ck_assert_int_eq(put_pattern(&p.client, 100, 1), 0);
	take_pattern(&p.server, 100, 1);
}
END_TEST

static int64_t data_bytes(void)
{
	struct stat st;

	ck_assert_int_eq(fstat(p.fd[1], &st), 0);
	return (int64_t)st.st_blocks * 512;
}

/* Wherever in the data they lie. */
START_TEST(what_waits_stays_when_the_rest_is_given_back)
{
	for (uint32_t turn = 0; turn < 40; turn++) {
		ck_assert_int_eq(put_pattern(&p.server, 1500, turn), 0);
		take_pattern(&p.client, 1500, turn);
		for (uint32_t i = 0; i < 3; i++)
			ck_assert_int_eq(put_pattern(&p.server, 3700, i), 0);
		take_pattern(&p.client, 3700, 0);
		qbi_qbring_punch_taken(&p.server);
		take_pattern(&p.client, 3700, 1);
		take_pattern(&p.client, 3700, 2);
		qbi_qbring_punch_taken(&p.server);
		ck_assert_int_le(data_bytes(), page_round(1));
	}
}
END_TEST

START_TEST(what_never_was_written_does_not_stay)
{
	uint32_t words = pair_words(&p);
	const uint32_t lies[] = { 5, 100, words - 1, words, UINT32_MAX };

	for (size_t i = 0; i < QBI_ARRAY_SIZE(lies); i++) {
		memset(p.data, 0x55, p.size[1]);
		ck_assert_int_eq(data_bytes(), p.size[1]);
		p.head->read_pt = lies[i];
		qbi_qbring_punch_taken(&p.server);
		ck_assert_int_le(data_bytes(), page_round(1));
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ring");
	TCase *t = tcase_create("messages");
	int failed;

	tcase_add_checked_fixture(t, ring_setup, ring_teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, new_ring_has_the_bytes_of_the_wire);
	tcase_add_test(t, message_has_the_bytes_of_the_wire);
	tcase_add_test(t, empty_ring_says_so);
	tcase_add_test(t, messages_come_out_in_order_and_are_counted);
	tcase_add_test(t, maximum_fits_an_empty_ring_at_every_word);
	tcase_add_test(t, every_length_wraps_at_every_place);
	tcase_add_test(t, above_the_maximum_never_fits);
	tcase_add_test(t, fits_exactly_up_to_the_margin);
	tcase_add_test(t, full_then_drained_accepts_again);
	tcase_add_test(t, full_leaves_the_ring_as_it_was);
	tcase_add_test(t, zero_length_message_passes);
	tcase_add_test(t, too_small_a_buffer_leaves_the_message);
	tcase_add_test(t, empty_iovec_entries_are_skipped);
	tcase_add_test(t, iov_max_entries_of_odd_lengths_pass);
	tcase_add_test(t, words_are_seen_by_the_other_end);
	tcase_add_test(t, late_opener_sees_what_was_queued);
	tcase_add_test(t, closing_twice_is_once);
	tcase_add_test(t, sizes_that_cannot_be_are_refused);
	tcase_add_test(t, killed_servers_files_are_removed_by_the_client);
	suite_add_tcase(s, t);

	/* madvise(2) gives nothing back under qemu-user. */
	t = tcase_create("memory");
	tcase_set_tags(t, "punch");
	tcase_add_checked_fixture(t, ring_setup, ring_teardown);
	tcase_add_test(t, what_waits_stays_when_the_rest_is_given_back);
	tcase_add_test(t, what_never_was_written_does_not_stay);
	suite_add_tcase(s, t);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
