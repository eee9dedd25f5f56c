/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections that wait for their bell: a second stream of the client (docs/protocol.md).
 *
 * Idea: the answer to a client has a number, and the client's second stream begins with it.
 * Numbers are random, so that a process which was not told one finds none by trying, and no
 * choice of the clients makes a search long.
 *
 * Threads: the dispatching thread.
 */
#ifndef QBI_SERVER_BELLS_H
#define QBI_SERVER_BELLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"

/* Few connections wait at once, unless clients do not finish what they began. */
#define QBI_BELL_BUCKETS 64

struct qbi_bells {
	struct qbi_list waiting[QBI_BELL_BUCKETS]; /* by number */
};

/* The entry of a connection, embedded in it. */
struct qbi_bell {
	struct qbi_list link; /* in one of the lists above, or in none */
	uint64_t number;      /* 0: it never waited */
	uid_t uid;	      /* of the client */
};

void qbi_bells_init(struct qbi_bells *b);
void qbi_bell_init(struct qbi_bell *e);

/* @e of a client of @uid waits from now on, with a number that no other has. 0 or -errno. */
int qbi_bells_add(struct qbi_bells *b, struct qbi_bell *e, uid_t uid);

/* Does a client of @uid wait? Looks at all that do. */
bool qbi_bells_one_waits(struct qbi_bells *b, uid_t uid);

/* The one that waits with @number; NULL: there is none. */
struct qbi_bell *qbi_bells_find(struct qbi_bells *b, uint64_t number);

/* @e waits no longer, and its number is forgotten. Idempotent. */
void qbi_bell_remove(struct qbi_bell *e);

#endif
