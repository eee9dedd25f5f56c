/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <qbipc/loop.h> */
#include <errno.h>
#include <qbipc/loop.h>

#include "base/log.h"
#include "server/service.h"

int qbipc_service_loop_set(qb_ipcs_service_t *s, const struct qbipc_loop_ops *ops, void *loop)
{
	if (!s)
		return qbi_misuse("the service is NULL");
	if (qbi_service_is_running(s)) {
		qbi_log_rarely(LOG_ERR, "service %s: the loop is set before it runs, not after",
			       s->host.set.name);
		return -EBUSY;
	}
	return qbi_app_loop_set(&s->host.set.loop, ops, loop);
}
