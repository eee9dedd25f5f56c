/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One direction of a native connection: a ring of bytes with one producer and one
 * consumer, each in its own process.
 *
 * Positions are 64-bit counts of bytes that only grow: `tail` counts bytes written, `head`
 * counts bytes taken, and tail - head bytes are queued. Each end keeps its own count
 * privately and publishes it. It reads the count of the other end only when the ring looks
 * full or empty. A record is an 8-byte header and the payload, rounded up to 8; it wraps
 * around the end of the data. The payload of a large one, which a consumer may use where it
 * lies, is aligned to 16 and has at least one more byte behind it, for a zero. The
 * ring of the requests has records of other kinds, too: a request with a deadline, and the
 * cancel of one that was taken. A body beyond the agreed size is in several records, one
 * after the other (base/body.h); it counts as one message, with the last of them.
 *
 * A child that continues in place of its parent reads its own positions again, once, because
 * threads of the parent may have moved them after the fork.
 *
 * Trust: base, capacity and the own position are private. A shared word is read once to a
 * local variable, then checked and used from there. The length of a record is checked
 * against the bytes queued and against the agreed maximum before anything is copied. For
 * invalid values the result is -EBADMSG.
 *
 * Threads: one in put and one in take, at the same time. Any thread may call queued.
 *
 * Waking the consumer costs no system call while it is awake. Positions are multiples of
 * 8, so bit 0 of the published tail is free and means RUNG: the producer has rung since
 * the consumer last armed. Each publish sets it, in the same exchange that publishes. If
 * the bit was clear before, the consumer is armed, and the producer sends one byte on the
 * descriptor on which the consumer sleeps. A new ring, all zero, is armed.
 *
 *   producer                               consumer
 *     old = exchange(tail, mine | RUNG)      arm: if tail is where I expect it and has
 *     if not (old & RUNG): send one byte     RUNG, compare-and-swap RUNG away: owed++
 *                                            receive at most `owed` bytes, count them off
 *
 * Each successful arming means that one byte was sent or will be sent at once. This byte is
 * owed, and received at most once. A byte that is left unread keeps the descriptor
 * readable; receiving a byte too early would lose a wake-up. Publishing and the decision to
 * ring are one step. With a separate word for the bell there would be a moment in between,
 * in which a message could be taken before its byte is sent; that byte would then announce
 * nothing (docs/wakeup.md, tests/model).
 *
 * Order. The labels at the atomic operations, and what pairs with what:
 *
 *   R1  publish   exchange of tail in put, after payload and header
 *       consume   loads of tail by the consumer: bytes below it are visible
 *   R2  release   store of head in take, after the copy
 *       reuse     load of head in put: bytes below it may be overwritten
 *   R3  statistics: relaxed, for display; own positions after a fork
 *   Messages handed out in place: R2 release is the end of their use.
 *   R4  region.h: the flow-control value, relaxed, alone
 *   R6  region.h: the CPU an end runs on, relaxed, alone
 *   R5  arm       compare-and-swap of tail; one location orders it against R1 publish
 *   R7  claim     exchange of a deadline in take: from here on the request is not waiting
 *       cancel    compare-and-swap of it by the producer; one location orders the two
 *   R8  region.h: when an end rang, relaxed; the byte orders it
 *   R9  region.h: the largest body that an end takes, relaxed, alone
 */
#ifndef QBI_RING_RING_H
#define QBI_RING_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/msg.h"
#include "ring/ring-end.h"

/* What it has mapped itself; the shared memory stays. Idempotent. */
void qbi_ring_close(struct qbi_ring *r);

/* Capacity for messages of up to @max_msg_size bytes: one fits in an empty ring. */
uint64_t qbi_ring_capacity(uint32_t max_msg_size);

/* Initialize either end of a new ring, whose shared words are zero. */
void qbi_ring_init(struct qbi_ring *r, struct qbi_ring_words *words, void *data,
		   uint64_t capacity, uint32_t max_msg_size);

/*
 * Producer: append one message, all or nothing. 0, QBI_FULL, -EBADMSG. On success
 * *@ret_ring says whether the consumer sleeps: then send it one byte.
 */
int qbi_ring_put(struct qbi_ring *r, const struct qbi_msg *msg, bool *ret_ring);

/*
 * The deadline of a request, in ns of CLOCK_MONOTONIC, lies before it in the ring. Values that
 * are no times, besides QBI_FOREVER: the consumer has taken the request; the producer has
 * cancelled it before that.
 */
#define QBI_DEADLINE_TAKEN 0
#define QBI_DEADLINE_CANCELLED 1

/*
 * Producer of requests: the same for a request with a deadline, which is no QBI_DEADLINE_TAKEN.
 * *@ret_place is for qbi_ring_cancel(), with the same deadline: 0 the consumer will find it
 * cancelled; QBI_EMPTY it was taken; -EBADMSG.
 */
int qbi_ring_put_timed(struct qbi_ring *r, const struct qbi_msg *msg, uint64_t deadline,
		       uint64_t *ret_place, bool *ret_ring);
int qbi_ring_cancel(struct qbi_ring *r, uint64_t place, uint64_t deadline);

/* Producer of requests: append the cancel of request @number. As qbi_ring_put(). */
int qbi_ring_put_cancel(struct qbi_ring *r, uint64_t number, bool *ret_ring);

/* Producer: is there room for a message of @size bytes? 0, QBI_FULL, -EBADMSG. */
int qbi_ring_room(struct qbi_ring *r, size_t size);

/*
 * Consumer: copy out the oldest message. 0; QBI_EMPTY; -ENOBUFS @size is too small, the
 * message stays, *@ret_size is its size; -EBADMSG; QBI_PARTIAL it is a piece of a body, as of
 * all that take the oldest message.
 */
int qbi_ring_take(struct qbi_ring *r, void *buf, size_t size, size_t *ret_size);

/*
 * Consumer of requests: the same; or QBI_TIMED, and the deadline in *@ret_word, which can have
 * any value; or QBI_CANCEL, no message, and the number of the request in *@ret_word.
 */
int qbi_ring_take_request(struct qbi_ring *r, void *buf, size_t size, size_t *ret_size,
			  uint64_t *ret_word);

/*
 * Consumer: size of the oldest message without taking it, or QBI_PARTIAL and that of a piece
 * with its header. 0, QBI_EMPTY, -EBADMSG.
 */
int qbi_ring_peek(struct qbi_ring *r, size_t *ret_size);

/* Consumer: is there nothing? Looks at the shared word when nothing was seen before. */
bool qbi_ring_is_empty(struct qbi_ring *r);

/* Consumer: is the oldest message, of @size bytes, the only one? */
bool qbi_ring_is_last(struct qbi_ring *r, size_t size);

/*
 * Consumer: arm, so that the next message rings. Before sleeping with an empty ring, or
 * (@last_size >= 0) before taking the last message, of that size. False: there is more
 * than that, and nothing has changed.
 */
bool qbi_ring_arm(struct qbi_ring *r, ssize_t last_size);

/* Consumer: has the producer rung since we armed? */
bool qbi_ring_has_rung(struct qbi_ring *r);

/* Producer: messages that the consumer has not taken, if it is to be believed. */
uint32_t qbi_ring_queued(struct qbi_ring *r);

/*
 * Anybody: bytes that wait in a ring, by its shared words alone, and where in the data
 * they begin. Nonsense is 0.
 */
uint64_t qbi_ring_waiting(struct qbi_ring_words *words, uint64_t capacity,
			  uint64_t *ret_offset);

#endif
