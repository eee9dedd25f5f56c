/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory that stays in memory, for processes that have to answer while the machine
 * swaps. Pages are locked when they are first used, never before: a mapping that is
 * mostly unused costs no more than otherwise, but all of it counts for RLIMIT_MEMLOCK.
 *
 * Threads: any.
 */
#ifndef QBI_BASE_MEMORY_H
#define QBI_BASE_MEMORY_H

#include <stddef.h>

enum qbi_memory_lock {
	QBI_MEMORY_LOCK_OFF,
	QBI_MEMORY_LOCK_TRY,  /* what cannot be locked is used all the same */
	QBI_MEMORY_LOCK_MUST, /* what cannot be locked is not used */
};

/* For all that is mapped afterwards. */
void qbi_memory_lock_set(enum qbi_memory_lock mode);

/* What to map memory with that is to be activated: PROT_NONE, if that can be changed. */
int qbi_memory_protection(void);

/*
 * Whole pages that were just mapped with that protection become readable and writable,
 * and are locked if they are to be. That way the kernel fills none of them in advance
 * either when the process has locked all its future memory (mlockall). 0 or -errno;
 * QBI_AGAIN where protections may not be changed: map it anew.
 */
int qbi_memory_activate(void *base, size_t size);

/*
 * Memory for @size bytes, aligned like malloc's, or NULL. If memory is locked it has pages
 * of its own, for locks do not nest: unlocking would unlock what lies next to it.
 */
void *qbi_memory_new(size_t size);

/* The bytes that were asked for; 0 for NULL. */
size_t qbi_memory_size(const void *p);

/* Good on NULL. */
void qbi_memory_free(void *p);

#endif
