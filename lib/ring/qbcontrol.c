/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Order. No word here publishes other data, so all accesses are relaxed:
 *
 *	C1 sent       either side (count)  ->  either side (queued): statistics
 *	C2 flow       server (set)         ->  client (get)
 */
#include "ring/qbcontrol.h"

#include <stdatomic.h>

#include "ring/fault.h"
#include "ring/shared.h"

/* The layout of the file; each end changes the counts. */
struct control_words {
	struct {
		qbi_shared_u32 sent; /* up by the sender, down by the receiver */
		qbi_shared_u32 flow; /* of the requests: written by the server */
	} channel[3];
};

_Static_assert(sizeof(struct control_words) == QBI_QBCONTROL_SIZE, "size of the file");

int qbi_qbcontrol_open(struct qbi_qbcontrol *c, int fd)
{
	const struct qbi_mapping_file file = { .fd = fd, .size = QBI_QBCONTROL_SIZE };

	return qbi_mapping_open(&c->map, &file, 1);
}

int qbi_qbcontrol_probe(struct qbi_qbcontrol *c)
{
	return qbi_mapping_probe(&c->map);
}

void qbi_qbcontrol_close(struct qbi_qbcontrol *c)
{
	qbi_mapping_close(&c->map);
}

static struct control_words *control_words(struct qbi_qbcontrol *c)
{
	return c->map.part[0];
}

void qbi_qbcontrol_count(struct qbi_qbcontrol *c, enum qbi_qbcontrol_channel channel,
			 int32_t delta)
{
	qbi_fault_enter(&c->map.guard);
	/* order C1 (count): pairs with C1 (queued) in qbi_qbcontrol_queued(). */
	qbi_shared_add(&control_words(c)->channel[channel].sent, (uint32_t)delta,
		       memory_order_relaxed);
	(void)qbi_fault_leave(&c->map.guard);
}

uint32_t qbi_qbcontrol_queued(struct qbi_qbcontrol *c, enum qbi_qbcontrol_channel channel)
{
	uint32_t sent;

	qbi_fault_enter(&c->map.guard);
	/* order C1 (queued): pairs with C1 (count) in qbi_qbcontrol_count(). */
	sent = qbi_shared_load(&control_words(c)->channel[channel].sent, memory_order_relaxed);
	if (!qbi_fault_leave(&c->map.guard))
		return 0;
	return sent > INT32_MAX ? 0 : sent;
}

uint32_t qbi_qbcontrol_flow_get(struct qbi_qbcontrol *c)
{
	uint32_t value;

	qbi_fault_enter(&c->map.guard);
	/* order C2 (get): pairs with C2 (set) in qbi_qbcontrol_flow_set(). */
	value = qbi_shared_load(&control_words(c)->channel[QBI_QBCONTROL_REQUEST].flow,
				memory_order_relaxed);
	return qbi_fault_leave(&c->map.guard) ? value : 0;
}

void qbi_qbcontrol_flow_set(struct qbi_qbcontrol *c, uint32_t value)
{
	qbi_fault_enter(&c->map.guard);
	/* order C2 (set): pairs with C2 (get) in qbi_qbcontrol_flow_get(). */
	qbi_shared_store(&control_words(c)->channel[QBI_QBCONTROL_REQUEST].flow, value,
			 memory_order_relaxed);
	(void)qbi_fault_leave(&c->map.guard);
}
