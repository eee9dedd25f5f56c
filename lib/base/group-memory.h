/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory limit of the control groups of this process, of version 1 or 2. Beyond it the
 * kernel kills processes, however much memory the machine has.
 */
#ifndef QBI_BASE_GROUP_MEMORY_H
#define QBI_BASE_GROUP_MEMORY_H

#include <stdint.h>

/*
 * The lowest limit, in bytes, of the groups in @membership, a file such as /proc/self/cgroup,
 * and of all groups above them. Groups of version 2 are directories in @mount, those of
 * version 1 in @mount/memory. UINT64_MAX: no limit.
 */
uint64_t qbi_group_memory(const char *mount, const char *membership);

#endif
