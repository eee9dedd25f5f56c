/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <qbipc/handlers.h>: check the arguments, call inwards. */
#include <errno.h>
#include <qbipc/handlers.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/sized.h"
#include "base/util.h"
#include "server/selector.h"
#include "server/service.h"

/* The selector of the service, made at its first use. NULL without memory. */
static struct qbi_selector *selector_get(qb_ipcs_service_t *s)
{
	if (!s->host.selector)
		s->host.selector = qbi_selector_new(s->host.set.name);
	return s->host.selector;
}

/* Why the handler is invalid, in words. NULL: it is valid. */
static const char *handler_fault(const struct qbipc_handler *h)
{
	const uint32_t known = QBIPC_HANDLER_ONE_WAY | QBIPC_HANDLER_IN_TIME;

	return !h->fn			      ? "its function is NULL" :
	       h->flags & ~known	      ? "it has an unknown flag" :
	       h->id == QB_IPC_MSG_DISCONNECT ? "no message arrives with the id of a farewell" :
						NULL;
}

/* Copy one row of the caller to @ours. 0 or -errno; then *@ret_why says what is wrong. */
static int row_take(struct qbipc_handler *ours, const void *row, size_t size,
		    const char **ret_why)
{
	int r = qbi_selector_handler_take(ours, row);

	if (r < 0) {
		*ret_why = qbi_sized_why(row, r);
		return r;
	}
	*ret_why = memcmp(row, &size, sizeof(size)) == 0 ?
			   handler_fault(ours) :
			   "its size is not that of the first one";
	return *ret_why ? -EINVAL : 0;
}

/* Copy the rows of the caller, each of the size that the first one states. */
static int table_take(struct qbipc_handler *ours, const struct qbipc_handler *table, size_t n,
		      const char *service)
{
	const char *row = (const char *)table;
	size_t i;

	for (i = 0; i < n; i++, row += table->size) {
		const char *why;
		int r = row_take(&ours[i], row, table->size, &why);

		if (r < 0) {
			qbi_log(LOG_ERR, "service %s: handler %zu of the table: %s", service, i,
				why);
			return r;
		}
	}
	return 0;
}

int qbipc_service_handlers_register(qb_ipcs_service_t *s, const struct qbipc_handler *table,
				    size_t n)
{
	_cleanup_(qbi_freep) struct qbipc_handler *ours = NULL;
	struct qbi_selector *sel;
	int r;

	if (!s)
		return qbi_misuse("the service is NULL");
	if (!table)
		return qbi_misuse("the table is NULL");
	if (n == 0)
		return 0;
	ours = calloc(n, sizeof(*ours));
	if (!ours)
		return -ENOMEM;
	r = table_take(ours, table, n, s->host.set.name);
	if (r < 0)
		return r;
	sel = selector_get(s);
	return sel ? qbi_selector_register(sel, ours, n) : -ENOMEM;
}

int qbipc_service_selector_set(qb_ipcs_service_t *s, qbipc_selector_fn fn, void *data)
{
	struct qbi_selector *sel;

	if (!s)
		return qbi_misuse("the service is NULL");
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
		return qbi_misuse("the service is NULL");
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

	if (!s)
		return qbi_misuse("the service is NULL");
	if (qbi_sized_check(stats) < 0)
		return qbi_misuse("stats is NULL or its size is too small");
	r = s->host.selector ? qbi_selector_handler_stats(s->host.selector, id, &ours) :
			       -ENOENT;
	return r < 0 ? r : qbi_sized_give(stats, &ours, sizeof(ours));
}

int qbipc_service_message_refusals_get(qb_ipcs_service_t *s,
				       struct qbipc_message_refusals *refusals)
{
	struct qbipc_message_refusals ours = { 0 };

	if (!s)
		return qbi_misuse("the service is NULL");
	if (s->host.selector)
		qbi_selector_refusals(s->host.selector, &ours);
	return qbi_sized_give(refusals, &ours, sizeof(ours));
}
