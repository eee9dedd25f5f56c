/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CPU time that the kernel spends in our thread because of a client. A client can watch its
 * end of a socket with thousands of epoll instances; then the kernel goes through all of them
 * for each byte that we send or receive on that socket.
 *
 * Idea: reading the clock of a thread's CPU time costs more than a message. So it is read for
 * some messages only: after a tick of the coarse clock has passed in the middle of one, which
 * is rare where messages cost microseconds. What messages cost beyond their allowance is
 * added up, and cheap messages reduce the sum a little. So noise (interrupts, a host that
 * steals time) does not add up to much.
 *
 * Threads: each struct has one user at a time, but any thread may call qbi_cost_suspect().
 */
#ifndef QBI_SERVER_COST_H
#define QBI_SERVER_COST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero: a client without a history. */
struct qbi_cost {
	_Atomic(uint32_t) watched; /* messages that are still to be measured */
	uint64_t excess;	   /* ns; what messages cost beyond their allowance */
	bool exempt;		   /* never measured; set before the first message */
};

/* When a message began. */
struct qbi_cost_mark {
	uint64_t tick;
	uint64_t cpu; /* 0: not measured */
};

/*
 * The coarse clock, to be compared for equality only: it changes every few milliseconds.
 */
uint64_t qbi_cost_tick(void);

/* A tick has passed during work for this client: measure its next messages. */
void qbi_cost_suspect(struct qbi_cost *c);

/* Before and after a message of @bytes. True: messages cost too much, too often. */
struct qbi_cost_mark qbi_cost_begin(const struct qbi_cost *c);
bool qbi_cost_end(struct qbi_cost *c, const struct qbi_cost_mark *m, size_t bytes);

/* For callers that measure only when this is true, and compare ticks themselves. */
static inline bool qbi_cost_is_watched(const struct qbi_cost *c)
{
	return atomic_load_explicit(&c->watched, memory_order_relaxed) > 0;
}

#endif
