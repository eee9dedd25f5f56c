/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bodies through a native ring: one piece at a time, from the caller's memory or from what was
 * kept of it, and to the memory of a receiver.
 *
 * Threads: as of the ring's end (ring/ring.h).
 */
#ifndef QBI_TRANSPORT_RING_BODIES_H
#define QBI_TRANSPORT_RING_BODIES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/body.h"
#include "base/msg.h"
#include "ring/ring.h"

/*
 * Put the piece at *@done of @msg, or the next one of the rest, which is not empty. 0, and then
 * *@ret_ring: the consumer sleeps; QBI_FULL; -EBADMSG.
 */
int qbi_body_put_part(struct qbi_ring *r, const struct qbi_msg *msg, size_t *done,
		      bool *ret_ring);
int qbi_body_put_rest(struct qbi_ring *r, struct qbi_rest *rest, bool *ret_ring);

/*
 * A receiver with @room bytes for a message has found a piece. Is there room for the whole? If
 * not, all of it stays. 0; -ENOBUFS, and *@ret_size is the size; -EBADMSG.
 */
int qbi_body_check(struct qbi_ring *r, const struct qbi_body *body, size_t room,
		   size_t *ret_size);

/* Take the piece. QBI_PARTIAL; 0 it was the last one, and the whole is at @buf; -errno. */
int qbi_body_receive(struct qbi_ring *r, struct qbi_body *body, void *buf, size_t room,
		     size_t *ret_size);

#endif
