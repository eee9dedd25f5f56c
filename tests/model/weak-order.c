/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The two ends of a native ring, over the code of lib/ring/ring.c: the producer, and the
 * consumers as they are in lib/transport, without busy polling and without junk. A wake-up
 * that is lost leaves a consumer in end_poll() for ever, which is found.
 */
#include "ring/ring.h"

#include "base/util.h"

#define RUNG 1u /* as in ring.c */

#define PIECES 2 /* of 8 bytes, in the largest message */

static struct qbi_ring_words words;
static struct qbi_ring producer, consumer;

unsigned char end_data[END_CAPACITY];

const void *const end_words[END_WORDS] = { &words.tail, &words.head, &words.put, &words.taken };

void ends_init(void)
{
	qbi_ring_init(&producer, &words, end_data, END_CAPACITY, PIECES * sizeof(uint64_t));
	qbi_ring_init(&consumer, &words, end_data, END_CAPACITY, PIECES * sizeof(uint64_t));
}

static size_t message_size(unsigned int i)
{
	return (1 + i % PIECES) * sizeof(uint64_t);
}

static uint64_t message_piece(unsigned int i, unsigned int piece)
{
	return 100 + (uint64_t)i * PIECES + piece;
}

/* -- Producer ----------------------------------------------------------------- */

void end_produce(void)
{
	unsigned int i, j;

	for (i = 0; i < END_MESSAGES; i++) {
		uint64_t payload[PIECES];
		struct iovec iov = { .iov_base = payload, .iov_len = message_size(i) };
		struct qbi_msg msg = { .iov = &iov, .n = 1, .size = iov.iov_len };
		bool ring = false;
		int r;

		for (j = 0; j < PIECES; j++)
			payload[j] = message_piece(i, j);
		while ((r = qbi_ring_put(&producer, &msg, &ring)) == QBI_FULL)
			end_yield();
		end_check(r == 0, "put");
		if (ring)
			end_send();
	}
}

/* -- Consumers ---------------------------------------------------------------- */

static void owed_receive(void)
{
	if (consumer.owed > 0)
		consumer.owed -= end_receive(consumer.owed);
}

static int take(unsigned int i)
{
	uint64_t payload[PIECES];
	size_t size = 0;
	int r = qbi_ring_take(&consumer, payload, sizeof(payload), &size);
	unsigned int j;

	if (r == QBI_EMPTY)
		return r;
	end_check(r == 0 && size == message_size(i), "take");
	for (j = 0; j < size / sizeof(uint64_t); j++)
		end_check(payload[j] == message_piece(i, j), "payload");
	return 0;
}

/* Batches end anywhere, with the byte unread. */
void end_consume_requests(void)
{
	unsigned int taken = 0;

	while (taken < END_MESSAGES) {
		end_poll();
		while (taken < END_MESSAGES) {
			if (take(taken) == 0) {
				taken++;
				if (end_choose())
					break;
			} else if (qbi_ring_arm(&consumer, -1)) {
				owed_receive();
				break;
			}
		}
	}
}

static int event_take(unsigned int i)
{
	size_t size;
	bool last;

	if (qbi_ring_peek(&consumer, &size) != 0)
		return QBI_EMPTY;
	end_check(size == message_size(i), "peek");
	last = qbi_ring_is_last(&consumer, size);
	owed_receive();
	if (!last)
		return take(i);
	if (consumer.owed > 0)
		return QBI_UNANNOUNCED;
	if (qbi_ring_arm(&consumer, (ssize_t)size)) {
		owed_receive();
		if (consumer.owed > 0)
			return QBI_UNANNOUNCED;
	}
	return take(i);
}

/* Readable: then this call gets an event. */
void end_consume_events(void)
{
	unsigned int taken;

	for (taken = 0; taken < END_MESSAGES; taken++) {
		end_poll();
		end_check(event_take(taken) == 0, "readable without an event");
	}
}

void ends_check(uint64_t tail, unsigned int unread, bool events)
{
	end_check((tail & ~(uint64_t)RUNG) == consumer.head, "all was taken");
	end_check(unread == consumer.owed + (int64_t)(tail & RUNG), "all bytes counted");
	end_check(!events || unread == 0, "readable without an event");
}
