/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <qbipc/handlers.h>: check the arguments, call inwards. */
#include <errno.h>
#include <qbipc/handlers.h>
#include <stdlib.h>
#include <string.h>

#include "base/sized.h"
#include "base/util.h"
#include "server/selector.h"
#include "server/service.h"

/* The service's, made when it is first needed. NULL without memory. */
static struct qbi_selector *selector_get(qb_ipcs_service_t *s)
{
	if (!s->host.selector)
		s->host.selector = qbi_selector_new(s->host.set.name);
	return s->host.selector;
}

static int handler_check(const struct qbipc_handler *h)
{
	if ((h->flags & ~QBIPC_HANDLER_ONE_WAY) || !h->fn || h->id == QB_IPC_MSG_DISCONNECT)
		return -EINVAL;
	return 0;
}

/* Rows of the caller's, as long as the first one says, into as many of ours. */
static int table_take(struct qbipc_handler *ours, const struct qbipc_handler *table, size_t n)
{
	const char *row = (const char *)table;
	size_t i;

	for (i = 0; i < n; i++, row += table->size) {
		int r = qbi_selector_handler_take(&ours[i], (const void *)row);

		if (r == 0 && memcmp(row, &table->size, sizeof(table->size)) != 0)
			r = -EINVAL;
		if (r == 0)
			r = handler_check(&ours[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

int qbipc_service_handlers_register(qb_ipcs_service_t *s, const struct qbipc_handler *table,
				    size_t n)
{
	_cleanup_(qbi_freep) struct qbipc_handler *ours = NULL;
	struct qbi_selector *sel;
	int r;

	if (!s || !table)
		return -EINVAL;
	if (n == 0)
		return 0;
	ours = calloc(n, sizeof(*ours));
	if (!ours)
		return -ENOMEM;
	r = table_take(ours, table, n);
	if (r < 0)
		return r;
	sel = selector_get(s);
	return sel ? qbi_selector_register(sel, ours, n) : -ENOMEM;
}

int qbipc_service_selector_set(qb_ipcs_service_t *s, qbipc_selector_fn fn, void *data)
{
	struct qbi_selector *sel;

	if (!s)
		return -EINVAL;
	sel = fn ? selector_get(s) : s->host.selector;
	if (!sel)
		return fn ? -ENOMEM : 0;
	qbi_selector_pick_set(sel, fn, data);
	return 0;
}

int qbipc_service_refuse_set(qb_ipcs_service_t *s, qbipc_refuse_fn fn, void *data)
{
	struct qbi_selector *sel;

	if (!s)
		return -EINVAL;
	sel = fn ? selector_get(s) : s->host.selector;
	if (!sel)
		return fn ? -ENOMEM : 0;
	qbi_selector_refuse_set(sel, fn, data);
	return 0;
}

const struct qbipc_handler *qbipc_service_handler_find(qb_ipcs_service_t *s, int id)
{
	return s && s->host.selector ? qbi_selector_find(s->host.selector, id) : NULL;
}

int qbipc_service_handler_stats_get(qb_ipcs_service_t *s, int id,
				    struct qbipc_handler_stats *stats)
{
	struct qbipc_handler_stats ours;
	int r;

	if (!s || qbi_sized_check(stats) < 0)
		return -EINVAL;
	r = s->host.selector ? qbi_selector_handler_stats(s->host.selector, id, &ours) :
			       -ENOENT;
	return r < 0 ? r : qbi_sized_give(stats, &ours, sizeof(ours));
}

int qbipc_service_message_refusals_get(qb_ipcs_service_t *s,
				       struct qbipc_message_refusals *refusals)
{
	struct qbipc_message_refusals ours = { 0 };

	if (!s)
		return -EINVAL;
	if (s->host.selector)
		qbi_selector_refusals(s->host.selector, &ours);
	return qbi_sized_give(refusals, &ours, sizeof(ours));
}
