/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel does for a client in our time. Whoever hangs thousands of epolls on its
 * end of a socket has each byte that we send or receive there walk through all of them.
 *
 * Idea: clocks of a thread's CPU time cost more than a message. So they are read for some
 * messages only, after a tick of the coarse clock has passed in the middle of one, which
 * is rare where messages cost microseconds. What a message costs beyond its share is added
 * up, and cheap ones take a little off. Noise (interrupts, a host that steals time) does not
 * get far by that.
 *
 * Threads: each struct has one user at a time, but qbi_cost_suspect(), which any may call.
 */
#ifndef QBI_SERVER_COST_H
#define QBI_SERVER_COST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeros are a client without a history. */
struct qbi_cost {
	_Atomic(uint32_t) watched; /* messages that are still to be measured */
	uint64_t excess;	   /* ns beyond what they may cost */
	bool exempt;		   /* never measured; set before the first message */
};

/* When a message began. */
struct qbi_cost_mark {
	uint64_t tick;
	uint64_t cpu; /* 0: not measured */
};

/* Of the coarse clock, in no unit: two that differ are some milliseconds apart at most. */
uint64_t qbi_cost_tick(void);

/* A tick has passed in the middle of something: measure the next messages. */
void qbi_cost_suspect(struct qbi_cost *c);

/* Around a message of @bytes. True: too much, too often. */
struct qbi_cost_mark qbi_cost_begin(const struct qbi_cost *c);
bool qbi_cost_end(struct qbi_cost *c, const struct qbi_cost_mark *m, size_t bytes);

/* The same for what is seldom measured and watches ticks in another way. */
static inline bool qbi_cost_is_watched(const struct qbi_cost *c)
{
	return atomic_load_explicit(&c->watched, memory_order_relaxed) > 0;
}

#endif
