/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file memory.h
 * Messages that stay in memory, for services and clients that have to answer while the
 * machine swaps.
 */
#ifndef QBIPC_MEMORY_H_DEFINED
#define QBIPC_MEMORY_H_DEFINED

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** What happens with memory that messages pass through. */
enum qbipc_memory_lock {
	/** It is not locked (the default), unless by mlockall(2). */
	QBIPC_MEMORY_LOCK_OFF = 0,
	/** It is locked. What cannot be locked is used all the same, and is logged. */
	QBIPC_MEMORY_LOCK_TRY = 1,
	/**
	 * It is locked. A connection whose memory cannot be locked does not come to be: the
	 * client's errno is what mlock(2) said to the end that could not, ENOMEM beyond
	 * RLIMIT_MEMLOCK, EPERM when that is 0.
	 */
	QBIPC_MEMORY_LOCK_MUST = 2,
};

/**
 * Lock the memory that messages pass through, so that it is never swapped out.
 *
 * What is locked in this process: the rings of each connection, of both wires, and the
 * buffer in which a service processes a request. A page is locked when it is first used,
 * so that a connection takes no more memory than otherwise; this is also true when
 * the process uses mlockall(2) with MCL_FUTURE, with or without this function. But all of
 * a connection's memory counts for RLIMIT_MEMLOCK (LimitMEMLOCK= in a unit of systemd):
 * with native rings, in bytes, three times the message size and 64 KiB, and 4 KiB; on
 * libqb's wire three times the message size and 16 KiB. Processes with CAP_IPC_LOCK have no
 * limit. When a connection ends its memory is given back, locked or not.
 *
 * The rest of the process, its code to begin with, is locked with mlockall(2). What sockets
 * hold is the kernel's and is never swapped. A child of fork(2) inherits no locks.
 *
 * @param mode  what is done
 * @return      0; -EINVAL for any other value
 * @note        Holds for connections made and services run afterwards.
 * @note        Threads: any.
 */
int qbipc_memory_lock_set(enum qbipc_memory_lock mode);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
