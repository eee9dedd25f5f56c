/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Locked memory, for processes that must answer while the machine swaps. Pages are locked
 * at their first use, so a mapping that is mostly unused takes no more memory than without
 * locks. All of it counts for RLIMIT_MEMLOCK.
 *
 * Threads: any.
 */
#ifndef QBI_BASE_MEMORY_H
#define QBI_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

enum qbi_memory_lock {
	QBI_MEMORY_LOCK_PROCESS, /* as the process says, qbi_memory_lock_set() */
	QBI_MEMORY_LOCK_OFF,
	QBI_MEMORY_LOCK_TRY,  /* what cannot be locked is used without a lock */
	QBI_MEMORY_LOCK_MUST, /* what cannot be locked is not used */
};

/*
 * How the memory of one object is locked. All zeros, or NULL for a pointer to it: as the
 * process says.
 */
struct qbi_locking {
	enum qbi_memory_lock mode;
	int error; /* -errno of the last lock that had to be and failed; the owner clears it */
};

/* For the process, and for memory that is mapped afterwards; not QBI_MEMORY_LOCK_PROCESS. */
void qbi_memory_lock_set(enum qbi_memory_lock mode);

/* Is memory locked that is mapped now? */
bool qbi_memory_is_locked(const struct qbi_locking *locking);

/*
 * The protection of memory that is activated later: PROT_NONE, if it can be changed, else
 * @active.
 */
int qbi_memory_protection(int active);

/*
 * Give whole pages, mapped with that protection just before, the protection @active
 * (PROT_READ, or with PROT_WRITE), and lock them if the mode says so. In these two steps the
 * kernel allocates no page in advance, even in a process that has locked its future memory
 * (mlockall). 0; -errno; QBI_AGAIN protections cannot be changed here: the caller maps the
 * memory again.
 *
 * @locking  the mode; may be NULL
 */
int qbi_memory_activate(void *base, size_t size, int active, struct qbi_locking *locking);

/*
 * Memory for @size bytes, aligned as by malloc, or NULL. Locked memory has pages of its own,
 * because locks do not nest: unlocking it would unlock its neighbours on the same page.
 */
void *qbi_memory_new(size_t size, struct qbi_locking *locking);

/* Is this memory as qbi_memory_new() would make it now? */
bool qbi_memory_suits(const void *p, const struct qbi_locking *locking);

/* The bytes that were asked for; 0 for NULL. */
size_t qbi_memory_size(const void *p);

/* NULL is allowed. */
void qbi_memory_free(void *p);

#endif
