/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An end of a native ring (ring/ring.h): the words that both share, and what it knows itself.
 */
#ifndef QBI_RING_RING_END_H
#define QBI_RING_RING_END_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/mirror.h"
#include "ring/shared.h"

#define QBI_CACHE_LINE 128 /* two lines: neighbours are fetched in pairs */

/* The shared words of one ring; the words of each writer have their own cache lines. */
struct qbi_ring_words {
	_Alignas(QBI_CACHE_LINE) qbi_shared_u64 tail; /* bytes written, | RUNG; producer */
	qbi_shared_u32 put;			      /* messages put; producer */
	_Alignas(QBI_CACHE_LINE) qbi_shared_u64 head; /* bytes taken; consumer */
	qbi_shared_u32 taken;			      /* messages taken; consumer */
	qbi_shared_u64 passed; /* head, and a message that is in use where it lies; consumer */
};

_Static_assert(sizeof(struct qbi_ring_words) == 2 * QBI_CACHE_LINE, "part of the wire");

struct qbi_ring {
	struct qbi_ring_words *words; /* shared; NULL: not open */
	unsigned char *data;	      /* shared: capacity bytes */
	uint64_t capacity;	      /* a multiple of 8 */
	uint32_t max_msg_size;	      /* agreed */
	bool twice;		      /* the data is mapped twice, one behind the other */
	struct qbi_mirror mirror;     /* in which it is, if it was not from the beginning */
	struct qbi_locking *locking;  /* borrowed; may be NULL */

	/* Producer's. */
	uint64_t tail;	      /* this copy counts */
	uint64_t tail_offset; /* its offset in the data */
	uint64_t head_seen;   /* as last read; never above the current one */
	uint32_t put;	      /* messages put */
	bool reserved;	      /* room for a message that is built there */

	/* Consumer's. */
	char apart[QBI_CACHE_LINE]; /* not _Alignas: it lies in memory from calloc */
	uint64_t head;		    /* this copy counts */
	uint64_t head_offset;	    /* its offset in the data */
	uint64_t tail_seen;
	uint64_t published; /* as head says in shared memory */
	bool in_use;	    /* a message where it lies: nothing is published */
	uint32_t taken;
	int64_t owed; /* bytes sent to us, or to be sent, and not received;
					 * below 0: received before they were counted */
};

#endif
