/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Undoes what a call has begun if the thread ends inside the call, because it is cancelled or
 * calls pthread_exit(3) in a callback: nothing else would finish or undo it. If the call is
 * left by siglongjmp(3), this happens at the end of the thread as well.
 *
 * pthread_cleanup_push(3) cannot do this: the C library keeps its handlers on the stack, and
 * a thread that has left the call by siglongjmp(3) would call handlers that no longer exist.
 * Here they are in objects that live until they have been undone.
 *
 * Threads: begin and end in the same thread. Meanwhile another thread may call begin, which
 * then returns false.
 */
#ifndef QBI_BASE_UNFINISHED_H
#define QBI_BASE_UNFINISHED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct qbi_unfinished;

/* Its last step is qbi_unfinished_forget(), or to free the object. */
typedef void (*qbi_undo_fn)(struct qbi_unfinished *u);

/* Part of an object; zeros: not begun. */
struct qbi_unfinished {
	_Atomic(qbi_undo_fn) undo;    /* NULL: not begun */
	struct qbi_unfinished *outer; /* the one begun before it in this thread */
};

/* False: it was begun before and has not ended; nothing has changed. */
bool qbi_unfinished_begin(struct qbi_unfinished *u, qbi_undo_fn undo);

/* The work is finished, or the caller has undone it. */
void qbi_unfinished_end(struct qbi_unfinished *u);

/* For an undo function: from now on any thread may begin it again. */
static inline void qbi_unfinished_forget(struct qbi_unfinished *u)
{
	atomic_store(&u->undo, NULL);
}

/*
 * Disable cancellation; returns the state of the caller. A function that creates something
 * calls this first, and restores the state of its caller where it sleeps. So it is cancelled
 * only at points where all that it has created can be undone.
 */
static inline int qbi_cancel_hold_back(void)
{
	int state;

	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	return state;
}

/* Set the state of cancellation. Keeps errno. */
static inline void qbi_cancel_as(int state)
{
	(void)pthread_setcancelstate(state, NULL);
}

#endif
