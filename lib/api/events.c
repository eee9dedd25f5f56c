/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <qbipc/events.h>: check the arguments, call inwards. */
#include <errno.h>
#include <qbipc/events.h>

#include "api/errors.h"
#include "base/log.h"
#include "server/broadcast.h"
#include "server/service.h"

int qbipc_service_writable_set(qb_ipcs_service_t *s, qbipc_writable_fn fn, void *data)
{
	if (!s)
		return qbi_misuse("the service is NULL");
	s->host.set.writable_data = data;
	atomic_store(&s->host.set.writable, fn);
	return 0;
}

struct missed {
	qbipc_missed_fn fn; /* may be NULL */
	void *data;
};

static void missed_report(qb_ipcs_connection_t *c, int outcome, void *data)
{
	const struct missed *m = data;

	if (m->fn)
		m->fn(c, (int)qbi_result(QBI_CALL_SEND, outcome, 0), m->data);
}

int qbipc_service_broadcast(qb_ipcs_service_t *s, const struct iovec *iov, size_t iov_len,
			    qbipc_missed_fn fn, void *data)
{
	struct missed m = { fn, data };
	struct qbi_msg msg;
	int r;

	if (!s)
		return qbi_misuse("the service is NULL");
	r = qbi_msg_init(&msg, iov, iov_len);
	if (r < 0)
		return r;
	return (int)qbi_broadcast(&s->host, &msg, missed_report, &m);
}
