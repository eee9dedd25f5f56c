/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The built-in poll loop.
 *
 * Idea: there are four kinds of items: jobs, timers, descriptors and signals. All are
 * dispatched in the same way. When an item is ready, it is queued at its level (core.h), and
 * loop.c dispatches ready items in the order HIGH, MED, LOW. A cycle is
 *
 *	wait in epoll_wait(), at most until the next timer
 *	collect: queue jobs, expired timers, delivered signals, ready descriptors
 *	dispatch what is ready
 *
 * and usually takes one system call: the clock is read only if there are timers, and the
 * eventfd is written only if a thread sleeps. If a function says that it has more to do
 * (base/again.h), it is called again for a few cycles without asking the kernel.
 *
 * Levels: of three cycles, one serves all levels, one HIGH and MED, and one HIGH only. A
 * level is skipped only if a higher level had work. So if every level is busy, HIGH gets
 * three turns, MED two and LOW one, and no level waits for more than two cycles. An item
 * that becomes ready during a cycle waits for the next one.
 *
 * Owner: the loop owns all items. The application may remove any item while it is called.
 * So a dispatch function copies what it needs of the item before the call. After the call it
 * does not use the pointer, but finds the item again by an identifier that is never reused
 * (generation, serial).
 *
 * Threads: any thread may call every function of the loop and of its kinds. The lock of
 * core.h protects everything but the atomics, and is not held while the application is
 * called. Callbacks run in the thread that runs the loop. Removing an item in another thread
 * does not wait for a running callback.
 *
 * Processes: if a child of fork(2) only removes items from its copy of the loop, or destroys
 * the copy, this changes only the memory of the child. If it runs the loop or adds an item,
 * the loop gets its own kernel objects (qbi_polls_own()).
 */
#ifndef QBI_LOOP_LOOP_H
#define QBI_LOOP_LOOP_H

#include "loop/core.h"
#include "loop/jobs.h"
#include "loop/poll.h"
#include "loop/signals.h"
#include "loop/timers.h"

/* Most cycles in a row without asking the kernel, and the longest time, in ns. */
#define QBI_LOOP_BLIND 8
#define QBI_LOOP_BLIND_NS 100000

struct qb_loop {
	struct qbi_loop_core core;
	bool doomed;	    /* destroyed while running: freed when run returns */
	unsigned int turn;  /* lowest level served by the next cycle */
	unsigned int blind; /* cycles since the kernel was asked last */
	uint64_t since;	    /* the first of them began */
	struct qbi_jobs jobs;
	struct qbi_timers timers;
	struct qbi_polls polls;
	struct qbi_signals signals;
	struct qb_loop *next; /* in the order of creation */
};

/* 0 or -errno. */
int qbi_loop_new(struct qb_loop **ret_loop);

/* A running loop is stopped, and freed when its run returns. */
void qbi_loop_free(struct qb_loop *l);

/* The oldest loop, or NULL. */
struct qb_loop *qbi_loop_first(void);

void qbi_loop_run(struct qb_loop *l);

#endif
