/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lock of objects that several threads use, and what fork(2) does to it.
 *
 * No lock outlives its holder: a thread is not cancelled while it holds one, however many
 * cancellation points are called meanwhile; one that died all the same has given it up; one
 * that left with siglongjmp(3) from a signal handler gets it again. Callbacks are called
 * under no lock.
 *
 * fork(2) waits until nobody holds any, so that a child finds whole objects and free
 * locks. Not for ever: a signal handler that forks may have interrupted the holder, and
 * then the child's locks are free all the same.
 *
 * When which: this one for what must be whole after fork(2) and is short to hold. One whose
 * holder may wait or be cancelled, or that processes share, is a qbi_lock (base/lock.h).
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
	int cancel_state;     /* the holder's own */
	bool held_for_fork;   /* between the handlers of fork */
	struct qbi_list link; /* among all of the process */
};

void qbi_mutex_init(struct qbi_mutex *m);
void qbi_mutex_destroy(struct qbi_mutex *m);
void qbi_mutex_lock(struct qbi_mutex *m);
void qbi_mutex_unlock(struct qbi_mutex *m);

/* Initialize a static one before main(). */
#define QBI_MUTEX_STATIC(name)                                                                 \
	static struct qbi_mutex name;                                                          \
	__attribute__((constructor(200))) static void name##_init(void)                        \
	{                                                                                      \
		qbi_mutex_init(&name);                                                         \
	}

/*
 * One more in a child than in its parent. What an object shares with the parent (epoll,
 * timers, files, sockets) is the parent's as long as the object has an older number.
 */
uint32_t qbi_generation(void);

#endif
