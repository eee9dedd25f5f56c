/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A peer that changes a word between any two accesses of ours. The native ring is
 * compiled here once more, with a hook before each access to shared memory: at every
 * access of an operation every word becomes every one of many values, so that a value
 * which is checked and then fetched again is found.
 */
#include "config.h"

#include "tests/lib/peer-script.h"

#include <stdlib.h>

#include "ring/ring.c"
#include "ring/ring-pieces.c"
#include "ring/ring-places.c"
#include "ring/ring-resume.c"

#include "tests/lib/variant.h"
#include "tests/unit/test-native-pair.h"

enum { CAPACITY = 4096, MAX = 700, HONEST = 600, START = 4096 - 40, ACCESSES = 12 };

static struct native_pair p;

static const uint64_t values[] = {
	0,
	1,
	8,
	16,
	HONEST - 1,
	HONEST + 9,
	MAX,
	MAX + 1,
	START,
	START + 8,
	START + 616,
	START + 617,
	START + CAPACITY,
	START + CAPACITY + 8,
	QBI_RECORD_MESSAGE,
	1u << 31,
	UINT32_MAX - 7,
	UINT32_MAX,
	1ull << 63,
	UINT64_MAX - 7,
	UINT64_MAX,
};

/* In an otherwise fresh ring, one message that goes round the end of the data, or none. */
static void ring_reset(bool message)
{
	peer_script_set(NULL, 0);
	p.producer.put = p.consumer.taken = 0;
	pair_go_to(&p, START);
	if (message)
		ck_assert_int_eq(put_pattern(&p.producer, HONEST, 1), 0);
}

typedef void (*operation_fn)(void);

/* Every access, every word, every value. */
static void try_all(operation_fn operation, bool message)
{
	const struct {
		void *word;
		uint32_t size;
	} words[] = {
		{ &p.words->tail, 8 }, { &p.words->head, 8 },	  { &p.words->taken, 4 },
		{ p.data + START, 4 }, { p.data + START + 4, 4 }, { p.data + START, 8 },
		{ p.data, 8 },
	};

	for (unsigned int at = 0; at < ACCESSES; at++)
		for (size_t w = 0; w < QBI_ARRAY_SIZE(words); w++)
			for (size_t v = 0; v < QBI_ARRAY_SIZE(values); v++) {
				struct peer_write write = { at, words[w].size, words[w].word,
							    values[v] };

				ring_reset(message);
				peer_script_set(&write, 1);
				operation();
				ck_assert_uint_lt(peer.accesses, ACCESSES);
			}
}

/* A size is checked and used once: the buffer is exactly as large as was said. */
static void operation_take(void)
{
	char *buf = malloc(HONEST);
	size_t size = 0;
	int r = qbi_ring_take(&p.consumer, buf, HONEST, &size);

	ck_assert(r == 0 || r == QBI_EMPTY || r == -ENOBUFS || r == -EBADMSG);
	ck_assert(r != 0 || size <= HONEST);
	ck_assert(r != -ENOBUFS || (size > HONEST && size <= MAX));
	ck_assert_uint_lt(p.consumer.head_offset, CAPACITY);
	ck_assert_uint_eq(p.consumer.head_offset, p.consumer.head % CAPACITY);
	free(buf);
}

static void operation_put(void)
{
	static const char zeros[MAX];
	bool ring;
	int r = put_bytes(&p.producer, zeros, MAX, &ring);

	ck_assert(r == 0 || r == QBI_FULL || r == -EBADMSG);
	ck_assert_uint_eq(p.producer.tail, START + (r ? 0 : stride(MAX)));
	ck_assert_uint_eq(p.producer.tail_offset, p.producer.tail % CAPACITY);
}

static void operation_put_when_full(void)
{
	bool ring;
	int r;

	p.producer.head_seen = p.producer.tail - CAPACITY;
	r = put_bytes(&p.producer, "x", 1, &ring);
	ck_assert(r == 0 || r == QBI_FULL || r == -EBADMSG);
}

/* Arming changes the word only when it is what was expected. */
static void operation_arm(void)
{
	int64_t owed = (int64_t)p.consumer.owed;
	bool armed = qbi_ring_arm(&p.consumer, HONEST);
	int64_t more = (int64_t)p.consumer.owed - owed;

	ck_assert(more == 0 || (armed && more == 1));
}

static void operation_event(void)
{
	size_t size;

	if (qbi_ring_peek(&p.consumer, &size) == 0) {
		ck_assert_uint_le(size, MAX);
		(void)qbi_ring_is_last(&p.consumer, size);
		(void)qbi_ring_arm(&p.consumer, (ssize_t)size);
	}
	operation_take();
}

START_TEST(take_fetches_each_word_once)
{
	pair_open(&p, CAPACITY, MAX);
	try_all(operation_take, true);
	try_all(operation_take, false);
	pair_close(&p);
}
END_TEST

START_TEST(put_fetches_each_word_once)
{
	pair_open(&p, CAPACITY, MAX);
	try_all(operation_put, false);
	try_all(operation_put_when_full, false);
	pair_close(&p);
}
END_TEST

START_TEST(arm_decides_by_one_look)
{
	pair_open(&p, CAPACITY, MAX);
	try_all(operation_arm, true);
	pair_close(&p);
}
END_TEST

START_TEST(event_is_judged_anew_by_each_step)
{
	pair_open(&p, CAPACITY, MAX);
	try_all(operation_event, true);
	try_all(operation_event, false);
	pair_close(&p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("native ring, peer in between");
	TCase *tc = tcase_new(s, "accesses");

	tcase_add_test(tc, take_fetches_each_word_once);
	tcase_add_test(tc, put_fetches_each_word_once);
	tcase_add_test(tc, arm_decides_by_one_look);
	tcase_add_test(tc, event_is_judged_anew_by_each_step);
	return suite_main(s);
}
