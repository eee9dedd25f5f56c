/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Signals: functions that run in the loop, once per delivery.
 *
 * A handler is installed when the first registration of a signal comes, and what was
 * there before is put back when the last one goes, in whichever loop; other signals are
 * never touched. The handler counts and wakes, nothing more: one counter per signal for
 * the whole process, which only goes up. A registration remembers how far it has looked
 * and owes the application the difference, so several loops see every delivery and none
 * is lost however busy they are.
 *
 * Threads: the handler runs in any thread at any time and takes no lock. It walks the
 * loops that watch signals; one that is taken out of that list lives on until no handler
 * is inside:
 *
 *	handler: handlers_inside++; walk the list		S1 (walk)
 *	removal: take out of the list; wait for handlers_inside == 0	S1 (remove)
 *
 * sequentially consistent, so either the walk does not meet the loop or the removal
 * waits for it. And for the counters:
 *
 *	handler: deliveries++; any_delivery++			S2 (deliver)
 *	loop:    look at any_delivery, then at deliveries	S2 (collect)
 */
#ifndef QBI_LOOP_SIGNALS_H
#define QBI_LOOP_SIGNALS_H

#include "loop/core.h"

struct qbi_signals {
	struct qbi_kind kind;
	struct qbi_list all; /* registrations, linked by qbi_signal.peers */
	uint64_t seen;	     /* deliveries to the process seen so far */
	_Atomic(struct qbi_signals *) next_watcher;
	bool watching; /* the handler wakes this loop */
};

void qbi_signals_init(struct qbi_signals *s, struct qbi_loop_core *core);

/* Good after init. The lock is not held. */
void qbi_signals_deinit(struct qbi_signals *s);

/* 0; -ENOMEM; -EINVAL or what sigaction(2) says of the signal. */
int qbi_signal_add(struct qbi_signals *s, enum qb_loop_priority level, int sig, void *data,
		   qb_loop_signal_dispatch_fn fn, qb_loop_signal_handle *ret_handle);

/* As for adding; -EINVAL also: there is none of that handle. */
int qbi_signal_mod(struct qbi_signals *s, enum qb_loop_priority level, int sig, void *data,
		   qb_loop_signal_dispatch_fn fn, qb_loop_signal_handle handle);

/* 0; -EINVAL. */
int qbi_signal_del(struct qbi_signals *s, qb_loop_signal_handle handle);

/* Is there a delivery that was not collected? */
bool qbi_signals_are_pending(const struct qbi_signals *s);

/* Queue registrations whose signal was delivered. Called with the lock held. */
void qbi_signals_collect(struct qbi_signals *s);

#endif
