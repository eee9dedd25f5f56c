/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The two ends of a native ring, over the code of lib/ring/ring*.c: the producer, and the
 * consumers as they are in lib/transport, without busy polling and without junk. Of four
 * messages one is copied at both ends, one is built in place, one is looked at in place, and
 * one is both. A wake-up that is lost leaves a consumer in end_poll() for ever, which is found.
 */
#include "ring/ring-places.h"
#include "ring/ring.h"

#include "base/util.h"

#define RUNG 1u /* as in ring-steps.h */

#define PIECES 2 /* of 8 bytes, in the largest message */

static struct qbi_ring_words words;
static struct qbi_ring producer, consumer;

unsigned char end_data[END_CAPACITY];

const void *const end_words[END_WORDS] = { &words.tail, &words.head, &words.put, &words.taken,
					   &words.passed };

void ends_init(void)
{
	qbi_ring_init(&producer, &words, end_data, END_CAPACITY, PIECES * sizeof(uint64_t));
	qbi_ring_init(&consumer, &words, end_data, END_CAPACITY, PIECES * sizeof(uint64_t));
}

/* Here data is never mapped twice, and no message is so large that it is moved. */
bool qbi_mirror_open(struct qbi_mirror *m, void *data, size_t size,
		     const struct qbi_locking *locking)
{
	return false;
}

void qbi_mirror_close(struct qbi_mirror *m)
{
}

void qbi_shared_move(void *to, const void *from, size_t n)
{
	end_check(false, "a move");
}

static bool is_built_in_place(unsigned int i)
{
	return i % 2;
}

static bool is_looked_at_in_place(unsigned int i)
{
	return i / 2 % 2;
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

/* As qbi_ring_put(), or QBI_AGAIN. */
static int build(const void *payload, size_t size, bool *ret_ring)
{
	void *place;
	int r = qbi_ring_reserve(&producer, size, &place);

	if (r)
		return r;
	qbi_shared_write(place, payload, size);
	*ret_ring = qbi_ring_commit(&producer, size, size, &place);
	return 0;
}

static int append(unsigned int i, const struct qbi_msg *msg, bool *ret_ring)
{
	int r = QBI_AGAIN;

	if (is_built_in_place(i))
		r = build(msg->iov->iov_base, msg->size, ret_ring);
	return r == QBI_AGAIN ? qbi_ring_put(&producer, msg, ret_ring) : r;
}

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
		while ((r = append(i, &msg, &ring)) == QBI_FULL)
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

/* As qbi_ring_take(), or QBI_AGAIN. */
static int look(void *payload, size_t *ret_size)
{
	const void *at;
	int r = qbi_ring_view(&consumer, &at, ret_size);

	if (r)
		return r;
	qbi_shared_read(payload, at, *ret_size);
	qbi_ring_view_done(&consumer);
	return 0;
}

static int take(unsigned int i)
{
	uint64_t payload[PIECES];
	size_t size = 0;
	unsigned int j;
	int r = QBI_AGAIN;

	if (is_looked_at_in_place(i))
		r = look(payload, &size);
	if (r == QBI_AGAIN)
		r = qbi_ring_take(&consumer, payload, sizeof(payload), &size);

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
