/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whose turn it is to use one part of an object, which several threads do.
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
 * A turn in shared memory is one for a process and its children. What the part is made of
 * is not: who takes it after another process finds `moved` set, brings its copy up to
 * date, and clears it.
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

/* Zeros are a free one. */
struct qbi_turn {
	struct qbi_lock lock;
	int cancel_state;	/* of the holder, restored on release */
	_Atomic(bool) changing; /* the part may be in any state */
	_Atomic(int) broken;	/* somebody left while changing it; stays so */
	uint32_t user;		/* process that had it last; 0: nobody has yet */
	bool moved;		/* that was another one: its changes are not here */
};

/* In memory that a process shares with its children; for each turn on its own. */
#define QBI_TURN_SHARED_INIT                                                                   \
	{                                                                                      \
		.lock = QBI_LOCK_SHARED_INIT                                                   \
	}

enum qbi_turn_broken {
	QBI_TURN_WHOLE = 0,
	QBI_TURN_LEFT = 1,   /* for all of this process */
	QBI_TURN_COPIED = 2, /* somebody was changing it when this process was forked */
};

/*
 * 0; QBI_FULL others have it until @deadline; QBI_GONE somebody left the part half
 * changed: it is not to be used any more, and the turn is not taken.
 */
int qbi_turn_take(struct qbi_turn *t, uint64_t deadline);
void qbi_turn_release(struct qbi_turn *t);

/*
 * Around sleeping. After a resume one has the turn again: 0; QBI_GONE but the part is not
 * to be used; -EBUSY but another process has used it meanwhile. With NULL nobody else is
 * there to have a turn, and nothing happens.
 */
void qbi_turn_rest(struct qbi_turn *t);
int qbi_turn_resume(struct qbi_turn *t);

/*
 * poll(2), resting if it may sleep; @revents are 0 where nothing has happened. Others may
 * have used up what has by now. 0; QBI_GONE or -EBUSY as resume; -errno as qbi_poll().
 */
int qbi_turn_poll(struct qbi_turn *t, struct pollfd *fds, nfds_t n, int timeout);

/* Still one's turn, but nothing is changed: who vanishes now leaves the part whole. */
static inline void qbi_turn_watch(struct qbi_turn *t, bool on)
{
	if (t)
		atomic_store_explicit(&t->changing, !on, memory_order_relaxed);
}

#endif
