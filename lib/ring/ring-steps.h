/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the operations of a native ring consist of; for the files that are the ring, ring.c and
 * ring-*.c, alone. ring/ring.h says what may be trusted, and has the table of the orders.
 */
#ifndef QBI_RING_RING_STEPS_H
#define QBI_RING_RING_STEPS_H

#include <errno.h>

#include "base/util.h"
#include "ring/record.h"
#include "ring/ring-end.h"

/* In the published tail: the producer has rung since the consumer last armed. */
#define QBI_RING_RUNG 1u

/* The offset @n bytes after @offset, wrapped around the end. */
static inline uint64_t qbi_ring_advance(const struct qbi_ring *r, uint64_t offset, uint64_t n)
{
	uint64_t next = offset + n;

	return next < r->capacity ? next : next - r->capacity;
}

static inline qbi_shared_u64 *qbi_ring_word_at(struct qbi_ring *r, uint64_t offset)
{
	return (qbi_shared_u64 *)(void *)(r->data + offset);
}

/* -- Producer ----------------------------------------------------------------- */

/* Copy to @offset. Returns the offset after it. */
static inline uint64_t qbi_ring_write(struct qbi_ring *r, uint64_t offset, const void *from,
				      size_t n)
{
	uint64_t room = r->capacity - offset;
	size_t first = n < room ? n : (size_t)room;

	qbi_shared_write(r->data + offset, from, first);
	if (n > first)
		qbi_shared_write(r->data, (const char *)from + first, n - first);
	return qbi_ring_advance(r, offset, n);
}

/* 0, QBI_FULL, -EBADMSG. */
static inline int qbi_ring_make_room(struct qbi_ring *r, uint64_t stride)
{
	uint64_t head;

	if (r->reserved)
		return QBI_FULL;
	if (r->tail - r->head_seen + stride <= r->capacity)
		return 0;
	/* order R2 (reuse): pairs with R2 (release) in qbi_ring_take(). */
	head = qbi_shared_load64(&r->words->head, memory_order_acquire);
	if (r->tail - head > r->capacity)
		return -EBADMSG;
	r->head_seen = head;
	return r->tail - head + stride <= r->capacity ? 0 : QBI_FULL;
}

/*
 * The record of @stride bytes behind the tail is complete, and with it @messages messages.
 * True: ring the consumer.
 */
static inline bool qbi_ring_record_publish(struct qbi_ring *r, uint64_t stride,
					   uint32_t messages)
{
	uint64_t old;

	r->tail += stride;
	r->tail_offset = qbi_ring_advance(r, r->tail_offset, stride);
	r->put += messages;
	/* order R3 (statistics): for a process that goes on here after a fork. */
	qbi_shared_store(&r->words->put, r->put, memory_order_relaxed);
	/*
	 * order R1 (publish): header and payload before the tail that covers them; pairs
	 * with R1 (consume) in qbi_ring_tail_load(). order R5 (publish): whether the consumer was
	 * armed is decided in the same step; pairs with R5 (arm) in qbi_ring_arm().
	 */
	old = qbi_shared_exchange64(&r->words->tail, r->tail | QBI_RING_RUNG,
				    memory_order_acq_rel);
	return !(old & QBI_RING_RUNG);
}

/*
 * Append a record with @word, unless that is NULL, and @msg, which completes @messages. For
 * each kind of its own: most records are messages, and without a word.
 */
static inline __attribute__((always_inline)) int qbi_ring_record_put(
	struct qbi_ring *r, uint32_t kind, const uint64_t *word, const struct qbi_msg *msg,
	uint32_t messages, bool *ret_ring)
{
	uint64_t length = msg->size + (word ? QBI_RECORD_WORD : 0);
	struct qbi_record record = { .length = (uint32_t)length, .kind = kind };
	uint64_t at = r->tail_offset;
	uint64_t stride = qbi_record_stride(kind, at, length);
	size_t i;
	int err;

	err = qbi_ring_make_room(r, stride);
	if (err)
		return err;
	qbi_shared_write(r->data + at, &record,
			 sizeof(record)); /* does not wrap: multiple of 8 */
	at = qbi_ring_advance(r, at, qbi_record_lead(kind, at, length));
	if (word)
		at = qbi_ring_write(r, at, word, QBI_RECORD_WORD);
	for (i = 0; i < msg->n; i++)
		if (msg->iov[i].iov_len)
			at = qbi_ring_write(r, at, msg->iov[i].iov_base, msg->iov[i].iov_len);
	*ret_ring = qbi_ring_record_publish(r, stride, messages);
	return 0;
}

/* -- Consumer ----------------------------------------------------------------- */

static inline void qbi_ring_read(struct qbi_ring *r, uint64_t offset, void *to, size_t n)
{
	uint64_t room = r->capacity - offset;
	size_t first = n < room ? n : (size_t)room;

	qbi_shared_read(to, r->data + offset, first);
	if (n > first)
		qbi_shared_read((char *)to + first, r->data, n - first);
}

static inline uint64_t qbi_ring_tail_load(struct qbi_ring *r)
{
	/* order R1 (consume): pairs with R1 (publish) in qbi_ring_put(). */
	return qbi_shared_load64(&r->words->tail, memory_order_acquire);
}

/* How many bytes are queued, as the producer says. 0, QBI_EMPTY, -EBADMSG. */
static inline int qbi_ring_refresh(struct qbi_ring *r)
{
	uint64_t tail = qbi_ring_tail_load(r) & ~(uint64_t)QBI_RING_RUNG;
	uint64_t waiting = tail - r->head;

	if (waiting == 0)
		return QBI_EMPTY;
	if (waiting > r->capacity || waiting % QBI_RECORD_ALIGN)
		return -EBADMSG;
	r->tail_seen = tail;
	return 0;
}

/* The header of the oldest record, read once and checked. 0, QBI_EMPTY, -EBADMSG. */
static inline int qbi_ring_oldest(struct qbi_ring *r, struct qbi_record *ret)
{
	struct qbi_record record;
	int err;

	if (r->tail_seen == r->head) {
		err = qbi_ring_refresh(r);
		if (err)
			return err;
	}
	/* It does not wrap. Read once. */
	qbi_shared_read(&record, r->data + r->head_offset, sizeof(record));
	if (!qbi_record_is_sound(&record, r->max_msg_size) ||
	    qbi_record_stride(record.kind, r->head_offset, record.length) >
		    r->tail_seen - r->head)
		return -EBADMSG;
	*ret = record;
	return 0;
}

/* The same where there are only messages and, QBI_PARTIAL, pieces. */
static inline int qbi_ring_oldest_message(struct qbi_ring *r, uint32_t *ret_length)
{
	struct qbi_record record;
	int err = qbi_ring_oldest(r, &record);

	if (err == 0 && record.kind != QBI_RECORD_MESSAGE && record.kind != QBI_RECORD_PIECE)
		return -EBADMSG;
	if (err)
		return err;
	*ret_length = record.length;
	return record.kind == QBI_RECORD_PIECE ? QBI_PARTIAL : 0;
}

/* The payload of the oldest record, a message. */
static inline uint64_t qbi_ring_message_at(const struct qbi_ring *r, uint32_t length)
{
	return qbi_ring_advance(r, r->head_offset,
				qbi_record_lead(QBI_RECORD_MESSAGE, r->head_offset, length));
}

/* The oldest record is taken, and with it @messages messages. */
static inline void qbi_ring_pass(struct qbi_ring *r, uint32_t kind, uint32_t length,
				 uint32_t messages)
{
	uint64_t stride = qbi_record_stride(kind, r->head_offset, length);

	r->head += stride;
	r->head_offset = qbi_ring_advance(r, r->head_offset, stride);
	r->taken += messages;
	/* order R3 (statistics): pairs with R3 in qbi_ring_queued(). */
	qbi_shared_store(&r->words->taken, r->taken, memory_order_relaxed);
}

/* Give the producer the room of all that was taken. */
static inline void qbi_ring_publish(struct qbi_ring *r)
{
	if (r->in_use)
		return;
	r->published = r->head;
	/* order R2 (release): the copy, or the use in place, before the room; pairs with R2
	 * (reuse). */
	qbi_shared_store64(&r->words->head, r->head, memory_order_release);
}

#endif
