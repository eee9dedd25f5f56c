/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Responses that go to whoever sent the request: to a call of an event loop, or to a thread
 * that waits (await.h).
 *
 * A connection on which one of them was used has one of these objects until its end. From
 * then on a response belongs to the oldest request of the queue. Requests of
 * qb_ipcc_send() are not in it.
 *
 * A request that is given up stays in the queue. Where the wire has something for it, the
 * server is told, at once or when there is room: by those who send, and by dispatches.
 *
 * Order: a request is queued under the turn of the senders and the lock, in the same step in
 * which it gets its place; a response is received and given to the oldest place under the
 * turn of the receivers. So both orders are those of the connection.
 *
 * The reader: one thread at a time receives responses, for all. A thread that waits and
 * finds another reader follows it: it sleeps until it is woken, with its response or to be
 * the next reader. While a waiting thread reads, the loop is woken by the timer.
 *
 * Threads: any; the lock is held for short times, never in a callback nor asleep. A turn is
 * taken before the lock, not after it.
 * Owner: the connection, a dispatch that runs, and each thread that waits hold a reference.
 * After fork(2): calls are the parent's. The child gives up their places and forgets them.
 */
#ifndef QBI_CLIENT_CALLS_H
#define QBI_CLIENT_CALLS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/msg.h"
#include "base/mutex.h"
#include "client/call-cancels.h"
#include "client/call-queue.h"
#include "client/call-watch.h"
#include "client/connection.h"

/* Responses received, and functions called, by one dispatch. */
#define QBI_CALLS_AT_ONCE 64

/* A time that is over: the timer expires at once. */
#define QBI_CALLS_NOW 1

struct qbi_calls {
	_Atomic(unsigned int) refs;
	struct qbi_mutex lock; /* for all that follows */
	uint32_t generation;   /* of the process that uses it */
	qb_ipcc_connection_t *c;
	bool gone;   /* the server is; all calls are done */
	bool closed; /* the application has disconnected */

	struct qbi_call_queue queue;
	struct qbi_call_cancels cancels; /* of what was given up */
	bool unfinished;		 /* a part of a body may still have to be sent */
	size_t n_loop;			 /* those in the queue that are of the loop */
	struct qbi_list ready;	   /* of the loop, done: their functions are to be called */
	struct qbi_list followers; /* threads that wait for another reader */

	struct qbi_request *reader; /* NULL: none; the object below: a dispatch */
	struct qbi_request dispatching;
	pthread_t reader_thread;
	char *buffer; /* the reader's */
	size_t size;
	char *kept; /* a response that did not fit; for the next plain receiver */
	size_t kept_size;

	struct qbi_call_watch watch;
	uint64_t since; /* when a response came last, or the wait began */

	/* The watch of an adapter: called before the descriptor is closed. */
	void (*closing)(void *data);
	void *closing_data;
};

/* Those of @c, made if there are none. 0 or -ENOMEM. The connection has the reference. */
int qbi_calls_get(qb_ipcc_connection_t *c, struct qbi_calls **ret_calls);

/* Have @fn called before the descriptor is closed. 0; -EEXIST there is one. And no more, if
 * that of @data is still the one. */
int qbi_calls_closing_set(struct qbi_calls *calls, void (*fn)(void *data), void *data);
void qbi_calls_closing_forget(struct qbi_calls *calls, const void *data);

void qbi_calls_ref(struct qbi_calls *calls);
void qbi_calls_unref(struct qbi_calls *calls);

/* Lock; in a child of the process that used it, forget what is the parent's. */
void qbi_calls_lock(struct qbi_calls *calls);
void qbi_calls_unlock(struct qbi_calls *calls);

/* With the lock: give up a call that is in the queue. */
void qbi_calls_give_up(struct qbi_calls *calls, struct qbi_request *call);

/*
 * Receive as the reader, which the caller is, until @deadline: one response, which goes to
 * its call. 0, QBI_EMPTY, -errno; QBI_GONE, after which all calls are done.
 */
int qbi_calls_read(struct qbi_calls *calls, uint64_t deadline);

/*
 * With the lock: become the reader, with room for a response of @size bytes. 0; -EBUSY there
 * is one; -ENOMEM. And be it no more; wake a follower, if there is no reader.
 */
int qbi_calls_read_begin(struct qbi_calls *calls, struct qbi_request *reader, size_t size);
void qbi_calls_read_end(struct qbi_calls *calls);
void qbi_calls_wake_next(struct qbi_calls *calls);

/*
 * Give the responses that are there to whom they belong, unless another thread does so. 0;
 * QBI_MORE there may be more; -errno.
 */
int qbi_calls_take(struct qbi_calls *calls);

/* The descriptor, or -errno. */
int qbi_calls_fd(struct qbi_calls *calls);

/* With the lock: the result of a call that is in the queue no more; when the next one is due. */
void qbi_calls_done(struct qbi_calls *calls, struct qbi_request *call, int result);
uint64_t qbi_calls_due(const struct qbi_calls *calls);

/* With the lock: the loop wakes when a call is due; and when a response comes, if it waits. */
void qbi_calls_arm(struct qbi_calls *calls);
void qbi_calls_watch(struct qbi_calls *calls);

/* Of the loop. */
void qbi_request_free(struct qbi_request *call);

#endif
