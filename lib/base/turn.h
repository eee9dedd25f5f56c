/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A turn: the right to use one part of an object that several threads use.
 *
 * Invariant: a thread holds a turn only while it works on the part. Before it sleeps it
 * rests the turn: other threads may take it meanwhile, and afterwards the thread checks the
 * state of the part again. So a thread that is cancelled, ends or leaves by siglongjmp does
 * not keep the turn for ever, nor does a child of fork(2) inherit it: such a thread is
 * usually asleep at that moment (base/lock.h handles the other cases).
 *
 * A thread that holds a turn cannot be cancelled, so it may call functions of libc that are
 * cancellation points. If a thread vanishes nevertheless while it changes the part, the
 * part is broken, and the next holder is told.
 *
 * A process and its children use one turn in shared memory, but each has its own copy of
 * the part. A process that takes the turn after another process finds `moved` set. It then
 * brings its copy up to date and clears `moved`.
 *
 * Turns nest: the one taken last is released, or rested, first.
 */
#ifndef QBI_BASE_TURN_H
#define QBI_BASE_TURN_H

#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/lock.h"

/* All zeros: a free turn. */
struct qbi_turn {
	struct qbi_lock lock;
	int cancel_state;	/* of the holder, restored on release */
	_Atomic(bool) changing; /* the part may be in any state */
	_Atomic(int) broken;	/* a thread vanished while changing it; final */
	uint32_t user;		/* the last process that had it; 0: none yet */
	bool moved;		/* another process had it: this copy is out of date */
	bool ends_by_signal;	/* a signal handler that runs ends qbi_turn_poll() */
};

/* Initializer of one turn in memory that a process shares with its children. */
#define QBI_TURN_SHARED_INIT                                                                   \
	{                                                                                      \
		.lock = QBI_LOCK_SHARED_INIT                                                   \
	}

enum qbi_turn_broken {
	QBI_TURN_WHOLE = 0,
	QBI_TURN_LEFT = 1,   /* broken for all threads of this process */
	QBI_TURN_COPIED = 2, /* a thread was changing it when this process was forked */
};

/*
 * 0; QBI_BUSY other threads had it until @deadline; QBI_GONE a thread left the part half
 * changed: the part must not be used any more, and the turn is not taken.
 */
int qbi_turn_take(struct qbi_turn *t, uint64_t deadline);
void qbi_turn_release(struct qbi_turn *t);

/*
 * Rest before sleeping, resume afterwards. After a resume the thread always has the turn
 * again: 0; QBI_GONE the part must not be used any more; -EBUSY another process has used
 * the part meanwhile. With NULL, when no other thread uses the part, both do nothing.
 */
void qbi_turn_rest(struct qbi_turn *t);
int qbi_turn_resume(struct qbi_turn *t);

/*
 * poll(2), which rests the turn if it may sleep; @revents are 0 where nothing has happened.
 * Other threads may have consumed what was reported. 0; QBI_GONE or -EBUSY as
 * qbi_turn_resume(); -EINTR a signal handler ran, if the turn @ends_by_signal; -errno as
 * qbi_poll().
 */
int qbi_turn_poll(struct qbi_turn *t, struct pollfd *fds, nfds_t n, int timeout);

/* With @on, the holder only reads: if it vanishes now, the part stays usable. */
static inline void qbi_turn_watch(struct qbi_turn *t, bool on)
{
	if (t)
		atomic_store_explicit(&t->changing, !on, memory_order_relaxed);
}

#endif
