/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One producer and one consumer at full speed. Both ends use one mapping, because
 * ThreadSanitizer takes two mappings of one file for different memory.
 */
#include "config.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "tests/lib/deadline.h"
#include "tests/unit/test-ring-fixture.h"

enum { MESSAGES = 1000000 };

struct end {
	struct qbi_qbring ring; /* a copy: own indexes, same memory */
	uint32_t messages;
	bool sleep;
	const char *wrong; /* what the thread found, or NULL */
};

static void end_init(struct end *e, uint32_t messages, bool sleep)
{
	e->ring = p.server;
	e->messages = messages;
	e->sleep = sleep;
	e->wrong = NULL;
}

/* Messages of 8 to 8 + 4 * 19 bytes, now and then a large one; each word tells which
 * message it belongs to and where. */
static uint32_t message_words(uint32_t i)
{
	return i % 4096 == 17 ? PAIR_MAX / 4 : 2 + i % 20;
}

static void message_fill(uint32_t *words, uint32_t n, uint32_t i)
{
	for (uint32_t k = 0; k < n; k++)
		words[k] = i * 2654435761U + k;
}

static const char *message_check(const uint32_t *words, size_t size, uint32_t i)
{
	uint32_t n = message_words(i);

	if (size != n * sizeof(*words))
		return "a size is wrong";
	for (uint32_t k = 0; k < n; k++)
		if (words[k] != i * 2654435761U + k)
			return "contents are wrong";
	return NULL;
}

static void *thread_produce(void *data)
{
	struct end *e = data;
	uint32_t words[PAIR_MAX / 4];

	for (uint32_t i = 0; i < e->messages; i++) {
		uint32_t n = message_words(i);
		int r;

		message_fill(words, n, i);
		while ((r = put_bytes(&e->ring, words, n * sizeof(*words))) == QBI_FULL)
			sched_yield();
		if (r != 0) {
			e->wrong = "put failed";
			break;
		}
	}
	return NULL;
}

static int take_or_wait(struct end *e, void *buf, size_t size, size_t *ret_size)
{
	uint64_t deadline = qbi_now_ns() + 10 * QBI_NS_PER_S * test_slowdown();
	int r;

	for (;;) {
		r = qbi_qbring_take(&e->ring, buf, size, ret_size);
		if (r != QBI_EMPTY)
			return r;
		if (e->sleep) {
			r = qbi_qbring_wait(&e->ring, deadline);
			if (r != 0)
				return r;
		} else {
			sched_yield();
		}
	}
}

static void *thread_consume(void *data)
{
	struct end *e = data;
	uint32_t words[PAIR_MAX / 4];
	size_t size;

	for (uint32_t i = 0; i < e->messages && !e->wrong; i++) {
		int r = take_or_wait(e, words, sizeof(words), &size);

		e->wrong = r != 0 ? "take failed" : message_check(words, size, i);
	}
	return NULL;
}

static void run_both(uint32_t messages, bool sleep)
{
	struct end producer, consumer;
	pthread_t threads[2];

	end_init(&producer, messages, false);
	end_init(&consumer, messages, sleep);
	ck_assert_int_eq(pthread_create(&threads[0], NULL, thread_produce, &producer), 0);
	ck_assert_int_eq(pthread_create(&threads[1], NULL, thread_consume, &consumer), 0);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	ck_assert_msg(!producer.wrong, "%s", producer.wrong);
	ck_assert_msg(!consumer.wrong, "%s", consumer.wrong);
	ck_assert_uint_eq(qbi_qbring_count(&p.server), 0);
	ck_assert_uint_eq(atomic_load(&p.head->sem.sleepers), 0);
}

START_TEST(a_million_messages_arrive_whole_and_in_order)
{
	run_both(MESSAGES, false);
}
END_TEST

START_TEST(a_sleeping_consumer_misses_none)
{
	run_both(MESSAGES / 5, true);
}
END_TEST

/* One message at a time, so that the consumer is always about to fall asleep. */
static void *thread_answer(void *data)
{
	struct end *e = data;
	uint32_t words[64];
	size_t size;

	for (uint32_t i = 0; i < e->messages && !e->wrong; i++) {
		int r = take_or_wait(e, words, sizeof(words), &size);

		e->wrong = r != 0 ? "take failed" : NULL;
		qbi_qbring_user_set(&e->ring, (int32_t)i + 1);
	}
	return NULL;
}

START_TEST(falling_asleep_loses_no_wake_up)
{
	struct end producer, consumer;
	pthread_t thread;
	uint32_t i;

	end_init(&producer, 20000, false);
	end_init(&consumer, 20000, true);
	ck_assert_int_eq(pthread_create(&thread, NULL, thread_answer, &consumer), 0);
	for (i = 0; i < producer.messages; i++) {
		uint64_t end = now_ms() + (uint64_t)deadline_ms();

		ck_assert_int_eq(put_bytes(&producer.ring, &i, sizeof(i)), 0);
		while (qbi_qbring_user_get(&producer.ring) != (int32_t)i + 1) {
			ck_assert_msg(now_ms() < end, "message %u was never taken", i);
			sched_yield();
		}
	}
	pthread_join(thread, NULL);
	ck_assert_msg(!consumer.wrong, "%s", consumer.wrong);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ring, two threads");
	TCase *t = tcase_create("one mapping");
	int failed;

	tcase_add_checked_fixture(t, ring_setup, ring_teardown);
	tcase_set_timeout(t, 300);
	tcase_add_test(t, a_million_messages_arrive_whole_and_in_order);
	tcase_add_test(t, a_sleeping_consumer_misses_none);
	tcase_add_test(t, falling_asleep_loses_no_wake_up);
	suite_add_tcase(s, t);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
