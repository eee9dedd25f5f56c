/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/takeover.h"

#include <string.h>

#include "base/log.h"
#include "base/mutex.h"
#include "server/connection.h"
#include "server/send.h"

void qbi_take_over(struct qbi_host *h)
{
	uint32_t before = h->set.generation;
	qb_ipcs_connection_t *c, *next;
	int r;

	if (!qbi_settings_are_copied(&h->set))
		return;
	h->set.generation = qbi_generation();
	r = qbi_deadlines_renew(&h->deadlines);
	if (r == 0)
		r = qbi_retry_renew(&h->retry);
	if (r < 0) {
		h->set.generation = before; /* the next call tries again */
		qbi_log(LOG_ERR, "service %s: cannot go on after fork: %s", h->set.name,
			strerror(-r));
		return;
	}
	for (c = qbi_connection_next(h, NULL); c; c = next) {
		qbi_send_go_on(c);
		qbi_retry_watch_again(&h->retry, &c->retry);
		next = qbi_connection_next(h, c);
		qbi_connection_unref(c);
	}
}
