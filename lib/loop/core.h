/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kinds of a loop share: its lock, the items that are ready, and waking it.
 *
 * Idea: an item belongs to a kind, which knows how to dispatch it. When its turn has come
 * the kind queues it as ready at its level; loop.c takes ready items HIGH, MED, LOW
 * without knowing what they are. A kind's state begins with a struct qbi_kind.
 *
 * Threads: the lock covers everything but the atomics and is not held while the
 * application is called. qbi_loop_wake() and qbi_loop_stop() take no lock and may be
 * called from a signal handler.
 *
 * Waking: the loop says that it is about to sleep, then checks once more; others change
 * something, then check whether it sleeps, and write to its eventfd only if so:
 *
 *	loop:   sleeping = true;    check stop, signals        W1 (sleep)
 *	others: change; if sleeping was true: write eventfd    W1 (wake)
 *
 * All four are sequentially consistent, so one side sees the other. What the lock covers
 * (timers, jobs) needs no second check: the loop sets sleeping before it lets go of it.
 */
#ifndef QBI_LOOP_CORE_H
#define QBI_LOOP_CORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <qb/qbloop.h>

#include "base/list.h"
#include "base/mutex.h"

#define QBI_LEVELS 3

struct qbi_item;

struct qbi_kind {
	struct qbi_loop_core *core;
	/*
	 * The item's turn: it is in no list any more. Called with the lock held, which
	 * it gives up around the application's function.
	 */
	void (*dispatch)(struct qbi_kind *kind, struct qbi_item *item);
};

struct qbi_item {
	struct qbi_list node; /* in its level when ready, else as its kind likes */
	struct qbi_kind *kind;
	enum qb_loop_priority level;
	bool ready;
	void *data; /* the application's */
};

struct qbi_level {
	struct qbi_list items; /* ready, oldest first */
	unsigned int count;
};

struct qbi_loop_core {
	struct qbi_mutex lock;
	int wake_fd;
	atomic_bool stop;
	atomic_bool sleeping;
	pthread_t runner;		/* valid while depth > 0 */
	unsigned int depth;		/* calls of run that have not returned */
	_Atomic(uint32_t) generation;	/* whose descriptors are the loop's: base/mutex.h */
	const struct qbi_kind *running; /* of what is being dispatched */
	struct qbi_level levels[QBI_LEVELS];
};

/* 0 or -errno; good for qbi_loop_core_deinit() in any case. */
int qbi_loop_core_init(struct qbi_loop_core *c);
void qbi_loop_core_deinit(struct qbi_loop_core *c);

void qbi_loop_stop(struct qbi_loop_core *c);

/* End the wait in which the loop is, or which it is about to enter. */
void qbi_loop_wake(struct qbi_loop_core *c);

/* Is the caller a callback of this loop? */
bool qbi_loop_is_inside(const struct qbi_loop_core *c);

/* The rest is called with the lock held. */

void qbi_loop_push_ready(struct qbi_loop_core *c, struct qbi_item *item);
void qbi_loop_drop_ready(struct qbi_loop_core *c, struct qbi_item *item);
bool qbi_loop_has_ready(const struct qbi_loop_core *c);

/* Is what the kernel keeps for the loop this process's, or its parent's? */
bool qbi_loop_is_own(const struct qbi_loop_core *c);

/* In a child: the loop gets a descriptor of its own to be woken with. 0 or -errno. */
int qbi_loop_adopt(struct qbi_loop_core *c);

#endif
