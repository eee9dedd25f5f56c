/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel says of a mapping of this process. */
#ifndef TEST_SMAPS_H
#define TEST_SMAPS_H

#include <stdbool.h>
#include <stddef.h>

struct smaps {
	size_t size;	 /* bytes */
	size_t resident; /* bytes */
	bool locked;
};

/* The mapping in which @address lies; fails the test when there is none. */
struct smaps smaps_at(const void *address);

/* All shared mappings whose path contains @name: sums, and whether each is locked. */
struct smaps smaps_of(const char *name);

/* This process, whoever runs it, can lock so much memory, or none any more. */
void forbid_locking_beyond(size_t bytes);
void forbid_locking(void);

#endif
