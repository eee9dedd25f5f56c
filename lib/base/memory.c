/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "base/refused.h"
#include "base/util.h"

static _Atomic(enum qbi_memory_lock) lock_mode;

void qbi_memory_lock_set(enum qbi_memory_lock mode)
{
	atomic_store(&lock_mode, mode);
}

/* 0; -errno it cannot be locked and the mode is QBI_MEMORY_LOCK_MUST. */
static int pages_lock(void *base, size_t size)
{
	enum qbi_memory_lock mode = lock_mode;
	int r;

	if (mode == QBI_MEMORY_LOCK_OFF)
		return 0;
	if (mlock2(base, size, MLOCK_ONFAULT) == 0)
		return 0;
	r = -errno;
	/* A client can choose the size and so cause this failure: limit the log lines. */
	qbi_log_rarely(LOG_WARNING, "cannot lock %zu bytes of memory: %s", size, strerror(-r));
	return mode == QBI_MEMORY_LOCK_MUST ? r : 0;
}

#define READ_AND_WRITE (PROT_READ | PROT_WRITE)

/* Written once, when mprotect(2) turns out to be refused. */
static _Atomic(bool) protections_stay;

int qbi_memory_protection(int active)
{
	return protections_stay ? active : PROT_NONE;
}

int qbi_memory_activate(void *base, size_t size, int active)
{
	int r = pages_lock(base, size);

	if (r < 0)
		return r;
	if (protections_stay || mprotect(base, size, active) == 0)
		return 0;
	if (!qbi_is_refused(errno))
		return -errno;
	protections_stay = true;
	return QBI_AGAIN;
}

/* The header in front of the memory that qbi_memory_new() returns. */
struct block {
	_Alignas(max_align_t) size_t size; /* of header and memory */
	bool mapped;			   /* false: from malloc */
};

static struct block *block_map(size_t size)
{
	void *base = mmap(NULL, size, qbi_memory_protection(READ_AND_WRITE),
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct block *b = base;
	int r;

	if (base == MAP_FAILED)
		return NULL;
	r = qbi_memory_activate(base, size, READ_AND_WRITE);
	if (r) {
		munmap(base, size);
		return r == QBI_AGAIN ? block_map(size) : NULL;
	}
	b->mapped = true;
	return b;
}

void *qbi_memory_new(size_t size)
{
	struct block *b;

	if (__builtin_add_overflow(size, sizeof(*b), &size))
		return NULL;
	if (lock_mode != QBI_MEMORY_LOCK_OFF) {
		b = block_map(size);
	} else {
		b = malloc(size);
		if (b)
			b->mapped = false;
	}
	if (!b)
		return NULL;
	b->size = size;
	return b + 1;
}

size_t qbi_memory_size(const void *p)
{
	const struct block *b = p;

	return b ? b[-1].size - sizeof(*b) : 0;
}

void qbi_memory_free(void *p)
{
	struct block *b = p;

	if (!b)
		return;
	b--;
	if (b->mapped)
		munmap(b, b->size);
	else
		free(b);
}
