/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/selector.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <qbipc/deadline.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sized.h"
#include "base/util.h"

/* A registered handler. Its address does not change while the service exists. */
struct qbi_selector_handler {
	struct qbipc_handler as_given; /* but the name is a copy */
	uint64_t calls;
	uint64_t refused;
	uint64_t backed_off;
};

/* Handlers that were registered together. */
struct batch {
	struct batch *next;
	size_t n;
	struct qbi_selector_handler handlers[];
};

/* Hash table by id: open addressing, at most half full. */
struct slots {
	struct qbi_selector_handler **slot;
	size_t size;	    /* a power of two; 0: none */
	unsigned int shift; /* makes an index of a hash */
	size_t used;
	struct qbi_selector_handler **sorted; /* the same @used handlers by id */
};

struct qbi_selector {
	const char *service;
	struct slots slots;
	struct batch *batches;
	qbipc_selector_fn pick;
	void *pick_data;
	qbipc_refuse_fn refuse;
	void *refuse_data;
	struct qbipc_message_refusals refusals;
	struct qbi_pace pace; /* of log lines about refusals */
};

int qbi_selector_handler_take(struct qbipc_handler *ours, const struct qbipc_handler *theirs)
{
	return qbi_sized_take(ours, sizeof(*ours), theirs,
			      QBI_SIZED_THROUGH(struct qbipc_handler, fn));
}

struct qbi_selector *qbi_selector_new(const char *service)
{
	struct qbi_selector *sel = calloc(1, sizeof(*sel));

	if (sel)
		sel->service = service;
	return sel;
}

/* -- The table ---------------------------------------------------------------- */

static int slots_init(struct slots *s, size_t n)
{
	s->size = 8;
	s->shift = 32 - 3;
	while (s->size < 2 * n) {
		s->size *= 2;
		s->shift--;
	}
	s->used = 0;
	s->slot = calloc(s->size, sizeof(*s->slot));
	s->sorted = calloc(n, sizeof(*s->sorted));
	return s->slot && s->sorted ? 0 : -ENOMEM;
}

static void slots_free(struct slots *s)
{
	free(s->slot);
	free(s->sorted);
}

static int by_id(const void *left, const void *right)
{
	const struct qbi_selector_handler *const *a = left, *const *b = right;

	return ((*a)->as_given.id > (*b)->as_given.id) -
	       ((*a)->as_given.id < (*b)->as_given.id);
}

/* The slot of the handler of @id, or the empty slot where it would be. */
static struct qbi_selector_handler **slots_place(const struct slots *s, int32_t id)
{
	/* Fibonacci hashing: spreads consecutive ids, and ids in steps of any size. */
	size_t i = (uint32_t)((uint32_t)id * UINT32_C(2654435769)) >> s->shift;

	while (s->slot[i] && s->slot[i]->as_given.id != id)
		i = (i + 1) & (s->size - 1);
	return &s->slot[i];
}

static struct qbi_selector_handler *slots_find(const struct slots *s, int32_t id)
{
	return s->size ? *slots_place(s, id) : NULL;
}

static int slots_put(struct slots *s, struct qbi_selector_handler *h)
{
	struct qbi_selector_handler **place = slots_place(s, h->as_given.id);

	if (*place)
		return -EEXIST;
	*place = h;
	s->sorted[s->used++] = h;
	return 0;
}

static void batch_free(struct batch *b)
{
	size_t i;

	for (i = 0; b && i < b->n; i++)
		free((char *)(uintptr_t)b->handlers[i].as_given.name);
	free(b);
}

static struct batch *batch_new(const struct qbipc_handler *table, size_t n)
{
	struct batch *b = calloc(1, sizeof(*b) + n * sizeof(b->handlers[0]));

	if (!b)
		return NULL;
	for (b->n = 0; b->n < n; b->n++) {
		struct qbipc_handler *to = &b->handlers[b->n].as_given;

		*to = table[b->n];
		if (!to->name)
			continue;
		to->name = strdup(to->name);
		if (!to->name) {
			batch_free(b);
			return NULL;
		}
	}
	return b;
}

/* Make a table of the handlers in @old and in @more. 0, -EEXIST, -ENOMEM. */
static int slots_extend(const struct slots *old, struct batch *more, struct slots *ret)
{
	size_t i;
	int r = slots_init(ret, old->used + more->n);

	for (i = 0; r == 0 && i < old->size; i++)
		if (old->slot[i])
			r = slots_put(ret, old->slot[i]);
	for (i = 0; r == 0 && i < more->n; i++)
		r = slots_put(ret, &more->handlers[i]);
	if (r == 0)
		qsort(ret->sorted, ret->used, sizeof(*ret->sorted), by_id);
	return r;
}

int qbi_selector_register(struct qbi_selector *sel, const struct qbipc_handler *table, size_t n)
{
	struct batch *b = batch_new(table, n);
	struct slots slots = { 0 };
	int r = b ? slots_extend(&sel->slots, b, &slots) : -ENOMEM;

	if (r < 0) {
		batch_free(b);
		slots_free(&slots);
		return r;
	}
	b->next = sel->batches;
	sel->batches = b;
	slots_free(&sel->slots);
	sel->slots = slots;
	return 0;
}

void qbi_selector_free(struct qbi_selector *sel)
{
	if (!sel)
		return;
	while (sel->batches) {
		struct batch *b = sel->batches;

		sel->batches = b->next;
		batch_free(b);
	}
	slots_free(&sel->slots);
	free(sel);
}

const struct qbipc_handler *qbi_selector_find(struct qbi_selector *sel, int32_t id)
{
	struct qbi_selector_handler *h = slots_find(&sel->slots, id);

	return h ? &h->as_given : NULL;
}

size_t qbi_selector_count(const struct qbi_selector *sel)
{
	return sel->slots.used;
}

size_t qbi_selector_from(const struct qbi_selector *sel, int32_t id)
{
	size_t low = 0, high = sel->slots.used;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (sel->slots.sorted[middle]->as_given.id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct qbipc_handler *qbi_selector_nth(const struct qbi_selector *sel, size_t i)
{
	return i < sel->slots.used ? &sel->slots.sorted[i]->as_given : NULL;
}

bool qbi_selector_picks(const struct qbi_selector *sel)
{
	return sel->pick;
}

void qbi_selector_pick_set(struct qbi_selector *sel, qbipc_selector_fn fn, void *data)
{
	sel->pick = fn;
	sel->pick_data = data;
}

void qbi_selector_refuse_set(struct qbi_selector *sel, qbipc_refuse_fn fn, void *data)
{
	sel->refuse = fn;
	sel->refuse_data = data;
}

int qbi_selector_handler_stats(struct qbi_selector *sel, int32_t id,
			       struct qbipc_handler_stats *ret)
{
	const struct qbi_selector_handler *h = slots_find(&sel->slots, id);

	if (!h)
		return -ENOENT;
	*ret = (struct qbipc_handler_stats){
		.name = h->as_given.name,
		.calls = h->calls,
		.refused = h->refused,
		.backed_off = h->backed_off,
	};
	return 0;
}

void qbi_selector_refusals(struct qbi_selector *sel, struct qbipc_message_refusals *ret)
{
	*ret = sel->refusals;
}

/* -- Calling ------------------------------------------------------------------ */

const struct qbipc_handler *qbi_selector_ask(struct qbi_selector *sel, qb_ipcs_connection_t *c,
					     const struct qb_ipc_request_header *message,
					     size_t size)
{
	return sel->pick ? sel->pick(c, message, size, sel->pick_data) : NULL;
}

void qbi_selector_choose(struct qbi_selector *sel, const struct qbipc_handler *picked,
			 int32_t id, struct qbi_selector_choice *ret)
{
	struct qbi_selector_handler *known = slots_find(&sel->slots, picked ? picked->id : id);

	if (!picked || (known && picked == &known->as_given)) {
		ret->handler = known ? &known->as_given : NULL;
		ret->known = known;
		return;
	}
	/* A handler without a function refuses the message. */
	if (qbi_selector_handler_take(&ret->own, picked) < 0)
		ret->own = (struct qbipc_handler){ .fn = NULL };
	ret->handler = &ret->own;
	ret->known = NULL;
}

/* 0, -ETIMEDOUT, -ECANCELED. */
static int deadline_check(uint64_t deadline)
{
	if (deadline == QBIPC_DEADLINE_CANCELLED)
		return -ECANCELED;
	return deadline && deadline <= qbi_now_ns() ? -ETIMEDOUT : 0;
}

int qbi_selector_call(const struct qbi_selector_choice *choice, qb_ipcs_connection_t *c,
		      void *data, size_t size, uint64_t deadline)
{
	const struct qbipc_handler *h = choice->handler;
	struct qbi_selector_handler *known = choice->known;
	int r;

	if (!h || !h->fn)
		return -ENOSYS;
	if (size < h->min_size) {
		if (known)
			known->refused++;
		return -EBADMSG;
	}
	r = h->flags & QBIPC_HANDLER_IN_TIME ? deadline_check(deadline) : 0;
	if (r < 0)
		return r;
	if (known)
		known->calls++;
	r = h->fn(c, data, size, h->context);
	if (r >= 0)
		return 0;
	if (known)
		known->backed_off++;
	return QBI_FULL;
}

/* -- Refusing ----------------------------------------------------------------- */

enum qbipc_refuse qbi_selector_refuse(struct qbi_selector *sel, qb_ipcs_connection_t *c,
				      const struct ucred *peer,
				      const struct qb_ipc_request_header *message, int32_t id,
				      size_t size, int error)
{
	enum qbipc_refuse what = QBIPC_REFUSE_ANSWER;

	if (error == -ENOSYS)
		sel->refusals.unknown++;
	else if (error == -EBADMSG)
		sel->refusals.too_short++;
	else
		sel->refusals.too_late++;
	/* That nobody waits for a message is no fault. */
	if (error == -ENOSYS || error == -EBADMSG)
		qbi_log_paced(&sel->pace, LOG_NOTICE,
			      "service %s: refused message %" PRId32
			      " of %zu bytes from pid %d: %s",
			      sel->service, id, size, peer->pid, strerror(-error));
	if (sel->refuse)
		what = sel->refuse(c, message, size, error, sel->refuse_data);
	if (what == QBIPC_REFUSE_DISCONNECT)
		sel->refusals.disconnected++;
	return what;
}

void qbi_selector_answered(struct qbi_selector *sel)
{
	sel->refusals.answered++;
}
