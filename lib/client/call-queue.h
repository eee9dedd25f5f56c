/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The requests whose responses are awaited, in the order in which they were sent, and the
 * deadlines of those that have one.
 *
 * A request that its caller has given up keeps its place, because its response is still to
 * come: the response that takes the place is discarded.
 *
 * Threads: one at a time; calls.h has the lock.
 */
#ifndef QBI_CLIENT_CALL_QUEUE_H
#define QBI_CLIENT_CALL_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <qbipc/call.h>

#include "base/list.h"
#include "base/unfinished.h"
#include "transport/transport.h"

struct qbi_calls;

/* Most places of a queue, those of requests that were given up included. */
#define QBI_CALL_QUEUE_MAX (1u << 20)

struct qbi_request {
	uint64_t number;   /* of the request, from 1; 0: it waits for what no request awaits */
	uint64_t deadline; /* QBI_FOREVER: none */
	size_t timed;	   /* its place in the heap of deadlines, from 1; 0: in none */
	struct qbi_call_mark mark; /* as it was sent */
	bool marked;		   /* and the server can be told that nobody waits */
	bool done;
	int result;    /* once done: 0 or -errno */
	void *message; /* of a response */
	bool borrows;  /* the message is in the buffer of the reader, which this is */
	size_t size;

	/* Of the loop. */
	qbipc_call_fn fn; /* may be NULL */
	void *data;
	struct qbi_list link; /* among those that are ready, or the threads that follow */

	/* Of a thread that waits. */
	bool blocks;
	int wake; /* eventfd, if it follows another thread; or -1 */
	struct qbi_calls *calls;
	struct qbi_unfinished waiting;
};

/* All zeros: an empty queue. */
struct qbi_call_queue {
	struct qbi_request **slots; /* by number, modulo capacity; NULL: given up */
	size_t capacity;	    /* a power of 2, or 0 */
	uint64_t first;		    /* number of the oldest place */
	size_t n;
	struct qbi_request **heap; /* the earliest deadline first; as many as slots */
	size_t n_timed;
};

/* Room for one more. 0; -EAGAIN there are QBI_CALL_QUEUE_MAX; -ENOMEM. */
int qbi_call_queue_reserve(struct qbi_call_queue *q);

/* At the end, with the next number; after a reserve it cannot fail. */
void qbi_call_queue_push(struct qbi_call_queue *q, struct qbi_request *call);

/* Take the oldest place out: its call, or NULL if it was given up. There is one. */
struct qbi_request *qbi_call_queue_pop(struct qbi_call_queue *q);

/* The call of that number; NULL: it is not awaited. */
struct qbi_request *qbi_call_queue_find(const struct qbi_call_queue *q, uint64_t number);

/* Its place stays, for the response to come. */
void qbi_call_queue_give_up(struct qbi_call_queue *q, struct qbi_request *call);

/* The call with the earliest deadline; NULL: none has one. */
struct qbi_request *qbi_call_queue_earliest(const struct qbi_call_queue *q);

/* Frees the memory, not the calls. */
void qbi_call_queue_deinit(struct qbi_call_queue *q);

#endif
