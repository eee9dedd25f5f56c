/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The shared memory of one native connection: two memfds that the server makes, seals so
 * that they can neither shrink nor grow, and passes over the stream.
 *
 *   common   both write
 *            0        a page of words: those of three rings, and the flow-control value
 *            4096     data of the requests, capacity bytes
 *   sent     the server writes, the client can only read
 *            0        data of the responses, capacity bytes
 *            + cap.   data of the events
 *
 * What the server sends lies apart because a client that may write memory may also take
 * its pages out (MADV_REMOVE), and who touches a page meanwhile waits for that to end.
 * The client is passed a descriptor that was opened for reading, of a file whose mode
 * lets nobody open it anew. The words cannot lie apart: a ring's doorbell is one word that
 * both ends change.
 *
 * Pages come with the first touch, so a connection costs what it has used. At its end
 * the server takes the pages out again: a client that keeps the mappings keeps nothing.
 *
 * Trust: the sizes follow from the agreed message size on both sides. A client checks
 * that what it was passed is sealed and exactly that large; then no access can fault.
 * Where each side's private view of a ring lies is qbi_ring's.
 */
#ifndef QBI_RING_REGION_H
#define QBI_RING_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring/ring.h"

enum qbi_region_ring {
	QBI_REGION_REQUEST,
	QBI_REGION_RESPONSE,
	QBI_REGION_EVENT,
	QBI_REGION_RINGS,
};

struct qbi_region_words {
	struct qbi_ring_words ring[QBI_REGION_RINGS];
	_Alignas(QBI_CACHE_LINE) qbi_shared_u32 flow; /* server writes, client reads */
	/* The CPU that each end was last seen on, plus 1; written by that end. */
	_Alignas(QBI_CACHE_LINE) qbi_shared_u32 server_cpu;
	_Alignas(QBI_CACHE_LINE) qbi_shared_u32 client_cpu;
};

#define QBI_REGION_NO_RINGS 0

struct qbi_region {
	struct qbi_region_words *words; /* where the common memory begins; NULL: not open */
	size_t common_size;
	unsigned char *sent; /* NULL: no rings, or not open */
	size_t sent_size;
	uint32_t max_msg_size;
};

/* The memory as it is passed. */
struct qbi_region_fds {
	int common;
	int sent; /* for reading; -1: no rings */
};

/*
 * Server: make and map one. The descriptors are the caller's. 0 or -errno.
 *
 * @max_msg_size  of the rings; QBI_REGION_NO_RINGS: the page of words alone
 */
int qbi_region_create(struct qbi_region *m, uint32_t max_msg_size, struct qbi_region_fds *ret);

/*
 * Client: map what the server passed; @fds stay the caller's. 0; -EBADMSG one is no
 * memfd, not sealed, or not the size that was agreed; another -errno.
 */
int qbi_region_open(struct qbi_region *m, uint32_t max_msg_size,
		    const struct qbi_region_fds *fds);

/* This side's view of one ring of an open region. */
void qbi_region_ring(struct qbi_region *m, enum qbi_region_ring which, struct qbi_ring *r);

/*
 * Server, at the end: take the pages away from whoever still maps them. All of them, or
 * all but those with responses and events that the client has not taken, by its account:
 * what it can keep that way, it was sent.
 */
void qbi_region_punch(struct qbi_region *m);
void qbi_region_punch_taken(struct qbi_region *m);

/* Unmap. Idempotent. */
void qbi_region_close(struct qbi_region *m);

/* Flow-control value: published by the server, relaxed, alone. */
void qbi_region_flow_set(struct qbi_region *m, uint32_t value);
uint32_t qbi_region_flow_get(struct qbi_region *m);

/* Events that the client says it has taken; where there are no rings to tell. Relaxed. */
void qbi_region_taken_set(struct qbi_region *m, uint32_t count);
uint32_t qbi_region_taken_get(struct qbi_region *m);

/*
 * Where there are no rings, of responses and events, by the server for the server: messages
 * that were sent, and bytes that are still to be sent of one that has begun. A process
 * that goes on in its parent's place compares. Relaxed.
 */
void qbi_region_sent_set(struct qbi_region *m, enum qbi_region_ring which, uint32_t count);
uint32_t qbi_region_sent_get(struct qbi_region *m, enum qbi_region_ring which);
void qbi_region_unsent_set(struct qbi_region *m, enum qbi_region_ring which, uint64_t bytes);
uint64_t qbi_region_unsent_get(struct qbi_region *m, enum qbi_region_ring which);

enum qbi_region_end {
	QBI_REGION_SERVER,
	QBI_REGION_CLIENT,
};

/*
 * Say that @me runs on this CPU. Is the other end's last known one the same? Then it
 * can do nothing while this one busy polls, unless it yields between checks. What the
 * peer says decides about no more than that.
 */
bool qbi_region_shares_cpu(struct qbi_region *m, enum qbi_region_end me);

#endif
