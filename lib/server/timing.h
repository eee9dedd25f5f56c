/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long the application takes for requests, and how late its poll loop is: two
 * distributions, measured only while somebody wants them.
 *
 * The lateness is that of a timer in the application's loop, which is set again each time.
 *
 * Threads: the dispatching thread.
 */
#ifndef QBI_SERVER_TIMING_H
#define QBI_SERVER_TIMING_H

#include <stdbool.h>
#include <stdint.h>

#include "server/deadlines.h"
#include "wire/snapshot.h"

struct qbi_timing {
	struct qbi_deadlines *timer; /* of the service */
	struct qbi_deadline probe;
	struct qbi_snapshot_times process;
	struct qbi_snapshot_times lateness;
};

/* Does the environment ask for it? */
bool qbi_timing_is_wanted(void);

/* NULL without memory. @timer need not be open yet. */
struct qbi_timing *qbi_timing_new(struct qbi_deadlines *timer);
void qbi_timing_free(struct qbi_timing *t);

/* The timer is open now: begin to measure how late the loop is. 0 or -errno. */
int qbi_timing_begin(struct qbi_timing *t);

void qbi_timing_add(struct qbi_snapshot_times *to, uint64_t ns);

#endif
