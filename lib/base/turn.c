/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/turn.h"

#include <errno.h>
#include <pthread.h>

#include "base/socket.h"
#include "base/util.h"

static int is_broken(struct qbi_turn *t)
{
	return atomic_load_explicit(&t->broken, memory_order_relaxed);
}

/* 0, QBI_BUSY, or QBI_GONE: broken, and taken nevertheless. */
static int turn_enter(struct qbi_turn *t, uint64_t deadline)
{
	enum qbi_lock_outcome r = qbi_lock_take(&t->lock, deadline);
	int cancel_state;

	if (r == QBI_LOCK_TIMEOUT)
		return QBI_BUSY;
	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	/* A thread that left without releasing has its old cancel state restored now. */
	if (r != QBI_LOCK_REENTERED || cancel_state == PTHREAD_CANCEL_ENABLE)
		t->cancel_state = cancel_state;
	if (r != QBI_LOCK_TAKEN && atomic_load_explicit(&t->changing, memory_order_relaxed))
		atomic_store_explicit(&t->broken,
				      r == QBI_LOCK_FORKED ? QBI_TURN_COPIED : QBI_TURN_LEFT,
				      memory_order_relaxed);
	atomic_store_explicit(&t->changing, true, memory_order_relaxed);
	/* In this order for a signal handler that leaves: say so first, then change. */
	atomic_signal_fence(memory_order_seq_cst);
	return is_broken(t) ? QBI_GONE : 0;
}

int qbi_turn_take(struct qbi_turn *t, uint64_t deadline)
{
	int r = turn_enter(t, deadline);
	uint32_t self;

	if (r == QBI_GONE)
		qbi_turn_release(t);
	if (r)
		return r;
	self = qbi_process_id();
	if (t->user != self) {
		t->moved |= t->user != 0;
		t->user = self;
	}
	return 0;
}

void qbi_turn_release(struct qbi_turn *t)
{
	int cancel_state = t->cancel_state;

	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&t->changing, false, memory_order_relaxed);
	qbi_lock_release(&t->lock);
	(void)pthread_setcancelstate(cancel_state, NULL);
}

void qbi_turn_rest(struct qbi_turn *t)
{
	if (t)
		qbi_turn_release(t);
}

int qbi_turn_resume(struct qbi_turn *t)
{
	int r = t ? turn_enter(t, QBI_FOREVER) : 0;

	return r == 0 && t && t->user != qbi_process_id() ? -EBUSY : r;
}

int qbi_turn_poll(struct qbi_turn *t, struct pollfd *fds, nfds_t n, int timeout)
{
	nfds_t i;
	int got, r = 0;

	if (timeout != 0)
		qbi_turn_rest(t);
	got = qbi_poll_once(fds, n, timeout);
	if (got == -EINTR && !(t && t->ends_by_signal))
		got = 0;
	if (timeout != 0)
		r = qbi_turn_resume(t);
	for (i = 0; got <= 0 && i < n; i++)
		fds[i].revents = 0;
	return r == 0 && got < 0 ? got : r;
}
