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
 * What the server sends is in a memfd of its own, because a client that can write memory can
 * also punch its pages (MADV_REMOVE), and a thread that accesses a page meanwhile waits for
 * that. The client gets a descriptor that was opened for reading, of a file whose mode allows
 * no process to open it again. The words cannot be separate, because the doorbell of a ring
 * is one word that both ends change.
 *
 * Without rings, on native sockets, there is the page of words alone, and nothing but the
 * flow-control value and the client's count of events is in it. A server does not touch it
 * while it takes and sends messages: it writes the value when that changes, reads the count
 * when it is asked for statistics, and releases the page at the end if it has done one of them.
 * What a server notes for a child that continues in its place is in memory that it does not
 * pass.
 *
 * Pages are allocated at the first access, so a connection takes only the memory that it has
 * used. At its end the server releases the pages: a client that keeps the mappings keeps no
 * memory.
 *
 * Trust: both sides compute the sizes from the agreed message size. A client checks that each
 * memfd is sealed and has exactly this size; then no access can fault. The private positions
 * of each side are in struct qbi_ring.
 */
#ifndef QBI_RING_REGION_H
#define QBI_RING_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
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
	/*
	 * The CPU that each end was last seen on, plus 1, and when it last rang the other one,
	 * in ns of CLOCK_MONOTONIC; written by that end.
	 */
	_Alignas(QBI_CACHE_LINE) qbi_shared_u32 server_cpu;
	qbi_shared_u64 server_rang; /* for a response */
	_Alignas(QBI_CACHE_LINE) qbi_shared_u32 client_cpu;
	qbi_shared_u64 client_rang; /* for a request */
	/* Bytes of the largest body that each end takes; written by that end; 0: none. */
	_Alignas(QBI_CACHE_LINE) qbi_shared_u32 server_body;
	_Alignas(QBI_CACHE_LINE) qbi_shared_u32 client_body;
};

_Static_assert(offsetof(struct qbi_region_words, server_body) == 1152 &&
		       offsetof(struct qbi_region_words, client_body) == 1280,
	       "part of the wire");

#define QBI_REGION_NO_RINGS 0

struct qbi_region {
	struct qbi_region_words *words; /* where the common memory begins; NULL: not open */
	size_t common_size;
	bool twice; /* set before it is opened: map the data of the requests once more behind
		     * itself; afterwards: that was possible */
	unsigned char *sent; /* NULL: no rings, or not open */
	size_t sent_size;
	uint32_t max_msg_size;
	struct qbi_locking *locking;  /* set before it is opened; borrowed; may be NULL */
	struct qbi_region_words *own; /* of a server, without rings: not passed; else NULL */
	uint32_t flow;		      /* as a server has published it */
	bool touched;		      /* a server has accessed the words, or will */
};

/* The descriptors that are passed. */
struct qbi_region_fds {
	int common;
	int sent; /* for reading; -1: no rings */
};

/*
 * Server: make and map a region. The caller owns the descriptors. 0 or -errno.
 *
 * @max_msg_size  of the rings; QBI_REGION_NO_RINGS: the page of words alone
 */
int qbi_region_create(struct qbi_region *m, uint32_t max_msg_size, struct qbi_region_fds *ret);

/*
 * Client: map the memfds that the server passed; the caller keeps @fds. 0; -EBADMSG one is no
 * memfd, not sealed, or of another size than agreed; another -errno.
 */
int qbi_region_open(struct qbi_region *m, uint32_t max_msg_size,
		    const struct qbi_region_fds *fds);

/* This side's view of one ring of an open region. */
void qbi_region_ring(struct qbi_region *m, enum qbi_region_ring which, struct qbi_ring *r);

/*
 * Server, at the end: release the pages, even if the client still maps them, but without rings
 * only if the server has touched them. The first releases all; the second all except pages
 * with responses and events that the client has not taken, according to the client's own
 * position. Both wait for any process that has the lock of the memory. 0; QBI_AGAIN the
 * client holds it up (ring/punch.h).
 */
int qbi_region_punch(struct qbi_region *m);
int qbi_region_punch_taken(struct qbi_region *m);

/* Unmap. Idempotent. */
void qbi_region_close(struct qbi_region *m);

/* Flow-control value, published by the server. Relaxed: no other data depends on it. */
void qbi_region_flow_set(struct qbi_region *m, uint32_t value);
uint32_t qbi_region_flow_get(struct qbi_region *m);

/* The number of events that the client says it has taken, without rings. Relaxed. */
void qbi_region_taken_set(struct qbi_region *m, uint32_t count);
uint32_t qbi_region_taken_get(struct qbi_region *m);

/*
 * A server without rings, for responses and events: the number of messages sent, and the
 * bytes that remain of a message that has begun, for a child that continues in its place. The
 * client does not have them. Relaxed.
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
 * @me rings: say since when. And when did the other end ring, as it says? 0: it never did. The
 * caller has received what it rang for; a time that cannot be is the other end's false word.
 */
void qbi_region_rings(struct qbi_region *m, enum qbi_region_end me);
uint64_t qbi_region_rang(struct qbi_region *m, enum qbi_region_end other);

/*
 * Say the largest body that @me takes, and what the other end says that it takes. Relaxed: the
 * message that follows orders it.
 */
void qbi_region_body_set(struct qbi_region *m, enum qbi_region_end me, uint32_t bytes);
uint32_t qbi_region_body_get(struct qbi_region *m, enum qbi_region_end other);

/*
 * Publish the CPU that @me runs on. Is it the one where the other end was last seen? Then
 * the other end cannot run while this one busy-polls, unless this one yields between
 * checks. The word of the peer decides nothing else.
 */
bool qbi_region_shares_cpu(struct qbi_region *m, enum qbi_region_end me);

#endif
