/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Timers: one shot, on the monotonic clock, never early.
 *
 * The handle of a timer is its serial number, counted for the whole process, so no handle is
 * ever reused. There are two structures: a binary heap of the timers that have not expired,
 * and a hash table by serial, which also has expired timers that wait for their call, because
 * they can still be deleted. Serials increase by one, so their low bits are the hash.
 */
#ifndef QBI_LOOP_TIMERS_H
#define QBI_LOOP_TIMERS_H

#include <stddef.h>

#include "loop/core.h"

struct qbi_timers {
	struct qbi_kind kind;
	struct qbi_timer **heap; /* earliest first; not expired */
	size_t count;
	size_t heap_size;
	struct qbi_timer **buckets; /* by serial; all timers that can be deleted */
	size_t n_buckets;	    /* a power of two, or 0 */
	size_t n_known;		    /* in the buckets */
	uint64_t now;		    /* last reading of the clock, if there are timers */
};

void qbi_timers_init(struct qbi_timers *t, struct qbi_loop_core *core);

/* After init. The lock is not held. */
void qbi_timers_deinit(struct qbi_timers *t);

/* 0; -ENOMEM. */
int qbi_timer_add(struct qbi_timers *t, enum qb_loop_priority level, uint64_t ns, void *data,
		  qb_loop_timer_dispatch_fn fn, qb_loop_timer_handle *ret_handle);

/* 0; -EINVAL it ran, or there is no such handle. */
int qbi_timer_del(struct qbi_timers *t, qb_loop_timer_handle handle);

/* When it expires, on the monotonic clock; 0: it has expired, or is unknown. */
uint64_t qbi_timer_expiry(struct qbi_timers *t, qb_loop_timer_handle handle);

/* The functions below are called with the lock held. */

/* How many milliseconds the loop may wait because of timers; -1: for ever. Reads the clock. */
int qbi_timers_timeout(struct qbi_timers *t);

/* After a wait: read the clock again, if there are timers. */
void qbi_timers_advance(struct qbi_timers *t);

/* The last reading of the clock; UINT64_MAX without timers, because it is not read then. */
uint64_t qbi_timers_now(const struct qbi_timers *t);

/* Queue the expired timers. */
void qbi_timers_collect(struct qbi_timers *t);

#endif
