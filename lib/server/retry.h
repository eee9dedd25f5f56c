/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A timer of a service, for connections that have part of a message left to send. Any
 * thread may have been the sender, but the application's loop is touched by the
 * dispatching thread alone: so the sender only sets the timer, and what follows happens
 * when the loop reports it. A timer is just another descriptor and works with every loop.
 *
 * Threads: add and remove from any; the rest is the dispatching thread's.
 * Locks: `lock` is taken with a connection's `send` held, never the other way round.
 */
#ifndef QBI_SERVER_RETRY_H
#define QBI_SERVER_RETRY_H

#include <pthread.h>
#include <stdint.h>

#include "base/list.h"

struct qb_ipcs_service;
struct qb_ipcs_connection;

struct qbi_retry {
	int fd;				/* timerfd in the loop; -1: no connection */
	unsigned int holders;		/* connections that are open */
	uint64_t interval;		/* ns to the next try; doubles while in vain */
	pthread_mutex_t lock;		/* of the list and the timer */
	struct qbi_list waiting;	/* connections, by their retry_link; no references */
};

void qbi_retry_init(struct qbi_retry *r);
void qbi_retry_deinit(struct qbi_retry *r);

/* A connection opens: the first one brings the timer into the loop. 0 or -errno. */
int qbi_retry_hold(struct qb_ipcs_service *s);

/* A connection that held it is closed: with the last one the timer leaves the loop. */
void qbi_retry_release(struct qb_ipcs_service *s);

/* Flush the connection soon, and again until nothing is left. Twice is once. */
void qbi_retry_add(struct qb_ipcs_service *s, struct qb_ipcs_connection *c);

/* Forget it. Nobody may add it any more. Twice is once. */
void qbi_retry_remove(struct qb_ipcs_service *s, struct qb_ipcs_connection *c);

#endif
