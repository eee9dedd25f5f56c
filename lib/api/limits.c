/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qbipc_service_limits and _refusals. */
#include <errno.h>
#include <qbipc/limits.h>

#include "base/sized.h"
#include "server/service.h"

int qbipc_service_limits_set(qb_ipcs_service_t *s, const struct qbipc_service_limits *limits)
{
	struct qbipc_service_limits wanted;
	int r;

	if (!s)
		return -EINVAL;
	r = qbi_sized_take(&wanted, sizeof(wanted), limits, QBI_SIZED_LEAST);
	return r < 0 ? r : qbi_service_limits_set(s, &wanted);
}

int qbipc_service_limits_get(qb_ipcs_service_t *s, struct qbipc_service_limits *limits)
{
	return s ? qbi_sized_give(limits, &s->host.limits.at, sizeof(s->host.limits.at)) :
		   -EINVAL;
}

int qbipc_service_refusals_get(qb_ipcs_service_t *s, struct qbipc_service_refusals *refusals)
{
	struct qbipc_service_refusals all;

	if (!s)
		return -EINVAL;
	qbi_refusals_read(&s->host.refusals, &all);
	return qbi_sized_give(refusals, &all, sizeof(all));
}
