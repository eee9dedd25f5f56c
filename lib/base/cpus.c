/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

bool qbi_cpus_is_one(void)
{
	cpu_set_t set;

	/* There are more CPUs than fit in the set, so more than one. */
	return sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) < 2;
}

bool qbi_cpus_is_one_with(pid_t pid)
{
	cpu_set_t ours, theirs;

	return sched_getaffinity(0, sizeof(ours), &ours) == 0 && CPU_COUNT(&ours) == 1 &&
	       pid > 0 && sched_getaffinity(pid, sizeof(theirs), &theirs) == 0 &&
	       CPU_EQUAL(&ours, &theirs);
}

#define QUOTA_FILE "/cpu.max"

/*
 * Of one control group: "max 100000" or "50000 100000", microseconds per period. @dir has
 * room for the name of the file behind it, and is left as it was.
 */
static bool group_is_below(char *dir, unsigned int cpus)
{
	unsigned long quota, period;
	size_t end = strlen(dir);
	char text[64];
	int r;

	strcpy(dir + end, QUOTA_FILE);
	r = qbi_file_text(dir, text, sizeof(text));
	dir[end] = '\0';
	return r == 0 && sscanf(text, "%lu %lu", &quota, &period) == 2 && quota < cpus * period;
}

bool qbi_cpus_quota_is_below(const char *mount, const char *membership, unsigned int cpus)
{
	char dir[PATH_MAX]; /* the only large one: this may be the small stack of a thread */
	size_t root = strlen(mount);
	char *text = dir + root;
	char *line;

	if (root + sizeof(QUOTA_FILE) >= sizeof(dir) ||
	    qbi_file_text(membership, text, sizeof(dir) - root - sizeof(QUOTA_FILE)) < 0)
		return false;
	/* The line of cgroup version 2 has the number 0 and no controllers. */
	line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	line = line ? strstr(line, "0::") + 3 : text + strlen(text);
	line[strcspn(line, "\n")] = '\0';
	memmove(text, line, strlen(line) + 1);
	memcpy(dir, mount, root);
	for (;;) {
		if (group_is_below(dir, cpus))
			return true;
		if (strlen(dir) <= root)
			return false;
		*strrchr(dir, '/') = '\0';
	}
}
