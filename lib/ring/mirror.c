/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ring/mirror.h"

#include <sys/mman.h>

/* An old size of 0 means that the old mapping stays (mremap(2)). */
static bool mirror_map(unsigned char *at, void *data, size_t size)
{
	return mremap(data, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at;
}

bool qbi_mirror_open(struct qbi_mirror *m, void *data, size_t size,
		     const struct qbi_locking *locking)
{
	unsigned char *base;

	if (m->tried)
		return m->base;
	m->tried = true;
	if (qbi_memory_is_locked(locking))
		return false;
	base = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		    0);
	if (base == MAP_FAILED)
		return false;
	if (!mirror_map(base, data, size) || !mirror_map(base + size, data, size)) {
		munmap(base, 2 * size);
		return false;
	}
	m->base = base;
	m->size = size;
	return true;
}

void qbi_mirror_close(struct qbi_mirror *m)
{
	if (m->base)
		munmap(m->base, 2 * m->size);
	m->base = NULL;
}
