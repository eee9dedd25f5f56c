/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ring/ring.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"

/* In front of each payload. */
struct record {
	uint32_t length; /* of the payload, bytes */
	uint32_t kind;
};

#define RECORD_MESSAGE 0x716d7367u
#define RECORD_TIMED 0x716d7464u  /* a deadline, then a message; among requests only */
#define RECORD_CANCEL 0x7163616eu /* the number of a request; likewise */
#define RECORD_PIECE 0x71706365u  /* a struct qbi_piece, then a part of a body */
#define RECORD_ALIGN 8
#define IN_PLACE_ALIGN 16 /* as memory by malloc */

/* Of a deadline or a number, which is aligned, and so never in two pieces either. */
#define WORD_SIZE sizeof(uint64_t)

/* In the published tail: the producer has rung since the consumer last armed. */
#define RUNG 1u

_Static_assert(sizeof(struct record) == RECORD_ALIGN, "a header is never in two pieces");
_Static_assert(sizeof(struct qbi_piece) == WORD_SIZE, "nor is that of a piece");

/* Room besides the largest message, so that small messages queue and large ones overlap. */
#define CAPACITY_SPARE (64u << 10)
#define CAPACITY_UNIT 4096u

/*
 * Pieces are a part of the ring, so that one is written while another one is read; and no
 * larger than what a cache holds from one to the other.
 */
#define PIECE_PART 4
#define PIECE_MAX (128u << 10)

static uint64_t record_round(uint64_t length)
{
	return (length + RECORD_ALIGN - 1) & ~(uint64_t)(RECORD_ALIGN - 1);
}

/*
 * Large messages, which a consumer may use where they lie. Pieces are laid out as messages of
 * their length, so that an end can go by the length alone.
 */
static bool record_is_for_use(uint32_t kind, uint64_t length)
{
	return (kind == RECORD_MESSAGE || kind == RECORD_PIECE) && length >= QBI_IN_PLACE_MIN;
}

/* From the beginning of a record at @offset to its payload. */
static uint64_t record_lead(uint32_t kind, uint64_t offset, uint64_t length)
{
	if (!record_is_for_use(kind, length))
		return sizeof(struct record);
	return sizeof(struct record) + (offset + sizeof(struct record)) % IN_PLACE_ALIGN;
}

/* All of the record at @offset. */
static uint64_t record_stride(uint32_t kind, uint64_t offset, uint64_t length)
{
	return record_lead(kind, offset, length) +
	       record_round(length + record_is_for_use(kind, length));
}

/* The same for messages. */
static uint64_t message_stride(uint64_t offset, uint64_t length)
{
	return record_stride(RECORD_MESSAGE, offset, length);
}

/* Of the largest message, wherever it is. */
static uint64_t record_longest(const struct qbi_ring *r)
{
	return message_stride(0, r->max_msg_size);
}

uint64_t qbi_ring_capacity(uint32_t max_msg_size)
{
	uint64_t need = sizeof(struct record) + record_round(max_msg_size) + CAPACITY_SPARE +
			CAPACITY_UNIT - 1;

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

/* The offset @n bytes after @offset, wrapped around the end. */
static uint64_t ring_advance(const struct qbi_ring *r, uint64_t offset, uint64_t n)
{
	uint64_t next = offset + n;

	return next < r->capacity ? next : next - r->capacity;
}

/* Copy to @offset. Returns the offset after it. */
static uint64_t ring_write(struct qbi_ring *r, uint64_t offset, const void *from, size_t n)
{
	uint64_t room = r->capacity - offset;
	size_t first = n < room ? n : (size_t)room;

	qbi_shared_write(r->data + offset, from, first);
	if (n > first)
		qbi_shared_write(r->data, (const char *)from + first, n - first);
	return ring_advance(r, offset, n);
}

/* 0, QBI_FULL, -EBADMSG. */
static int ring_make_room(struct qbi_ring *r, uint64_t stride)
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

int qbi_ring_room(struct qbi_ring *r, size_t size)
{
	return ring_make_room(r, message_stride(r->tail_offset, size));
}

static qbi_shared_u64 *word_at(struct qbi_ring *r, uint64_t offset)
{
	return (qbi_shared_u64 *)(void *)(r->data + offset);
}

/*
 * The record of @stride bytes behind the tail is complete, and with it @messages messages.
 * True: ring the consumer.
 */
static bool record_publish(struct qbi_ring *r, uint64_t stride, uint32_t messages)
{
	uint64_t old;

	r->tail += stride;
	r->tail_offset = ring_advance(r, r->tail_offset, stride);
	r->put += messages;
	/* order R3 (statistics): for a process that goes on here after a fork. */
	qbi_shared_store(&r->words->put, r->put, memory_order_relaxed);
	/*
	 * order R1 (publish): header and payload before the tail that covers them; pairs
	 * with R1 (consume) in tail_load(). order R5 (publish): whether the consumer was
	 * armed is decided in the same step; pairs with R5 (arm) in qbi_ring_arm().
	 */
	old = qbi_shared_exchange64(&r->words->tail, r->tail | RUNG, memory_order_acq_rel);
	return !(old & RUNG);
}

/* Append a record with @word, unless that is NULL, and @msg, which completes @messages. */
static inline int record_put(struct qbi_ring *r, uint32_t kind, const uint64_t *word,
			     const struct qbi_msg *msg, uint32_t messages, bool *ret_ring)
{
	uint64_t length = msg->size + (word ? WORD_SIZE : 0);
	struct record record = { .length = (uint32_t)length, .kind = kind };
	uint64_t at = r->tail_offset;
	uint64_t stride = record_stride(kind, at, length);
	size_t i;
	int err;

	err = ring_make_room(r, stride);
	if (err)
		return err;
	qbi_shared_write(r->data + at, &record,
			 sizeof(record)); /* does not wrap: multiple of 8 */
	at = ring_advance(r, at, record_lead(kind, at, length));
	if (word)
		at = ring_write(r, at, word, WORD_SIZE);
	for (i = 0; i < msg->n; i++)
		if (msg->iov[i].iov_len)
			at = ring_write(r, at, msg->iov[i].iov_base, msg->iov[i].iov_len);
	*ret_ring = record_publish(r, stride, messages);
	return 0;
}

int qbi_ring_put(struct qbi_ring *r, const struct qbi_msg *msg, bool *ret_ring)
{
	return record_put(r, RECORD_MESSAGE, NULL, msg, 1, ret_ring);
}

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

/* The payload of a message of @size bytes that is appended next. */
static uint64_t payload_next(const struct qbi_ring *r, size_t size)
{
	uint64_t at = r->tail_offset;

	return ring_advance(r, at, record_lead(RECORD_MESSAGE, at, size));
}

int qbi_ring_reserve(struct qbi_ring *r, size_t size, void **ret)
{
	/* Of a shorter message, which may begin earlier. */
	uint64_t least = payload_next(r, 0);
	uint64_t whole = message_stride(r->tail_offset, size) - sizeof(struct record);
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
	struct record record = { .length = (uint32_t)size, .kind = RECORD_MESSAGE };
	uint64_t stride = message_stride(r->tail_offset, size);
	uint64_t lead = record_lead(RECORD_MESSAGE, r->tail_offset, size);
	uint64_t before = record_lead(RECORD_MESSAGE, r->tail_offset, reserved);
	unsigned char *at = r->data + payload_next(r, size);

	r->reserved = false;
	qbi_shared_write(r->data + r->tail_offset, &record, sizeof(record));
	/* A shorter message may be one that begins earlier. From there on all is in one piece:
	 * what overlaps does so by its addresses, although the data may be mapped twice. */
	if (lead != before)
		qbi_shared_move(at, at + (before - lead), size);
	*ret = at;
	return record_publish(r, stride, 1);
}

void qbi_ring_abandon(struct qbi_ring *r)
{
	r->reserved = false;
}

int qbi_ring_put_timed(struct qbi_ring *r, const struct qbi_msg *msg, uint64_t deadline,
		       uint64_t *ret_place, bool *ret_ring)
{
	uint64_t place = r->tail;
	int err = record_put(r, RECORD_TIMED, &deadline, msg, 1, ret_ring);

	if (err == 0)
		*ret_place = place;
	return err;
}

int qbi_ring_put_cancel(struct qbi_ring *r, uint64_t number, bool *ret_ring)
{
	const struct qbi_msg nothing = { .iov = NULL };

	return record_put(r, RECORD_CANCEL, &number, &nothing, 1, ret_ring);
}

size_t qbi_ring_piece_most(const struct qbi_ring *r)
{
	uint64_t most = r->capacity / PIECE_PART;

	if (most > PIECE_MAX)
		most = PIECE_MAX;
	if (most > r->max_msg_size)
		most = r->max_msg_size;
	return (size_t)(most - most % RECORD_ALIGN);
}

int qbi_ring_put_piece(struct qbi_ring *r, const struct qbi_piece *piece,
		       const struct qbi_msg *part, bool *ret_ring)
{
	bool last = piece->offset + part->size == piece->size;
	uint64_t word;

	memcpy(&word, piece, sizeof(word));
	return record_put(r, RECORD_PIECE, &word, part, last, ret_ring);
}

int qbi_ring_cancel(struct qbi_ring *r, uint64_t place, uint64_t deadline)
{
	/* order R2 (reuse): pairs with R2 (release): what was taken may be overwritten. */
	uint64_t head = qbi_shared_load64(&r->words->head, memory_order_acquire);
	uint64_t at = (place + sizeof(struct record)) % r->capacity;

	if (r->tail - head > r->capacity)
		return -EBADMSG;
	/* So a place that was used again is none that waits. */
	if (r->tail - place > r->tail - head)
		return QBI_EMPTY;
	/*
	 * order R7 (cancel): pairs with R7 (claim) in qbi_ring_take_request(). It succeeds
	 * before the consumer has claimed the request, or not at all.
	 */
	return qbi_shared_replace64(word_at(r, at), deadline, QBI_DEADLINE_CANCELLED,
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
	return queued <= r->capacity / sizeof(struct record) ? queued : 0;
}

/* -- Consumer ----------------------------------------------------------------- */

static void ring_read(struct qbi_ring *r, uint64_t offset, void *to, size_t n)
{
	uint64_t room = r->capacity - offset;
	size_t first = n < room ? n : (size_t)room;

	qbi_shared_read(to, r->data + offset, first);
	if (n > first)
		qbi_shared_read((char *)to + first, r->data, n - first);
}

static uint64_t tail_load(struct qbi_ring *r)
{
	/* order R1 (consume): pairs with R1 (publish) in qbi_ring_put(). */
	return qbi_shared_load64(&r->words->tail, memory_order_acquire);
}

/* How many bytes are queued, as the producer says. 0, QBI_EMPTY, -EBADMSG. */
static int ring_refresh(struct qbi_ring *r)
{
	uint64_t tail = tail_load(r) & ~(uint64_t)RUNG;
	uint64_t waiting = tail - r->head;

	if (waiting == 0)
		return QBI_EMPTY;
	if (waiting > r->capacity || waiting % RECORD_ALIGN)
		return -EBADMSG;
	r->tail_seen = tail;
	return 0;
}

static bool record_is_sound(const struct qbi_ring *r, const struct record *record)
{
	uint64_t length = record->length;

	switch (record->kind) {
	case RECORD_MESSAGE: return length <= r->max_msg_size;
	case RECORD_TIMED: return length >= WORD_SIZE && length - WORD_SIZE <= r->max_msg_size;
	case RECORD_CANCEL: return length == WORD_SIZE;
	case RECORD_PIECE: return length > WORD_SIZE && length - WORD_SIZE <= r->max_msg_size;
	default: return false;
	}
}

/* The header of the oldest record, read once and checked. 0, QBI_EMPTY, -EBADMSG. */
static int ring_oldest(struct qbi_ring *r, struct record *ret)
{
	struct record record;
	int err;

	if (r->tail_seen == r->head) {
		err = ring_refresh(r);
		if (err)
			return err;
	}
	/* It does not wrap. Read once. */
	qbi_shared_read(&record, r->data + r->head_offset, sizeof(record));
	if (!record_is_sound(r, &record) ||
	    record_stride(record.kind, r->head_offset, record.length) > r->tail_seen - r->head)
		return -EBADMSG;
	*ret = record;
	return 0;
}

/* The same where there are only messages and, QBI_PARTIAL, pieces. */
static int ring_oldest_message(struct qbi_ring *r, uint32_t *ret_length)
{
	struct record record;
	int err = ring_oldest(r, &record);

	if (err == 0 && record.kind != RECORD_MESSAGE && record.kind != RECORD_PIECE)
		return -EBADMSG;
	if (err)
		return err;
	*ret_length = record.length;
	return record.kind == RECORD_PIECE ? QBI_PARTIAL : 0;
}

int qbi_ring_peek(struct qbi_ring *r, size_t *ret_size)
{
	uint32_t length = 0;
	int err = ring_oldest_message(r, &length);

	if (err == 0 || err == QBI_PARTIAL)
		*ret_size = length;
	return err;
}

/* The payload of the oldest record, a message. */
static uint64_t message_at(const struct qbi_ring *r, uint32_t length)
{
	return ring_advance(r, r->head_offset,
			    record_lead(RECORD_MESSAGE, r->head_offset, length));
}

/* The oldest record is taken, and with it @messages messages. */
static void ring_pass(struct qbi_ring *r, uint32_t kind, uint32_t length, uint32_t messages)
{
	uint64_t stride = record_stride(kind, r->head_offset, length);

	r->head += stride;
	r->head_offset = ring_advance(r, r->head_offset, stride);
	r->taken += messages;
	/* order R3 (statistics): pairs with R3 in qbi_ring_queued(). */
	qbi_shared_store(&r->words->taken, r->taken, memory_order_relaxed);
}

/* Give the producer the room of all that was taken. */
static void ring_publish(struct qbi_ring *r)
{
	if (r->in_use)
		return;
	r->published = r->head;
	/* order R2 (release): the copy, or the use in place, before the room; pairs with R2
	 * (reuse). */
	qbi_shared_store64(&r->words->head, r->head, memory_order_release);
}

int qbi_ring_take(struct qbi_ring *r, void *buf, size_t size, size_t *ret_size)
{
	uint32_t length;
	int err = ring_oldest_message(r, &length);

	if (err)
		return err;
	*ret_size = length;
	if (length > size)
		return -ENOBUFS;
	ring_read(r, message_at(r, length), buf, length);
	ring_pass(r, RECORD_MESSAGE, length, 1);
	ring_publish(r);
	return 0;
}

/* The oldest record, if it is a piece: its payload, read once. As ring_oldest(). */
static int ring_oldest_piece(struct qbi_ring *r, struct record *ret_record,
			     struct qbi_piece *ret_piece, uint64_t *ret_at)
{
	uint64_t at;
	int err = ring_oldest(r, ret_record);

	if (err == 0 && ret_record->kind != RECORD_PIECE)
		return -EBADMSG;
	if (err)
		return err;
	at = ring_advance(r, r->head_offset,
			  record_lead(RECORD_PIECE, r->head_offset, ret_record->length));
	/* Aligned, and so not in two pieces. */
	qbi_shared_read(ret_piece, r->data + at, sizeof(*ret_piece));
	*ret_at = ring_advance(r, at, sizeof(*ret_piece));
	return 0;
}

int qbi_ring_peek_body(struct qbi_ring *r, size_t *ret_size)
{
	struct record record;
	struct qbi_piece piece;
	uint64_t at;
	int err = ring_oldest_piece(r, &record, &piece, &at);

	if (err == 0)
		*ret_size = piece.size;
	return err;
}

int qbi_ring_take_piece(struct qbi_ring *r, struct qbi_body *body, size_t *ret_n)
{
	struct record record;
	struct qbi_piece piece;
	uint64_t at;
	size_t n;
	char *to;
	bool whole;
	int err = ring_oldest_piece(r, &record, &piece, &at);

	if (err)
		return err;
	n = record.length - sizeof(piece);
	err = qbi_body_place(body, &piece, n, &to);
	if (err)
		return err;
	ring_read(r, at, to, n);
	whole = qbi_body_add(body, n);
	ring_pass(r, RECORD_PIECE, record.length, whole);
	ring_publish(r);
	*ret_n = n;
	return whole ? QBI_BODY : QBI_PARTIAL;
}

int qbi_ring_take_request(struct qbi_ring *r, void *buf, size_t size, size_t *ret_size,
			  uint64_t *ret_word)
{
	struct record record;
	uint64_t at;
	size_t before;
	int err = ring_oldest(r, &record);

	if (err)
		return err;
	if (record.kind == RECORD_PIECE)
		return QBI_PARTIAL;
	at = ring_advance(r, r->head_offset,
			  record_lead(record.kind, r->head_offset, record.length));
	before = record.kind == RECORD_MESSAGE ? 0 : WORD_SIZE;
	*ret_size = record.length - before;
	if (*ret_size > size)
		return -ENOBUFS;
	if (record.kind == RECORD_TIMED)
		/* order R7 (claim): pairs with R7 (cancel) in qbi_ring_cancel(). */
		*ret_word = qbi_shared_exchange64(word_at(r, at), QBI_DEADLINE_TAKEN,
						  memory_order_relaxed);
	else if (before)
		ring_read(r, at, ret_word, before);
	ring_read(r, ring_advance(r, at, before), buf, *ret_size);
	ring_pass(r, record.kind, record.length, 1);
	ring_publish(r);
	return !before ? 0 : record.kind == RECORD_TIMED ? QBI_TIMED : QBI_CANCEL;
}

/* The oldest record, a message, is taken and stays where it is. */
static void message_use(struct qbi_ring *r, uint32_t length)
{
	ring_pass(r, RECORD_MESSAGE, length, 1);
	/* order R3 (resume): for a process that goes on here after a fork. */
	qbi_shared_store64(&r->words->passed, r->head, memory_order_relaxed);
	r->in_use = true;
}

int qbi_ring_take_in_place(struct qbi_ring *r, void **ret, size_t *ret_size)
{
	static const char zero;
	struct record record;
	uint32_t length;
	uint64_t at;
	int err = ring_oldest(r, &record);

	if (err)
		return err;
	length = record.length;
	if (record.kind != RECORD_MESSAGE || length < QBI_IN_PLACE_MIN || r->in_use)
		return QBI_AGAIN;
	at = message_at(r, length);
	if (!ring_holds_piece(r, at, length + sizeof(zero)))
		return QBI_AGAIN;
	/* What stayed until now. */
	if (r->published != r->head)
		ring_publish(r);
	qbi_shared_write(r->data + at + length, &zero, sizeof(zero));
	message_use(r, length);
	*ret = r->data + at;
	*ret_size = length;
	return 0;
}

bool qbi_ring_can_view(struct qbi_ring *r, size_t size)
{
	return !r->in_use &&
	       (ring_holds_piece(r, message_at(r, (uint32_t)size), size) || ring_double(r));
}

int qbi_ring_view(struct qbi_ring *r, const void **ret, size_t *ret_size)
{
	uint32_t length;
	uint64_t at;
	int err = ring_oldest_message(r, &length);

	if (err)
		return err;
	*ret_size = length;
	if (!qbi_ring_can_view(r, length))
		return QBI_AGAIN;
	at = message_at(r, length);
	message_use(r, length);
	*ret = r->data + at;
	return 0;
}

void qbi_ring_view_done(struct qbi_ring *r)
{
	r->in_use = false;
	ring_publish(r);
}

void qbi_ring_done(struct qbi_ring *r)
{
	r->in_use = false;
	if (r->capacity - (r->head - r->published) < record_longest(r))
		ring_publish(r);
}

bool qbi_ring_is_empty(struct qbi_ring *r)
{
	/* Invalid is not empty: take will report it. */
	return r->tail_seen == r->head && ring_refresh(r) == QBI_EMPTY;
}

bool qbi_ring_is_last(struct qbi_ring *r, size_t size)
{
	uint64_t next = r->head + message_stride(r->head_offset, size);

	if (r->tail_seen != next)
		return false;
	return (tail_load(r) & ~(uint64_t)RUNG) == next;
}

bool qbi_ring_arm(struct qbi_ring *r, ssize_t last_size)
{
	uint64_t expected = r->head;
	uint64_t tail = tail_load(r);

	if (last_size >= 0)
		expected += message_stride(r->head_offset, (uint64_t)last_size);
	if ((tail & ~(uint64_t)RUNG) != expected)
		return false;
	if (!(tail & RUNG))
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
	return tail_load(r) & RUNG;
}

/* -- After a fork -------------------------------------------------------------- */

/* Have the positions only grown, and are both possible in this ring? */
static bool positions_are_sound(const struct qbi_ring *r, uint64_t known, uint64_t own,
				uint64_t tail, uint64_t head)
{
	return own >= known && own % RECORD_ALIGN == 0 && tail - head <= r->capacity;
}

int qbi_ring_resume_producer(struct qbi_ring *r, bool *ret_ring)
{
	/* order R3 (resume): the producer's own; fork(2) or later, no message is for us. */
	uint64_t word = qbi_shared_load64(&r->words->tail, memory_order_relaxed);
	/* order R2 (reuse): pairs with R2 (release) in qbi_ring_take(). */
	uint64_t head = qbi_shared_load64(&r->words->head, memory_order_acquire);
	uint64_t tail = word & ~(uint64_t)RUNG;

	if (!positions_are_sound(r, r->tail, tail, tail, head))
		return -EBADMSG;
	r->reserved = false;
	*ret_ring = tail != r->tail && (word & RUNG);
	r->tail = tail;
	r->tail_offset = tail % r->capacity;
	r->head_seen = head;
	/* order R3 (statistics) */
	r->put = qbi_shared_load(&r->words->put, memory_order_relaxed);
	return 0;
}

int qbi_ring_resume_consumer(struct qbi_ring *r)
{
	/* order R3 (resume): the consumer's own; alone. */
	uint64_t head = qbi_shared_load64(&r->words->head, memory_order_relaxed);
	/* order R3 (resume): likewise. */
	uint64_t passed = qbi_shared_load64(&r->words->passed, memory_order_relaxed);
	uint64_t tail = tail_load(r) & ~(uint64_t)RUNG;
	uint64_t own = passed > head ? passed : head;

	if (!positions_are_sound(r, r->head, own, tail, own) || tail - head > r->capacity)
		return -EBADMSG;
	r->head = own;
	r->head_offset = own % r->capacity;
	r->tail_seen = own;
	r->published = head;
	/* order R3 (statistics) */
	r->taken = qbi_shared_load(&r->words->taken, memory_order_relaxed);
	r->owed = 0;
	return 0;
}

uint64_t qbi_ring_waiting(struct qbi_ring_words *words, uint64_t capacity, uint64_t *ret_offset)
{
	/* order R3 (statistics): only decides which pages are given back. */
	uint64_t tail = qbi_shared_load64(&words->tail, memory_order_relaxed);
	uint64_t head = qbi_shared_load64(&words->head, memory_order_relaxed);
	uint64_t waiting = (tail & ~(uint64_t)RUNG) - head;

	*ret_offset = head % capacity;
	return waiting <= capacity ? waiting : 0;
}
