/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A lock that no holder can take away with it.
 *
 * Idea: a futex with the holder's name in it. A thread that was cancelled, that left by
 * siglongjmp, that ended or that stayed in the parent when the process forked never
 * releases what it holds; the next one that wants the lock sees so, takes it over and is
 * told. It then repairs, or gives up, what the lock guards: that may be half changed.
 *
 * Threads: any. A take and a release are no cancellation points and keep errno. They are
 * not for signal handlers: the handler's thread would take over from itself.
 *
 * Processes: a private lock is a copy in each process, and after fork(2) one that was held
 * is free. A shared one lies in memory that a process and its children share, of one PID
 * namespace; who holds it in another process holds it here.
 *
 * When which: this one where the holder may wait or be cancelled, or where processes share
 * the lock. What must be whole after fork(2) has a qbi_mutex (base/mutex.h).
 *
 * Not here: fairness. Ends of threads are seen within QBI_LOCK_CHECK_NS by who waits; an
 * end whose number the system has given to another thread already is not.
 */
#ifndef QBI_BASE_LOCK_H
#define QBI_BASE_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* How long to sleep before asking whether the holder still exists. */
#define QBI_LOCK_CHECK_NS 20000000

/* Zeros are a free, private lock. */
struct qbi_lock {
	/* 0 free; else the holder's generation, is somebody waiting, and its thread id. */
	_Atomic(uint64_t) state;
	uint32_t shared; /* fixed before anybody uses the lock */
};

#define QBI_LOCK_INIT                                                                          \
	{                                                                                      \
		.shared = 0                                                                    \
	}
#define QBI_LOCK_SHARED_INIT                                                                   \
	{                                                                                      \
		.shared = 1                                                                    \
	}

enum qbi_lock_outcome {
	QBI_LOCK_TAKEN = 0,
	/* Taken over. The previous holder ... */
	QBI_LOCK_REENTERED = 1, /* is this thread: it left without releasing */
	QBI_LOCK_ORPHANED = 2,	/* is a thread that has ended */
	QBI_LOCK_FORKED = 3,	/* is in the process that this one was forked from */
	/* Not taken. */
	QBI_LOCK_TIMEOUT = 4,
};

/*
 * Take the lock, waiting for it until @deadline (base/clock.h; 0 does not wait). With
 * QBI_FOREVER and no takeover the result needs no look: it is QBI_LOCK_TAKEN.
 */
enum qbi_lock_outcome qbi_lock_take(struct qbi_lock *l, uint64_t deadline);

/* The number of this process; no system call but for the first in each. */
uint32_t qbi_process_id(void);

/* Release it. Nothing when somebody else has taken it over. */
void qbi_lock_release(struct qbi_lock *l);

#endif
