/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One producer and one consumer at full speed on one mapping of a native ring, with the
 * bytes that wake the consumer going over a real socket. What is counted: every message
 * arrives once, whole and in order; the consumer never sleeps through one; in the end
 * every byte that was sent is accounted for.
 */
#include "config.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "ring/wakeup.h"
#include "tests/lib/deadline.h"
#include "tests/lib/variant.h"
#include "tests/unit/test-native-pair.h"

enum { MESSAGES = 1000000, WIRE_MAX = 12328, LIMIT_S = 120 };

static struct native_pair p;
static int sockets[2]; /* the producer's end, the consumer's */

struct consumer {
	uint32_t messages;  /* to come */
	unsigned int looks; /* before sleeping; 0 none */
	unsigned int batch; /* messages before it goes back to poll; 0: no limit */
	uint64_t received;  /* bytes */
	uint64_t sleeps;
	const char *wrong; /* what it found, or NULL */
};

struct producer {
	uint32_t messages;
	unsigned int pause; /* yield after so many messages; 0 never */
	uint64_t sent;	    /* bytes */
	const char *wrong;
};

/* 8 to 80 bytes, now and then the maximum; the first word says which one it is. */
static uint32_t message_size(uint32_t i)
{
	return i % 4096 == 17 ? WIRE_MAX : 8 + 4 * (i % 19);
}

static const char *message_check(const uint8_t *buf, size_t size, uint32_t i)
{
	uint32_t first, last;

	if (size != message_size(i))
		return "a size is wrong";
	memcpy(&first, buf, 4);
	memcpy(&last, buf + size - 4, 4);
	return first == i && last == ~i ? NULL : "contents are wrong";
}

static void *thread_produce(void *data)
{
	static uint8_t buf[WIRE_MAX];
	struct producer *e = data;

	for (uint32_t i = 0; i < e->messages && !e->wrong; i++) {
		uint32_t size = message_size(i), last = ~i;
		bool ring;
		int r;

		memcpy(buf, &i, 4);
		memcpy(buf + size - 4, &last, 4);
		while ((r = put_bytes(&p.producer, buf, size, &ring)) == QBI_FULL)
			sched_yield();
		if (r != 0)
			e->wrong = "put failed";
		else if (ring && qbi_wakeup_send(sockets[0], 1) != 1)
			e->wrong = "a byte could not be sent";
		e->sent += r == 0 && ring;
		if (e->pause && i % e->pause == 0)
			sched_yield();
	}
	return NULL;
}

static void owed_receive(struct consumer *e)
{
	ssize_t n;

	if (p.consumer.owed <= 0)
		return;
	n = qbi_wakeup_receive(sockets[1], (size_t)p.consumer.owed);
	if (n > 0) {
		p.consumer.owed -= n;
		e->received += (uint64_t)n;
	}
}

static bool looks_in_vain(unsigned int looks)
{
	while (looks--) {
		if (!qbi_ring_is_empty(&p.consumer))
			return false;
		sched_yield();
	}
	return true;
}

/* With nothing to take: until there is a byte. */
static void consumer_sleep(struct consumer *e)
{
	if (!looks_in_vain(e->looks) || !qbi_ring_arm(&p.consumer, -1))
		return;
	owed_receive(e);
	e->sleeps++;
	if (!fd_readable_within(sockets[1], deadline_ms()))
		e->wrong = "it sleeps though a message is there, or never comes";
}

static void *thread_consume(void *data)
{
	static uint8_t buf[WIRE_MAX];
	struct consumer *e = data;
	uint32_t i = 0;

	while (i < e->messages && !e->wrong) {
		size_t size;
		int r = qbi_ring_take(&p.consumer, buf, sizeof(buf), &size);

		if (r == QBI_EMPTY) {
			consumer_sleep(e);
			continue;
		}
		e->wrong = r == 0 ? message_check(buf, size, i++) : "take failed";
		/* Whoever leaves with messages queued finds the byte still there. */
		if (e->batch && i % e->batch == 0 && i < e->messages &&
		    !qbi_ring_is_empty(&p.consumer) &&
		    !fd_readable_within(sockets[1], deadline_ms()))
			e->wrong = "messages are queued and nothing is readable";
	}
	return NULL;
}

/* Sent and received are equal once the consumer has gone to sleep for good. */
static void check_bytes(struct consumer *c, const struct producer *e)
{
	ck_assert(qbi_ring_arm(&p.consumer, -1));
	owed_receive(c);
	ck_assert_int_eq((int64_t)p.consumer.owed, 0);
	ck_assert_uint_eq(c->received, e->sent);
	ck_assert(!fd_readable_within(sockets[1], 0));
}

static void run(struct producer e, struct consumer c)
{
	pthread_t thread;

	c.messages = e.messages;
	pair_open(&p, qbi_ring_capacity(WIRE_MAX), WIRE_MAX);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, thread_consume, &c), 0);
	thread_produce(&e);
	pthread_join(thread, NULL);
	ck_assert_msg(!e.wrong, "%s", e.wrong);
	ck_assert_msg(!c.wrong, "%s", c.wrong);
	check_bytes(&c, &e);
	close(sockets[0]);
	close(sockets[1]);
	pair_close(&p);
}

START_TEST(a_million_messages_arrive_and_every_byte_is_accounted_for)
{
	run((struct producer){ .messages = MESSAGES }, (struct consumer){ .looks = 0 });
}
END_TEST

START_TEST(a_million_messages_arrive_at_one_that_stays_awake_for_a_while)
{
	run((struct producer){ .messages = MESSAGES }, (struct consumer){ .looks = 20 });
}
END_TEST

START_TEST(a_consumer_that_takes_one_at_a_time_finds_its_byte_each_time)
{
	run((struct producer){ .messages = MESSAGES / 10 }, (struct consumer){ .batch = 1 });
	run((struct producer){ .messages = MESSAGES / 10 },
	    (struct consumer){ .batch = 5, .looks = 2 });
}
END_TEST

START_TEST(a_consumer_that_sleeps_all_the_time_misses_none)
{
	run((struct producer){ .messages = MESSAGES / 10, .pause = 1 },
	    (struct consumer){ .looks = 0 });
	run((struct producer){ .messages = MESSAGES / 10, .pause = 3 },
	    (struct consumer){ .looks = 1 });
}
END_TEST

int main(void)
{
	Suite *s = suite_create("native ring, two threads");
	TCase *tc = tcase_new(s, "one mapping");

	tcase_set_timeout(tc, LIMIT_S);
	tcase_add_test(tc, a_million_messages_arrive_and_every_byte_is_accounted_for);
	tcase_add_test(tc, a_million_messages_arrive_at_one_that_stays_awake_for_a_while);
	tcase_add_test(tc, a_consumer_that_takes_one_at_a_time_finds_its_byte_each_time);
	tcase_add_test(tc, a_consumer_that_sleeps_all_the_time_misses_none);
	return suite_main(s);
}
