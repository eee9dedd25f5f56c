/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file memory.h
 * Messages that stay in memory, for services and clients that have to answer while the
 * machine swaps.
 */
#ifndef QBIPC_MEMORY_H_DEFINED
#define QBIPC_MEMORY_H_DEFINED

#include <qb/qbipcs.h>

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
	/**
	 * As qbipc_memory_lock_set() says for the process when a client connects; for
	 * qbipc_service_memory_lock_set() only.
	 */
	QBIPC_MEMORY_LOCK_PROCESS = 3,
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
 * Bodies beyond the agreed size (<qbipc/bodies.h>) are not locked.
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

/**
 * The same for one service, whatever the process does: lock its end of the rings of its
 * clients, and the buffer in which it processes a request. The other end is locked if the
 * client says so.
 *
 * With #QBIPC_MEMORY_LOCK_MUST a client whose memory cannot be locked is refused after
 * connection_accept, and gets the errno of mlock(2): ENOMEM beyond RLIMIT_MEMLOCK, EPERM when
 * that is 0. It is counted (unlocked of struct qbipc_service_refusals) and logged with the
 * limit; nothing of it stays behind, and the other clients are served.
 *
 * @param s     service
 * @param mode  what is done; #QBIPC_MEMORY_LOCK_PROCESS (the default) follows
 *              qbipc_memory_lock_set()
 * @return      0; -EINVAL for a NULL service or any other value
 * @note        Holds for connections made afterwards; connections that are up stay as they
 *              are.
 * @note        Threads: the dispatching thread; before qb_ipcs_run(), any one thread.
 */
int qbipc_service_memory_lock_set(qb_ipcs_service_t *s, enum qbipc_memory_lock mode);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
