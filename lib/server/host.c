/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/host.h"

#include <errno.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/util.h"

void qbi_host_init(struct qbi_host *h, void (*free)(struct qbi_host *h))
{
	*h = (struct qbi_host){ .refs = 1, .free = free };
	qbi_limits_init(&h->limits);
	qbi_deadlines_init(&h->deadlines);
	qbi_deadline_init(&h->overdue, NULL);
	qbi_retry_init(&h->retry);
	qbi_unread_init(&h->unread, &h->deadlines);
	qbi_bells_init(&h->bells);
	qbi_roster_init(&h->connections);
	qbi_monitors_init(&h->monitors, &h->set, &h->deadlines);
}

void qbi_host_deinit(struct qbi_host *h)
{
	qbi_retry_deinit(&h->retry);
	qbi_selector_free(h->selector);
	qbi_app_loop_deinit(&h->set.loop);
	qbi_memory_free(h->scratch);
	qbi_timing_free(h->timing);
	qbi_monitors_deinit(&h->monitors);
	free(h->welcome);
	free(h->set.name);
}

struct qbi_host *qbi_host_ref(struct qbi_host *h)
{
	atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
	return h;
}

void qbi_host_unref(struct qbi_host *h)
{
	/* Release: our writes come before the freeing. Acquire: by the thread that frees. */
	if (atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) == 1)
		h->free(h);
}

void *qbi_host_scratch_take(struct qbi_host *h, size_t size)
{
	if (h->scratch && qbi_memory_size(h->scratch) >= size)
		return QBI_TAKE(h->scratch);
	return qbi_memory_new(size, &h->locking);
}

bool qbi_host_scratch_reserve(struct qbi_host *h, size_t size)
{
	size_t has = qbi_memory_size(h->scratch);
	void *scratch;

	if (h->scratch && has >= size && qbi_memory_suits(h->scratch, &h->locking))
		return true;
	scratch = qbi_memory_new(size > has ? size : has, &h->locking);
	if (!scratch)
		return false;
	qbi_memory_free(h->scratch);
	h->scratch = scratch;
	return true;
}

void qbi_host_scratch_give(struct qbi_host *h, void *scratch)
{
	if (qbi_memory_size(h->scratch) < qbi_memory_size(scratch)) {
		void *smaller = h->scratch;

		h->scratch = scratch;
		scratch = smaller;
	}
	qbi_memory_free(scratch);
}

int qbi_host_handshakes_changed(struct qbi_host *h)
{
	return qbi_deadlines_set(&h->deadlines, &h->overdue, qbi_limits_overdue_at(&h->limits));
}

int qbi_host_timing_set(struct qbi_host *h, bool on)
{
	struct qbi_timing *t;
	int r = 0;

	if (!on) {
		qbi_timing_free(QBI_TAKE(h->timing));
		return 0;
	}
	if (h->timing)
		return 0;
	t = qbi_timing_new(&h->deadlines);
	if (!t)
		return -ENOMEM;
	/* Otherwise it begins when the service runs. */
	if (qbi_deadlines_are_open(&h->deadlines))
		r = qbi_timing_begin(t);
	if (r < 0)
		qbi_timing_free(t);
	else
		h->timing = t;
	return r;
}
