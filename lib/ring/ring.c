/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ring/ring.h"

#include <errno.h>

#include "base/util.h"
#include "ring/ring-steps.h"

/* Room besides the largest message, so that small messages queue and large ones overlap. */
#define CAPACITY_SPARE (64u << 10)
#define CAPACITY_UNIT 4096u

uint64_t qbi_ring_capacity(uint32_t max_msg_size)
{
	uint64_t need = sizeof(struct qbi_record) + qbi_record_round(max_msg_size) +
			CAPACITY_SPARE + CAPACITY_UNIT - 1;

	return need - need % CAPACITY_UNIT;
}

void qbi_ring_init(struct qbi_ring *r, struct qbi_ring_words *words, void *data,
		   uint64_t capacity, uint32_t max_msg_size)
{
	*r = (struct qbi_ring){
		.words = words,
		.data = data,
		.capacity = capacity,
		.max_msg_size = max_msg_size,
	};
}

void qbi_ring_close(struct qbi_ring *r)
{
	qbi_mirror_close(&r->mirror);
}

/* -- Producer ----------------------------------------------------------------- */

int qbi_ring_room(struct qbi_ring *r, size_t size)
{
	return qbi_ring_make_room(r, qbi_message_stride(r->tail_offset, size));
}

int qbi_ring_put(struct qbi_ring *r, const struct qbi_msg *msg, bool *ret_ring)
{
	return qbi_ring_record_put(r, QBI_RECORD_MESSAGE, NULL, msg, 1, ret_ring);
}

int qbi_ring_put_timed(struct qbi_ring *r, const struct qbi_msg *msg, uint64_t deadline,
		       uint64_t *ret_place, bool *ret_ring)
{
	uint64_t place = r->tail;
	int err = qbi_ring_record_put(r, QBI_RECORD_TIMED, &deadline, msg, 1, ret_ring);

	if (err == 0)
		*ret_place = place;
	return err;
}

int qbi_ring_put_cancel(struct qbi_ring *r, uint64_t number, bool *ret_ring)
{
	const struct qbi_msg nothing = { .iov = NULL };

	return qbi_ring_record_put(r, QBI_RECORD_CANCEL, &number, &nothing, 1, ret_ring);
}

int qbi_ring_cancel(struct qbi_ring *r, uint64_t place, uint64_t deadline)
{
	/* order R2 (reuse): pairs with R2 (release): what was taken may be overwritten. */
	uint64_t head = qbi_shared_load64(&r->words->head, memory_order_acquire);
	uint64_t at = (place + sizeof(struct qbi_record)) % r->capacity;

	if (r->tail - head > r->capacity)
		return -EBADMSG;
	/* So a place that was used again is none that waits. */
	if (r->tail - place > r->tail - head)
		return QBI_EMPTY;
	/*
	 * order R7 (cancel): pairs with R7 (claim) in qbi_ring_take_request(). It succeeds
	 * before the consumer has claimed the request, or not at all.
	 */
	return qbi_shared_replace64(qbi_ring_word_at(r, at), deadline, QBI_DEADLINE_CANCELLED,
				    memory_order_relaxed) ?
		       0 :
		       QBI_EMPTY;
}

uint32_t qbi_ring_queued(struct qbi_ring *r)
{
	/* order R3 (statistics): pairs with R3 in qbi_ring_take(). */
	uint32_t taken = qbi_shared_load(&r->words->taken, memory_order_relaxed);
	uint32_t queued = r->put - taken;

	/* More than fit in the ring: the count of the consumer is wrong. */
	return queued <= r->capacity / sizeof(struct qbi_record) ? queued : 0;
}

/* -- Consumer ----------------------------------------------------------------- */

int qbi_ring_peek(struct qbi_ring *r, size_t *ret_size)
{
	uint32_t length = 0;
	int err = qbi_ring_oldest_message(r, &length);

	if (err == 0 || err == QBI_PARTIAL)
		*ret_size = length;
	return err;
}

int qbi_ring_take(struct qbi_ring *r, void *buf, size_t size, size_t *ret_size)
{
	uint32_t length;
	int err = qbi_ring_oldest_message(r, &length);

	if (err)
		return err;
	*ret_size = length;
	if (length > size)
		return -ENOBUFS;
	qbi_ring_read(r, qbi_ring_message_at(r, length), buf, length);
	qbi_ring_pass(r, QBI_RECORD_MESSAGE, length, 1);
	qbi_ring_publish(r);
	return 0;
}

int qbi_ring_take_request(struct qbi_ring *r, void *buf, size_t size, size_t *ret_size,
			  uint64_t *ret_word)
{
	struct qbi_record record;
	uint64_t at;
	size_t before;
	int err = qbi_ring_oldest(r, &record);

	if (err)
		return err;
	if (record.kind == QBI_RECORD_PIECE)
		return QBI_PARTIAL;
	at = qbi_ring_advance(r, r->head_offset,
			      qbi_record_lead(record.kind, r->head_offset, record.length));
	before = record.kind == QBI_RECORD_MESSAGE ? 0 : QBI_RECORD_WORD;
	*ret_size = record.length - before;
	if (*ret_size > size)
		return -ENOBUFS;
	if (record.kind == QBI_RECORD_TIMED)
		/* order R7 (claim): pairs with R7 (cancel) in qbi_ring_cancel(). */
		*ret_word = qbi_shared_exchange64(qbi_ring_word_at(r, at), QBI_DEADLINE_TAKEN,
						  memory_order_relaxed);
	else if (before)
		qbi_ring_read(r, at, ret_word, before);
	qbi_ring_read(r, qbi_ring_advance(r, at, before), buf, *ret_size);
	qbi_ring_pass(r, record.kind, record.length, 1);
	qbi_ring_publish(r);
	return !before ? 0 : record.kind == QBI_RECORD_TIMED ? QBI_TIMED : QBI_CANCEL;
}

bool qbi_ring_is_empty(struct qbi_ring *r)
{
	/* Invalid is not empty: take will report it. */
	return r->tail_seen == r->head && qbi_ring_refresh(r) == QBI_EMPTY;
}

bool qbi_ring_is_last(struct qbi_ring *r, size_t size)
{
	uint64_t next = r->head + qbi_message_stride(r->head_offset, size);

	if (r->tail_seen != next)
		return false;
	return (qbi_ring_tail_load(r) & ~(uint64_t)QBI_RING_RUNG) == next;
}

bool qbi_ring_arm(struct qbi_ring *r, ssize_t last_size)
{
	uint64_t expected = r->head;
	uint64_t tail = qbi_ring_tail_load(r);

	if (last_size >= 0)
		expected += qbi_message_stride(r->head_offset, (uint64_t)last_size);
	if ((tail & ~(uint64_t)QBI_RING_RUNG) != expected)
		return false;
	if (!(tail & QBI_RING_RUNG))
		return true;
	/*
	 * order R5 (arm): pairs with R5 (publish) in qbi_ring_put(). Once: a producer
	 * could make it fail for ever.
	 */
	if (!qbi_shared_replace64(&r->words->tail, tail, expected, memory_order_acq_rel))
		return false;
	r->owed++;
	return true;
}

bool qbi_ring_has_rung(struct qbi_ring *r)
{
	return qbi_ring_tail_load(r) & QBI_RING_RUNG;
}

uint64_t qbi_ring_waiting(struct qbi_ring_words *words, uint64_t capacity, uint64_t *ret_offset)
{
	/* order R3 (statistics): only decides which pages are given back. */
	uint64_t tail = qbi_shared_load64(&words->tail, memory_order_relaxed);
	uint64_t head = qbi_shared_load64(&words->head, memory_order_relaxed);
	uint64_t waiting = (tail & ~(uint64_t)QBI_RING_RUNG) - head;

	*ret_offset = head % capacity;
	return waiting <= capacity ? waiting : 0;
}
