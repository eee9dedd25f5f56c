/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <qbipc/views.h> */
#include <qbipc/views.h>

#include "api/errors.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "client/loans.h"
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

/* -- Client --------------------------------------------------------------------- */

static int view_check(const qb_ipcc_connection_t *c)
{
	if (!c)
		return qbi_misuse_of("a view", "the connection is NULL");
	return c->end ? 0 : qbi_misuse_of("a view", "qb_ipcc_connect_continue() comes first");
}

static ssize_t message_view(qb_ipcc_connection_t *c, enum qbi_client_part part,
			    enum qbi_call call, const void **message, int32_t ms_timeout)
{
	size_t size = 0;
	int r = view_check(c);

	if (r == 0 && !message)
		r = qbi_misuse_of("a view", "message is NULL");
	if (r == 0)
		r = qbi_client_view(c, part, qbi_deadline_from_ms(ms_timeout), message, &size);
	return qbi_result(call, r, size);
}

ssize_t qbipc_response_view(qb_ipcc_connection_t *c, const void **message, int32_t ms_timeout)
{
	return message_view(c, QBI_PART_RECV, QBI_CALL_RECV, message, ms_timeout);
}

ssize_t qbipc_event_view(qb_ipcc_connection_t *c, const void **message, int32_t ms_timeout)
{
	return message_view(c, QBI_PART_EVENT, QBI_CALL_EVENT_RECV, message, ms_timeout);
}

int qbipc_response_release(qb_ipcc_connection_t *c)
{
	int r = view_check(c);

	return r < 0 ? r : qbi_client_release(c, QBI_PART_RECV);
}

int qbipc_event_release(qb_ipcc_connection_t *c)
{
	int r = view_check(c);

	return r < 0 ? r : qbi_client_release(c, QBI_PART_EVENT);
}
