/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System calls that are newer than the headers may be: the library builds with the headers
 * of Linux 4.18. An older kernel returns ENOSYS, and each caller has a fallback.
 */
#ifndef QBI_BASE_SYSCALLS_H
#define QBI_BASE_SYSCALLS_H

#include <stdint.h>
#include <sys/syscall.h>

/* From 424 on, a call has the same number on all architectures except these two. */
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

/* The first version of the struct in <linux/openat2.h>; later fields are not used. */
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
