/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How much memory the control groups that we are in may have, of either version: beyond that
 * the kernel ends processes, however much the machine has.
 */
#ifndef QBI_BASE_GROUP_MEMORY_H
#define QBI_BASE_GROUP_MEMORY_H

#include <stdint.h>

/*
 * Bytes: the least that the groups in @membership, a file such as /proc/self/cgroup, and all
 * groups above them allow. They lie below @mount: those of version 2 right there, those of
 * version 1 in its folder "memory". UINT64_MAX: no limit.
 */
uint64_t qbi_group_memory(const char *mount, const char *membership);

#endif
