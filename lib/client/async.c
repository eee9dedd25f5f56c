/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/async.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/util.h"
#include "client/call-requests.h"

/* -- Calls of the loop ------------------------------------------------------------------ */

int qbi_call_send(struct qbi_calls *calls, const struct qbi_msg *msg, uint64_t deadline,
		  qbipc_call_fn fn, void *data, uint64_t *ret_number)
{
	struct qbi_request *call;
	int r = qbi_calls_fd(calls);

	if (r < 0)
		return r;
	call = calloc(1, sizeof(*call));
	if (!call)
		return -ENOMEM;
	call->deadline = deadline;
	call->fn = fn;
	call->data = data;
	call->wake = -1;
	qbi_list_init(&call->link);
	r = qbi_calls_put(calls, msg, call, deadline, ret_number);
	if (r)
		qbi_request_free(call);
	return r;
}

/* Without the lock. */
static void call_finish(struct qbi_calls *calls, struct qbi_request *call, int error)
{
	bool answered = error == 0;

	if (call->fn)
		call->fn(calls->c, error, answered ? call->message : NULL,
			 answered ? call->size : 0, call->data);
	qbi_request_free(call);
}

static struct qbi_request *ready_find(struct qbi_calls *calls, uint64_t number)
{
	struct qbi_list *pos;

	qbi_list_for_each(pos, &calls->ready) {
		struct qbi_request *call = qbi_list_entry(pos, struct qbi_request, link);

		if (call->number == number)
			return call;
	}
	return NULL;
}

int qbi_call_cancel(struct qbi_calls *calls, uint64_t number)
{
	struct qbi_request *call;

	qbi_calls_lock(calls);
	call = qbi_call_queue_find(&calls->queue, number);
	if (call && call->blocks) {
		call = NULL;
	} else if (call) {
		qbi_calls_give_up(calls, call);
		calls->n_loop--;
	} else {
		call = ready_find(calls, number);
		if (call)
			qbi_list_unlink(&call->link);
	}
	qbi_calls_unlock(calls);
	if (!call)
		return -ENOENT;
	qbi_calls_tell(calls);
	call_finish(calls, call, -ECANCELED);
	return 0;
}

static struct qbi_request *ready_take(struct qbi_calls *calls)
{
	struct qbi_list *link;

	qbi_calls_lock(calls);
	link = qbi_list_first(&calls->ready);
	if (link)
		qbi_list_unlink(link);
	qbi_calls_unlock(calls);
	return link ? qbi_list_entry(link, struct qbi_request, link) : NULL;
}

/* With the lock. */
static void calls_expire(struct qbi_calls *calls)
{
	struct qbi_request *call = qbi_call_queue_earliest(&calls->queue);
	uint64_t now = call ? qbi_now_ns() : 0;

	for (; call && call->deadline <= now; call = qbi_call_queue_earliest(&calls->queue)) {
		qbi_calls_give_up(calls, call);
		qbi_calls_done(calls, call, -ETIMEDOUT);
	}
}

/*
 * What is watched is ready though no call of the loop is under way: it is not ours, and must
 * not keep the descriptor readable.
 */
static void watch_rest(struct qbi_calls *calls)
{
	if (!calls->n_loop && qbi_call_watch_is_ready(&calls->watch))
		qbi_call_watch_end(&calls->watch);
}

/* All calls that are ready, oldest first, but not those that become so meanwhile. */
static int ready_finish(struct qbi_calls *calls)
{
	struct qbi_request *call;
	int n = 0;

	while (n < QBI_CALLS_AT_ONCE && !calls->closed && (call = ready_take(calls))) {
		call_finish(calls, call, call->result);
		n++;
	}
	return n;
}

int qbi_calls_dispatch(struct qbi_calls *calls)
{
	bool more, idle;
	int n, r = 0;

	qbi_calls_ref(calls);
	qbi_calls_lock(calls);
	/* Also with calls that were given up: the server may take no more requests until it
	 * has sent the late responses to them. */
	idle = !calls->queue.n;
	qbi_calls_unlock(calls);
	if (!idle)
		r = qbi_calls_take(calls);
	more = r == QBI_MORE;
	qbi_calls_lock(calls);
	if (!more)
		calls_expire(calls);
	watch_rest(calls);
	qbi_calls_unlock(calls);
	qbi_calls_tell(calls);
	n = ready_finish(calls);
	qbi_calls_lock(calls);
	if (!calls->closed)
		qbi_call_watch_arm(&calls->watch, more ? QBI_CALLS_NOW : qbi_calls_due(calls));
	qbi_calls_unlock(calls);
	qbi_calls_unref(calls);
	return n == 0 && r < 0 ? r : n;
}

/* -- The end --------------------------------------------------------------------------- */

bool qbi_calls_close(struct qbi_calls *calls)
{
	struct qbi_request *call;
	bool begun;

	qbi_calls_lock(calls);
	begun = calls->closed;
	calls->closed = true;
	while (!begun && calls->queue.n) {
		call = qbi_call_queue_pop(&calls->queue);
		if (call)
			qbi_calls_done(calls, call, -ECANCELED);
	}
	qbi_calls_unlock(calls);
	if (begun)
		return false;
	if (calls->closing)
		calls->closing(calls->closing_data);
	calls->closing = NULL;
	while ((call = ready_take(calls)))
		call_finish(calls, call, -ECANCELED);
	qbi_calls_lock(calls);
	qbi_call_watch_close(&calls->watch);
	qbi_calls_unlock(calls);
	return true;
}
