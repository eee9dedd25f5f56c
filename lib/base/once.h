/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Run a function once per process, in the first thread that needs it. pthread_once(3) is
 * not used: where a sandbox refuses futex(2) it ends the process, even if nobody waits.
 */
#ifndef QBI_BASE_ONCE_H
#define QBI_BASE_ONCE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/lock.h"

/* Zeros: not done yet. */
struct qbi_once {
	struct qbi_lock lock;
	_Atomic(bool) done;
};

static inline void qbi_once_run(struct qbi_once *o, void (*fn)(void))
{
	if (atomic_load_explicit(&o->done, memory_order_acquire))
		return;
	(void)qbi_lock_take(&o->lock, QBI_FOREVER);
	if (!o->done) {
		fn();
		atomic_store_explicit(&o->done, true, memory_order_release);
	}
	qbi_lock_release(&o->lock);
}

#endif
