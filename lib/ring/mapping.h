/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files that are mapped one after the other in one reserved range. One guard protects the
 * whole range against faults: if a peer truncates one file, all of them are replaced.
 *
 * Children of fork(2) inherit the mapping, because programs connect first and become daemons
 * afterwards.
 */
#ifndef QBI_RING_MAPPING_H
#define QBI_RING_MAPPING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/memory.h"
#include "ring/fault.h"

#define QBI_MAPPING_PARTS 2

struct qbi_mapping {
	void *part[QBI_MAPPING_PARTS]; /* page-aligned start of each file */
	struct qbi_fault_guard guard;  /* base and size of the whole range */
	void *beyond; /* a page of the first file behind its end, which has nothing; or NULL */
	struct qbi_locking *locking; /* set before it is opened; borrowed; may be NULL */
	size_t last_size;	     /* bytes of the last file, whole pages */
	bool twice; /* set before it is opened: map the last file once more behind itself, its
		     * size is whole pages; afterwards: that was possible */
};

#define QBI_MAPPING_INIT                                                                       \
	{                                                                                      \
		{ NULL }, QBI_FAULT_GUARD_INIT, NULL, NULL, 0, false                           \
	}

struct qbi_mapping_file {
	int fd;
	size_t size; /* bytes, > 0; the rest of the last page does not count */
};

/**
 * Map @n files (at most QBI_MAPPING_PARTS) read-write and shared. The caller keeps the
 * descriptors and may close them afterwards.
 *
 * @param m  QBI_MAPPING_INIT or closed; changed on success only. Must not move
 *           in memory while open.
 * @return   0 or -errno
 */
int qbi_mapping_open(struct qbi_mapping *m, const struct qbi_mapping_file *files, size_t n);

/*
 * Release the whole pages between @from and @to of the last file, for all processes that map
 * it: they read as zeros then. SIZE_MAX: its end. Errors are ignored. Waits for any process
 * that has the file's lock. 0; QBI_AGAIN that took long (ring/punch.h).
 */
int qbi_mapping_punch(struct qbi_mapping *m, size_t from, size_t to);

/*
 * The same of nothing: for the first file, whose pages stay. It only tells whether a process
 * that punches it holds up qbi_mapping_close().
 */
int qbi_mapping_probe(struct qbi_mapping *m);

/* No thread may access the mapping. Idempotent. */
void qbi_mapping_close(struct qbi_mapping *m);

#endif
