/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/broadcast.h"

#include "base/util.h"
#include "server/connection.h"
#include "server/host.h"
#include "server/send.h"

unsigned int qbi_broadcast(struct qbi_host *host, const struct qbi_msg *msg, qbi_missed_fn fn,
			   void *data)
{
	/* The callback may destroy the service, which contains the list. */
	_cleanup_(qbi_host_unrefp) struct qbi_host *h = qbi_host_ref(host);
	qb_ipcs_connection_t *c = qbi_connection_next(h, NULL);
	unsigned int taken = 0;

	while (c) {
		qb_ipcs_connection_t *next;
		int r = qbi_send_event(c, msg);

		if (r == 0)
			taken++;
		else
			fn(c, r, data);
		next = qbi_connection_next(h, c);
		qbi_connection_unref(c);
		c = next;
	}
	return taken;
}
