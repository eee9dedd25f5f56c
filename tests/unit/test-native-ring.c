/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The native ring with one thread: what fits, where it goes, when it rings. */
#include "config.h"

#include <stdlib.h>

#include "tests/lib/variant.h"
#include "tests/unit/test-native-pair.h"

enum { SMALL = 128, WIRE_MAX = 12328 };

static struct native_pair p;

/* Advance both ends by messages, as far as @offset from the start of the data. */
static void pair_reach(uint64_t offset)
{
	while (p.producer.tail % p.producer.capacity != offset) {
		ck_assert_int_eq(put_pattern(&p.producer, 0, 0), 0);
		take_pattern(&p.consumer, 0, 0);
	}
}

START_TEST(new_ring_is_empty_and_armed)
{
	char buf[16];
	size_t size;

	pair_open(&p, SMALL, 64);
	ck_assert_int_eq(qbi_ring_take(&p.consumer, buf, sizeof(buf), &size), QBI_EMPTY);
	ck_assert_int_eq(qbi_ring_peek(&p.consumer, &size), QBI_EMPTY);
	ck_assert(qbi_ring_is_empty(&p.consumer));
	ck_assert(!qbi_ring_has_rung(&p.consumer));
	ck_assert(qbi_ring_arm(&p.consumer, -1));
	ck_assert_int_eq((int64_t)p.consumer.owed, 0);
	ck_assert_uint_eq(qbi_ring_queued(&p.producer), 0);
	pair_close(&p);
}
END_TEST

START_TEST(capacity_has_room_for_small_messages_beside_the_maximum)
{
	static const uint32_t around[] = { WIRE_MAX, 64 << 10, 1 << 20, (1u << 30) - 4096 };
	const uint64_t small = 64 << 10;

	for (size_t i = 0; i < QBI_ARRAY_SIZE(around); i++)
		for (uint32_t max = around[i]; max <= around[i] + 4096; max++) {
			uint64_t capacity = qbi_ring_capacity(max);

			ck_assert_uint_eq(capacity % 4096, 0);
			ck_assert_uint_ge(capacity, stride(max) + small);
			ck_assert_uint_lt(capacity, stride(max) + small + 4096);
		}
}
END_TEST

START_TEST(maximum_fits_an_empty_ring_at_every_offset)
{
	const uint32_t max = SMALL - 8;

	pair_open(&p, SMALL, max);
	for (uint64_t offset = 0; offset < SMALL; offset += 8) {
		pair_reach(offset);
		ck_assert_int_eq(put_pattern(&p.producer, max, (uint32_t)offset), 0);
		ck_assert_int_eq(put_pattern(&p.producer, 0, 0), QBI_FULL);
		take_pattern(&p.consumer, max, (uint32_t)offset);
		ck_assert(qbi_ring_is_empty(&p.consumer));
	}
	pair_close(&p);
}
END_TEST

START_TEST(every_size_goes_round_the_end_at_every_offset)
{
	pair_open(&p, SMALL, SMALL - 8);
	for (uint64_t offset = 0; offset < SMALL; offset += 8)
		for (uint32_t n = 0; n <= SMALL - 8; n++) {
			pair_reach(offset);
			ck_assert_int_eq(put_pattern(&p.producer, n, n), 0);
			take_pattern(&p.consumer, n, n);
		}
	pair_close(&p);
}
END_TEST

START_TEST(pieces_are_one_message_wherever_they_are_cut)
{
	enum { SIZE = 61 };
	uint8_t buf[SIZE];
	bool ring;

	pair_open(&p, SMALL, SMALL - 8);
	pattern_fill(buf, SIZE, 7);
	for (uint64_t offset = 0; offset < SMALL; offset += 8)
		for (size_t a = 0; a <= SIZE; a++)
			for (size_t b = a; b <= SIZE; b += 5) {
				struct iovec iov[] = {
					{ buf, a },	    { NULL, 0 },
					{ buf + a, b - a }, { buf + b, SIZE - b },
					{ NULL, 0 },
				};
				struct qbi_msg msg = { .iov = iov, .n = 5, .size = SIZE };

				pair_reach(offset);
				ck_assert_int_eq(qbi_ring_put(&p.producer, &msg, &ring), 0);
				take_pattern(&p.consumer, SIZE, 7);
			}
	pair_close(&p);
}
END_TEST

START_TEST(full_ring_takes_one_more_for_each_that_is_taken)
{
	uint64_t capacity = qbi_ring_capacity(WIRE_MAX);
	uint32_t count = 0, oldest = 0;

	pair_open(&p, capacity, WIRE_MAX);
	while (put_pattern(&p.producer, 100, count) == 0)
		count++;
	ck_assert_uint_eq(count, capacity / stride(100));
	ck_assert_uint_eq(qbi_ring_queued(&p.producer), count);
	for (; oldest < 2000; oldest++, count++) {
		take_pattern(&p.consumer, 100, oldest);
		ck_assert_int_eq(put_pattern(&p.producer, 100, count), 0);
		ck_assert_int_eq(put_pattern(&p.producer, 100, count), QBI_FULL);
	}
	for (; oldest < count; oldest++)
		take_pattern(&p.consumer, 100, oldest);
	ck_assert(qbi_ring_is_empty(&p.consumer));
	ck_assert_uint_eq(qbi_ring_queued(&p.producer), 0);
	pair_close(&p);
}
END_TEST

START_TEST(buffer_that_is_too_small_leaves_the_message_and_tells_its_size)
{
	char *buf = malloc(99);
	size_t size = 0;

	pair_open(&p, SMALL, 112);
	ck_assert_int_eq(put_pattern(&p.producer, 100, 3), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(qbi_ring_take(&p.consumer, buf, 99, &size), -ENOBUFS);
		ck_assert_uint_eq(size, 100);
	}
	ck_assert_int_eq(qbi_ring_peek(&p.consumer, &size), 0);
	ck_assert_uint_eq(size, 100);
	take_pattern(&p.consumer, 100, 3);
	pair_close(&p);
	free(buf);
}
END_TEST

START_TEST(positions_may_go_beyond_what_64_bits_count)
{
	static const uint64_t around[] = { 1ull << 32, 1ull << 63, 0 };

	pair_open(&p, SMALL, SMALL - 8);
	for (size_t i = 0; i < QBI_ARRAY_SIZE(around); i++) {
		pair_go_to(&p, around[i] - 10 * SMALL);
		for (uint32_t n = 0; n < 400; n++) {
			ck_assert_int_eq(put_pattern(&p.producer, n % 57, n), 0);
			ck_assert_int_eq(put_pattern(&p.producer, n % 49, n + 1), 0);
			ck_assert(!qbi_ring_arm(&p.consumer, -1));
			take_pattern(&p.consumer, n % 57, n);
			take_pattern(&p.consumer, n % 49, n + 1);
			ck_assert(qbi_ring_arm(&p.consumer, -1));
		}
		ck_assert_uint_lt(p.consumer.head - around[i], 1 << 20);
	}
	pair_close(&p);
}
END_TEST

START_TEST(queued_counts_on_when_the_counters_begin_anew)
{
	pair_open(&p, 4096, 100);
	p.producer.put = p.consumer.taken = UINT32_MAX - 1;
	atomic_store(&p.producer.words->taken, UINT32_MAX - 1);
	for (uint32_t n = 1; n <= 5; n++) {
		ck_assert_int_eq(put_pattern(&p.producer, 10, n), 0);
		ck_assert_uint_eq(qbi_ring_queued(&p.producer), n);
	}
	for (uint32_t n = 1; n <= 5; n++) {
		take_pattern(&p.consumer, 10, n);
		ck_assert_uint_eq(qbi_ring_queued(&p.producer), 5 - n);
	}
	pair_close(&p);
}
END_TEST

START_TEST(waiting_is_what_was_put_less_what_was_taken)
{
	uint64_t offset;

	pair_open(&p, SMALL, 112);
	for (uint32_t n = 0; n < 40; n++) {
		ck_assert_uint_eq(qbi_ring_waiting(p.words, SMALL, &offset), 0);
		ck_assert_uint_eq(offset, p.consumer.head_offset);
		ck_assert_int_eq(put_pattern(&p.producer, 20, n), 0);
		ck_assert_uint_eq(qbi_ring_waiting(p.words, SMALL, &offset), stride(20));
		ck_assert_int_eq(put_pattern(&p.producer, 30, n), 0);
		ck_assert_uint_eq(qbi_ring_waiting(p.words, SMALL, &offset),
				  stride(20) + stride(30));
		ck_assert_uint_eq(offset, p.consumer.head_offset);
		take_pattern(&p.consumer, 20, n);
		take_pattern(&p.consumer, 30, n);
	}
	pair_close(&p);
}
END_TEST

/* -- The bell ----------------------------------------------------------------- */

static bool put_rings(void)
{
	bool ring;

	ck_assert_int_eq(put_bytes(&p.producer, "", 1, &ring), 0);
	return ring;
}

START_TEST(only_the_first_message_after_arming_rings)
{
	pair_open(&p, SMALL, 8);
	for (int64_t round = 1; round < 20; round++) {
		ck_assert(put_rings());
		ck_assert(qbi_ring_has_rung(&p.consumer));
		ck_assert(!put_rings());
		ck_assert(!put_rings());
		for (int i = 0; i < 3; i++) {
			char byte;
			size_t size;

			ck_assert(!qbi_ring_arm(&p.consumer, -1));
			ck_assert_int_eq(qbi_ring_take(&p.consumer, &byte, 1, &size), 0);
		}
		ck_assert_int_eq((int64_t)p.consumer.owed, round - 1);
		ck_assert(qbi_ring_arm(&p.consumer, -1));
		ck_assert_int_eq((int64_t)p.consumer.owed, round);
		ck_assert(!qbi_ring_has_rung(&p.consumer));
		/* Once more is no more. */
		ck_assert(qbi_ring_arm(&p.consumer, -1));
		ck_assert_int_eq((int64_t)p.consumer.owed, round);
	}
	pair_close(&p);
}
END_TEST

START_TEST(message_taken_while_awake_does_not_arm)
{
	pair_open(&p, SMALL, 8);
	ck_assert(put_rings());
	for (uint32_t n = 0; n < 100; n++) {
		char byte;
		size_t size;

		ck_assert_int_eq(qbi_ring_take(&p.consumer, &byte, 1, &size), 0);
		ck_assert(qbi_ring_is_empty(&p.consumer));
		ck_assert(!put_rings());
	}
	ck_assert_int_eq((int64_t)p.consumer.owed, 0);
	pair_close(&p);
}
END_TEST

START_TEST(arming_for_the_last_message_needs_it_to_be_the_last)
{
	pair_open(&p, SMALL, 40);
	ck_assert_int_eq(put_pattern(&p.producer, 30, 1), 0);
	ck_assert_int_eq(put_pattern(&p.producer, 20, 2), 0);
	ck_assert(!qbi_ring_is_last(&p.consumer, 30));
	ck_assert(!qbi_ring_arm(&p.consumer, 30));
	ck_assert(qbi_ring_has_rung(&p.consumer));
	take_pattern(&p.consumer, 30, 1);
	ck_assert(qbi_ring_is_last(&p.consumer, 20));
	ck_assert(qbi_ring_arm(&p.consumer, 20));
	ck_assert_int_eq((int64_t)p.consumer.owed, 1);
	/* The message is still there, and the next one rings. */
	ck_assert(put_rings());
	ck_assert(!qbi_ring_is_last(&p.consumer, 20));
	take_pattern(&p.consumer, 20, 2);
	pair_close(&p);
}
END_TEST

START_TEST(last_message_is_seen_to_be_followed_by_one_that_came_later)
{
	size_t size;

	pair_open(&p, SMALL, 40);
	ck_assert_int_eq(put_pattern(&p.producer, 30, 1), 0);
	ck_assert_int_eq(qbi_ring_peek(&p.consumer, &size), 0);
	ck_assert(qbi_ring_is_last(&p.consumer, size));
	ck_assert_int_eq(put_pattern(&p.producer, 1, 2), 0);
	ck_assert(!qbi_ring_is_last(&p.consumer, size));
	pair_close(&p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("native ring");
	TCase *tc = tcase_new(s, "room");

	tcase_add_test(tc, new_ring_is_empty_and_armed);
	tcase_add_test(tc, capacity_has_room_for_small_messages_beside_the_maximum);
	tcase_add_test(tc, maximum_fits_an_empty_ring_at_every_offset);
	tcase_add_test(tc, every_size_goes_round_the_end_at_every_offset);
	tcase_add_test(tc, pieces_are_one_message_wherever_they_are_cut);
	tcase_add_test(tc, full_ring_takes_one_more_for_each_that_is_taken);
	tcase_add_test(tc, buffer_that_is_too_small_leaves_the_message_and_tells_its_size);
	tcase_add_test(tc, positions_may_go_beyond_what_64_bits_count);
	tcase_add_test(tc, queued_counts_on_when_the_counters_begin_anew);
	tcase_add_test(tc, waiting_is_what_was_put_less_what_was_taken);

	tc = tcase_new(s, "bell");
	tcase_add_test(tc, only_the_first_message_after_arming_rings);
	tcase_add_test(tc, message_taken_while_awake_does_not_arm);
	tcase_add_test(tc, arming_for_the_last_message_needs_it_to_be_the_last);
	tcase_add_test(tc, last_message_is_seen_to_be_followed_by_one_that_came_later);
	return suite_main(s);
}
