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
 * Threads: watch and after from any, with the connection's `send` held; remove with it held
 * too; it and the rest are the dispatching thread's.
 * Locks: `lock` is taken with a connection's `send` held, never the other way round.
 */
#ifndef QBI_SERVER_RETRY_H
#define QBI_SERVER_RETRY_H

#include <qb/qbipcs.h>
#include <stdint.h>

#include "base/list.h"
#include "base/mutex.h"
#include "server/settings.h"
#include "transport/transport.h"

/* Intervals: 1 ms, doubled up to 100 ms. */
#define QBI_RETRY_STEPS 8

struct qbi_retry_entry;
typedef void (*qbi_retry_fn)(struct qbi_retry_entry *e);

struct qbi_retry {
	const struct qbi_settings *set;
	qb_ipcs_dispatch_fn_t fn; /* for the loop, with data; it calls qbi_retry_run() */
	void *data;
	int epoll;				/* in the loop; -1: no connection */
	int timer;				/* in the epoll */
	unsigned int holders;			/* connections that are open */
	struct qbi_mutex lock;			/* of everything below, and of the two above */
	uint64_t alarm;				/* when the timer goes off; 0: it is not set */
	struct qbi_list later[QBI_RETRY_STEPS]; /* by interval, due first */
	struct qbi_list ready;			/* it is their turn, oldest first */
};

/* A connection's part. The lists hold no references. */
struct qbi_retry_entry {
	struct qbi_list link; /* in one of the lists above, or alone */
	uint64_t due;	      /* while in one of `later` */
	int fd[QBI_CHANNELS]; /* known to the epoll; -1: none */
	unsigned int step;    /* attempts in vain; under the connection's `send` */
	qbi_retry_fn fn;      /* it is its turn; NULL: it never waits */
};

void qbi_retry_init(struct qbi_retry *r);
void qbi_retry_deinit(struct qbi_retry *r);
void qbi_retry_entry_init(struct qbi_retry_entry *e);

/* Before the first hold: whose loop it is in, as @fn. */
void qbi_retry_place(struct qbi_retry *r, const struct qbi_settings *set,
		     qb_ipcs_dispatch_fn_t fn, void *data);

/* A connection opens: the first one brings the epoll into the loop. 0 or -errno. */
int qbi_retry_hold(struct qbi_retry *r);

/* A connection that held it is closed: with the last one the epoll leaves the loop. */
void qbi_retry_release(struct qbi_retry *r);

/*
 * Some wait no longer: call them, each without a lock. Anything may have happened to all
 * others, so the caller keeps @r. What @fn returns to the loop.
 */
int32_t qbi_retry_run(struct qbi_retry *r);

/*
 * Call @e once, when @fd takes bytes. @fd is the same for a channel as long as the
 * connection is open. 0 or -errno.
 */
int qbi_retry_watch(struct qbi_retry *r, struct qbi_retry_entry *e, enum qbi_channel channel,
		    int fd);

/* Call @e once, after the interval of its step or earlier. */
void qbi_retry_after(struct qbi_retry *r, struct qbi_retry_entry *e);

/*
 * After fork(2): an epoll and a timer of this process, and there again each whose socket was
 * watched. 0 or -errno.
 */
int qbi_retry_renew(struct qbi_retry *r);
void qbi_retry_watch_again(struct qbi_retry *r, struct qbi_retry_entry *e);

/* Forget it, before its descriptors are closed. Dispatching thread. Idempotent. */
void qbi_retry_remove(struct qbi_retry *r, struct qbi_retry_entry *e);

#endif
