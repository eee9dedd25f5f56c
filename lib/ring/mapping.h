/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files mapped one behind the other into a single reserved range, guarded against
 * faults as a whole: if a peer truncates one of them, all of them are replaced.
 *
 * The mapping is inherited by children of fork(2): programs connect first and turn
 * themselves into daemons afterwards.
 */
#ifndef QBI_RING_MAPPING_H
#define QBI_RING_MAPPING_H

#include <stddef.h>

#include "ring/fault.h"

#define QBI_MAPPING_PARTS 2

struct qbi_mapping {
	void *part[QBI_MAPPING_PARTS]; /* page-aligned start of each file */
	struct qbi_fault_guard guard;  /* base and size of the whole range */
};

#define QBI_MAPPING_INIT                                                                       \
	{                                                                                      \
		{ NULL }, QBI_FAULT_GUARD_INIT                                                 \
	}

struct qbi_mapping_file {
	int fd;
	size_t size; /* bytes, > 0; what the mapping shows beyond is not ours */
};

/**
 * Map @n files (at most QBI_MAPPING_PARTS) read-write and shared. The descriptors
 * stay the caller's and may be closed afterwards.
 *
 * @param m  QBI_MAPPING_INIT or closed; changed on success only. Must not move
 *           in memory while open.
 * @return   0 or -errno
 */
int qbi_mapping_open(struct qbi_mapping *m, const struct qbi_mapping_file *files, size_t n);

/*
 * Give back the whole pages between @from and @to of the last file, for everybody who maps
 * it: they read as zeros. SIZE_MAX: its end. As far as the kernel lets us.
 */
void qbi_mapping_punch(struct qbi_mapping *m, size_t from, size_t to);

/* No thread may be inside. Idempotent. */
void qbi_mapping_close(struct qbi_mapping *m);

#endif
