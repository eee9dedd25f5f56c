/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages without a copy: built in the room that they will have in a native ring, and used where
 * they lie in it.
 *
 * Trust, threads: as of ring/ring.h.
 */
#ifndef QBI_RING_RING_PLACES_H
#define QBI_RING_RING_PLACES_H

#include <stdbool.h>
#include <stddef.h>

#include "ring/ring-end.h"

/*
 * Producer: room for a message of at most @size bytes, in one piece and aligned to 8, which
 * the consumer does not see before the commit. Until that, or the abandon, there is no room
 * for another one. 0; QBI_AGAIN there is room, but not in one piece; QBI_FULL; -EBADMSG.
 *
 * The commit of @size bytes, where @reserved were reserved, cannot fail; *@ret is where they lie
 * then. True: the consumer sleeps, as of qbi_ring_put().
 */
int qbi_ring_reserve(struct qbi_ring *r, size_t size, void **ret);
bool qbi_ring_commit(struct qbi_ring *r, size_t reserved, size_t size, void **ret);
void qbi_ring_abandon(struct qbi_ring *r);

/*
 * Consumer: take the oldest message, of at least QBI_IN_PLACE_MIN bytes, without a copy. It is
 * in one piece with a zero behind it, and the producer does not overwrite it before
 * qbi_ring_done(); other messages may be taken before. 0; QBI_EMPTY; QBI_AGAIN take it by a
 * copy; -EBADMSG.
 */
int qbi_ring_take_in_place(struct qbi_ring *r, void **ret, size_t *ret_size);

/*
 * Consumer: the message in place is not used any more. If there is room for the largest
 * message besides, it stays until the next one is taken.
 */
void qbi_ring_done(struct qbi_ring *r);

/*
 * Consumer that only reads: take the oldest message without a copy, in one piece and aligned
 * to 8, until qbi_ring_view_done(); other messages may be taken before. 0; QBI_EMPTY; QBI_AGAIN
 * take it by a copy, *@ret_size is its size; -EBADMSG.
 */
int qbi_ring_view(struct qbi_ring *r, const void **ret, size_t *ret_size);
bool qbi_ring_can_view(struct qbi_ring *r, size_t size); /* of the oldest one */
void qbi_ring_view_done(struct qbi_ring *r);

#endif
