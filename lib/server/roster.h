/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The connections of a service, newest first. A loop over them may do anything at each
 * entry and continue from there, even if that entry has been removed meanwhile: an entry
 * keeps its place number.
 *
 * Threads: the dispatching thread.
 */
#ifndef QBI_SERVER_ROSTER_H
#define QBI_SERVER_ROSTER_H

#include <stdint.h>

#include "base/list.h"

struct qbi_roster {
	struct qbi_list entries; /* newest first */
	uint64_t last_place;	 /* the highest number given so far */
};

/* The entry of a connection, embedded in it. */
struct qbi_roster_entry {
	struct qbi_list link; /* in the list above, or in none */
	uint64_t place;	      /* its number in the order of adding; 0: never added */
};

void qbi_roster_init(struct qbi_roster *r);
void qbi_roster_entry_init(struct qbi_roster_entry *e);

void qbi_roster_add(struct qbi_roster *r, struct qbi_roster_entry *e);

/* @e keeps its place number. Idempotent; @e may never have been added. */
void qbi_roster_remove(struct qbi_roster_entry *e);

/* The next one after @current (NULL: the first), or NULL. */
struct qbi_roster_entry *qbi_roster_next(const struct qbi_roster *r,
					 const struct qbi_roster_entry *current);

#endif
