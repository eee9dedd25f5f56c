/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Work for a user that has left, where that user's processes can hold it up: to take back
 * memory and files that they share.
 *
 * Idea: such work is done by a thread, one per user, in which nobody else waits. It exists
 * while there is work, and what is not done counts as pending for its user. So whoever holds
 * it up uses up a quota, and it is the user's own.
 *
 * Threads: any. The thread blocks all signals and runs with the ordinary scheduling policy,
 * even if the process has real-time priority. It accesses nothing but the work.
 * fork(2): a child has no part in it: nothing is pending there, and the work is the parent's.
 * exit(3): waits for the work, but for EXIT_WAIT_MS at most, so that an application that
 * stops in good order leaves no files behind. A thread that waits in the kernel for a lock
 * that a client holds stays for as long as the client does, and with it the process.
 */
#ifndef QBI_BASE_RECLAIM_H
#define QBI_BASE_RECLAIM_H

#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/list.h"

struct qbi_reclaim;

/*
 * Do the work, or a part of it. 0: it is done. QBI_AGAIN: the user holds it up; it is called
 * again after a while.
 */
typedef int (*qbi_reclaim_fn)(struct qbi_reclaim *r);

/* At the beginning of memory from malloc, which is freed when the work is done. */
struct qbi_reclaim {
	struct qbi_list link;
	qbi_reclaim_fn run;
	uint64_t memory; /* bytes that are pending with it */
	uint64_t since;	 /* when it was added, as qbi_now_ns() */
	uint64_t due;	 /* when to call it; 0: at once */
	uint64_t pause;	 /* after the next QBI_AGAIN */
};

/* What is pending for one user. */
struct qbi_reclaim_pending {
	uint32_t in_all; /* pieces of work */
	uint32_t n;	 /* those that count, and their bytes */
	uint64_t memory;
};

/*
 * For so long a piece of work does not count: a user at its limit that leaves and comes back
 * at once finds room, also while the thread waits for a CPU.
 */
#define QBI_RECLAIM_GRACE_NS (100 * QBI_NS_PER_MS)

/* Most users at once. */
#define QBI_RECLAIM_USERS 64

/*
 * Have @run called in the thread of @uid. 0: *@r is not the caller's any more. -errno: there
 * is no thread, and nothing has happened.
 */
int qbi_reclaim_add(struct qbi_reclaim *r, qbi_reclaim_fn run, uint64_t memory, uid_t uid);

struct qbi_reclaim_pending qbi_reclaim_pending(uid_t uid);

#endif
