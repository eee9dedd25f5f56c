/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When to go on with connections of a service that could not send all there was. A
 * socket tells when it takes bytes again; shared memory does not, so there a timer has
 * it looked at after 1 ms, and after longer and longer while nothing moves.
 *
 * Any thread may have been the sender, but the application's loop is touched by the
 * dispatching thread alone. So the loop has one descriptor of ours, an epoll, and the
 * sender sets what is inside: the timer, and the sockets. It works with every loop. When
 * nobody waits, nothing is set.
 *
 * A list per interval: in each all wait equally long, so the first one is due first.
 *
 * Threads: watch, after and remove from any, with the connection's `send` held; the rest
 * is the dispatching thread's.
 * Locks: `lock` is taken with a connection's `send` held, never the other way round.
 */
#ifndef QBI_SERVER_RETRY_H
#define QBI_SERVER_RETRY_H

#include <stdint.h>

#include "base/list.h"
#include "base/mutex.h"
#include "transport/transport.h"

struct qb_ipcs_service;
struct qb_ipcs_connection;

/* Intervals: 1 ms, doubled up to 100 ms. */
#define QBI_RETRY_STEPS 8

struct qbi_retry {
	int epoll;			/* in the loop; -1: no connection */
	int timer;			/* in the epoll */
	unsigned int holders;		/* connections that are open */
	struct qbi_mutex lock;		/* of everything below, and of the two above */
	uint64_t alarm;			/* when the timer goes off; 0: it is not set */
	struct qbi_list later[QBI_RETRY_STEPS];	/* by interval, due first */
	struct qbi_list ready;		/* it is their turn, oldest first */
};

/* A connection's part. The lists hold no references. */
struct qbi_retry_entry {
	struct qbi_list link;		/* in one of the lists above, or alone */
	uint64_t due;			/* while in one of `later` */
	int fd[QBI_CHANNELS];		/* known to the epoll; -1: none */
	unsigned int step;		/* attempts in vain; under the connection's `send` */
};

void qbi_retry_init(struct qbi_retry *r);
void qbi_retry_deinit(struct qbi_retry *r);
void qbi_retry_entry_init(struct qbi_retry_entry *e);

/* A connection opens: the first one brings the epoll into the loop. 0 or -errno. */
int qbi_retry_hold(struct qb_ipcs_service *s);

/* A connection that held it is closed: with the last one the epoll leaves the loop. */
void qbi_retry_release(struct qb_ipcs_service *s);

/*
 * Resume the connection once, when @fd takes bytes. @fd is the same for a channel as long
 * as the connection is open. 0 or -errno.
 */
int qbi_retry_watch(struct qb_ipcs_service *s, struct qb_ipcs_connection *c,
		    enum qbi_channel channel, int fd);

/* Resume the connection once, after the interval of its step or earlier. */
void qbi_retry_after(struct qb_ipcs_service *s, struct qb_ipcs_connection *c);

/* Forget it, before its descriptors are closed. Twice is once. */
void qbi_retry_remove(struct qb_ipcs_service *s, struct qb_ipcs_connection *c);

#endif
