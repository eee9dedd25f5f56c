/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The old wire's ring against a peer that writes any byte of both files at any time;
 * test-ring-truncated.c has one that takes their pages away. Whatever it does, a call
 * returns one of its documented results, touches nothing outside its buffer, and other
 * rings go on.
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/unit/test-ring-hostile.h"

enum { WORDS = 11, RANDOM_CALLS = 4000, GUARD_BYTES = 64 };

struct ring_pair p;
static struct ring_pair honest;

/* The first four are set to those around the words that there are. */
static uint32_t values[] = {
	0,	     0,		  0,	       0,	    0,		 1,
	2,	     3,		  5,	       4094,	    4095,	 4096,
	4097,	     8191,	  16383,       16384,	    16385,	 0x3FFFFFFF,
	0x40000000,  0x7FFFFFFF,  0x80000000U, 0x80000001U, 0xA1A1A1A1U, 0xFFFFF000U,
	0xFFFFFFFDU, 0xFFFFFFFEU, 0xFFFFFFFFU,
};

void hostile_setup(void)
{
	census_setup();
	pair_open(&p, PAIR_MAX);
	pair_open(&honest, PAIR_MAX);
	for (uint32_t i = 0; i < 4; i++)
		values[i] = pair_words(&p) - 2 + i;
}

void hostile_teardown(void)
{
	/* Nobody else's ring has noticed anything. */
	for (uint32_t i = 0; i < 10; i++) {
		ck_assert_int_eq(put_pattern(&honest.client, 3000, i), 0);
		take_pattern(&honest.server, 3000, i);
	}
	ck_assert(!qbi_fault_happened(&honest.client.map.guard));
	pair_close(&honest);
	pair_close(&p);
	census_teardown();
}

/* -- One wrong word ------------------------------------------------------------ */

#define header_word(member)                                                                    \
	((uint32_t *)(void *)((char *)p.head + offsetof(struct qbi_qbring_header, member)))

static uint32_t *shared_word(int which)
{
	uint32_t *words[WORDS] = {
		header_word(write_pt),
		header_word(read_pt),
		header_word(word_size),
		header_word(ref_count),
		header_word(sem.value),
		header_word(sem.sleepers),
		header_word(user_data),
		&p.data[0],
		&p.data[1],
		&p.data[2],
		&p.data[pair_words(&p) - 1],
	};

	return words[which];
}

int take_watched(struct qbi_qbring *r, size_t size)
{
	static unsigned char buf[GUARD_BYTES + PAIR_MAX + GUARD_BYTES];
	size_t n = SIZE_MAX, i;
	int err;

	memset(buf, 0xC3, sizeof(buf));
	err = qbi_qbring_take(r, buf + GUARD_BYTES, size, &n);
	ck_assert_msg(err == 0 || err == QBI_EMPTY || err == -ENOBUFS || err == -EBADMSG,
		      "take: %d", err);
	if (err == 0)
		ck_assert_uint_le(n, size);
	if (err == -ENOBUFS)
		ck_assert(n > size && n <= PAIR_MAX);
	for (i = 0; i < GUARD_BYTES; i++) {
		ck_assert_uint_eq(buf[i], 0xC3);
		ck_assert_uint_eq(buf[GUARD_BYTES + size + i], 0xC3);
	}
	return err;
}

int put_any(struct qbi_qbring *r, size_t n)
{
	int err = put_pattern(r, n, 1);

	ck_assert_msg(err == 0 || err == QBI_FULL || err == -EBADMSG, "put: %d", err);
	return err;
}

void use_everything(struct qbi_qbring *r)
{
	int err;

	put_any(r, 100);
	put_any(r, PAIR_MAX);
	take_watched(r, 50);
	take_watched(r, PAIR_MAX);
	take_watched(r, PAIR_MAX);
	ck_assert_uint_le(qbi_qbring_count(r), pair_words(&p) / 2);
	err = qbi_qbring_wait(r, qbi_now_ns());
	ck_assert_msg(err == 0 || err == QBI_EMPTY || err == -EBADMSG, "wait: %d", err);
	qbi_qbring_user_get(r);
	qbi_qbring_user_set(r, 1);
	qbi_qbring_refs_add(r, 1);
}

START_TEST(any_value_in_any_word_is_survived)
{
	uint32_t *word = shared_word(_i);

	for (size_t v = 0; v < QBI_ARRAY_SIZE(values); v++) {
		pair_close(&p);
		pair_open(&p, PAIR_MAX);
		ck_assert_int_eq(put_pattern(&p.client, 100, 1), 0);
		word = shared_word(_i);
		*word = values[v];
		use_everything(&p.server);
		use_everything(&p.client);
		*word = values[v];
		use_everything(&p.server);
	}
}
END_TEST

START_TEST(flipping_word_is_survived)
{
	uint32_t *word = shared_word(_i);

	for (size_t i = 0; i < 500; i++) {
		*word = values[i % QBI_ARRAY_SIZE(values)] ^ (uint32_t)(i >> 5);
		put_any(&p.client, i % 300);
		take_watched(&p.server, PAIR_MAX);
	}
}
END_TEST

START_TEST(read_index_outside_the_ring_is_bad)
{
	const uint32_t bad[] = { pair_words(&p), pair_words(&p) + 1, 0x80000000U, 0xFFFFFFFFU };

	for (size_t i = 0; i < QBI_ARRAY_SIZE(bad); i++) {
		p.head->read_pt = bad[i];
		ck_assert_int_eq(put_pattern(&p.client, 10, 1), -EBADMSG);
	}
	p.head->read_pt = 0;
	ck_assert_int_eq(put_pattern(&p.client, 10, 1), 0);
}
END_TEST

START_TEST(chunk_length_beyond_the_maximum_is_bad)
{
	const uint32_t bad[] = { PAIR_MAX + 1, 0x7FFFFFFF, 0x80000000U, 0xFFFFFFFFU };

	ck_assert_int_eq(put_pattern(&p.client, 10, 1), 0);
	for (size_t i = 0; i < QBI_ARRAY_SIZE(bad); i++) {
		p.data[0] = bad[i];
		ck_assert_int_eq(take_watched(&p.server, PAIR_MAX), -EBADMSG);
	}
}
END_TEST

START_TEST(chunk_length_within_the_maximum_is_what_is_taken)
{
	const uint32_t odd[] = { 0, 1, 9, 11, PAIR_MAX };

	for (size_t i = 0; i < QBI_ARRAY_SIZE(odd); i++) {
		unsigned char buf[PAIR_MAX];
		size_t n;

		pair_close(&p);
		pair_open(&p, PAIR_MAX);
		ck_assert_int_eq(put_pattern(&p.client, 10, 1), 0);
		p.data[0] = odd[i];
		ck_assert_int_eq(qbi_qbring_take(&p.server, buf, sizeof(buf), &n), 0);
		ck_assert_uint_eq(n, odd[i]);
	}
}
END_TEST

START_TEST(wrong_magic_is_bad)
{
	const uint32_t bad[] = { 0, 1, 0xA1A1A1A0U, 0xA110CED0U, 0xD0D0D0D0U, 0xFFFFFFFFU };

	ck_assert_int_eq(put_pattern(&p.client, 10, 1), 0);
	for (size_t i = 0; i < QBI_ARRAY_SIZE(bad); i++) {
		p.data[1] = bad[i];
		ck_assert_int_eq(take_watched(&p.server, PAIR_MAX), -EBADMSG);
	}
}
END_TEST

START_TEST(raised_semaphore_without_messages_is_bad)
{
	const uint32_t raised[] = { 1, 2, 5000000, 0x7FFFFFFF, 0xFFFFFFFFU };

	for (size_t i = 0; i < QBI_ARRAY_SIZE(raised); i++) {
		p.head->sem.value = raised[i];
		ck_assert_int_eq(take_watched(&p.server, PAIR_MAX), -EBADMSG);
		ck_assert_uint_le(qbi_qbring_count(&p.server), pair_words(&p) / 2);
	}
}
END_TEST

START_TEST(zeroed_semaphore_hides_messages_and_nothing_else)
{
	ck_assert_int_eq(put_pattern(&p.client, 10, 1), 0);
	p.head->sem.value = 0;
	ck_assert_int_eq(take_watched(&p.server, PAIR_MAX), QBI_EMPTY);
	ck_assert_int_eq(qbi_qbring_wait(&p.server, qbi_now_ns() + QBI_NS_PER_MS), QBI_EMPTY);
	ck_assert_int_eq(put_pattern(&p.client, 10, 1), 0);
	ck_assert_int_eq(take_watched(&p.server, PAIR_MAX), 0);
}
END_TEST

START_TEST(write_index_decides_nothing_for_the_consumer)
{
	ck_assert_int_eq(put_pattern(&p.client, 10, 1), 0);
	p.head->write_pt = 0xFFFFFFFFU;
	take_pattern(&p.server, 10, 1);
	ck_assert_int_eq(take_watched(&p.server, PAIR_MAX), QBI_EMPTY);
}
END_TEST

START_TEST(own_index_in_the_header_decides_nothing)
{
	ck_assert_int_eq(put_pattern(&p.client, 10, 1), 0);
	p.head->write_pt = 77;
	ck_assert_int_eq(put_pattern(&p.client, 20, 2), 0);
	take_pattern(&p.server, 10, 1);
	p.head->read_pt = 78;
	take_pattern(&p.server, 20, 2);
}
END_TEST

START_TEST(names_in_the_header_decide_nothing)
{
	memset(p.head->header_path, 'x', sizeof(p.head->header_path));
	memset(p.head->data_path, 'x', sizeof(p.head->data_path));
	ck_assert_int_eq(put_pattern(&p.client, 10, 1), 0);
	take_pattern(&p.server, 10, 1);
	/* teardown sees that the files were removed all the same */
}
END_TEST

START_TEST(header_that_contradicts_the_agreement_is_not_opened)
{
	struct qbi_peer_cred self = cred_self();
	struct qbi_qbring late = QBI_QBRING_INIT;
	uint32_t *words[] = {
		header_word(write_pt),
		header_word(read_pt),
		header_word(word_size),
	};

	for (size_t i = 0; i < QBI_ARRAY_SIZE(words); i++) {
		uint32_t was = *words[i];

		for (size_t v = 0; v < QBI_ARRAY_SIZE(values); v++) {
			bool right = i == 2 ? values[v] == pair_words(&p) :
					      values[v] < pair_words(&p);

			*words[i] = values[v];
			ck_assert_int_eq(qbi_qbring_open(&late, qbi_qbring_prefix(&p.server),
							 PAIR_MAX, &self),
					 right ? 0 : -EBADMSG);
			qbi_qbring_close(&late);
		}
		*words[i] = was;
	}
}
END_TEST

/* -- Noise --------------------------------------------------------------------- */

struct noise {
	_Atomic(bool) stop;
	bool header, data;
	unsigned int seed;
};

static void noise_fill(uint32_t *words, size_t bytes, unsigned int *seed)
{
	for (size_t i = 0; i < bytes / sizeof(*words); i++) {
		uint32_t noise = (uint32_t)rand_r(seed) * 2654435761U;

		/* Now and then something that nearly makes sense. */
		switch (noise % 7) {
		case 0: noise = 0xA1A1A1A1U; break;
		case 1: noise %= PAIR_MAX + 2; break;
		case 2: noise %= 4097; break;
		}
		words[i] = noise;
	}
}

static void *thread_make_noise(void *data)
{
	struct noise *n = data;

	while (!atomic_load(&n->stop)) {
		if (n->header) {
			noise_fill(header_word(write_pt), 12, &n->seed);
			noise_fill(header_word(ref_count), 48, &n->seed);
		}
		if (n->data)
			noise_fill(p.data, p.size[1], &n->seed);
	}
	return NULL;
}

/* _i: which of the two files */
START_TEST(random_bytes_at_full_speed_are_survived)
{
	struct noise noise = { .header = _i & 1, .data = _i & 2, .seed = 42 };
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, thread_make_noise, &noise), 0);
	for (int i = 0; i < RANDOM_CALLS; i++) {
		put_any(&p.client, (size_t)i % PAIR_MAX);
		take_watched(&p.server, (size_t)(i * 7) % PAIR_MAX);
		qbi_qbring_count(&p.server);
		qbi_qbring_wait(&p.server, qbi_now_ns());
	}
	atomic_store(&noise.stop, true);
	pthread_join(thread, NULL);
}
END_TEST

/* -- An own index, read again after a fork ----------------------------------------- */

START_TEST(child_goes_on_where_its_parent_got_to)
{
	uint32_t write = p.server.write;

	ck_assert_int_eq(put_pattern(&p.server, 300, 1), 0);
	ck_assert_int_eq(put_pattern(&p.server, 301, 2), 0);
	p.server.write = write; /* as the child has it */
	ck_assert_int_eq(qbi_qbring_resume(&p.server), 0);
	ck_assert_int_eq(put_pattern(&p.server, 302, 3), 0);
	take_pattern(&p.client, 300, 1);
	take_pattern(&p.client, 301, 2);
	take_pattern(&p.client, 302, 3);
}
END_TEST

START_TEST(own_index_outside_the_ring_ends_it)
{
	for (size_t v = 0; v < QBI_ARRAY_SIZE(values); v++) {
		uint32_t write = p.server.write, read = p.server.read;
		bool within = values[v] < pair_words(&p);

		*header_word(write_pt) = values[v];
		ck_assert_int_eq(qbi_qbring_resume(&p.server), within ? 0 : -EBADMSG);
		ck_assert_uint_eq(p.server.write, within ? values[v] : write);
		put_any(&p.server, PAIR_MAX);
		*header_word(write_pt) = write;
		*header_word(read_pt) = values[v];
		ck_assert_int_eq(qbi_qbring_resume(&p.server), within ? 0 : -EBADMSG);
		ck_assert_uint_eq(p.server.read, within ? values[v] : read);
		take_watched(&p.server, PAIR_MAX);
		*header_word(read_pt) = read;
		ck_assert_int_eq(qbi_qbring_resume(&p.server), 0);
	}
}
END_TEST

/* -- Waiting on a liar --------------------------------------------------------- */

static void *thread_wake_for_nothing(void *data)
{
	_Atomic(bool) *stop = data;

	while (!atomic_load(stop)) {
		p.head->sem.value = 1;
		p.head->sem.value = 0;
		syscall(SYS_futex, &p.head->sem.value, FUTEX_WAKE, 1, NULL, NULL, 0);
	}
	return NULL;
}

START_TEST(wait_ends_at_its_deadline_whatever_the_peer_does)
{
	_Atomic(bool) stop = false;
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, thread_wake_for_nothing, &stop), 0);
	for (int i = 0; i < 20; i++) {
		uint64_t deadline = qbi_now_ns() + 5 * QBI_NS_PER_MS;
		int err = qbi_qbring_wait(&p.client, deadline);

		ck_assert(err == 0 || (err == QBI_EMPTY && qbi_now_ns() >= deadline));
		ck_assert_uint_lt(qbi_now_ns(), deadline + QBI_NS_PER_S * test_slowdown());
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ring, hostile peer");
	TCase *words = tcase_create("words");
	TCase *noise = tcase_create("noise");
	int failed;

	tcase_add_checked_fixture(words, hostile_setup, hostile_teardown);
	tcase_set_timeout(words, 60);
	tcase_add_loop_test(words, any_value_in_any_word_is_survived, 0, WORDS);
	tcase_add_loop_test(words, flipping_word_is_survived, 0, WORDS);
	tcase_add_test(words, read_index_outside_the_ring_is_bad);
	tcase_add_test(words, chunk_length_beyond_the_maximum_is_bad);
	tcase_add_test(words, chunk_length_within_the_maximum_is_what_is_taken);
	tcase_add_test(words, wrong_magic_is_bad);
	tcase_add_test(words, raised_semaphore_without_messages_is_bad);
	tcase_add_test(words, zeroed_semaphore_hides_messages_and_nothing_else);
	tcase_add_test(words, write_index_decides_nothing_for_the_consumer);
	tcase_add_test(words, own_index_in_the_header_decides_nothing);
	tcase_add_test(words, names_in_the_header_decide_nothing);
	tcase_add_test(words, header_that_contradicts_the_agreement_is_not_opened);
	tcase_add_test(words, child_goes_on_where_its_parent_got_to);
	tcase_add_test(words, own_index_outside_the_ring_ends_it);
	suite_add_tcase(s, words);

	tcase_add_checked_fixture(noise, hostile_setup, hostile_teardown);
	tcase_set_timeout(noise, 120);
	tcase_add_loop_test(noise, random_bytes_at_full_speed_are_survived, 1, 4);
	tcase_add_test(noise, wait_ends_at_its_deadline_whatever_the_peer_does);
	suite_add_tcase(s, noise);

	add_truncation_tests(s);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
