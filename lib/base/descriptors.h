/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How many descriptors this process has, and how many it may have. Threads: any. */
#ifndef QBI_BASE_DESCRIPTORS_H
#define QBI_BASE_DESCRIPTORS_H

#include <stdbool.h>
#include <stdint.h>

/* RLIMIT_NOFILE; UINT64_MAX if there is no limit. */
uint64_t qbi_descriptors_allowed(void);

/*
 * The number of open descriptors. @fd is one that the kernel has just given out. Where the
 * kernel does not count them (before Linux 6.2, or without /proc), this is a lower bound:
 * the kernel gives out the lowest free number, so all numbers below @fd are in use.
 */
uint64_t qbi_descriptors_in_use(int fd);

/* Can another descriptor be opened now? @fd is any open one. Keeps errno. */
bool qbi_descriptor_is_free(int fd);

#endif
