/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ring/ring-pieces.h"

#include <string.h>

#include "ring/ring-steps.h"

/*
 * Pieces are a part of the ring, so that one is written while another one is read; and no
 * larger than what a cache holds from one to the other.
 */
#define PIECE_PART 4
#define PIECE_MAX (128u << 10)

size_t qbi_ring_piece_most(const struct qbi_ring *r)
{
	uint64_t most = r->capacity / PIECE_PART;

	if (most > PIECE_MAX)
		most = PIECE_MAX;
	if (most > r->max_msg_size)
		most = r->max_msg_size;
	return (size_t)(most - most % QBI_RECORD_ALIGN);
}

int qbi_ring_put_piece(struct qbi_ring *r, const struct qbi_piece *piece,
		       const struct qbi_msg *part, bool *ret_ring)
{
	bool last = piece->offset + part->size == piece->size;
	uint64_t word;

	memcpy(&word, piece, sizeof(word));
	return qbi_ring_record_put(r, QBI_RECORD_PIECE, &word, part, last, ret_ring);
}

/* The oldest record, if it is a piece: its payload, read once. As qbi_ring_oldest(). */
static int ring_oldest_piece(struct qbi_ring *r, struct qbi_record *ret_record,
			     struct qbi_piece *ret_piece, uint64_t *ret_at)
{
	uint64_t at;
	int err = qbi_ring_oldest(r, ret_record);

	if (err == 0 && ret_record->kind != QBI_RECORD_PIECE)
		return -EBADMSG;
	if (err)
		return err;
	at = qbi_ring_advance(
		r, r->head_offset,
		qbi_record_lead(QBI_RECORD_PIECE, r->head_offset, ret_record->length));
	/* Aligned, and so not in two pieces. */
	qbi_shared_read(ret_piece, r->data + at, sizeof(*ret_piece));
	*ret_at = qbi_ring_advance(r, at, sizeof(*ret_piece));
	return 0;
}

int qbi_ring_peek_body(struct qbi_ring *r, size_t *ret_size)
{
	struct qbi_record record;
	struct qbi_piece piece;
	uint64_t at;
	int err = ring_oldest_piece(r, &record, &piece, &at);

	if (err == 0)
		*ret_size = piece.size;
	return err;
}

int qbi_ring_take_piece(struct qbi_ring *r, struct qbi_body *body, size_t *ret_n)
{
	struct qbi_record record;
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
	qbi_ring_read(r, at, to, n);
	whole = qbi_body_add(body, n);
	qbi_ring_pass(r, QBI_RECORD_PIECE, record.length, whole);
	qbi_ring_publish(r);
	*ret_n = n;
	return whole ? QBI_BODY : QBI_PARTIAL;
}
