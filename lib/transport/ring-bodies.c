/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/ring-bodies.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "ring/ring-pieces.h"

/* Pieces of memory that go into one piece of a body. */
#define PIECE_IOVS 16

int qbi_body_put_part(struct qbi_ring *r, const struct qbi_msg *msg, size_t *done,
		      bool *ret_ring)
{
	struct qbi_piece piece = { (uint32_t)msg->size, (uint32_t)*done };
	struct iovec iov[PIECE_IOVS];
	struct qbi_msg part = { .iov = iov };
	int err;

	part.size = qbi_msg_part(msg, *done, qbi_ring_piece_most(r), iov, PIECE_IOVS, &part.n);
	err = qbi_ring_put_piece(r, &piece, &part, ret_ring);
	if (err == 0)
		*done += part.size;
	return err;
}

int qbi_body_put_rest(struct qbi_ring *r, struct qbi_rest *rest, bool *ret_ring)
{
	struct qbi_piece piece = { rest->size, rest->done };
	struct iovec iov = qbi_rest_next(rest, qbi_ring_piece_most(r));
	struct qbi_msg part = { &iov, 1, iov.iov_len };
	int err = qbi_ring_put_piece(r, &piece, &part, ret_ring);

	if (err == 0)
		(void)qbi_rest_add(rest, iov.iov_len);
	return err;
}

int qbi_body_check(struct qbi_ring *r, const struct qbi_body *body, size_t room,
		   size_t *ret_size)
{
	int err = qbi_ring_peek_body(r, ret_size);

	if (err)
		return err;
	if (*ret_size > body->most)
		return -EBADMSG;
	return *ret_size > room ? -ENOBUFS : 0;
}

int qbi_body_receive(struct qbi_ring *r, struct qbi_body *body, void *buf, size_t room,
		     size_t *ret_size)
{
	_cleanup_(qbi_freep) char *whole = NULL;
	size_t n;
	int err = qbi_ring_take_piece(r, body, &n);

	if (err != QBI_BODY)
		return err;
	whole = qbi_body_take(body, ret_size);
	/* The size was read again. */
	if (*ret_size > room)
		return -EBADMSG;
	memcpy(buf, whole, *ret_size);
	return 0;
}
