/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a connection still has to do about what it sends: pass on the rest of a message
 * that was accepted, and tell the application that there is room again for one that was
 * refused. When to do it is the business of retry.h.
 *
 * Threads: senders note here what waits, under the connection's `send`; resuming is the
 * dispatching thread's, and only it calls back, under no lock.
 * Trust: whether there is room is what the client says, checked by the transport. One
 * that lies about it has us call back in vain, at the pace of its attempts' interval.
 */
#ifndef QBI_SERVER_WRITABLE_H
#define QBI_SERVER_WRITABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "transport/transport.h"

struct qb_ipcs_connection;
struct qb_ipcs_service;

typedef void (*qbi_writable_fn)(struct qb_ipcs_connection *c, void *data);

/* Of a service: what the application wants to have called. */
struct qbi_writable {
	_Atomic(qbi_writable_fn) fn;	/* NULL: it does not care */
	void *data;			/* the dispatching thread's */
};

/* Of one channel of a connection; under `send`. */
struct qbi_unsent {
	bool begun;		/* part of an accepted message waits to go out */
	bool refused;		/* the application wants to know when there is room */
	size_t size;		/* for a message of so many bytes, the smallest refused */
};

/* Dispatching thread. @fn NULL: forget it. */
void qbi_writable_set(struct qb_ipcs_service *s, qbi_writable_fn fn, void *data);

/* Under `send`: a part of a message waits to go out on @channel. */
void qbi_unsent_begun(struct qb_ipcs_connection *c, enum qbi_channel channel);

/* Under `send`: a message of @size bytes was refused for want of room. */
void qbi_unsent_refused(struct qb_ipcs_connection *c, enum qbi_channel channel,
			size_t size);

/* Under `send`: a message was accepted, so things move. */
void qbi_unsent_progress(struct qb_ipcs_connection *c);

/*
 * Under `send`: send what can go out of all that has begun. A sender may not return to its
 * loop before the client has done something, and the client may wait for just this. 0,
 * -errno.
 */
int qbi_unsent_pass_on(struct qb_ipcs_connection *c);

/*
 * Do what can be done now, and call back. Anything may have happened to the connection
 * afterwards; the caller holds a reference.
 *
 * @in_turn  it waited its time: when it was in vain, wait longer
 */
void qbi_connection_resume(struct qb_ipcs_connection *c, bool in_turn);

#endif
