/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ring/ring-places.h"

#include "ring/mirror.h"
#include "ring/ring.h"
#include "ring/ring-steps.h"

/* Have the data twice, one behind the other. False: that cannot be. */
static bool ring_double(struct qbi_ring *r)
{
	if (!qbi_mirror_open(&r->mirror, r->data, r->capacity, r->locking))
		return false;
	r->data = r->mirror.base;
	r->twice = true;
	return true;
}

/* Are the @n bytes at @offset in one piece? */
static bool ring_holds_piece(const struct qbi_ring *r, uint64_t offset, uint64_t n)
{
	return r->twice || offset + n <= r->capacity;
}

/* -- Producer ----------------------------------------------------------------- */

/* The payload of a message of @size bytes that is appended next. */
static uint64_t payload_next(const struct qbi_ring *r, size_t size)
{
	uint64_t at = r->tail_offset;

	return qbi_ring_advance(r, at, qbi_record_lead(QBI_RECORD_MESSAGE, at, size));
}

int qbi_ring_reserve(struct qbi_ring *r, size_t size, void **ret)
{
	/* Of a shorter message, which may begin earlier. */
	uint64_t least = payload_next(r, 0);
	uint64_t whole = qbi_message_stride(r->tail_offset, size) - sizeof(struct qbi_record);
	int err = qbi_ring_room(r, size);

	if (err)
		return err;
	if (!ring_holds_piece(r, least, whole) && !ring_double(r))
		return QBI_AGAIN;
	r->reserved = true;
	*ret = r->data + payload_next(r, size);
	return 0;
}

bool qbi_ring_commit(struct qbi_ring *r, size_t reserved, size_t size, void **ret)
{
	struct qbi_record record = { .length = (uint32_t)size, .kind = QBI_RECORD_MESSAGE };
	uint64_t stride = qbi_message_stride(r->tail_offset, size);
	uint64_t lead = qbi_record_lead(QBI_RECORD_MESSAGE, r->tail_offset, size);
	uint64_t before = qbi_record_lead(QBI_RECORD_MESSAGE, r->tail_offset, reserved);
	unsigned char *at = r->data + payload_next(r, size);

	r->reserved = false;
	qbi_shared_write(r->data + r->tail_offset, &record, sizeof(record));
	/* A shorter message may be one that begins earlier. From there on all is in one piece:
	 * what overlaps does so by its addresses, although the data may be mapped twice. */
	if (lead != before)
		qbi_shared_move(at, at + (before - lead), size);
	*ret = at;
	return qbi_ring_record_publish(r, stride, 1);
}

void qbi_ring_abandon(struct qbi_ring *r)
{
	r->reserved = false;
}

/* -- Consumer ----------------------------------------------------------------- */

/* The oldest record, a message, is taken and stays where it is. */
static void message_use(struct qbi_ring *r, uint32_t length)
{
	qbi_ring_pass(r, QBI_RECORD_MESSAGE, length, 1);
	/* order R3 (resume): for a process that goes on here after a fork. */
	qbi_shared_store64(&r->words->passed, r->head, memory_order_relaxed);
	r->in_use = true;
}

int qbi_ring_take_in_place(struct qbi_ring *r, void **ret, size_t *ret_size)
{
	static const char zero;
	struct qbi_record record;
	uint32_t length;
	uint64_t at;
	int err = qbi_ring_oldest(r, &record);

	if (err)
		return err;
	length = record.length;
	if (record.kind != QBI_RECORD_MESSAGE || length < QBI_IN_PLACE_MIN || r->in_use)
		return QBI_AGAIN;
	at = qbi_ring_message_at(r, length);
	if (!ring_holds_piece(r, at, length + sizeof(zero)))
		return QBI_AGAIN;
	/* What stayed until now. */
	if (r->published != r->head)
		qbi_ring_publish(r);
	qbi_shared_write(r->data + at + length, &zero, sizeof(zero));
	message_use(r, length);
	*ret = r->data + at;
	*ret_size = length;
	return 0;
}

void qbi_ring_done(struct qbi_ring *r)
{
	r->in_use = false;
	if (r->capacity - (r->head - r->published) < qbi_message_longest(r->max_msg_size))
		qbi_ring_publish(r);
}

bool qbi_ring_can_view(struct qbi_ring *r, size_t size)
{
	return !r->in_use &&
	       (ring_holds_piece(r, qbi_ring_message_at(r, (uint32_t)size), size) ||
		ring_double(r));
}

int qbi_ring_view(struct qbi_ring *r, const void **ret, size_t *ret_size)
{
	uint32_t length;
	uint64_t at;
	int err = qbi_ring_oldest_message(r, &length);

	if (err)
		return err;
	*ret_size = length;
	if (!qbi_ring_can_view(r, length))
		return QBI_AGAIN;
	at = qbi_ring_message_at(r, length);
	message_use(r, length);
	*ret = r->data + at;
	return 0;
}

void qbi_ring_view_done(struct qbi_ring *r)
{
	r->in_use = false;
	qbi_ring_publish(r);
}
