/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a call has begun and nobody else would bring to an end: should its thread end inside
 * the call, because it is cancelled or calls pthread_exit(3) in a callback, it is undone
 * then. What is left by siglongjmp(3) is undone as late as that, too.
 *
 * pthread_cleanup_push(3) is not for that: the C library keeps its handlers on the stack,
 * and a thread that left with siglongjmp(3) would call what is no longer there. Here they
 * are in objects that live as long as they have not been undone.
 *
 * Threads: begin and end in the same one. Another one may ask meanwhile by begin.
 */
#ifndef QBI_BASE_UNFINISHED_H
#define QBI_BASE_UNFINISHED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct qbi_unfinished;

/* Ends with qbi_unfinished_forget(), or by freeing the object. */
typedef void (*qbi_undo_fn)(struct qbi_unfinished *u);

/* Part of an object; zeros: not begun. */
struct qbi_unfinished {
	_Atomic(qbi_undo_fn) undo;    /* NULL: not begun */
	struct qbi_unfinished *outer; /* begun before in the same thread */
};

/* False: it has been begun already, further out, and nothing has changed. */
bool qbi_unfinished_begin(struct qbi_unfinished *u, qbi_undo_fn undo);

/* It is finished, or the caller has undone it. */
void qbi_unfinished_end(struct qbi_unfinished *u);

/* For an undo function: another thread may begin it again from now on. */
static inline void qbi_unfinished_forget(struct qbi_unfinished *u)
{
	atomic_store(&u->undo, NULL);
}

/*
 * Whoever makes something holds cancellation back, and where it sleeps has the state of
 * its caller: it is cancelled at points where all that was made can be undone. The state
 * of the caller.
 */
static inline int qbi_cancel_hold_back(void)
{
	int state;

	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	return state;
}

/* Leaves errno as it is. */
static inline void qbi_cancel_as(int state)
{
	(void)pthread_setcancelstate(state, NULL);
}

#endif
