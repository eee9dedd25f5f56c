/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a process holds: descriptors, shared mappings, threads, children, files in
 * /dev/shm that carry its pid. Taken before and after a test; a difference is a leak.
 */
#ifndef TEST_CENSUS_H
#define TEST_CENSUS_H

#include <stddef.h>
#include <sys/types.h>

struct census {
	int fds;
	int shared_mappings;
	int threads;
	int shm_files;
};

/* Names of this test that others cannot use at the same time: prefix, pid, counter. */
void unique_name(char *buf, size_t size);

/* From now on the files of @pid, as server or client, are counted too. */
void census_adopt(pid_t pid);
/* No longer: somebody else is to remove them. */
void census_forget(pid_t pid);

/* A process that was forked off a test: the files of others are not its own. */
void census_begin_anew(void);

void census_take(struct census *c);

/*
 * Has everything come back to @before? Waits a little, for a thread or a process
 * takes a moment to disappear. 0, or -1 and what is left in @text.
 */
int census_compare(const struct census *before, char *text, size_t size);

/* Check fixture: take and compare around each test, which also must have no child. */
void census_setup(void);
void census_teardown(void);

#endif
