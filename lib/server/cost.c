/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/cost.h"

#include <time.h>

#include "base/clock.h"

/* Messages measured after a suspicion. One that costs too much starts the count again. */
#define WATCHED 8

/* CPU time allowed for a message. It takes a few microseconds, more under valgrind. */
#define ALLOWED_NS 500000
/* In addition, for each byte: it is copied and may touch a new page. It takes a tenth. */
#define ALLOWED_NS_PER_BYTE 10
/* A message within its allowance reduces the excess by so much. */
#define FORGIVEN_NS 50000
/* The limit of the excess: less than one dispatch may take. */
#define EXCESS_NS (20 * QBI_NS_PER_MS)

uint64_t qbi_cost_tick(void)
{
	struct timespec now = { 0, 0 };

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * QBI_NS_PER_S + (uint64_t)now.tv_nsec;
}

void qbi_cost_suspect(struct qbi_cost *c)
{
	if (!c->exempt)
		atomic_store_explicit(&c->watched, WATCHED, memory_order_relaxed);
}

struct qbi_cost_mark qbi_cost_begin(const struct qbi_cost *c)
{
	if (qbi_cost_is_watched(c))
		return (struct qbi_cost_mark){ .cpu = qbi_cpu_ns() };
	return (struct qbi_cost_mark){ .tick = qbi_cost_tick() };
}

bool qbi_cost_end(struct qbi_cost *c, const struct qbi_cost_mark *m, size_t bytes)
{
	uint64_t used, allowed = ALLOWED_NS + (uint64_t)bytes * ALLOWED_NS_PER_BYTE;

	if (!m->cpu) {
		if (m->tick && m->tick != qbi_cost_tick())
			qbi_cost_suspect(c);
		return false;
	}
	used = qbi_cpu_ns() - m->cpu;
	if (used > allowed) {
		c->excess += used - allowed;
		qbi_cost_suspect(c);
		return c->excess >= EXCESS_NS;
	}
	c->excess -= c->excess < FORGIVEN_NS ? c->excess : FORGIVEN_NS;
	atomic_fetch_sub_explicit(&c->watched, 1, memory_order_relaxed);
	return false;
}
