/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A peer that writes nonsense into the shared words and records of a native ring. What
 * is found is a fault, or believed where it could be true; whatever it is, nothing
 * outside of the ring and of the caller's buffer is touched: there are pages around the
 * words and the data that fault, and a sanitizer watches the buffer.
 */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tests/lib/variant.h"
#include "tests/unit/test-native-pair.h"

enum { CAPACITY = 4096, MAX = 1000, START = 4096 - 48, HONEST = 100 };

struct record {
	uint32_t length;
	uint32_t kind;
};

#define KIND 0x716d7367u

static struct native_pair p;

/* With one message of HONEST bytes that goes round the end of the data, or none. */
static void pair_begin(bool message)
{
	pair_open(&p, CAPACITY, MAX);
	pair_go_to(&p, (1ull << 40) + START);
	if (message)
		ck_assert_int_eq(put_pattern(&p.producer, HONEST, 1), 0);
}

/* What the consumer says, into a buffer of exactly the agreed size. */
static int take_guarded(void)
{
	char *buf = malloc(MAX);
	size_t size = SIZE_MAX;
	int r;

	ck_assert_ptr_nonnull(buf);
	r = qbi_ring_take(&p.consumer, buf, MAX, &size);
	ck_assert(r != 0 || size <= MAX);
	free(buf);
	return r;
}

static int put_guarded(size_t n)
{
	char *buf = calloc(1, n);
	bool ring;
	int r;

	ck_assert_ptr_nonnull(buf);
	r = put_bytes(&p.producer, buf, n, &ring);
	free(buf);
	return r;
}

START_TEST(tail_that_cannot_be_is_a_fault)
{
	static const uint64_t ahead[] = {
		2,
		4,
		6,
		10,
		CAPACITY + 8,
		CAPACITY + 10,
		1ull << 31,
		1ull << 32,
		1ull << 63,
		-8ull,
		-2ull,
		-16ull,
		-(uint64_t)CAPACITY,
		-((1ull << 40) + START),
	};

	for (size_t i = 0; i < QBI_ARRAY_SIZE(ahead); i++)
		for (uint64_t rung = 0; rung <= 1; rung++) {
			pair_begin(false);
			atomic_store(&p.words->tail, p.consumer.head + ahead[i] + rung);
			ck_assert(!qbi_ring_is_empty(&p.consumer));
			ck_assert(!qbi_ring_arm(&p.consumer, -1));
			ck_assert_int_eq(take_guarded(), -EBADMSG);
			/* And again: nothing has changed by looking. */
			ck_assert_int_eq(take_guarded(), -EBADMSG);
			pair_close(&p);
		}
}
END_TEST

/* Not only because of what it covers: that may be as it should. */
START_TEST(tail_that_cannot_be_is_a_fault_although_a_message_lies_there)
{
	static const uint64_t ahead[] = {
		2,
		4,
		6,
		8 * CAPACITY + 2,
		CAPACITY + 8,
		1ull << 31,
		1ull << 32,
		1ull << 63,
		-8ull,
		-2ull,
		-16ull,
		-(uint64_t)CAPACITY,
	};

	for (size_t i = 0; i < QBI_ARRAY_SIZE(ahead); i++) {
		pair_begin(true);
		if (ahead[i] < 8) /* off the grid, behind the message */
			atomic_fetch_add(&p.words->tail, ahead[i]);
		else
			atomic_store(&p.words->tail, p.consumer.head + ahead[i]);
		ck_assert_int_eq(take_guarded(), -EBADMSG);
		pair_close(&p);
	}
}
END_TEST

START_TEST(tail_before_its_message_is_written_is_a_fault)
{
	static const uint64_t ahead[] = { 8, 16, 1024, CAPACITY - 8, CAPACITY };

	for (size_t i = 0; i < QBI_ARRAY_SIZE(ahead); i++) {
		pair_begin(false);
		atomic_store(&p.words->tail, p.consumer.head + ahead[i]);
		ck_assert_int_eq(take_guarded(), -EBADMSG);
		pair_close(&p);
	}
}
END_TEST

START_TEST(bell_bit_alone_is_no_message)
{
	for (int i = 0; i < 3; i++) {
		pair_begin(false);
		atomic_store(&p.words->tail, p.consumer.head | 1);
		ck_assert_int_eq(take_guarded(), QBI_EMPTY);
		ck_assert(qbi_ring_arm(&p.consumer, -1));
		ck_assert_int_eq((int64_t)p.consumer.owed, 1);
		atomic_store(&p.words->tail, p.consumer.head);
		ck_assert_int_eq(take_guarded(), QBI_EMPTY);
		ck_assert(qbi_ring_arm(&p.consumer, -1));
		ck_assert_int_eq((int64_t)p.consumer.owed, 1);
		pair_close(&p);
	}
}
END_TEST

/* The header of the honest message becomes @record. */
static int take_of_record(struct record record)
{
	int r;

	pair_begin(true);
	memcpy(p.data + START, &record, sizeof(record));
	r = take_guarded();
	pair_close(&p);
	return r;
}

START_TEST(length_beyond_the_maximum_or_beyond_what_is_there_is_a_fault)
{
	static const uint32_t lengths[] = {
		HONEST + 5,	MAX,	    MAX + 1,	    CAPACITY,	    1u << 31,
		(1u << 31) + 1, UINT32_MAX, UINT32_MAX - 7, UINT32_MAX - 8, UINT32_MAX - 15,
	};

	for (size_t i = 0; i < QBI_ARRAY_SIZE(lengths); i++)
		ck_assert_int_eq(take_of_record((struct record){ lengths[i], KIND }), -EBADMSG);
}
END_TEST

START_TEST(shorter_length_is_a_shorter_message)
{
	for (uint32_t length = 0; length <= HONEST; length++)
		ck_assert_int_eq(take_of_record((struct record){ length, KIND }), 0);
}
END_TEST

START_TEST(unknown_kind_is_a_fault)
{
	static const uint32_t kinds[] = { 0, 1, KIND + 1, KIND ^ 0x80000000u, UINT32_MAX };

	for (size_t i = 0; i < QBI_ARRAY_SIZE(kinds); i++)
		ck_assert_int_eq(take_of_record((struct record){ HONEST, kinds[i] }), -EBADMSG);
}
END_TEST

START_TEST(message_after_a_shortened_one_is_judged_by_what_lies_there)
{
	struct record shorter = { 8, KIND };

	pair_begin(true);
	memcpy(p.data + START, &shorter, sizeof(shorter));
	ck_assert_int_eq(take_guarded(), 0);
	/* In the middle of the honest one. */
	ck_assert_int_eq(take_guarded(), -EBADMSG);
	pair_close(&p);
}
END_TEST

START_TEST(head_that_cannot_be_is_a_fault)
{
	static const uint64_t off[] = {
		8,
		1,
		1ull << 31,
		1ull << 63,
		-(uint64_t)CAPACITY - 8,
		-(1ull << 32),
		-((1ull << 40) + START),
	};

	for (size_t i = 0; i < QBI_ARRAY_SIZE(off); i++) {
		pair_begin(false);
		while (put_guarded(MAX) == 0)
			;
		atomic_store(&p.words->head, p.producer.tail + off[i]);
		ck_assert_int_eq(put_guarded(MAX), -EBADMSG);
		pair_close(&p);
	}
}
END_TEST

START_TEST(head_that_could_be_is_believed_within_the_ring)
{
	pair_begin(false);
	for (uint64_t back = 0; back <= CAPACITY; back++) {
		int expected = back + stride(MAX) <= CAPACITY ? 0 : QBI_FULL;

		p.producer.head_seen = p.producer.tail - CAPACITY;
		atomic_store(&p.words->head, p.producer.tail - back);
		ck_assert_int_eq(put_guarded(MAX), expected);
	}
	pair_close(&p);
}
END_TEST

START_TEST(head_is_not_asked_while_there_is_room)
{
	pair_begin(false);
	atomic_store(&p.words->head, 12345);
	for (uint64_t used = 0; used + stride(MAX) <= CAPACITY; used += stride(MAX))
		ck_assert_int_eq(put_guarded(MAX), 0);
	ck_assert_int_eq(put_guarded(MAX), -EBADMSG);
	pair_close(&p);
}
END_TEST

START_TEST(number_of_taken_messages_is_believed_only_if_the_rest_could_be_queued)
{
	static const uint32_t off[] = { 1, 2, UINT32_MAX / 2, UINT32_MAX - CAPACITY };

	pair_begin(true);
	ck_assert_uint_eq(qbi_ring_queued(&p.producer), 1);
	atomic_store(&p.words->taken, 1);
	ck_assert_uint_eq(qbi_ring_queued(&p.producer), 0);
	for (size_t i = 0; i < QBI_ARRAY_SIZE(off); i++) {
		atomic_store(&p.words->taken, 1 + off[i]);
		ck_assert_uint_le(qbi_ring_queued(&p.producer), CAPACITY / 8);
	}
	pair_close(&p);
}
END_TEST

START_TEST(waiting_is_never_more_than_the_ring)
{
	static const uint64_t words[] = {
		0, 1, 7, 8, CAPACITY, CAPACITY + 8, 1ull << 31, 1ull << 63, UINT64_MAX,
	};
	uint64_t offset;

	pair_begin(false);
	for (size_t i = 0; i < QBI_ARRAY_SIZE(words); i++)
		for (size_t k = 0; k < QBI_ARRAY_SIZE(words); k++) {
			atomic_store(&p.words->tail, words[i]);
			atomic_store(&p.words->head, words[k]);
			ck_assert_uint_le(qbi_ring_waiting(p.words, CAPACITY, &offset),
					  CAPACITY);
			ck_assert_uint_lt(offset, CAPACITY);
		}
	pair_close(&p);
}
END_TEST

START_TEST(random_words_and_data_are_a_fault_or_a_message)
{
	uint64_t faults = 0, messages = 0, state = 88172645463325252ull;

	pair_begin(false);
	for (int i = 0; i < 100000; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		pair_go_to(&p, state & ~7ull);
		memcpy(p.data + state % (CAPACITY - 8), &state, 8);
		/* Mostly near the truth, or nothing would be looked at. */
		atomic_store(&p.words->tail, (state & ~7ull) + (state >> 20) % 512);
		if (i % 2) {
			struct record r = { (uint32_t)(state >> 33) % 600, KIND };

			memcpy(p.data + p.consumer.head_offset, &r, sizeof(r));
		}
		switch (take_guarded()) {
		case 0: messages++; break;
		case -EBADMSG: faults++; break;
		default: break;
		}
	}
	ck_assert_uint_gt(faults, 1000);
	ck_assert_uint_gt(messages, 1000);
	pair_close(&p);
}
END_TEST

/* -- At full speed ------------------------------------------------------------- */

static atomic_bool stop;

/* The tail jumps about, the data is filled anew. The peer's own mapping: what it does
 * is no race within this program. */
static void *thread_scribble(void *data)
{
	struct record record = { 0, KIND };
	uint64_t head = (1ull << 40) + START;

	for (uint32_t i = 0; !atomic_load(&stop); i++) {
		uint64_t base = atomic_load_explicit(&p.words->head, memory_order_relaxed);

		record.length = i % 3 ? i % (MAX + 2) : UINT32_MAX - i % 16;
		for (uint64_t at = 0; at < CAPACITY; at += 8)
			memcpy(p.data + at, &record, sizeof(record));
		atomic_store(&p.words->tail, base + 8 * (i % 600));
		atomic_store(&p.words->tail, i % 7 ? base + 8 * (i % 512) : i);
		atomic_store(&p.words->head, i % 5 ? base + 8 * (i % 64) : head + i);
		atomic_store(&p.words->taken, i);
	}
	return data;
}

START_TEST(words_and_data_that_change_at_full_speed_are_survived)
{
	uint64_t faults = 0, messages = 0, puts = 0;
	pthread_t thread;

	pair_begin(false);
	atomic_store(&stop, false);
	ck_assert_int_eq(pthread_create(&thread, NULL, thread_scribble, NULL), 0);
	for (int i = 0; i < 50000 || !faults || !messages; i++) {
		int r = take_guarded();
		bool ring;

		messages += r == 0;
		faults += r == -EBADMSG;
		puts += put_bytes(&p.producer, "12345678", (size_t)i % 9, &ring) == 0;
		(void)qbi_ring_arm(&p.consumer, i % 3 ? -1 : i % 100);
		ck_assert_uint_le(qbi_ring_queued(&p.producer), CAPACITY / 8);
		ck_assert_uint_lt(p.consumer.head_offset, CAPACITY);
		ck_assert_uint_lt(p.producer.tail_offset, CAPACITY);
		/* A fault ends a connection; here the next one begins. */
		if (r == -EBADMSG)
			p.consumer.tail_seen = p.consumer.head;
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	ck_assert_uint_gt(puts, 0);
	pair_close(&p);
}
END_TEST

/* -- An own position, read again after a fork -------------------------------------------- */

enum { RESUMED_SIZE = 40 };

START_TEST(child_goes_on_where_its_parent_got_to)
{
	struct qbi_ring child;
	uint32_t next = 1;
	bool ring;

	pair_begin(false);
	ck_assert(qbi_ring_arm(&p.consumer, -1));
	child = p.producer;
	for (; next <= 3; next++)
		ck_assert_int_eq(put_pattern(&p.producer, RESUMED_SIZE, next), 0);
	ck_assert_int_eq(qbi_ring_resume_producer(&child, &ring), 0);
	ck_assert(ring);
	ck_assert_int_eq(put_pattern(&child, RESUMED_SIZE, next++), 0);
	ck_assert_uint_eq(qbi_ring_queued(&child), 4);
	take_pattern(&p.consumer, RESUMED_SIZE, 1);

	child = p.consumer;
	take_pattern(&p.consumer, RESUMED_SIZE, 2);
	take_pattern(&p.consumer, RESUMED_SIZE, 3);
	ck_assert_int_eq(qbi_ring_resume_consumer(&child), 0);
	take_pattern(&child, RESUMED_SIZE, 4);
	ck_assert(qbi_ring_is_empty(&child));
	ck_assert_int_eq(child.owed, 0);
	pair_close(&p);
}
END_TEST

START_TEST(child_of_a_parent_that_did_nothing_does_not_ring)
{
	bool ring = true;

	pair_begin(true);
	ck_assert_int_eq(qbi_ring_resume_producer(&p.producer, &ring), 0);
	ck_assert(!ring);
	pair_close(&p);
}
END_TEST

START_TEST(own_position_that_cannot_be_ends_it)
{
	static const uint64_t moved[] = {
		2, 4, 12, -8ull, -(uint64_t)CAPACITY, CAPACITY + 8, 1ull << 32, 1ull << 63
	};

	for (size_t i = 0; i < QBI_ARRAY_SIZE(moved); i++) {
		struct qbi_ring before;
		bool ring;

		pair_begin(false);
		before = p.producer;
		atomic_store(&p.words->tail, p.producer.tail + moved[i]);
		ck_assert_int_eq(qbi_ring_resume_producer(&p.producer, &ring), -EBADMSG);
		ck_assert_mem_eq(&before, &p.producer, sizeof(before));
		pair_close(&p);

		pair_begin(true);
		before = p.consumer;
		atomic_store(&p.words->head, p.consumer.head + moved[i]);
		ck_assert_int_eq(qbi_ring_resume_consumer(&p.consumer), -EBADMSG);
		ck_assert_mem_eq(&before, &p.consumer, sizeof(before));
		pair_close(&p);
	}
}
END_TEST

START_TEST(own_position_that_could_be_is_believed_within_the_ring)
{
	for (uint64_t head = 0; head <= 2 * CAPACITY; head += 8) {
		bool ring;

		pair_begin(false);
		/* Both words, so that they agree; the data is what the peer likes. */
		atomic_store(&p.words->tail, p.producer.tail + head);
		atomic_store(&p.words->head, p.consumer.head + head);
		ck_assert_int_eq(qbi_ring_resume_producer(&p.producer, &ring), 0);
		ck_assert_int_eq(qbi_ring_resume_consumer(&p.consumer), 0);
		ck_assert_uint_lt(p.producer.tail_offset, CAPACITY);
		ck_assert_uint_lt(p.consumer.head_offset, CAPACITY);
		ck_assert_int_eq(put_guarded(MAX), 0);
		ck_assert_int_eq(take_guarded(), 0);
		pair_close(&p);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("native ring, hostile peer");
	TCase *tc = tcase_new(s, "producer");

	tcase_add_test(tc, tail_that_cannot_be_is_a_fault);
	tcase_add_test(tc, tail_that_cannot_be_is_a_fault_although_a_message_lies_there);
	tcase_add_test(tc, tail_before_its_message_is_written_is_a_fault);
	tcase_add_test(tc, bell_bit_alone_is_no_message);
	tcase_add_test(tc, length_beyond_the_maximum_or_beyond_what_is_there_is_a_fault);
	tcase_add_test(tc, shorter_length_is_a_shorter_message);
	tcase_add_test(tc, unknown_kind_is_a_fault);
	tcase_add_test(tc, message_after_a_shortened_one_is_judged_by_what_lies_there);

	tc = tcase_new(s, "consumer");
	tcase_add_test(tc, head_that_cannot_be_is_a_fault);
	tcase_add_test(tc, head_that_could_be_is_believed_within_the_ring);
	tcase_add_test(tc, head_is_not_asked_while_there_is_room);
	tcase_add_test(tc,
		       number_of_taken_messages_is_believed_only_if_the_rest_could_be_queued);

	tc = tcase_new(s, "either");
	tcase_add_test(tc, waiting_is_never_more_than_the_ring);
	tcase_add_test(tc, random_words_and_data_are_a_fault_or_a_message);
	tcase_add_test(tc, words_and_data_that_change_at_full_speed_are_survived);

	tc = tcase_new(s, "after a fork");
	tcase_add_test(tc, child_goes_on_where_its_parent_got_to);
	tcase_add_test(tc, child_of_a_parent_that_did_nothing_does_not_ring);
	tcase_add_test(tc, own_position_that_cannot_be_ends_it);
	tcase_add_test(tc, own_position_that_could_be_is_believed_within_the_ring);
	return suite_main(s);
}
