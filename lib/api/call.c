/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <qbipc/call.h>: check the arguments, call inwards. */
#include <errno.h>
#include <qbipc/call.h>

#include "api/errors.h"
#include "base/clock.h"
#include "base/log.h"
#include "client/async.h"

/* Those of @c, made if there are none. 0 or -errno. */
static int calls_of(qb_ipcc_connection_t *c, const char *doing, struct qbi_calls **ret_calls)
{
	if (!c)
		return qbi_misuse_of(doing, "the connection is NULL");
	if (!c->end)
		return qbi_misuse_of(doing, "qb_ipcc_connect_continue() comes first");
	return qbi_calls_get(c, ret_calls);
}

int64_t qbipc_call_send(qb_ipcc_connection_t *c, const struct iovec *iov, size_t iov_len,
			int timeout_ms, qbipc_call_fn fn, void *data)
{
	struct qbi_calls *calls;
	uint64_t number = 0;
	struct qbi_msg msg;
	int r = calls_of(c, __func__, &calls);

	if (r == 0)
		r = qbi_msg_init(&msg, iov, iov_len);
	if (r == 0)
		r = qbi_call_send(calls, &msg, qbi_deadline_from_ms(timeout_ms), fn, data,
				  &number);
	return r == 0 ? (int64_t)number : (int64_t)qbi_result(QBI_CALL_SEND, r, 0);
}

int qbipc_call_cancel(qb_ipcc_connection_t *c, int64_t call)
{
	struct qbi_calls *calls = c ? atomic_load(&c->calls) : NULL;

	if (!c)
		return qbi_misuse("the connection is NULL");
	return calls && call > 0 ? qbi_call_cancel(calls, (uint64_t)call) : -ENOENT;
}

int qbipc_calls_fd(qb_ipcc_connection_t *c)
{
	struct qbi_calls *calls;
	int r = calls_of(c, __func__, &calls);

	return r < 0 ? r : qbi_calls_fd(calls);
}

int qbipc_calls_dispatch(qb_ipcc_connection_t *c)
{
	struct qbi_calls *calls;
	int r = calls_of(c, __func__, &calls);

	return r < 0 ? r : qbi_calls_dispatch(calls);
}

int qbipc_late_responses_drop(qb_ipcc_connection_t *c)
{
	struct qbi_calls *calls;

	return calls_of(c, __func__, &calls);
}
