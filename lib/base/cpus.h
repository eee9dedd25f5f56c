/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How many CPUs there are for us: by affinity, and by the quota of the control groups
 * that we are in (version 2; version 1 is not looked at).
 */
#ifndef QBI_BASE_CPUS_H
#define QBI_BASE_CPUS_H

#include <stdbool.h>
#include <sys/types.h>

/* May this thread use one CPU only? */
bool qbi_cpus_is_one(void);

/* May this thread, and the first one of process @pid, use one CPU only, and the same one? */
bool qbi_cpus_is_one_with(pid_t pid);

/*
 * Does a control group allow less than @cpus CPUs? @membership is a file such as
 * /proc/self/cgroup: the group that it names below @mount counts, and all above it.
 */
bool qbi_cpus_quota_is_below(const char *mount, const char *membership, unsigned int cpus);

#endif
