/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bodies beyond the agreed size, a piece at a time, through a native ring.
 *
 * Trust, threads: as of ring/ring.h.
 */
#ifndef QBI_RING_RING_PIECES_H
#define QBI_RING_RING_PIECES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/body.h"
#include "base/msg.h"
#include "ring/ring-end.h"

/*
 * Producer: append a part of a body, in their order, with nothing else in between. As
 * qbi_ring_put(). And most bytes of such a part.
 */
int qbi_ring_put_piece(struct qbi_ring *r, const struct qbi_piece *piece,
		       const struct qbi_msg *part, bool *ret_ring);
size_t qbi_ring_piece_most(const struct qbi_ring *r);

/*
 * Consumer: the oldest record is a piece. The size of the whole body, not checked: 0, -EBADMSG.
 * And take the piece, of *@ret_n bytes, to @body: QBI_PARTIAL; QBI_BODY that was the last one;
 * -EBADMSG; -ENOMEM: it stays.
 */
int qbi_ring_peek_body(struct qbi_ring *r, size_t *ret_size);
int qbi_ring_take_piece(struct qbi_ring *r, struct qbi_body *body, size_t *ret_n);

#endif
