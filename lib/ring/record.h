/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The records in a native ring (ring/ring.h): how each kind is laid out, by its offset in the
 * data and its length alone.
 */
#ifndef QBI_RING_RECORD_H
#define QBI_RING_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/body.h"
#include "base/msg.h"

/* In front of each payload. */
struct qbi_record {
	uint32_t length; /* of the payload, bytes */
	uint32_t kind;
};

#define QBI_RECORD_MESSAGE 0x716d7367u
#define QBI_RECORD_TIMED 0x716d7464u  /* a deadline, then a message; among requests only */
#define QBI_RECORD_CANCEL 0x7163616eu /* the number of a request; likewise */
#define QBI_RECORD_PIECE 0x71706365u  /* a struct qbi_piece, then a part of a body */
#define QBI_RECORD_ALIGN 8
#define QBI_RECORD_USE_ALIGN 16 /* as memory by malloc */

/* Of a deadline or a number, which is aligned, and so never in two pieces either. */
#define QBI_RECORD_WORD sizeof(uint64_t)

_Static_assert(sizeof(struct qbi_record) == QBI_RECORD_ALIGN,
	       "a header is never in two pieces");
_Static_assert(sizeof(struct qbi_piece) == QBI_RECORD_WORD, "nor is that of a piece");

static inline uint64_t qbi_record_round(uint64_t length)
{
	return (length + QBI_RECORD_ALIGN - 1) & ~(uint64_t)(QBI_RECORD_ALIGN - 1);
}

/*
 * Large messages, which a consumer may use where they lie. Pieces are laid out as messages of
 * their length, so that an end can go by the length alone.
 */
static inline bool qbi_record_is_for_use(uint32_t kind, uint64_t length)
{
	return (kind == QBI_RECORD_MESSAGE || kind == QBI_RECORD_PIECE) &&
	       length >= QBI_IN_PLACE_MIN;
}

/* From the beginning of a record at @offset to its payload. */
static inline uint64_t qbi_record_lead(uint32_t kind, uint64_t offset, uint64_t length)
{
	if (!qbi_record_is_for_use(kind, length))
		return sizeof(struct qbi_record);
	return sizeof(struct qbi_record) +
	       (offset + sizeof(struct qbi_record)) % QBI_RECORD_USE_ALIGN;
}

/* All of the record at @offset. */
static inline uint64_t qbi_record_stride(uint32_t kind, uint64_t offset, uint64_t length)
{
	return qbi_record_lead(kind, offset, length) +
	       qbi_record_round(length + qbi_record_is_for_use(kind, length));
}

/* The same for messages. */
static inline uint64_t qbi_message_stride(uint64_t offset, uint64_t length)
{
	return qbi_record_stride(QBI_RECORD_MESSAGE, offset, length);
}

/* Of the largest message, wherever it is. */
static inline uint64_t qbi_message_longest(uint32_t max_msg_size)
{
	return qbi_message_stride(0, max_msg_size);
}

/* May a record be like this, in a ring for messages of @max_msg_size bytes? */
static inline bool qbi_record_is_sound(const struct qbi_record *record, uint32_t max_msg_size)
{
	uint64_t length = record->length;

	switch (record->kind) {
	case QBI_RECORD_MESSAGE: return length <= max_msg_size;
	case QBI_RECORD_TIMED:
		return length >= QBI_RECORD_WORD && length - QBI_RECORD_WORD <= max_msg_size;
	case QBI_RECORD_CANCEL: return length == QBI_RECORD_WORD;
	case QBI_RECORD_PIECE:
		return length > QBI_RECORD_WORD && length - QBI_RECORD_WORD <= max_msg_size;
	default: return false;
	}
}

#endif
