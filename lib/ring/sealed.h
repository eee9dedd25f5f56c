/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory that one process makes and another one can rely on: a memfd that can neither shrink
 * nor grow, so that no access to a mapping of it can fault.
 *
 * Each function says which system call failed, for the reason that is told to people.
 * Threads: any.
 */
#ifndef QBI_RING_SEALED_H
#define QBI_RING_SEALED_H

#include <stddef.h>
#include <stdint.h>

enum qbi_sealed_call {
	QBI_SEALED_MEMFD_CREATE,
	QBI_SEALED_FTRUNCATE,
	QBI_SEALED_FCNTL, /* the seals */
	QBI_SEALED_OPEN,  /* of /proc/self/fd */
	QBI_SEALED_FCHMOD,
	QBI_SEALED_FSTAT,
	QBI_SEALED_FSTATFS,
};

/* Make one of @size bytes. Its descriptor, or -errno of *@ret_call. */
int qbi_sealed_create(size_t size, enum qbi_sealed_call *ret_call);

/*
 * Open the same memory for reading only, and give it a mode with which no other user can open
 * it for writing (through /proc/self/fd). The descriptor, or -errno of *@ret_call.
 */
int qbi_sealed_reopen(int fd, enum qbi_sealed_call *ret_call);

/*
 * Is @fd such memory, of another process? 0, with its size in *@ret_size; -EBADMSG it is not;
 * another -errno of *@ret_call: it cannot be told.
 */
int qbi_sealed_check(int fd, uint64_t *ret_size, enum qbi_sealed_call *ret_call);

#endif
