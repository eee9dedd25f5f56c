/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <qbipc/deadline.h> */
#include <errno.h>
#include <qbipc/deadline.h>
#include <stddef.h>

#include "base/log.h"
#include "server/connection.h"
#include "server/service.h"

uint64_t qbipc_request_deadline(qb_ipcs_connection_t *c)
{
	return c ? c->deadline : 0;
}

uint64_t qbipc_request_number(qb_ipcs_connection_t *c)
{
	return c ? c->taken - 1 : UINT64_MAX;
}

int qbipc_service_cancelled_set(qb_ipcs_service_t *s, qbipc_cancelled_fn fn, void *data)
{
	if (!s)
		return qbi_misuse("the service is NULL");
	s->host.cancelled = fn;
	s->host.cancelled_data = data;
	return 0;
}
