/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ring/mapping.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/util.h"
#include "ring/punch.h"

static size_t page_round(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (size + page - 1) / page * page;
}

/* Each file replaces a part of the reserved range, so no other mapping can get there. */
static int mapping_fill(char *base, const struct qbi_mapping_file *files, size_t n,
			void **parts)
{
	size_t i;

	for (i = 0; i < n; i++) {
		parts[i] =
			mmap(base, files[i].size, qbi_memory_protection(PROT_READ | PROT_WRITE),
			     MAP_SHARED | MAP_FIXED, files[i].fd, 0);
		if (parts[i] == MAP_FAILED)
			return -errno;
		base += page_round(files[i].size);
	}
	return 0;
}

/* In place of the last page at @at, which is never accessed. */
static void *beyond_map(char *at, const struct qbi_mapping_file *file,
			struct qbi_locking *locking)
{
	void *page = mmap(at, page_round(1), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			  file->fd, (off_t)page_round(file->size));

	if (page == MAP_FAILED)
		return NULL;
	/* Locked as the rest, so that there is no mapping of these files that is not. */
	return qbi_memory_activate(page, page_round(1), PROT_READ | PROT_WRITE, locking) ?
		       NULL :
		       page;
}

/* Open it; the last file is mapped @copies times. 0; QBI_AGAIN try again; -errno. */
static int mapping_open(struct qbi_mapping *m, const struct qbi_mapping_file *files, size_t n,
			size_t copies)
{
	struct qbi_mapping_file all[QBI_MAPPING_PARTS + 1];
	void *parts[QBI_MAPPING_PARTS + 1] = { NULL };
	size_t total = 0;
	void *base;
	size_t i;
	int r;

	memcpy(all, files, n * sizeof(*files));
	all[n] = files[n - 1];
	for (i = 0; i < n + copies - 1; i++)
		total += page_round(all[i].size);
	base = mmap(NULL, total + page_round(1), PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return -errno;
	r = mapping_fill(base, all, n + copies - 1, parts);
	if (r == 0)
		r = qbi_memory_activate(base, total, PROT_READ | PROT_WRITE, m->locking);
	if (r == 0)
		r = qbi_fault_guard_add(&m->guard, base, total);
	if (r) {
		munmap(base, total + page_round(1));
		return r;
	}
	for (i = 0; i < QBI_MAPPING_PARTS; i++)
		m->part[i] = i < n ? parts[i] : NULL;
	m->last_size = page_round(files[n - 1].size);
	m->beyond = beyond_map((char *)base + total, &files[0], m->locking);
	return 0;
}

int qbi_mapping_open(struct qbi_mapping *m, const struct qbi_mapping_file *files, size_t n)
{
	int r = -EAGAIN;

	assert(n > 0 && n <= QBI_MAPPING_PARTS);
	assert(!m->guard.base);
	/* Locked memory would count twice. */
	m->twice = m->twice && !qbi_memory_is_locked(m->locking);
	if (m->twice)
		r = mapping_open(m, files, n, 2);
	if (r < 0) {
		m->twice = false;
		r = mapping_open(m, files, n, 1);
	}
	return r == QBI_AGAIN ? qbi_mapping_open(m, files, n) : r;
}

int qbi_mapping_punch(struct qbi_mapping *m, size_t from, size_t to)
{
	char *last = NULL;
	size_t i;

	for (i = 0; i < QBI_MAPPING_PARTS && m->part[i]; i++)
		last = m->part[i];
	if (!last)
		return 0;
	return qbi_punch(last, m->last_size, from, to);
}

int qbi_mapping_probe(struct qbi_mapping *m)
{
	return m->beyond ? qbi_punch(m->beyond, page_round(1), 0, page_round(1)) : 0;
}

void qbi_mapping_close(struct qbi_mapping *m)
{
	void *base = m->guard.base;
	size_t size = m->guard.size;
	size_t i;

	if (!base)
		return;
	qbi_fault_guard_remove(&m->guard);
	munmap(base, size + page_round(1));
	m->beyond = NULL;
	for (i = 0; i < QBI_MAPPING_PARTS; i++)
		m->part[i] = NULL;
}
