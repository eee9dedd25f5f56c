/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bodies: messages beyond the agreed size, which travel in pieces. One object on its way out,
 * and one that comes in.
 *
 * A body that comes in is put together in private memory, which grows with what has arrived: a
 * peer that stops in the middle, or announces more than it sends, makes us hold at most twice
 * the bytes that it sent.
 *
 * A body that goes out is sent from the caller's memory as far as there is room. What is left
 * then is copied, so that the caller can go on.
 *
 * Trust: size and offset of a piece are the peer's. They were read once; here they are checked
 * against the limits and against what has come so far, before anything is copied.
 * Threads: one at a time per object.
 */
#ifndef QBI_BASE_BODY_H
#define QBI_BASE_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/msg.h"

/* Largest size of a body, bytes. */
#define QBI_BODY_MAX (1u << 30)

/* What the header of a piece says. */
struct qbi_piece {
	uint32_t size;	 /* of the whole body */
	uint32_t offset; /* of the piece in it */
};

struct qbi_body {
	char *data;	/* NULL: none has begun */
	size_t room;	/* of data */
	uint32_t size;	/* of the whole */
	uint32_t done;	/* bytes that have come */
	uint32_t least; /* sizes up to it are those of messages that need no pieces */
	uint32_t most;	/* largest size that is taken; 0: no bodies at all */
};

/*
 * Where the @n bytes of @piece are to be put; qbi_body_add() follows when they are there. 0;
 * -EBADMSG they cannot be the next ones; -ENOMEM: nothing has changed.
 */
int qbi_body_place(struct qbi_body *b, const struct qbi_piece *piece, size_t n, char **ret);

/* The same for up to @n more bytes of a body that has begun, before its piece is known. */
int qbi_body_reserve(struct qbi_body *b, size_t n, char **ret);

/* True: the body is whole, with a zero behind it. */
bool qbi_body_add(struct qbi_body *b, size_t n);

/* The whole body, which the caller frees; the next one may begin. */
char *qbi_body_take(struct qbi_body *b, size_t *ret_size);

/* Idempotent; all zeros is fine. */
void qbi_body_forget(struct qbi_body *b);

/*
 * Until when a send of a body waits whose caller set no time: a receiver that takes little at a
 * time could keep it for hours. What is left then is kept.
 */
#define QBI_BODY_SEND_MS 2000
static inline uint64_t qbi_body_deadline(uint64_t deadline)
{
	return qbi_deadline_is_a_time(deadline) ? deadline :
						  qbi_deadline_from_ms(QBI_BODY_SEND_MS);
}

struct qbi_rest {
	char *data;    /* NULL: nothing is left of any body */
	uint32_t size; /* of the whole body */
	uint32_t from; /* offset in the body of what is at data */
	uint32_t done; /* offset of the next piece */
};

/* Keep what comes after the first @done bytes of @msg. 0, -ENOMEM. */
int qbi_rest_keep(struct qbi_rest *rest, const struct qbi_msg *msg, size_t done);

/* The next piece of at most @most bytes, which qbi_rest_add() counts when it is sent. */
struct iovec qbi_rest_next(const struct qbi_rest *rest, size_t most);

/* True: nothing is left. */
bool qbi_rest_add(struct qbi_rest *rest, size_t n);

void qbi_rest_forget(struct qbi_rest *rest);

#endif
