/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/timing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"

/* From one look at the lateness of the loop to the next. */
#define PROBE_INTERVAL (100 * QBI_NS_PER_MS)

bool qbi_timing_is_wanted(void)
{
	const char *text = secure_getenv("QBIPC_TIMING");

	return text && strcmp(text, "1") == 0;
}

void qbi_timing_add(struct qbi_snapshot_times *to, uint64_t ns)
{
	unsigned int i = 0;

	while (ns > qbi_snapshot_bound(i))
		i++;
	to->count[i]++;
	to->sum_ns += ns;
}

static int probe_set(struct qbi_timing *t, uint64_t now)
{
	int r = qbi_deadlines_set(t->timer, &t->probe, now + PROBE_INTERVAL);

	/* Where there are no timers, it would be called when other deadlines are set. */
	if (r == QBI_GONE)
		(void)qbi_deadlines_set(t->timer, &t->probe, QBI_FOREVER);
	return r < 0 ? r : 0;
}

static void probe_due(struct qbi_deadline *d)
{
	struct qbi_timing *t = qbi_container_of(d, struct qbi_timing, probe);
	uint64_t now = qbi_now_ns();

	qbi_timing_add(&t->lateness, now - d->due);
	(void)probe_set(t, now);
}

struct qbi_timing *qbi_timing_new(struct qbi_deadlines *timer)
{
	struct qbi_timing *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->timer = timer;
	qbi_deadline_init(&t->probe, probe_due);
	return t;
}

void qbi_timing_free(struct qbi_timing *t)
{
	if (!t)
		return;
	if (qbi_deadline_waits(&t->probe))
		(void)qbi_deadlines_set(t->timer, &t->probe, QBI_FOREVER);
	free(t);
}

int qbi_timing_begin(struct qbi_timing *t)
{
	return probe_set(t, qbi_now_ns());
}
