/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One direction of a native connection: a ring of bytes with one producer and one
 * consumer, each in its own process.
 *
 * Positions are 64-bit counts of bytes that only grow: `tail` has been written, `head`
 * has been taken, tail - head is what waits. Each end keeps its own count privately and
 * publishes it; the other's is read only when the ring looks full, or empty. A record is
 * an 8-byte header and the payload, rounded up to 8; a record that does not fit before
 * the end of the data goes on at its start.
 *
 * Trust: base, capacity and the own position are private. A shared word is read once,
 * checked and used from a local; a record's length is checked against what is there and
 * against the agreed maximum before a byte is copied. Nonsense is -EBADMSG.
 *
 * Threads: one in put, one in take, at the same time. Anybody may ask queued.
 *
 * Order. The labels at the atomic operations, and what pairs with what:
 *
 *   R1  publish   exchange of tail in put, after payload and header
 *       consume   load of tail in take and is_empty: what it covers is visible
 *   R2  release   store of head in take, after the copy
 *       reuse     load of head in put: what it frees may be overwritten
 *   R3  statistics: relaxed, a number for people
 *   B1  doorbell.h: R1 publish and the look at `armed` behind it are one sequentially
 *       consistent order with re-arming and the look at tail behind that
 */
#ifndef QBI_RING_RING_H
#define QBI_RING_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/msg.h"
#include "ring/doorbell.h"
#include "ring/shared.h"

#define QBI_CACHE_LINE 128	/* two lines: neighbours are fetched in pairs */

/* The shared words of one ring, each writer's on lines of its own. */
struct qbi_ring_words {
	_Alignas(QBI_CACHE_LINE) qbi_shared_u64 tail;	/* bytes written; producer */
	_Alignas(QBI_CACHE_LINE) qbi_shared_u64 head;	/* bytes taken; consumer */
	qbi_shared_u32 taken;				/* messages taken; consumer */
	_Alignas(QBI_CACHE_LINE) qbi_shared_u32 bell;	/* doorbell.h; both */
};

_Static_assert(sizeof(struct qbi_ring_words) == 3 * QBI_CACHE_LINE, "part of the wire");

struct qbi_ring {
	struct qbi_ring_words *words;	/* shared; NULL: not open */
	unsigned char *data;		/* shared: capacity bytes */
	uint64_t capacity;		/* a multiple of 8 */
	uint32_t max_msg_size;		/* agreed */

	/* Producer's. */
	uint64_t tail;			/* the truth */
	uint64_t tail_offset;		/* where that is in the data */
	uint64_t head_seen;		/* as last read; never ahead of the real one */
	uint32_t put;			/* messages put */

	/* Consumer's. */
	_Alignas(QBI_CACHE_LINE) uint64_t head;	/* the truth */
	uint64_t head_offset;		/* where that is in the data */
	uint64_t tail_seen;
	uint32_t taken;
	struct qbi_doorbell bell;
};

/* The smallest capacity that takes a message of @max_msg_size bytes at any time. */
uint64_t qbi_ring_capacity(uint32_t max_msg_size);

/* Both ends of a new, zeroed ring look like this. */
void qbi_ring_init(struct qbi_ring *r, struct qbi_ring_words *words, void *data,
		   uint64_t capacity, uint32_t max_msg_size);

/*
 * Producer: append one message, all or nothing. 0, QBI_FULL, -EBADMSG. The consumer is
 * not told: qbi_ring_should_wake().
 */
int qbi_ring_put(struct qbi_ring *r, const struct qbi_msg *msg);

/* Producer, after put: does the consumer sleep, and is it on us to send the byte? */
bool qbi_ring_should_wake(struct qbi_ring *r);

/*
 * Consumer: copy out the oldest message. 0; QBI_EMPTY; -ENOBUFS @size is too small, the
 * message stays, *@ret_size is its size; -EBADMSG.
 */
int qbi_ring_take(struct qbi_ring *r, void *buf, size_t size, size_t *ret_size);

/* Consumer: size of the oldest message without taking it. 0, QBI_EMPTY, -EBADMSG. */
int qbi_ring_peek(struct qbi_ring *r, size_t *ret_size);

/* Consumer: is there nothing? Looks at the shared word in any case. */
bool qbi_ring_is_empty(struct qbi_ring *r);

/* Consumer: is the oldest message the only one? */
bool qbi_ring_is_last(struct qbi_ring *r, size_t size);

/* Producer: messages that the consumer has not taken, if it is to be believed. */
uint32_t qbi_ring_queued(struct qbi_ring *r);

#endif
