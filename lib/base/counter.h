/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Counters that one thread at a time writes and any thread reads, so that counting needs
 * no locked instruction. What is counted while another thread clears may be lost.
 */
#ifndef QBI_BASE_COUNTER_H
#define QBI_BASE_COUNTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef _Atomic(uint64_t) qbi_counter;

static inline void qbi_counter_add(qbi_counter *counter)
{
	uint64_t n = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, n + 1, memory_order_relaxed);
}

/* Its value; with @clear it is zero from then on, in the same step. */
static inline uint64_t qbi_counter_read(qbi_counter *counter, bool clear)
{
	return clear ? atomic_exchange(counter, 0) : atomic_load(counter);
}

#endif
