/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/call-queue.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"

/* -- Deadlines: a binary heap, whose places count from 1 ------------------------------ */

static void timed_put(struct qbi_call_queue *q, size_t at, struct qbi_request *call)
{
	q->heap[at - 1] = call;
	call->timed = at;
}

static void timed_rise(struct qbi_call_queue *q, size_t at, struct qbi_request *call)
{
	while (at > 1 && q->heap[at / 2 - 1]->deadline > call->deadline) {
		timed_put(q, at, q->heap[at / 2 - 1]);
		at /= 2;
	}
	timed_put(q, at, call);
}

static void timed_sink(struct qbi_call_queue *q, size_t at, struct qbi_request *call)
{
	for (;;) {
		size_t child = 2 * at;

		if (child > q->n_timed)
			break;
		if (child < q->n_timed &&
		    q->heap[child]->deadline < q->heap[child - 1]->deadline)
			child++;
		if (q->heap[child - 1]->deadline >= call->deadline)
			break;
		timed_put(q, at, q->heap[child - 1]);
		at = child;
	}
	timed_put(q, at, call);
}

static void timed_leave(struct qbi_call_queue *q, struct qbi_request *call)
{
	size_t at = call->timed;
	struct qbi_request *last;

	if (!at)
		return;
	call->timed = 0;
	last = q->heap[--q->n_timed];
	if (last == call)
		return;
	timed_rise(q, at, last);
	timed_sink(q, last->timed, last);
}

struct qbi_request *qbi_call_queue_earliest(const struct qbi_call_queue *q)
{
	return q->n_timed ? q->heap[0] : NULL;
}

/* -- Places ------------------------------------------------------------------------- */

static struct qbi_request **slot_of(const struct qbi_call_queue *q, uint64_t number)
{
	return &q->slots[number & (q->capacity - 1)];
}

int qbi_call_queue_reserve(struct qbi_call_queue *q)
{
	size_t capacity = q->capacity ? 2 * q->capacity : 16;
	struct qbi_call_queue grown = *q;
	uint64_t i;

	if (q->n < q->capacity)
		return 0;
	if (q->n >= QBI_CALL_QUEUE_MAX)
		return -EAGAIN;
	grown.heap = realloc(q->heap, capacity * sizeof(struct qbi_request *));
	if (!grown.heap)
		return -ENOMEM;
	q->heap = grown.heap;
	grown.capacity = capacity;
	grown.slots = calloc(capacity, sizeof(struct qbi_request *));
	if (!grown.slots)
		return -ENOMEM;
	for (i = q->first; i < q->first + q->n; i++)
		*slot_of(&grown, i) = *slot_of(q, i);
	free(q->slots);
	*q = grown;
	return 0;
}

void qbi_call_queue_push(struct qbi_call_queue *q, struct qbi_request *call)
{
	if (!q->first)
		q->first = 1;
	call->number = q->first + q->n++;
	*slot_of(q, call->number) = call;
	if (call->deadline != QBI_FOREVER)
		timed_rise(q, ++q->n_timed, call);
}

struct qbi_request *qbi_call_queue_pop(struct qbi_call_queue *q)
{
	struct qbi_request *call = *slot_of(q, q->first);

	q->first++;
	q->n--;
	if (call)
		timed_leave(q, call);
	return call;
}

struct qbi_request *qbi_call_queue_find(const struct qbi_call_queue *q, uint64_t number)
{
	return number >= q->first && number - q->first < q->n ? *slot_of(q, number) : NULL;
}

void qbi_call_queue_give_up(struct qbi_call_queue *q, struct qbi_request *call)
{
	timed_leave(q, call);
	*slot_of(q, call->number) = NULL;
}

void qbi_call_queue_deinit(struct qbi_call_queue *q)
{
	free(q->slots);
	free(q->heap);
	*q = (struct qbi_call_queue){ 0 };
}
