/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The timer of what a service does not wait for for ever. Each thing that waits is a
 * deadline with a function; the timer goes off for the earliest.
 *
 * It is made with the service, for when it is needed there may be no descriptor left. It
 * is in the application's loop only while something waits, so an idle service wakes
 * nobody.
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

/* What waits for a time: inside of whoever waits. There are few of them. */
struct qbi_deadline {
	struct qbi_list link; /* alone: it does not wait */
	uint64_t due;	      /* ns, monotonic clock */
	qbi_deadline_fn fn;   /* it is that late; it does not wait any more */
};

struct qbi_deadlines {
	const struct qbi_settings *set;
	qb_ipcs_dispatch_fn_t fn; /* for the loop, with data; it calls qbi_deadlines_run() */
	void *data;
	struct qbi_list waiting;
	int fd;	       /* timerfd; -1: the service does not run */
	bool no_timer; /* a sandbox refuses them */
	bool expiring; /* those that are due are being called */
	bool in_loop;
	uint64_t set_to; /* when it goes off, never too late; meaningful in the loop */
};

void qbi_deadlines_init(struct qbi_deadlines *d);

/* @set: whose loop it is in while something waits, as @fn. 0 or -errno. */
int qbi_deadlines_open(struct qbi_deadlines *d, const struct qbi_settings *set,
		       qb_ipcs_dispatch_fn_t fn, void *data);

/* Leave the loop, close; nothing waits any more. Idempotent. */
void qbi_deadlines_close(struct qbi_deadlines *d);

/* The timer has gone off: call those that are due. What @fn returns to the loop. */
int32_t qbi_deadlines_run(struct qbi_deadlines *d);

void qbi_deadline_init(struct qbi_deadline *e, qbi_deadline_fn fn);

static inline bool qbi_deadline_waits(const struct qbi_deadline *e)
{
	return !qbi_list_is_empty(&e->link);
}

/*
 * @e waits until @due from now on; QBI_FOREVER: it does not wait. Joins the loop, sets the
 * timer, or leaves. 0; QBI_GONE there is no timer: it waits, and is seen to be late when
 * this is called the next time; -errno when it cannot be set, then @e does not wait.
 */
int qbi_deadlines_set(struct qbi_deadlines *d, struct qbi_deadline *e, uint64_t due);

/* After fork(2), a timer of this process in place of the parent's. 0 or -errno. */
int qbi_deadlines_renew(struct qbi_deadlines *d);

#endif
