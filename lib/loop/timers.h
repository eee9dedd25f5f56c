/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Timers: one shot, on the monotonic clock, never early.
 *
 * A timer's handle is its serial number, counted for the whole process, so no handle is
 * ever used twice. Two structures hold the timers: a binary heap those that have not
 * expired, and a hash table by serial also those that have and wait for their turn, for
 * they can still be deleted. Serials count up by one, so their low bits are all the
 * hashing there is.
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
	struct qbi_timer **buckets; /* by serial; all that can be deleted */
	size_t n_buckets;	    /* a power of two, or 0 */
	size_t n_known;		    /* in the buckets */
	uint64_t now;		    /* as read last, if there are any */
};

void qbi_timers_init(struct qbi_timers *t, struct qbi_loop_core *core);

/* Good after init. The lock is not held. */
void qbi_timers_deinit(struct qbi_timers *t);

/* 0; -ENOMEM. */
int qbi_timer_add(struct qbi_timers *t, enum qb_loop_priority level, uint64_t ns, void *data,
		  qb_loop_timer_dispatch_fn fn, qb_loop_timer_handle *ret_handle);

/* 0; -EINVAL: it ran, or there is none of that handle. */
int qbi_timer_del(struct qbi_timers *t, qb_loop_timer_handle handle);

/* When it expires on the monotonic clock; 0 when it has, or is not known. */
uint64_t qbi_timer_expiry(struct qbi_timers *t, qb_loop_timer_handle handle);

/* The rest is called with the lock held. */

/* Milliseconds the loop may wait for their sake, -1 for ever. Reads the clock. */
int qbi_timers_timeout(struct qbi_timers *t);

/* Time has passed since qbi_timers_timeout(): reads the clock, if there are timers. */
void qbi_timers_advance(struct qbi_timers *t);

/* What the clock said last; UINT64_MAX without timers, for then it is not read. */
uint64_t qbi_timers_now(const struct qbi_timers *t);

/* Queue the expired ones. */
void qbi_timers_collect(struct qbi_timers *t);

#endif
