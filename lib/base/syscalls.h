/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System calls that the headers may be too old for: those of Linux 4.18 are enough. A
 * kernel that has not got them says ENOSYS, and whoever calls them knows another way.
 */
#ifndef QBI_BASE_SYSCALLS_H
#define QBI_BASE_SYSCALLS_H

#include <stdint.h>
#include <sys/syscall.h>

/* From 424 on a call has one number on all architectures, but for these. */
#if defined(__alpha__) || defined(__mips__)
#define QBI_SYSCALL_NEW(n) (-1)
#else
#define QBI_SYSCALL_NEW(n) (n)
#endif

#ifndef SYS_pidfd_open /* Linux 5.3 */
#define SYS_pidfd_open QBI_SYSCALL_NEW(434)
#endif

#ifndef SYS_openat2 /* Linux 5.6 */
#define SYS_openat2 QBI_SYSCALL_NEW(437)
#endif

/* <linux/openat2.h>, of which the first version is all that is used. */
struct qbi_open_how {
	uint64_t flags;
	uint64_t mode;
	uint64_t resolve;
};

enum {
	QBI_RESOLVE_NO_XDEV = 0x01, /* no mount in between */
	QBI_RESOLVE_NO_SYMLINKS = 0x04,
	QBI_RESOLVE_BENEATH = 0x08,
};

#endif
