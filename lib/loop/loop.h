/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The built-in poll loop.
 *
 * Idea: four kinds of things (jobs, timers, descriptors, signals) are all dispatched the
 * same way. Each is an item; when its turn has come it is queued as ready at its level
 * (core.h), and loop.c takes ready items HIGH, MED, LOW. A cycle is
 *
 *	wait in epoll_wait(), at most until the next timer
 *	collect: queue jobs, expired timers, delivered signals, ready descriptors
 *	dispatch what is ready
 *
 * and costs one system call when nothing else is to be done: no clock is read without
 * timers, nothing is written without a sleeper. A function that says it has more to do
 * (base/again.h) is called again without asking the kernel, for a few cycles.
 *
 * Levels: one cycle in three serves all levels, one HIGH and MED, one HIGH only; a level
 * is passed over only when a higher one had work. So with every level busy HIGH gets
 * three turns where MED gets two and LOW one, and no level ever waits for longer than
 * two cycles. An item that becomes ready during a cycle waits for the next one.
 *
 * Owner: the loop owns all items. A dispatch function of a kind copies what it needs out
 * of the item before it calls the application, which may remove anything meanwhile; what
 * is to be done to the item after the call, it looks up again by a name that is never
 * used twice (generation, serial), not by the pointer.
 *
 * Threads: every function of the loop and of its kinds may be called from any thread; the
 * lock of core.h covers everything but the atomics and is not held while the application
 * is called. Callbacks run in the thread that runs the loop. Removing from another thread
 * does not wait for a callback that is running.
 *
 * Processes: a child of fork(2) that only removes from its copy of the loop or destroys it
 * changes its memory and nothing else; running it or adding to it makes it the child's own
 * (qbi_polls_own()).
 */
#ifndef QBI_LOOP_LOOP_H
#define QBI_LOOP_LOOP_H

#include "loop/core.h"
#include "loop/jobs.h"
#include "loop/poll.h"
#include "loop/signals.h"
#include "loop/timers.h"

#define QBI_LOOP_BLIND 8 /* cycles in a row without asking the kernel */

struct qb_loop {
	struct qbi_loop_core core;
	bool doomed;	    /* destroyed while running: goes when run returns */
	unsigned int turn;  /* lowest level served by the next cycle */
	unsigned int blind; /* cycles since the kernel was asked last */
	struct qbi_jobs jobs;
	struct qbi_timers timers;
	struct qbi_polls polls;
	struct qbi_signals signals;
	struct qb_loop *next; /* in the order of creation */
};

/* 0 or -errno. */
int qbi_loop_new(struct qb_loop **ret_loop);

/* A running loop is stopped and goes when its run returns. */
void qbi_loop_free(struct qb_loop *l);

/* The oldest loop, or NULL. */
struct qb_loop *qbi_loop_first(void);

void qbi_loop_run(struct qb_loop *l);

#endif
