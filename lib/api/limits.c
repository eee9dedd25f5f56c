/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qbipc_service_limits and _refusals. */
#include <errno.h>
#include <qbipc/limits.h>

#include "base/log.h"
#include "base/sized.h"
#include "server/service.h"

int qbipc_service_limits_set(qb_ipcs_service_t *s, const struct qbipc_service_limits *limits)
{
	struct qbipc_service_limits wanted;
	int r;

	if (!s)
		return qbi_misuse("the service is NULL");
	r = qbi_sized_take(&wanted, sizeof(wanted), limits, QBI_SIZED_LEAST);
	if (r < 0) {
		qbi_log(LOG_ERR, "struct qbipc_service_limits: %s", qbi_sized_why(limits, r));
		return r;
	}
	r = qbi_service_limits_set(s, &wanted);
	return r < 0 ? qbi_misuse("message_size is below 12328") : r;
}

int qbipc_service_limits_get(qb_ipcs_service_t *s, struct qbipc_service_limits *limits)
{
	if (!s)
		return qbi_misuse("the service is NULL");
	return qbi_sized_give(limits, &s->host.limits.at, sizeof(s->host.limits.at));
}

int qbipc_service_refusals_get(qb_ipcs_service_t *s, struct qbipc_service_refusals *refusals)
{
	struct qbipc_service_refusals all;

	if (!s)
		return qbi_misuse("the service is NULL");
	qbi_refusals_read(&s->host.refusals, &all);
	return qbi_sized_give(refusals, &all, sizeof(all));
}
