/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ring/ring-resume.h"

#include "ring/ring-steps.h"

/* Have the positions only grown, and are both possible in this ring? */
static bool positions_are_sound(const struct qbi_ring *r, uint64_t known, uint64_t own,
				uint64_t tail, uint64_t head)
{
	return own >= known && own % QBI_RECORD_ALIGN == 0 && tail - head <= r->capacity;
}

int qbi_ring_resume_producer(struct qbi_ring *r, bool *ret_ring)
{
	/* order R3 (resume): the producer's own; fork(2) or later, no message is for us. */
	uint64_t word = qbi_shared_load64(&r->words->tail, memory_order_relaxed);
	/* order R2 (reuse): pairs with R2 (release) in qbi_ring_take(). */
	uint64_t head = qbi_shared_load64(&r->words->head, memory_order_acquire);
	uint64_t tail = word & ~(uint64_t)QBI_RING_RUNG;

	if (!positions_are_sound(r, r->tail, tail, tail, head))
		return -EBADMSG;
	r->reserved = false;
	*ret_ring = tail != r->tail && (word & QBI_RING_RUNG);
	r->tail = tail;
	r->tail_offset = tail % r->capacity;
	r->head_seen = head;
	/* order R3 (statistics) */
	r->put = qbi_shared_load(&r->words->put, memory_order_relaxed);
	return 0;
}

int qbi_ring_resume_consumer(struct qbi_ring *r)
{
	/* order R3 (resume): the consumer's own; alone. */
	uint64_t head = qbi_shared_load64(&r->words->head, memory_order_relaxed);
	/* order R3 (resume): likewise. */
	uint64_t passed = qbi_shared_load64(&r->words->passed, memory_order_relaxed);
	uint64_t tail = qbi_ring_tail_load(r) & ~(uint64_t)QBI_RING_RUNG;
	uint64_t own = passed > head ? passed : head;

	if (!positions_are_sound(r, r->head, own, tail, own) || tail - head > r->capacity)
		return -EBADMSG;
	r->head = own;
	r->head_offset = own % r->capacity;
	r->tail_seen = own;
	r->published = head;
	/* order R3 (statistics) */
	r->taken = qbi_shared_load(&r->words->taken, memory_order_relaxed);
	r->owed = 0;
	return 0;
}
