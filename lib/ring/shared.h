/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All accesses to memory that is shared with a peer use these functions. Each access is one
 * atomic operation or one copy, so the compiler can neither repeat nor split a read. A test
 * build defines QBI_SHARED_HOOK(address, size), which is called before each access, so that
 * a scripted peer can act between any two accesses.
 *
 * Every call has a label that names its partner. The table of labels is at the top of the
 * file that uses them.
 */
#ifndef QBI_RING_SHARED_H
#define QBI_RING_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifndef QBI_SHARED_HOOK
#define QBI_SHARED_HOOK(address, size) ((void)0)
#endif

/* Shared words are plain integers in the layout of the wire. */
typedef _Atomic(uint32_t) qbi_shared_u32;
typedef _Atomic(uint64_t) qbi_shared_u64;

_Static_assert(sizeof(qbi_shared_u32) == sizeof(uint32_t), "no lock inside");
_Static_assert(sizeof(qbi_shared_u64) == sizeof(uint64_t), "no lock inside");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LONG_LOCK_FREE == 2,
	       "a lock would be private to one process");

static inline uint32_t qbi_shared_load(qbi_shared_u32 *word, memory_order order)
{
	QBI_SHARED_HOOK(word, sizeof(*word));
	return atomic_load_explicit(word, order);
}

static inline void qbi_shared_store(qbi_shared_u32 *word, uint32_t value, memory_order order)
{
	QBI_SHARED_HOOK(word, sizeof(*word));
	atomic_store_explicit(word, value, order);
}

static inline uint64_t qbi_shared_load64(qbi_shared_u64 *word, memory_order order)
{
	QBI_SHARED_HOOK(word, sizeof(*word));
	return atomic_load_explicit(word, order);
}

static inline void qbi_shared_store64(qbi_shared_u64 *word, uint64_t value, memory_order order)
{
	QBI_SHARED_HOOK(word, sizeof(*word));
	atomic_store_explicit(word, value, order);
}

static inline uint64_t qbi_shared_exchange64(qbi_shared_u64 *word, uint64_t value,
					     memory_order order)
{
	QBI_SHARED_HOOK(word, sizeof(*word));
	return atomic_exchange_explicit(word, value, order);
}

/* One attempt, strong; true if *@word was @expected and is @value now. */
static inline bool qbi_shared_replace64(qbi_shared_u64 *word, uint64_t expected, uint64_t value,
					memory_order order)
{
	QBI_SHARED_HOOK(word, sizeof(*word));
	return atomic_compare_exchange_strong_explicit(word, &expected, value, order,
						       memory_order_relaxed);
}

/* Unconditional: a peer cannot make it loop, as it could with compare-and-swap. */
static inline uint32_t qbi_shared_add(qbi_shared_u32 *word, uint32_t n, memory_order order)
{
	QBI_SHARED_HOOK(word, sizeof(*word));
	return atomic_fetch_add_explicit(word, n, order);
}

static inline uint64_t qbi_shared_add64(qbi_shared_u64 *word, uint64_t n, memory_order order)
{
	QBI_SHARED_HOOK(word, sizeof(*word));
	return atomic_fetch_add_explicit(word, n, order);
}

/*
 * Payload: the label of the word that publishes it gives the order. It is read in place only
 * where it is handed out there (QBI_IN_PLACE_MIN). The fence needs no instruction: it only
 * tells the compiler that the memory may change after the copy, so that it does not read there
 * again instead of in the copy.
 */
static inline void qbi_shared_read(void *to, const void *shared, size_t n)
{
	QBI_SHARED_HOOK(shared, n);
	memcpy(to, shared, n);
	atomic_signal_fence(memory_order_seq_cst);
}

static inline void qbi_shared_write(void *shared, const void *from, size_t n)
{
	QBI_SHARED_HOOK(shared, n);
	memcpy(shared, from, n);
}

/* Within the shared memory: what is read may be anything. The two may overlap. */
static inline void qbi_shared_move(void *to, const void *from, size_t n)
{
	QBI_SHARED_HOOK(to, n);
	memmove(to, from, n);
}

#endif
