/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The timer of a service. Everything in the service that waits for a time has a deadline
 * with a function; the timer expires at the earliest deadline.
 *
 * The timer is made when the service starts, because later, when it is needed, there may be
 * no descriptor left. It is in the application's loop only while a deadline is set, so an
 * idle service causes no wake-ups.
 *
 * Threads: the dispatching thread.
 */
#ifndef QBI_SERVER_DEADLINES_H
#define QBI_SERVER_DEADLINES_H

#include <qb/qbipcs.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "server/settings.h"

struct qbi_deadline;
typedef void (*qbi_deadline_fn)(struct qbi_deadline *d);

/* A point in time to wait for; embedded in the object that waits. There are few. */
struct qbi_deadline {
	struct qbi_list link; /* in no list: not set */
	uint64_t due;	      /* ns, monotonic clock */
	qbi_deadline_fn fn;   /* called when it is due; it is not set any more then */
};

struct qbi_deadlines {
	const struct qbi_settings *set;
	qb_ipcs_dispatch_fn_t fn; /* the loop calls it, with data; calls qbi_deadlines_run() */
	void *data;
	struct qbi_list waiting;
	int fd;	       /* timerfd; -1: the service does not run */
	bool no_timer; /* a sandbox refuses timers */
	bool expiring; /* qbi_deadlines_run() is calling functions */
	bool in_loop;
	uint64_t set_to; /* when the timer expires, never too late; valid while in_loop */
};

void qbi_deadlines_init(struct qbi_deadlines *d);

/* Make the timer. The loop of @set calls @fn with @data. 0 or -errno. */
int qbi_deadlines_open(struct qbi_deadlines *d, const struct qbi_settings *set,
		       qb_ipcs_dispatch_fn_t fn, void *data);

/* Is there a timer, or is it known that there is none? */
static inline bool qbi_deadlines_are_open(const struct qbi_deadlines *d)
{
	return d->fd >= 0 || d->no_timer;
}

/* Leave the loop and close the timer; no deadline is set any more. Idempotent. */
void qbi_deadlines_close(struct qbi_deadlines *d);

/* The timer expired: call what is due. Returns what @fn is to return to the loop. */
int32_t qbi_deadlines_run(struct qbi_deadlines *d);

void qbi_deadline_init(struct qbi_deadline *e, qbi_deadline_fn fn);

static inline bool qbi_deadline_waits(const struct qbi_deadline *e)
{
	return !qbi_list_is_empty(&e->link);
}

/*
 * Set @e to @due; QBI_FOREVER: unset it. Sets the timer, and joins or leaves the loop. 0;
 * QBI_GONE there is no timer: @e is set, but is called only from the next call of this
 * function after @due; -errno the timer cannot be set, and @e is not set either.
 */
int qbi_deadlines_set(struct qbi_deadlines *d, struct qbi_deadline *e, uint64_t due);

/* After fork(2): replace the timer of the parent by a new one. 0 or -errno. */
int qbi_deadlines_renew(struct qbi_deadlines *d);

#endif
