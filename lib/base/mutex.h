/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lock of objects that several threads use, and its behaviour across fork(2).
 *
 * A lock is never left held. A thread cannot be cancelled while it holds one, even if it
 * calls cancellation points. If the holder ends nevertheless, the lock counts as free. A
 * thread that left by siglongjmp(3) from a signal handler can take its lock again. No lock
 * is held while a callback runs.
 *
 * fork(2) waits until nobody holds a lock, so that the child gets consistent objects and
 * free locks. The wait is bounded, because a signal handler that forks may have interrupted
 * the holder; the child's locks are free in that case too.
 *
 * When to use which: this lock for data that must be consistent after fork(2), held for a
 * short time. If the holder may wait or be cancelled, or if processes share the lock, use a
 * qbi_lock (base/lock.h).
 */
#ifndef QBI_BASE_MUTEX_H
#define QBI_BASE_MUTEX_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/lock.h"

struct qbi_mutex {
	struct qbi_lock lock;
	int cancel_state;     /* of the holder, restored on unlock */
	bool held_for_fork;   /* from the prepare handler of fork to the one after it */
	struct qbi_list link; /* in the list of all mutexes of the process */
};

void qbi_mutex_init(struct qbi_mutex *m);
void qbi_mutex_destroy(struct qbi_mutex *m);
void qbi_mutex_lock(struct qbi_mutex *m);
void qbi_mutex_unlock(struct qbi_mutex *m);

/* A static mutex, initialized before main(). */
#define QBI_MUTEX_STATIC(name)                                                                 \
	static struct qbi_mutex name;                                                          \
	__attribute__((constructor(200))) static void name##_init(void)                        \
	{                                                                                      \
		qbi_mutex_init(&name);                                                         \
	}

/*
 * A number that is higher in a child than in its parent. An object records it when it is
 * made. If the recorded number is older, then the kernel objects of this object (epoll,
 * timers, files, sockets) still belong to the parent.
 */
uint32_t qbi_generation(void);

#endif
