/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "loop/timers.h"

#include <errno.h>
#include <limits.h>

#include "base/clock.h"
#include "base/util.h"

#define TIMERS_FIRST_SIZE 16
#define TIMER_EXPIRED SIZE_MAX /* as a position */

struct qbi_timer {
	struct qbi_item item;
	uint64_t serial;
	uint64_t expiry;	 /* ns; UINT64_MAX is never */
	size_t position;	 /* in the heap, or TIMER_EXPIRED */
	struct qbi_timer *chain; /* next in the bucket */
	qb_loop_timer_dispatch_fn fn;
};

static atomic_uint_fast64_t latest_serial;

static struct qbi_timer *timer_of(struct qbi_item *item)
{
	return qbi_container_of(item, struct qbi_timer, item);
}

/* -- The heap: by expiry, then in the order of creation -------------------------- */

static bool timer_is_before(const struct qbi_timer *a, const struct qbi_timer *b)
{
	return a->expiry != b->expiry ? a->expiry < b->expiry : a->serial < b->serial;
}

static void heap_put(struct qbi_timers *t, size_t position, struct qbi_timer *timer)
{
	t->heap[position] = timer;
	timer->position = position;
}

/* Find the place for @timer at or above the free place @at. */
static void heap_rise(struct qbi_timers *t, size_t at, struct qbi_timer *timer)
{
	while (at > 0) {
		size_t parent = (at - 1) / 2;

		if (!timer_is_before(timer, t->heap[parent]))
			break;
		heap_put(t, at, t->heap[parent]);
		at = parent;
	}
	heap_put(t, at, timer);
}

/* Find the place for @timer at or below the free place @at. */
static void heap_sink(struct qbi_timers *t, size_t at, struct qbi_timer *timer)
{
	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < t->count && timer_is_before(t->heap[child + 1], t->heap[child]))
			child++;
		if (child >= t->count || !timer_is_before(t->heap[child], timer))
			break;
		heap_put(t, at, t->heap[child]);
		at = child;
	}
	heap_put(t, at, timer);
}

static void heap_remove(struct qbi_timers *t, struct qbi_timer *timer)
{
	size_t at = timer->position;
	struct qbi_timer *last = t->heap[--t->count];

	timer->position = TIMER_EXPIRED;
	if (last == timer)
		return;
	if (at > 0 && timer_is_before(last, t->heap[(at - 1) / 2]))
		heap_rise(t, at, last);
	else
		heap_sink(t, at, last);
}

static int heap_reserve(struct qbi_timers *t)
{
	size_t size = t->heap_size ? 2 * t->heap_size : TIMERS_FIRST_SIZE;
	struct qbi_timer **heap;

	if (t->count < t->heap_size)
		return 0;
	heap = realloc(t->heap, size * sizeof(*heap));
	if (!heap)
		return -ENOMEM;
	t->heap = heap;
	t->heap_size = size;
	return 0;
}

/* -- The table: by serial -------------------------------------------------------- */

static struct qbi_timer **table_bucket(const struct qbi_timers *t, uint64_t serial)
{
	return &t->buckets[serial & (t->n_buckets - 1)];
}

static void table_insert(struct qbi_timers *t, struct qbi_timer *timer)
{
	struct qbi_timer **bucket = table_bucket(t, timer->serial);

	timer->chain = *bucket;
	*bucket = timer;
	t->n_known++;
}

static void table_remove(struct qbi_timers *t, struct qbi_timer *timer)
{
	struct qbi_timer **link = table_bucket(t, timer->serial);

	while (*link != timer)
		link = &(*link)->chain;
	*link = timer->chain;
	t->n_known--;
}

static struct qbi_timer *table_find(const struct qbi_timers *t, uint64_t serial)
{
	struct qbi_timer *timer;

	if (t->n_buckets == 0)
		return NULL;
	timer = *table_bucket(t, serial);
	while (timer && timer->serial != serial)
		timer = timer->chain;
	return timer;
}

/* Room for one more at a load of at most one per bucket. */
static int table_reserve(struct qbi_timers *t)
{
	struct qbi_timers grown = *t;
	struct qbi_timer *timer, *next;

	if (t->n_known < t->n_buckets)
		return 0;
	grown.n_buckets = t->n_buckets ? 2 * t->n_buckets : TIMERS_FIRST_SIZE;
	grown.n_known = 0;
	grown.buckets = calloc(grown.n_buckets, sizeof(*grown.buckets));
	if (!grown.buckets)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_buckets; i++) {
		for (timer = t->buckets[i]; timer; timer = next) {
			next = timer->chain;
			table_insert(&grown, timer);
		}
	}
	free(t->buckets);
	/* Not the whole struct: the kind is read without the lock. */
	t->buckets = grown.buckets;
	t->n_buckets = grown.n_buckets;
	return 0;
}

/* -- Timers ---------------------------------------------------------------------- */

static void timer_dispatch(struct qbi_kind *kind, struct qbi_item *item)
{
	struct qbi_timers *t = qbi_container_of(kind, struct qbi_timers, kind);
	struct qbi_timer *timer = timer_of(item);
	qb_loop_timer_dispatch_fn fn = timer->fn;
	void *data = item->data;

	table_remove(t, timer);
	free(timer);
	qbi_mutex_unlock(&kind->core->lock);
	fn(data);
	qbi_mutex_lock(&kind->core->lock);
}

static struct qbi_timer *timer_new(struct qbi_timers *t, enum qb_loop_priority level,
				   uint64_t ns, void *data, qb_loop_timer_dispatch_fn fn)
{
	struct qbi_timer *timer = calloc(1, sizeof(*timer));
	uint64_t now;

	if (!timer)
		return NULL;
	now = qbi_now_ns();
	timer->item.kind = &t->kind;
	timer->item.level = level;
	timer->item.data = data;
	timer->serial = atomic_fetch_add(&latest_serial, 1) + 1;
	timer->expiry = ns < UINT64_MAX - now ? now + ns : UINT64_MAX;
	timer->position = TIMER_EXPIRED;
	timer->fn = fn;
	return timer;
}

int qbi_timer_add(struct qbi_timers *t, enum qb_loop_priority level, uint64_t ns, void *data,
		  qb_loop_timer_dispatch_fn fn, qb_loop_timer_handle *ret_handle)
{
	struct qbi_timer *timer = timer_new(t, level, ns, data, fn);
	uint64_t serial;
	bool earliest;

	if (!timer)
		return -ENOMEM;
	serial = timer->serial;
	qbi_mutex_lock(&t->kind.core->lock);
	if (heap_reserve(t) < 0 || table_reserve(t) < 0) {
		qbi_mutex_unlock(&t->kind.core->lock);
		free(timer);
		return -ENOMEM;
	}
	table_insert(t, timer);
	heap_rise(t, t->count++, timer);
	earliest = timer->position == 0;
	/* Before the lock is released: the timer may expire in another thread at once. */
	if (ret_handle)
		*ret_handle = serial;
	qbi_mutex_unlock(&t->kind.core->lock);
	if (earliest)
		qbi_loop_wake(t->kind.core);
	return 0;
}

int qbi_timer_del(struct qbi_timers *t, qb_loop_timer_handle handle)
{
	struct qbi_timer *timer;

	qbi_mutex_lock(&t->kind.core->lock);
	timer = table_find(t, handle);
	if (timer) {
		table_remove(t, timer);
		if (timer->position != TIMER_EXPIRED)
			heap_remove(t, timer);
		qbi_loop_drop_ready(t->kind.core, &timer->item);
	}
	qbi_mutex_unlock(&t->kind.core->lock);
	if (!timer)
		return -EINVAL;
	free(timer);
	return 0;
}

uint64_t qbi_timer_expiry(struct qbi_timers *t, qb_loop_timer_handle handle)
{
	struct qbi_timer *timer;
	uint64_t expiry = 0;

	qbi_mutex_lock(&t->kind.core->lock);
	timer = table_find(t, handle);
	if (timer && timer->position != TIMER_EXPIRED)
		expiry = timer->expiry;
	qbi_mutex_unlock(&t->kind.core->lock);
	return expiry;
}

void qbi_timers_init(struct qbi_timers *t, struct qbi_loop_core *core)
{
	*t = (struct qbi_timers){ .kind = { .core = core, .dispatch = timer_dispatch } };
}

int qbi_timers_timeout(struct qbi_timers *t)
{
	uint64_t left, ms;

	if (t->count == 0 || t->heap[0]->expiry == UINT64_MAX)
		return -1;
	t->now = qbi_now_ns();
	if (t->heap[0]->expiry <= t->now)
		return 0;
	left = t->heap[0]->expiry - t->now;
	ms = left / QBI_NS_PER_MS + (left % QBI_NS_PER_MS != 0);
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

void qbi_timers_advance(struct qbi_timers *t)
{
	if (t->count > 0)
		t->now = qbi_now_ns();
}

uint64_t qbi_timers_now(const struct qbi_timers *t)
{
	return t->count > 0 ? t->now : UINT64_MAX;
}

void qbi_timers_collect(struct qbi_timers *t)
{
	while (t->count > 0 && t->heap[0]->expiry <= t->now) {
		struct qbi_timer *timer = t->heap[0];

		heap_remove(t, timer);
		qbi_loop_push_ready(t->kind.core, &timer->item);
	}
}

void qbi_timers_deinit(struct qbi_timers *t)
{
	for (size_t i = 0; i < t->n_buckets; i++) {
		while (t->buckets[i]) {
			struct qbi_timer *timer = t->buckets[i];

			t->buckets[i] = timer->chain;
			qbi_loop_drop_ready(t->kind.core, &timer->item);
			free(timer);
		}
	}
	free(t->buckets);
	free(t->heap);
	qbi_timers_init(t, t->kind.core);
}
