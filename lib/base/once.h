/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Something that is done once in a process, by whoever needs it first. pthread_once(3)
 * ends the process where a sandbox refuses futex(2), even when nobody waits.
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
