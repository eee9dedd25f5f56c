/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/broadcast.h"

#include "base/util.h"
#include "server/connection.h"
#include "server/service.h"

unsigned int qbi_service_broadcast(qb_ipcs_service_t *service, const struct qbi_msg *msg,
				   qbi_missed_fn fn, void *data)
{
	/* The callback may destroy the service, and the list is in it. */
	_cleanup_(qbi_service_unrefp) qb_ipcs_service_t *s = qbi_service_ref(service);
	qb_ipcs_connection_t *c = qbi_service_next(s, NULL);
	unsigned int taken = 0;

	while (c) {
		qb_ipcs_connection_t *next;
		int r = qbi_connection_event(c, msg);

		if (r == 0)
			taken++;
		else
			fn(c, r, data);
		next = qbi_service_next(s, c);
		qbi_connection_unref(c);
		c = next;
	}
	return taken;
}
