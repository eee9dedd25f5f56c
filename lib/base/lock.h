/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A robust lock: one that can be recovered when its holder never releases it.
 *
 * Idea: a futex that contains the thread id of the holder. A thread that was cancelled,
 * left by siglongjmp, ended, or stayed in the parent when the process forked never releases
 * its locks. The next thread that wants such a lock detects this, takes the lock over, and
 * is told so by the result. It must then repair or give up the data that the lock protects,
 * which may be half changed.
 *
 * Threads: any. Taking and releasing are no cancellation points and keep errno. Do not use
 * the lock in signal handlers: the thread would take it over from itself.
 *
 * Processes: each process has its own copy of a private lock, and a copy of a held lock is
 * free after fork(2). A shared lock lies in memory that a process and its children share;
 * they must be in one PID namespace. A holder in another process counts as a holder here.
 *
 * When to use which: this lock if the holder may wait or be cancelled, or if processes
 * share the lock. For data that must be consistent after fork(2), use a qbi_mutex
 * (base/mutex.h).
 *
 * Limits: the lock is not fair. A waiter detects within QBI_LOCK_CHECK_NS that the holder
 * has ended, unless the system has already given the holder's id to a new thread.
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
	/* 0: free; otherwise the holder's generation, a bit for waiters, its thread id. */
	_Atomic(uint64_t) state;
	uint32_t shared; /* set before the first use, then constant */
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
 * Take the lock; wait for it until @deadline (base/clock.h), 0: do not wait. The caller
 * must check the result, unless it waits for ever and a takeover cannot happen: then it is
 * QBI_LOCK_TAKEN.
 */
enum qbi_lock_outcome qbi_lock_take(struct qbi_lock *l, uint64_t deadline);

/* The id of this process. Only the first call in each process is a system call. */
uint32_t qbi_process_id(void);

/* Has that process ended, whether or not its parent knows? */
bool qbi_process_is_over(uint32_t process);

/* Release the lock. Does nothing if another thread has taken it over. */
void qbi_lock_release(struct qbi_lock *l);

#endif
