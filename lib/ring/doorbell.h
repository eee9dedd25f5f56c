/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waking a consumer that sleeps, without a system call while it is awake.
 *
 * Idea: the consumer sleeps on a descriptor and says so in a shared word, 0 armed, else
 * not. The producer, after publishing, sends one byte if it finds the word 0 and is the
 * one that changes it. So there is at most one byte per arming, and each arming that
 * finds the word changed tells that a byte was sent, or is about to be. The consumer
 * counts those as owed and never receives more: a byte that is left in the descriptor
 * keeps it readable, one that is received too early loses a wake-up.
 *
 *   producer                                consumer, nothing left to take
 *     publish tail                            if exchange(word, 0) != 0: owed++
 *     if word == 0 and                        if there is something after all: take it
 *        exchange(word, 1) == 0:              receive at most `owed` bytes, count them off
 *         send one byte                       sleep until the descriptor is readable
 *
 * order B1: publish and the producer's look at the word, and arming and the consumer's
 * look at tail, are all sequentially consistent. So either the consumer sees the message
 * or the producer sees the armed word. Weaker orders, and receiving before looking
 * again, lose wake-ups: tests/model/ has the proof and the counterexamples.
 *
 * Trust: the peer may write the word and send bytes as it likes. Then it is woken in
 * vain or not at all, and so are we, which costs a bounded look per byte.
 */
#ifndef QBI_RING_DOORBELL_H
#define QBI_RING_DOORBELL_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/shared.h"

/* The consumer's private side. */
struct qbi_doorbell {
	int64_t owed;	/* bytes sent for us, not received; -1: one received in advance */
};

/* Producer, after publishing: send one byte? */
static inline bool qbi_doorbell_should_ring(qbi_shared_u32 *word)
{
	/* order B1 (publish): behind the exchange of tail; pairs with B1 (arm). */
	return qbi_shared_load(word, memory_order_seq_cst) == 0 &&
	       qbi_shared_exchange(word, 1, memory_order_seq_cst) == 0;
}

/* Consumer: say that we are about to sleep. Look at the ring again afterwards. */
static inline void qbi_doorbell_arm(struct qbi_doorbell *b, qbi_shared_u32 *word)
{
	/* order B1 (arm): before the look at tail; pairs with B1 (publish). */
	if (qbi_shared_exchange(word, 0, memory_order_seq_cst) != 0)
		b->owed++;
}

/* Consumer: has the producer rung since we armed? */
static inline bool qbi_doorbell_has_rung(qbi_shared_u32 *word)
{
	/* order B1 (look): as the look at tail. */
	return qbi_shared_load(word, memory_order_seq_cst) != 0;
}

#endif
