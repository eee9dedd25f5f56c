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

static _Atomic(enum qbi_memory_lock) lock_mode = QBI_MEMORY_LOCK_OFF;

void qbi_memory_lock_set(enum qbi_memory_lock mode)
{
	atomic_store(&lock_mode, mode);
}

static enum qbi_memory_lock mode_of(const struct qbi_locking *locking)
{
	return locking && locking->mode != QBI_MEMORY_LOCK_PROCESS ? locking->mode : lock_mode;
}

bool qbi_memory_is_locked(const struct qbi_locking *locking)
{
	return mode_of(locking) != QBI_MEMORY_LOCK_OFF;
}

/* 0 it is locked, or need not be: see *@ret_locked; -errno it must be and cannot. */
static int pages_lock(void *base, size_t size, struct qbi_locking *locking, bool *ret_locked)
{
	enum qbi_memory_lock mode = mode_of(locking);
	int r;

	*ret_locked = mode != QBI_MEMORY_LOCK_OFF && mlock2(base, size, MLOCK_ONFAULT) == 0;
	if (mode == QBI_MEMORY_LOCK_OFF || *ret_locked)
		return 0;
	r = -errno;
	/* A client can choose the size and so cause this failure: limit the log lines. */
	qbi_log_rarely(LOG_WARNING, "cannot lock %zu bytes of memory: %s", size, strerror(-r));
	if (mode != QBI_MEMORY_LOCK_MUST)
		return 0;
	if (locking)
		locking->error = r;
	return r;
}

#define READ_AND_WRITE (PROT_READ | PROT_WRITE)

/* Written once, when mprotect(2) turns out to be refused. */
static _Atomic(bool) protections_stay;

int qbi_memory_protection(int active)
{
	return protections_stay ? active : PROT_NONE;
}

static int pages_activate(void *base, size_t size, int active, struct qbi_locking *locking,
			  bool *ret_locked)
{
	int r = pages_lock(base, size, locking, ret_locked);

	if (r < 0)
		return r;
	if (protections_stay || mprotect(base, size, active) == 0)
		return 0;
	if (!qbi_is_refused(errno))
		return -errno;
	protections_stay = true;
	return QBI_AGAIN;
}

int qbi_memory_activate(void *base, size_t size, int active, struct qbi_locking *locking)
{
	bool locked;

	return pages_activate(base, size, active, locking, &locked);
}

/* The header in front of the memory that qbi_memory_new() returns. */
struct block {
	_Alignas(max_align_t) size_t size; /* of header and memory */
	bool mapped;			   /* false: from malloc */
	bool locked;
};

static struct block *block_map(size_t size, struct qbi_locking *locking)
{
	void *base = mmap(NULL, size, qbi_memory_protection(READ_AND_WRITE),
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct block *b = base;
	bool locked;
	int r;

	if (base == MAP_FAILED)
		return NULL;
	r = pages_activate(base, size, READ_AND_WRITE, locking, &locked);
	if (r) {
		munmap(base, size);
		return r == QBI_AGAIN ? block_map(size, locking) : NULL;
	}
	b->mapped = true;
	b->locked = locked;
	return b;
}

void *qbi_memory_new(size_t size, struct qbi_locking *locking)
{
	struct block *b;

	if (__builtin_add_overflow(size, sizeof(*b), &size))
		return NULL;
	if (mode_of(locking) != QBI_MEMORY_LOCK_OFF) {
		b = block_map(size, locking);
	} else {
		b = malloc(size);
		if (b)
			b->mapped = b->locked = false;
	}
	if (!b)
		return NULL;
	b->size = size;
	return b + 1;
}

bool qbi_memory_suits(const void *p, const struct qbi_locking *locking)
{
	const struct block *b = p;

	/* What could not be locked before is not tried again, unless it must be locked. */
	switch (mode_of(locking)) {
	case QBI_MEMORY_LOCK_MUST: return b[-1].locked;
	case QBI_MEMORY_LOCK_TRY: return b[-1].mapped;
	default: return !b[-1].mapped;
	}
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
