/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When to try again on connections that could not send everything. A socket reports when it
 * takes bytes again. Shared memory does not, so a timer checks it after 1 ms, and at
 * growing intervals while nothing moves.
 *
 * Any thread may send, but only the dispatching thread may use the application's loop. So
 * the loop has one descriptor of ours, an epoll, and the sender changes only what is inside
 * it: the timer and the sockets. This works with every loop. While no connection waits,
 * nothing is set.
 *
 * There is one list per interval. All entries of a list wait equally long, so the first one
 * is due first.
 *
 * Threads: any thread may call watch and after, with the connection's `send` held. Only the
 * dispatching thread may call the others, and remove also with `send` held.
 * Locks: `lock` is taken while `send` is held, never the other way round.
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

/* And a short one, while a body moves. */
#define QBI_RETRY_SOON QBI_RETRY_STEPS
#define QBI_RETRY_LISTS (QBI_RETRY_STEPS + 1)

struct qbi_retry_entry;
typedef void (*qbi_retry_fn)(struct qbi_retry_entry *e);

struct qbi_retry {
	const struct qbi_settings *set;
	qb_ipcs_dispatch_fn_t fn; /* the loop calls it, with data; calls qbi_retry_run() */
	void *data;
	int epoll;	       /* in the loop; -1: no connection */
	int timer;	       /* in the epoll */
	unsigned int holders;  /* connections that are open */
	struct qbi_mutex lock; /* protects everything below and the two fields above */
	uint64_t alarm;	       /* when the timer expires; 0: it is not set */
	struct qbi_list later[QBI_RETRY_LISTS]; /* by interval, due first */
	struct qbi_list ready;			/* entries that are due, oldest first */
};

/* The entry of a connection, embedded in it. The lists hold no references. */
struct qbi_retry_entry {
	struct qbi_list link; /* in one of the lists above, or in none */
	uint64_t due;	      /* while in one of `later` */
	int fd[QBI_CHANNELS]; /* registered in the epoll; -1: none */
	unsigned int step;    /* failed attempts; under the connection's `send` */
	qbi_retry_fn fn;      /* called when it is due; NULL: it never waits */
};

void qbi_retry_init(struct qbi_retry *r);
void qbi_retry_deinit(struct qbi_retry *r);
void qbi_retry_entry_init(struct qbi_retry_entry *e);

/* Before the first hold: the loop of @set calls @fn with @data. */
void qbi_retry_place(struct qbi_retry *r, const struct qbi_settings *set,
		     qb_ipcs_dispatch_fn_t fn, void *data);

/* A connection opens. The first one adds the epoll to the loop. 0 or -errno. */
int qbi_retry_hold(struct qbi_retry *r);

/* Such a connection is closed. The last one removes the epoll from the loop. */
void qbi_retry_release(struct qbi_retry *r);

/*
 * Call the entries that are due, without a lock. The functions may end any connection or
 * the service, so the caller keeps @r alive. Returns what @fn is to return to the loop.
 */
int32_t qbi_retry_run(struct qbi_retry *r);

/*
 * Call @e once, when @fd takes bytes. For a channel, @fd must be the same as long as the
 * connection is open. 0 or -errno.
 */
int qbi_retry_watch(struct qbi_retry *r, struct qbi_retry_entry *e, enum qbi_channel channel,
		    int fd);

/* Call @e once, after the interval of @step at the latest, or QBI_RETRY_SOON. */
void qbi_retry_after(struct qbi_retry *r, struct qbi_retry_entry *e, unsigned int step);

/*
 * After fork(2): make a new epoll and timer for this process; then, for each entry, watch
 * its sockets there again. 0 or -errno.
 */
int qbi_retry_renew(struct qbi_retry *r);
void qbi_retry_watch_again(struct qbi_retry *r, struct qbi_retry_entry *e);

/* Remove @e, before its descriptors are closed. Dispatching thread. Idempotent. */
void qbi_retry_remove(struct qbi_retry *r, struct qbi_retry_entry *e);

#endif
