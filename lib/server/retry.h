/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A short-lived timer of a service, for connections that have to try something
 * again and have no descriptor that would tell when. It exists only while one of
 * them waits, and works with every loop because it is just another descriptor.
 */
#ifndef QBI_SERVER_RETRY_H
#define QBI_SERVER_RETRY_H

#include <stdint.h>

#include "base/list.h"

struct qb_ipcs_service;
struct qb_ipcs_connection;

struct qbi_retry {
	int fd;				/* timerfd in the loop; -1: nobody waits */
	uint64_t interval;		/* ns to the next try; doubles while in vain */
	struct qbi_list waiting;	/* connections, by their retry_link */
};

/* Nobody waits. */
void qbi_retry_init(struct qbi_retry *r);

/*
 * Flush the connection's events soon, and again until nothing is left. Called once
 * more for the same connection it does nothing. 0 or -errno.
 */
int qbi_retry_add(struct qb_ipcs_service *s, struct qb_ipcs_connection *c);

/* Stop the timer. Twice is once. */
void qbi_retry_close(struct qb_ipcs_service *s);

#endif
