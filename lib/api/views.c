/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <qbipc/views.h> */
#include <qbipc/views.h>

#include "base/log.h"
#include "base/util.h"
#include "server/service.h"

int qbipc_service_views_set(qb_ipcs_service_t *s, enum qbipc_views views)
{
	static const enum qbi_views all[] = {
		[QBIPC_VIEWS_TRUSTED] = QBI_VIEWS_TRUSTED,
		[QBIPC_VIEWS_NEVER] = QBI_VIEWS_NEVER,
		[QBIPC_VIEWS_ALWAYS] = QBI_VIEWS_ALWAYS,
	};

	if (!s)
		return qbi_misuse("the service is NULL");
	if ((unsigned int)views >= QBI_ARRAY_SIZE(all))
		return qbi_misuse("the value is none of enum qbipc_views");
	s->host.set.views = all[views];
	return 0;
}
