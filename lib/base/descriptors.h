/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How many descriptors this process has, and may have. Any thread. */
#ifndef QBI_BASE_DESCRIPTORS_H
#define QBI_BASE_DESCRIPTORS_H

#include <stdint.h>

/* RLIMIT_NOFILE; UINT64_MAX if there is none. */
uint64_t qbi_descriptors_allowed(void);

/*
 * Those that are open, @fd, which the kernel gave out just now, among them. Where the
 * kernel does not count them (before Linux 6.2, or without /proc) at least that many: it
 * gives out the lowest number that is free, so all below are in use.
 */
uint64_t qbi_descriptors_in_use(int fd);

#endif
