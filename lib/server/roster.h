/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The connections of a service in the order in which they came, newest first. A walk may
 * stop at one, do anything, and go on from there, even when that one has been removed
 * meanwhile: it keeps its place.
 *
 * Threads: the dispatching thread.
 */
#ifndef QBI_SERVER_ROSTER_H
#define QBI_SERVER_ROSTER_H

#include <stdint.h>

#include "base/list.h"

struct qbi_roster {
	struct qbi_list entries; /* newest first */
	uint64_t last_place;	 /* given to one of them */
};

/* A connection's part. */
struct qbi_roster_entry {
	struct qbi_list link; /* in the list above, or alone */
	uint64_t place;	      /* when it was added; 0: never */
};

void qbi_roster_init(struct qbi_roster *r);
void qbi_roster_entry_init(struct qbi_roster_entry *e);

void qbi_roster_add(struct qbi_roster *r, struct qbi_roster_entry *e);

/* It keeps its place. Idempotent, and good on one that was never added. */
void qbi_roster_remove(struct qbi_roster_entry *e);

/* The next one after @current (NULL: the first), or NULL. */
struct qbi_roster_entry *qbi_roster_next(const struct qbi_roster *r,
					 const struct qbi_roster_entry *current);

#endif
