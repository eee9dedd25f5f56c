/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The common part of all kinds of a loop: the lock, the ready items, and waking the loop.
 *
 * Idea: an item belongs to a kind, which can dispatch it. The kind queues an item as ready
 * at its level; loop.c dispatches ready items in the order HIGH, MED, LOW without knowing
 * their kind. The state of a kind begins with a struct qbi_kind.
 *
 * Threads: the lock protects everything but the atomics, and is not held while the
 * application is called. qbi_loop_wake() and qbi_loop_stop() take no lock and may be
 * called from a signal handler.
 *
 * Waking: the loop announces that it is going to sleep, then checks once more. Others make
 * a change, then check whether the loop sleeps, and write to its eventfd only if it does:
 *
 *	loop:   sleeping = true;    check stop, signals        W1 (sleep)
 *	others: change; if sleeping was true: write eventfd    W1 (wake)
 *
 * All four are sequentially consistent, so at least one side sees the other. Data that the
 * lock protects (timers, jobs) need no second check: the loop sets sleeping before it
 * releases the lock.
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
	struct qbi_loop_core *core; /* set by init and not again: read without the lock */
	/*
	 * Dispatch an item that was taken off its list. Called with the lock held; releases
	 * it while the application's function runs.
	 */
	void (*dispatch)(struct qbi_kind *kind, struct qbi_item *item);
};

struct qbi_item {
	struct qbi_list
		node; /* in the list of its level if ready, otherwise used by its kind */
	struct qbi_kind *kind;
	enum qb_loop_priority level;
	bool ready;
	void *data; /* of the application */
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
	pthread_t runner;   /* valid while depth > 0 */
	unsigned int depth; /* calls of run that have not returned */
	_Atomic(uint32_t)
		generation; /* of the process that owns its descriptors: base/mutex.h */
	const struct qbi_kind *running; /* the kind of the item that is being dispatched */
	struct qbi_level levels[QBI_LEVELS];
};

/* 0 or -errno; qbi_loop_core_deinit() is allowed in either case. */
int qbi_loop_core_init(struct qbi_loop_core *c);
void qbi_loop_core_deinit(struct qbi_loop_core *c);

void qbi_loop_stop(struct qbi_loop_core *c);

/* End the current or the next wait of the loop. */
void qbi_loop_wake(struct qbi_loop_core *c);

/* Is the caller a callback of this loop? */
bool qbi_loop_is_inside(const struct qbi_loop_core *c);

/* The functions below are called with the lock held. */

void qbi_loop_push_ready(struct qbi_loop_core *c, struct qbi_item *item);
void qbi_loop_drop_ready(struct qbi_loop_core *c, struct qbi_item *item);
bool qbi_loop_has_ready(const struct qbi_loop_core *c);

/* Does this process own the loop's kernel objects, or its parent? */
bool qbi_loop_is_own(const struct qbi_loop_core *c);

/* In a child: make a new descriptor for waking the loop. 0 or -errno. */
int qbi_loop_adopt(struct qbi_loop_core *c);

#endif
