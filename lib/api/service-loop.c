/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <qbipc/loop.h> */
#include <errno.h>
#include <qbipc/loop.h>

#include "server/service.h"

int qbipc_service_loop_set(qb_ipcs_service_t *s, const struct qbipc_loop_ops *ops, void *loop)
{
	if (!s)
		return -EINVAL;
	return qbi_service_is_running(s) ? -EBUSY :
					   qbi_app_loop_set(&s->host.set.loop, ops, loop);
}
