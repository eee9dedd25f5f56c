/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Handles SIGBUS on mappings of files that a peer can truncate.
 *
 * Idea: every access to such a mapping happens between qbi_fault_enter() and
 * qbi_fault_leave(), which note the mapping in a thread-local variable. If a fault occurs
 * inside this mapping, the handler replaces all of it by private zero pages, marks it, and
 * returns. The access is repeated and succeeds; qbi_fault_leave() then says that the data
 * read is invalid. A signal that is not ours is passed to the previous handler of SIGBUS,
 * as the kernel would have delivered it.
 *
 * Threads: any thread may add, remove and check guards at any time. Any number of threads
 * may be inside one mapping; a thread that removes a guard makes sure that none is.
 */
#ifndef QBI_RING_FAULT_H
#define QBI_RING_FAULT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct qbi_fault_guard {
	void *base;		       /* NULL: not added */
	size_t size;		       /* bytes, whole pages */
	_Atomic(bool) faulted;	       /* set by the handler, never cleared while added */
	struct qbi_fault_guard *outer; /* see qbi_fault_lend() */
};

#define QBI_FAULT_GUARD_INIT                                                                   \
	{                                                                                      \
		0                                                                              \
	}

/* State of one thread, for the handler and the guards. Initial-exec: the handler may run at
 * any instruction of any thread, so its access to this must not allocate. */
struct qbi_fault_thread {
	struct qbi_fault_guard *current; /* inside its mapping, or NULL */
	struct qbi_fault_guard *lent;	 /* the last one lent by this thread, or NULL */
	bool blocks;	  /* this thread has SIGBUS blocked, as of the last check */
	uint64_t checked; /* coarse clock at the last check */
};

extern __thread struct qbi_fault_thread qbi_fault_thread
	__attribute__((tls_model("initial-exec")));

/**
 * Guard [@base, @base + @size), a mapping that stays mapped until the guard is
 * removed. The first guard installs the handler.
 *
 * @return 0; -ENOSPC when the application has gone through more distinct SIGBUS
 *         actions than are kept track of; another -errno of sigaction(2)
 */
int qbi_fault_guard_add(struct qbi_fault_guard *g, void *base, size_t size);

/* Idempotent. Removing the last guard restores the previous action, unless another one has
 * been installed meanwhile. Call it before unmapping. */
void qbi_fault_guard_remove(struct qbi_fault_guard *g);

/**
 * Make sure that our handler is the installed one and learn whether this thread
 * blocks SIGBUS (the kernel kills for a fault whose signal is blocked): applications
 * may change both at any time. Each entry into the library that will touch a guarded
 * mapping calls this. Without guards it does nothing.
 *
 * @param now  ask the kernel in any case (two system calls); else at most once per
 *             thread and tick of the coarse clock
 */
void qbi_fault_guard_check(bool now);

/* Slow half of enter and leave, for threads that block SIGBUS. */
void qbi_fault_mask(bool block);

static inline bool qbi_fault_happened(const struct qbi_fault_guard *g)
{
	return atomic_load_explicit(&g->faulted, memory_order_relaxed);
}

/* From here on this thread accesses the mapping of @g. Does not nest; the thread must not
 * sleep in a system call before the leave. */
static inline void qbi_fault_enter(struct qbi_fault_guard *g)
{
	if (qbi_fault_thread.blocks)
		qbi_fault_mask(false);
	qbi_fault_thread.current = g;
	atomic_signal_fence(memory_order_seq_cst);
}

/* End of the access. False: there was a fault, and all data read is invalid. */
static inline bool qbi_fault_leave(struct qbi_fault_guard *g)
{
	atomic_signal_fence(memory_order_seq_cst);
	qbi_fault_thread.current = NULL;
	if (qbi_fault_thread.blocks)
		qbi_fault_mask(true);
	return !qbi_fault_happened(g);
}

/*
 * The application of this thread uses memory in the mapping of @g, until the return. In other
 * threads it is not guarded, nor while the application blocks SIGBUS. The last one lent is the
 * first to be returned. False: a fault has happened.
 */
static inline void qbi_fault_lend(struct qbi_fault_guard *g)
{
	g->outer = qbi_fault_thread.lent;
	atomic_signal_fence(memory_order_seq_cst);
	qbi_fault_thread.lent = g;
}

static inline bool qbi_fault_return(struct qbi_fault_guard *g)
{
	if (qbi_fault_thread.lent == g)
		qbi_fault_thread.lent = g->outer;
	return !qbi_fault_happened(g);
}

#endif
