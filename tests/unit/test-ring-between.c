/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A peer that changes a word between any two accesses of ours. The traffic functions
 * are compiled here once more, with a hook before each access to shared memory; every
 * access of an operation is tried with every word and many values, so that a value
 * which is checked and then fetched again is found.
 */
#include "config.h"

#include "tests/lib/peer-script.h"

#include <stdlib.h>

#include "ring/qbring-traffic.c"

#include "tests/unit/test-ring-fixture.h"

enum { GUARD_BYTES = 64, TAKE_SIZE = 1000, MESSAGE = 700 };

/* The first three are set to those around the words that there are. */
static uint32_t values[] = {
	0,	     0,		  0,	       0,	    1,
	2,	     699,	  701,	       TAKE_SIZE,   TAKE_SIZE + 1,
	4095,	     4096,	  4097,	       PAIR_MAX,    PAIR_MAX + 1,
	16384,	     0x7FFFFFFF,  0x80000000U, 0xA1A1A1A1U, 0xA110CED0U,
	0xD0D0D0D0U, 0xFFFFFFF0U, 0xFFFFFFFFU,
};

#define header_word(member)                                                                    \
	((uint32_t *)(void *)((char *)p.head + offsetof(struct qbi_qbring_header, member)))

/* Around the end of the data, where the message of each run lies. */
static uint32_t start;

static uint32_t *const *shared_words(size_t *ret_n)
{
	static uint32_t *words[11];

	words[0] = header_word(write_pt);
	words[1] = header_word(read_pt);
	words[2] = header_word(word_size);
	words[3] = header_word(ref_count);
	words[4] = header_word(sem.value);
	words[5] = header_word(sem.sleepers);
	words[6] = header_word(user_data);
	words[7] = &p.data[start];
	words[8] = &p.data[start + 1];
	words[9] = &p.data[start + 2];
	words[10] = &p.data[0];
	*ret_n = QBI_ARRAY_SIZE(words);
	return words;
}

/* One message of MESSAGE bytes in an otherwise fresh ring, or none. */
static void ring_reset(bool message)
{
	peer_script_set(NULL, 0);
	p.head->write_pt = p.head->read_pt = start;
	p.head->word_size = pair_words(&p);
	atomic_store(&p.head->sem.both, 0);
	p.client.write = p.client.read = start;
	p.server.write = p.server.read = start;
	if (message)
		ck_assert_int_eq(put_pattern(&p.client, MESSAGE, 1), 0);
}

static void operation_put(void)
{
	int r = put_pattern(&p.client, MESSAGE, 2);

	ck_assert_msg(r == 0 || r == QBI_FULL || r == -EBADMSG, "put: %d", r);
	ck_assert_uint_lt(p.client.write, pair_words(&p));
}

static void operation_take(void)
{
	static unsigned char buf[GUARD_BYTES + TAKE_SIZE + GUARD_BYTES];
	size_t n = SIZE_MAX;
	int r;

	memset(buf, 0xC3, sizeof(buf));
	r = qbi_qbring_take(&p.server, buf + GUARD_BYTES, TAKE_SIZE, &n);
	if (r == 0)
		ck_assert_uint_le(n, TAKE_SIZE);
	else if (r == -ENOBUFS)
		ck_assert(n > TAKE_SIZE && n <= PAIR_MAX);
	else
		ck_assert_msg(r == QBI_EMPTY || r == -EBADMSG, "take: %d", r);
	for (size_t i = 0; i < GUARD_BYTES; i++) {
		ck_assert_uint_eq(buf[i], 0xC3);
		ck_assert_uint_eq(buf[GUARD_BYTES + TAKE_SIZE + i], 0xC3);
	}
	ck_assert_uint_lt(p.server.read, pair_words(&p));
}

static void operation_wait(void)
{
	int r = qbi_qbring_wait(&p.server, qbi_now_ns());

	ck_assert_msg(r == 0 || r == QBI_EMPTY || r == -EBADMSG, "wait: %d", r);
}

static void operation_count(void)
{
	ck_assert_uint_le(qbi_qbring_count(&p.server), pair_words(&p) / 2);
}

static const struct {
	void (*run)(void);
	bool message;
	unsigned int accesses; /* of an undisturbed run, at least */
} operations[] = {
	{ operation_put, false, 8 },  { operation_put, true, 8 },   { operation_take, true, 9 },
	{ operation_take, false, 1 }, { operation_wait, false, 4 }, { operation_wait, true, 1 },
	{ operation_count, true, 1 },
};

static void setup(void)
{
	ring_setup();
	start = pair_words(&p) - 50;
	for (uint32_t i = 0; i < 3; i++)
		values[i] = pair_words(&p) - 1 + i;
}

/* How many accesses the operation has when nobody interferes. */
static unsigned int undisturbed_accesses(int operation)
{
	ring_reset(operations[operation].message);
	peer_script_set(NULL, 0);
	operations[operation].run();
	return peer.accesses;
}

START_TEST(any_change_between_two_accesses_is_survived)
{
	unsigned int accesses = undisturbed_accesses(_i);
	uint32_t *const *words;
	unsigned int at;
	size_t n, w, v;

	ck_assert_uint_ge(accesses, operations[_i].accesses);
	words = shared_words(&n);
	for (at = 0; at < accesses; at++) {
		for (w = 0; w < n; w++) {
			for (v = 0; v < QBI_ARRAY_SIZE(values); v++) {
				struct peer_write write = { at, sizeof(uint32_t), words[w],
							    values[v] };

				ring_reset(operations[_i].message);
				peer_script_set(&write, 1);
				operations[_i].run();
			}
		}
	}
}
END_TEST

START_TEST(length_is_fetched_once)
{
	unsigned char buf[PAIR_MAX];
	unsigned int accesses = undisturbed_accesses(2);
	size_t n;

	/* Changed after the first look, whenever that is: what is taken has one length
	 * from beginning to end, the old one or the new one. */
	for (unsigned int at = 0; at < accesses; at++) {
		struct peer_write write = { at, sizeof(uint32_t), &p.data[start], 40 };
		uint32_t stride;
		int r;

		ring_reset(true);
		peer_script_set(&write, 1);
		memset(buf, 0, sizeof(buf));
		r = qbi_qbring_take(&p.server, buf, sizeof(buf), &n);
		ck_assert_int_eq(r, 0);
		ck_assert(n == MESSAGE || n == 40);
		stride = (p.server.read + pair_words(&p) - start) % pair_words(&p);
		ck_assert_uint_eq(stride, 2 + (n + 3) / 4);
		for (size_t i = n; i < sizeof(buf); i++)
			ck_assert_uint_eq(buf[i], 0);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ring, between two accesses");
	TCase *t = tcase_create("scripted peer");
	int failed;

	tcase_add_checked_fixture(t, setup, ring_teardown);
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, any_change_between_two_accesses_is_survived, 0,
			    (int)QBI_ARRAY_SIZE(operations));
	tcase_add_test(t, length_is_fetched_once);
	suite_add_tcase(s, t);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
