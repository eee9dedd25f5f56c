/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client's end of native shared memory, native-shm-client.c and what belongs to it: its state,
 * and how a message is taken from a ring.
 */
#ifndef QBI_TRANSPORT_NATIVE_SHM_CLIENT_END_H
#define QBI_TRANSPORT_NATIVE_SHM_CLIENT_END_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/body.h"
#include "base/busy-poll.h"
#include "base/util.h"
#include "ring/region.h"
#include "ring/ring-places.h"
#include "ring/wakeup.h"
#include "transport/ring-bodies.h"
#include "transport/transport.h"

/* How often a thread that waits for messages looks whether there is room for what was kept. */
#define QBI_NATIVE_SHM_REST_MS 1

struct qbi_native_shm_client {
	bool opened;
	int stream; /* borrowed */
	struct qbi_client_turns turns;
	int bell;      /* readable when a response waits for a sleeper; -1: not joined yet */
	bool was_rung; /* by the bell: the server has taken it */
	struct qbi_region region;
	struct qbi_ring request;
	struct qbi_ring response;
	struct qbi_ring event;
	unsigned int burst;		/* checks left for the next event of a burst */
	size_t due;			/* bytes for requests that could not be sent yet */
	struct qbi_busy_poll busy_poll; /* for responses */
	struct qbi_arrivals responses;	/* when they come */
	bool slept;			/* the last wait for a response ended in a sleep */
	uint64_t woken;			/* when the bell was last readable */
	struct timespec checked;	/* when a sender last checked for the server */
	struct qbi_turn out;		/* senders and receivers send the rest of a body */
	_Atomic(bool) unfinished;	/* there is one, or the byte of its last piece is due */
	struct qbi_rest rest;
	uint32_t rest_process;	     /* whose it is */
	_Atomic(uint32_t) body_most; /* the largest that this end has ever said to take */
	struct qbi_body response_body;
	struct qbi_body event_body;
};

/* Receive the owed bytes and no more. 0, QBI_GONE. */
static inline int qbi_native_shm_owed_receive(struct qbi_ring *r, int fd)
{
	ssize_t n;

	if (r->owed <= 0)
		return 0;
	n = qbi_wakeup_receive(fd, (size_t)r->owed);
	if (n > 0)
		r->owed -= n;
	return n < 0 && n != -EAGAIN ? QBI_GONE : 0;
}

/* Where a message goes that is taken. */
struct qbi_native_shm_target {
	void *buf;	   /* a copy of it */
	size_t size;	   /* of @buf */
	const void **view; /* not NULL: no copy, but where it lies */
};

/* 0, QBI_EMPTY, -ENOBUFS, -EBADMSG; QBI_AGAIN only a copy is possible. */
static inline int qbi_native_shm_message_take(struct qbi_ring *r,
					      const struct qbi_native_shm_target *to,
					      size_t *ret_size)
{
	return to->view ? qbi_ring_view(r, to->view, ret_size) :
			  qbi_ring_take(r, to->buf, to->size, ret_size);
}

/* A piece of a body is the oldest record. 0, -ENOBUFS, -EBADMSG; QBI_AGAIN a copy is possible. */
static inline int qbi_native_shm_body_fits(struct qbi_ring *r, const struct qbi_body *body,
					   const struct qbi_native_shm_target *to,
					   size_t *ret_size)
{
	int err = qbi_body_check(r, body, to->size, ret_size);

	return to->view && (err == 0 || err == -ENOBUFS) ? QBI_AGAIN : err;
}

#endif
