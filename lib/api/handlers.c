/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <qbipc/handlers.h>: check the arguments, call inwards. */
#include <errno.h>
#include <qbipc/handlers.h>

#include "server/selector.h"
#include "server/service.h"

/* The service's, made when it is first needed. NULL without memory. */
static struct qbi_selector *selector_get(qb_ipcs_service_t *s)
{
	if (!s->selector)
		s->selector = qbi_selector_new();
	return s->selector;
}

static int handler_check(const struct qbipc_handler *h)
{
	if (h->size != sizeof(*h) || (h->flags & ~QBIPC_HANDLER_ONE_WAY) || !h->fn ||
	    h->id == QB_IPC_MSG_DISCONNECT)
		return -EINVAL;
	return 0;
}

int qbipc_service_handlers_register(qb_ipcs_service_t *s, const struct qbipc_handler *table,
				    size_t n)
{
	struct qbi_selector *sel;
	size_t i;

	if (!s || !table)
		return -EINVAL;
	for (i = 0; i < n; i++)
		if (handler_check(&table[i]) < 0)
			return -EINVAL;
	if (n == 0)
		return 0;
	sel = selector_get(s);
	return sel ? qbi_selector_register(sel, table, n) : -ENOMEM;
}

int qbipc_service_selector_set(qb_ipcs_service_t *s, qbipc_selector_fn fn, void *data)
{
	struct qbi_selector *sel;

	if (!s)
		return -EINVAL;
	sel = fn ? selector_get(s) : s->selector;
	if (!sel)
		return fn ? -ENOMEM : 0;
	qbi_selector_pick_set(sel, fn, data);
	return 0;
}

int qbipc_service_unknown_set(qb_ipcs_service_t *s, qbipc_unknown_fn fn, void *data)
{
	struct qbi_selector *sel;

	if (!s)
		return -EINVAL;
	sel = fn ? selector_get(s) : s->selector;
	if (!sel)
		return fn ? -ENOMEM : 0;
	qbi_selector_unknown_set(sel, fn, data);
	return 0;
}

const struct qbipc_handler *qbipc_service_handler_find(qb_ipcs_service_t *s, int32_t id)
{
	return s && s->selector ? qbi_selector_find(s->selector, id) : NULL;
}

int qbipc_service_handler_stats_get(qb_ipcs_service_t *s, int32_t id,
				    struct qbipc_handler_stats *stats)
{
	if (!s || !stats || stats->size != sizeof(*stats))
		return -EINVAL;
	return s->selector ? qbi_selector_handler_stats(s->selector, id, stats) : -ENOENT;
}

int qbipc_service_unknown_stats_get(qb_ipcs_service_t *s, struct qbipc_unknown_stats *stats)
{
	if (!s || !stats || stats->size != sizeof(*stats))
		return -EINVAL;
	if (s->selector)
		qbi_selector_unknown_stats(s->selector, stats);
	else
		*stats = (struct qbipc_unknown_stats){ .size = sizeof(*stats) };
	return 0;
}
