/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/call-requests.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/util.h"

/* A response that has come before its request was sent is none. */
static void stale_discard(struct qbi_calls *calls)
{
	qb_ipcc_connection_t *c = calls->c;
	bool idle, waits;

	qbi_calls_lock(calls);
	free(QBI_TAKE(calls->kept));
	idle = !calls->queue.n && !calls->reader;
	qbi_calls_unlock(calls);
	if (!idle || qbi_client_part_take(c, QBI_PART_RECV, QBI_FOREVER))
		return;
	waits = c->transport->client->response_waits(c->end);
	qbi_client_part_release(c, QBI_PART_RECV);
	if (waits)
		(void)qbi_calls_take(calls);
}

void qbi_calls_tell(struct qbi_calls *calls)
{
	qb_ipcc_connection_t *c = calls->c;
	bool none, unfinished;
	int r;

	qbi_calls_lock(calls);
	none = !calls->cancels.n;
	unfinished = calls->unfinished;
	qbi_calls_unlock(calls);
	if (unfinished) {
		unfinished = qbi_client_flush(c) == QBI_UNSENT;
		qbi_calls_lock(calls);
		calls->unfinished = unfinished;
		qbi_calls_unlock(calls);
	}
	if (none || c->gone)
		return;
	r = qbi_client_part_take(c, QBI_PART_SEND, QBI_FOREVER);
	if (r == 0) {
		qbi_calls_lock(calls);
		r = qbi_call_cancels_send(&calls->cancels, c);
		qbi_calls_arm(calls);
		qbi_calls_unlock(calls);
		qbi_client_part_release(c, QBI_PART_SEND);
	}
	(void)qbi_client_outcome(c, r);
}

/* With the turn of the senders. */
static int request_put(struct qbi_calls *calls, const struct qbi_msg *msg,
		       struct qbi_request *call, uint64_t *ret_number)
{
	int r;

	qbi_calls_lock(calls);
	r = calls->gone || calls->closed ? QBI_GONE : qbi_call_queue_reserve(&calls->queue);
	if (r == 0 && calls->cancels.n)
		r = qbi_call_cancels_send(&calls->cancels, calls->c);
	if (r == 0)
		r = qbi_client_call_put(calls->c, msg, &call->mark, &call->marked);
	if (r == 0) {
		/* Perhaps: the next dispatch finds out. */
		calls->unfinished |= msg->size > calls->c->max_msg_size;
		if (!calls->queue.n)
			calls->since = qbi_now_ns();
		qbi_call_queue_push(&calls->queue, call);
		*ret_number = call->number;
		if (!call->blocks) {
			calls->n_loop++;
			qbi_calls_watch(calls);
			qbi_calls_arm(calls);
		}
	}
	qbi_calls_unlock(calls);
	return r;
}

int qbi_calls_put(struct qbi_calls *calls, const struct qbi_msg *msg, struct qbi_request *call,
		  uint64_t deadline, uint64_t *ret_number)
{
	qb_ipcc_connection_t *c = calls->c;
	int r;

	if (!qbi_client_can_send(c, msg->size))
		return -EMSGSIZE;
	if (c->gone)
		return QBI_GONE;
	call->mark.expires = !qbi_deadline_is_a_time(deadline) ? QBI_FOREVER :
			     deadline			       ? deadline :
								 qbi_now_ns();
	stale_discard(calls);
	r = qbi_client_part_take(c, QBI_PART_SEND, QBI_FOREVER);
	if (r)
		return qbi_client_outcome(c, r);
	r = request_put(calls, msg, call, ret_number);
	qbi_client_part_release(c, QBI_PART_SEND);
	if (r == QBI_FULL && !qbi_client_is_connected(c))
		r = QBI_GONE;
	return qbi_client_outcome(c, r);
}
