/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <qbipc/bodies.h> */
#include <errno.h>
#include <qbipc/bodies.h>

#include "api/errors.h"
#include "base/body.h"
#include "base/log.h"
#include "client/connection.h"
#include "server/connection.h"
#include "server/send.h"
#include "server/service.h"

int qbipc_service_body_limit_set(qb_ipcs_service_t *s, size_t bytes)
{
	if (!s)
		return qbi_misuse("the service is NULL");
	if (bytes > QBI_BODY_MAX)
		return qbi_misuse("the limit is above 2^30");
	s->host.set.body_limit = (uint32_t)bytes;
	return 0;
}

ssize_t qbipc_connection_body_limit_get(qb_ipcs_connection_t *c)
{
	uint32_t most;
	int r;

	if (!c)
		return qbi_misuse("the connection is NULL");
	r = qbi_send_most(c, &most);
	return qbi_result(QBI_CALL_SEND, r, most);
}

static bool is_established(const qb_ipcc_connection_t *c, const char *doing)
{
	if (!c)
		(void)qbi_misuse_of(doing, "the connection is NULL");
	else if (!c->end)
		(void)qbi_misuse_of(doing, "qb_ipcc_connect_continue() comes first");
	return c && c->end;
}

int qbipc_body_limit_set(qb_ipcc_connection_t *c, size_t bytes)
{
	if (!is_established(c, __func__))
		return -EINVAL;
	if (bytes > QBI_BODY_MAX)
		return qbi_misuse("the limit is above 2^30");
	return (int)qbi_result(QBI_CALL_SEND, qbi_client_body_limit_set(c, (uint32_t)bytes), 0);
}

ssize_t qbipc_body_limit_get(qb_ipcc_connection_t *c)
{
	uint32_t most;

	if (!is_established(c, __func__))
		return -EINVAL;
	most = qbi_client_body_most(c);
	return most > c->max_msg_size ? most : c->max_msg_size;
}
