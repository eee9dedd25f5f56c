/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages of the native ring that are built and read where they lie. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/lib/variant.h"
#include "tests/unit/test-native-pair.h"

enum { CAPACITY = 128 << 10, MAX = 60 << 10, LEAST = 16 << 10, ALIGNED = 8 };

static struct native_pair p;

static void loans_open(bool can_double)
{
	pair_open(&p, CAPACITY, MAX);
	p.producer.mirror.tried = p.consumer.mirror.tried = !can_double;
}

static void loans_close(void)
{
	qbi_ring_close(&p.producer);
	qbi_ring_close(&p.consumer);
	pair_close(&p);
}

/* Build a message of @n bytes in a place of @reserved. False: it cannot be in one piece. */
static bool put_in_place(size_t reserved, size_t n, uint32_t seed)
{
	void *at = NULL;
	int r = qbi_ring_reserve(&p.producer, reserved, &at);

	if (r == QBI_AGAIN)
		return false;
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq((uintptr_t)at % ALIGNED, 0);
	pattern_fill(at, n, seed);
	(void)qbi_ring_commit(&p.producer, reserved, n, &at);
	ck_assert(pattern_matches(at, n, seed));
	return true;
}

/* The oldest message, where it lies. False: it is not in one piece. */
static bool look_in_place(size_t n, uint32_t seed)
{
	const void *at = NULL;
	size_t size = SIZE_MAX;
	int r = qbi_ring_view(&p.consumer, &at, &size);

	ck_assert_uint_eq(size, n);
	if (r == QBI_AGAIN)
		return false;
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq((uintptr_t)at % ALIGNED, 0);
	ck_assert(pattern_matches(at, n, seed));
	qbi_ring_view_done(&p.consumer);
	return true;
}

/* Around the end of the data, with every position of the beginning before it. */
static void check_around_the_end(bool can_double, size_t reserved, size_t n)
{
	uint64_t from = CAPACITY - stride(reserved) - 32, offset;

	loans_open(can_double);
	for (offset = from; offset<CAPACITY; offset += n> 1000 ? 1000 : 8) {
		bool piece;

		pair_go_to(&p, (1ull << 40) * CAPACITY + offset / 8 * 8);
		piece = put_in_place(reserved, n, 7);
		ck_assert(piece || !can_double);
		if (piece)
			take_pattern(&p.consumer, n, 7);
		ck_assert(qbi_ring_is_empty(&p.consumer));
		ck_assert_int_eq(put_pattern(&p.producer, n, 8), 0);
		ck_assert(look_in_place(n, 8) || !can_double);
	}
	loans_close();
}

static const struct {
	size_t reserved, size;
} sizes[] = {
	{ 0, 0 },	    { 1, 1 },	    { 500, 500 },   { LEAST - 1, LEAST - 1 },
	{ LEAST, LEAST },   { MAX, MAX },   { LEAST, 100 }, { LEAST + 8, LEAST - 1 },
	{ MAX, LEAST - 1 }, { MAX, LEAST }, { MAX, 0 },
};

START_TEST(message_in_place_goes_round_the_end_where_data_is_mapped_twice)
{
	check_around_the_end(true, sizes[_i].reserved, sizes[_i].size);
}
END_TEST

START_TEST(message_that_is_not_in_one_piece_is_left_to_a_copy)
{
	check_around_the_end(false, sizes[_i].reserved, sizes[_i].size);
}
END_TEST

/* At each place just before the end, for a header of its own alignment. */
START_TEST(shorter_message_than_reserved_begins_where_its_size_says)
{
	uint64_t offset;
	int doubled;

	for (doubled = 0; doubled < 2; doubled++) {
		loans_open(doubled);
		for (offset = CAPACITY - 64; offset < CAPACITY + 64; offset += 8) {
			pair_go_to(&p, (1ull << 40) * CAPACITY + offset);
			if (put_in_place(LEAST, LEAST - 1, 3))
				take_pattern(&p.consumer, LEAST - 1, 3);
			pair_go_to(&p, (1ull << 40) * CAPACITY + offset - LEAST + 16);
			if (put_in_place(LEAST, LEAST - 1, 4))
				take_pattern(&p.consumer, LEAST - 1, 4);
		}
		loans_close();
	}
}
END_TEST

START_TEST(reservation_shows_nothing_and_rings_nobody_before_its_commit)
{
	void *at;

	loans_open(true);
	ck_assert_int_eq(qbi_ring_reserve(&p.producer, MAX, &at), 0);
	memset(at, 0xff, MAX);
	ck_assert(qbi_ring_is_empty(&p.consumer));
	ck_assert(!qbi_ring_has_rung(&p.consumer));
	ck_assert_uint_eq(qbi_ring_queued(&p.producer), 0);
	/* Nothing else gets there meanwhile; afterwards it is as if nothing had been. */
	ck_assert_int_eq(put_pattern(&p.producer, 100, 1), QBI_FULL);
	ck_assert_int_eq(qbi_ring_reserve(&p.producer, 0, &at), QBI_FULL);
	qbi_ring_abandon(&p.producer);
	ck_assert_int_eq(put_pattern(&p.producer, 100, 1), 0);
	take_pattern(&p.consumer, 100, 1);
	ck_assert(qbi_ring_arm(&p.consumer, -1));
	ck_assert_int_eq(qbi_ring_reserve(&p.producer, 10, &at), 0);
	ck_assert(qbi_ring_commit(&p.producer, 10, 10, &at));
	ck_assert_uint_eq(qbi_ring_queued(&p.producer), 1);
	loans_close();
}
END_TEST

START_TEST(reservation_needs_room_as_a_message_does)
{
	void *at;

	loans_open(true);
	ck_assert_int_eq(put_pattern(&p.producer, MAX, 1), 0);
	ck_assert_int_eq(qbi_ring_reserve(&p.producer, MAX, &at), 0);
	ck_assert(!qbi_ring_commit(&p.producer, MAX, 0, &at));
	ck_assert_int_eq(put_pattern(&p.producer, MAX, 2), 0);
	ck_assert_int_eq(qbi_ring_reserve(&p.producer, MAX, &at), QBI_FULL);
	take_pattern(&p.consumer, MAX, 1);
	ck_assert_int_eq(qbi_ring_reserve(&p.producer, MAX, &at), 0);
	loans_close();
}
END_TEST

START_TEST(message_stays_while_it_is_looked_at_though_others_are_taken)
{
	const void *at;
	size_t size;

	loans_open(true);
	ck_assert_int_eq(put_pattern(&p.producer, MAX, 1), 0);
	ck_assert_int_eq(put_pattern(&p.producer, 500, 2), 0);
	ck_assert_int_eq(qbi_ring_view(&p.consumer, &at, &size), 0);
	take_pattern(&p.consumer, 500, 2);
	while (put_pattern(&p.producer, 500, 3) == 0)
		take_pattern(&p.consumer, 500, 3);
	ck_assert_int_eq(put_pattern(&p.producer, 500, 3), QBI_FULL);
	ck_assert(pattern_matches(at, MAX, 1));
	ck_assert_uint_eq(size, MAX);
	qbi_ring_view_done(&p.consumer);
	ck_assert_int_eq(put_pattern(&p.producer, MAX, 4), 0);
	ck_assert(look_in_place(MAX, 4));
	loans_close();
}
END_TEST

START_TEST(second_message_is_not_looked_at_beside_the_first)
{
	const void *at;
	size_t size;

	loans_open(true);
	ck_assert_int_eq(put_pattern(&p.producer, 100, 1), 0);
	ck_assert_int_eq(put_pattern(&p.producer, 200, 2), 0);
	ck_assert_int_eq(qbi_ring_view(&p.consumer, &at, &size), 0);
	ck_assert_int_eq(qbi_ring_view(&p.consumer, &at, &size), QBI_AGAIN);
	ck_assert_uint_eq(size, 200);
	take_pattern(&p.consumer, 200, 2);
	qbi_ring_view_done(&p.consumer);
	loans_close();
}
END_TEST

/* -- A peer that writes what it likes ------------------------------------------------------ */

struct record {
	uint32_t length;
	uint32_t kind;
};

START_TEST(record_that_cannot_be_is_not_looked_at)
{
	static const struct record wrong[] = {
		{ MAX + 1, 0x716d7367u },    { UINT32_MAX, 0x716d7367u }, { LEAST, 0 },
		{ MAX, 0x716d7367u },	     { 8, 0x716d7464u },	  { 8, 0x7163616eu },
		{ 0x7fffffff, 0x716d7367u },
	};
	const void *at;
	size_t size, i;

	for (i = 0; i < QBI_ARRAY_SIZE(wrong); i++) {
		loans_open(true);
		ck_assert_int_eq(put_pattern(&p.producer, LEAST, 1), 0);
		memcpy(p.data, &wrong[i], sizeof(wrong[i]));
		ck_assert_int_eq(qbi_ring_view(&p.consumer, &at, &size), -EBADMSG);
		ck_assert(!p.consumer.in_use);
		loans_close();
	}
}
END_TEST

START_TEST(head_that_cannot_be_is_found_by_a_reservation)
{
	static const uint64_t heads[] = { 1ull << 40, 8 + CAPACITY, 1ull << 63 };
	size_t i;
	void *at;

	for (i = 0; i < QBI_ARRAY_SIZE(heads); i++) {
		loans_open(true);
		while (put_pattern(&p.producer, MAX, 1) == 0)
			;
		atomic_store(&p.words->head, heads[i]);
		ck_assert_int_eq(qbi_ring_reserve(&p.producer, MAX, &at), -EBADMSG);
		loans_close();
	}
}
END_TEST

/* Whatever the other end does between the two. */
START_TEST(commit_uses_nothing_that_the_peer_writes)
{
	struct qbi_ring before;
	void *at;

	loans_open(true);
	ck_assert_int_eq(qbi_ring_reserve(&p.producer, MAX, &at), 0);
	before = p.producer;
	memset(p.words, 0xff, sizeof(*p.words));
	memset(p.data, 0xff, CAPACITY);
	pattern_fill(at, LEAST, 5);
	(void)qbi_ring_commit(&p.producer, MAX, LEAST, &at);
	ck_assert_uint_eq(p.producer.tail - before.tail, LEAST + 24);
	ck_assert_uint_eq(p.producer.tail_offset, LEAST + 24);
	ck_assert_uint_eq(atomic_load(&p.words->tail), p.producer.tail | 1);
	loans_close();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("native ring, in place");
	TCase *tc = tcase_new(s, "loans");
	int n = (int)QBI_ARRAY_SIZE(sizes);

	tcase_add_loop_test(tc, message_in_place_goes_round_the_end_where_data_is_mapped_twice,
			    0, n);
	tcase_add_loop_test(tc, message_that_is_not_in_one_piece_is_left_to_a_copy, 0, n);
	tcase_add_test(tc, shorter_message_than_reserved_begins_where_its_size_says);
	tcase_add_test(tc, reservation_shows_nothing_and_rings_nobody_before_its_commit);
	tcase_add_test(tc, reservation_needs_room_as_a_message_does);
	tcase_add_test(tc, message_stays_while_it_is_looked_at_though_others_are_taken);
	tcase_add_test(tc, second_message_is_not_looked_at_beside_the_first);
	tc = tcase_new(s, "peer");
	tcase_add_test(tc, record_that_cannot_be_is_not_looked_at);
	tcase_add_test(tc, head_that_cannot_be_is_found_by_a_reservation);
	tcase_add_test(tc, commit_uses_nothing_that_the_peer_writes);
	return suite_main(s);
}
