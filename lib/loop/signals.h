/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Signals: functions that run in the loop, once per delivery.
 *
 * With the first registration of a signal, in any loop, a handler is installed; with the
 * last one, the previous action is restored. Other signals are not changed. The handler
 * only counts and wakes: there is one counter per signal for the whole process, which only
 * grows. A registration remembers the count up to which it has called the application. So
 * several loops see every delivery, and none is lost, however busy they are.
 *
 * Threads: the handler may run in any thread at any time and takes no lock. It walks the
 * list of loops that watch signals. A loop that was removed from this list is kept until no
 * handler is running:
 *
 *	handler: handlers_inside++; walk the list		S1 (walk)
 *	removal: take out of the list; wait for handlers_inside == 0	S1 (remove)
 *
 * Sequentially consistent, so either the walk does not find the loop, or the removal waits
 * for the walk. And for the counters:
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

/* After init. The lock is not held. */
void qbi_signals_deinit(struct qbi_signals *s);

/* 0; -ENOMEM; -EINVAL or the errno of sigaction(2). */
int qbi_signal_add(struct qbi_signals *s, enum qb_loop_priority level, int sig, void *data,
		   qb_loop_signal_dispatch_fn fn, qb_loop_signal_handle *ret_handle);

/* As for adding; -EINVAL also if there is no such handle. */
int qbi_signal_mod(struct qbi_signals *s, enum qb_loop_priority level, int sig, void *data,
		   qb_loop_signal_dispatch_fn fn, qb_loop_signal_handle handle);

/* 0; -EINVAL. */
int qbi_signal_del(struct qbi_signals *s, qb_loop_signal_handle handle);

/* Is there a delivery that was not collected? */
bool qbi_signals_are_pending(const struct qbi_signals *s);

/* Queue registrations whose signal was delivered. Called with the lock held. */
void qbi_signals_collect(struct qbi_signals *s);

#endif
