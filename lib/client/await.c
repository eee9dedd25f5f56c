/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/await.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/socket.h"
#include "base/util.h"
#include "client/call-requests.h"

/* Without a descriptor for it, a follower looks in this interval. */
#define FOLLOW_MS 10

/* -- Beginning and end ------------------------------------------------------------------ */

static void waiter_free(struct qbi_request *call)
{
	struct qbi_calls *calls = call->calls;

	qbi_close(call->wake);
	if (!call->borrows)
		free(call->message);
	free(call);
	qbi_calls_unref(calls);
}

/* What it waits for is given up. With the lock. */
static void waiter_leave(struct qbi_calls *calls, struct qbi_request *call)
{
	if (call->number && qbi_call_queue_find(&calls->queue, call->number) == call)
		qbi_calls_give_up(calls, call);
	qbi_list_unlink(&call->link);
	if (calls->reader == call)
		qbi_calls_read_end(calls);
	else
		qbi_calls_wake_next(calls); /* it may have been woken to be the reader */
}

/* The thread ends. */
static void waiter_undo(struct qbi_unfinished *u)
{
	struct qbi_request *call = qbi_container_of(u, struct qbi_request, waiting);

	qbi_calls_lock(call->calls);
	waiter_leave(call->calls, call);
	qbi_calls_unlock(call->calls);
	waiter_free(call);
}

static struct qbi_request *waiter_new(struct qbi_calls *calls)
{
	struct qbi_request *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	call->deadline = QBI_FOREVER; /* the thread keeps its own */
	call->blocks = true;
	call->wake = -1;
	qbi_list_init(&call->link);
	call->calls = calls;
	qbi_calls_ref(calls);
	(void)qbi_unfinished_begin(&call->waiting, waiter_undo);
	return call;
}

static void waiter_end(struct qbi_request *call)
{
	int cancel_state = qbi_cancel_hold_back();

	qbi_unfinished_end(&call->waiting);
	qbi_calls_lock(call->calls);
	waiter_leave(call->calls, call);
	qbi_calls_unlock(call->calls);
	qbi_calls_tell(call->calls);
	waiter_free(call);
	qbi_cancel_as(cancel_state);
}

/* -- Waiting ----------------------------------------------------------------------------- */

/* With the lock. Cannot fail: without a descriptor it looks now and then. */
static void follow_begin(struct qbi_calls *calls, struct qbi_request *call)
{
	if (call->wake < 0)
		call->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	qbi_list_unlink(&call->link);
	qbi_list_push_back(&calls->followers, &call->link);
}

/* Sleep until another thread wakes this one. 0; QBI_EMPTY the deadline has passed; -errno. */
static int follow(struct qbi_request *call, uint64_t deadline)
{
	struct pollfd p = { .fd = call->wake, .events = POLLIN };
	uint64_t count;
	int timeout = call->wake < 0 ? qbi_deadline_to_poll_at_most(deadline, FOLLOW_MS) :
				       qbi_deadline_to_poll(deadline);
	int r = qbi_poll(&p, 1, timeout);

	if (r < 0)
		return r;
	if (p.fd >= 0 && r > 0)
		(void)!read(p.fd, &count, sizeof(count));
	return timeout == 0 ? QBI_EMPTY : 0;
}

/* As the reader: until its own response, and with the others in between. */
static int lead(struct qbi_request *call, uint64_t deadline)
{
	int r;

	do
		r = qbi_calls_read(call->calls, deadline);
	while (r == 0 && !call->done);
	return r;
}

/* 0 done; QBI_AGAIN; QBI_EMPTY; QBI_GONE; -errno. */
static int wait_step(struct qbi_request *call, size_t size, uint64_t deadline)
{
	struct qbi_calls *calls = call->calls;
	bool done;
	int r = 0;

	qbi_calls_lock(calls);
	done = call->done;
	if (!done && calls->gone)
		r = QBI_GONE;
	else if (!done)
		r = qbi_calls_read_begin(calls, call, size);
	if (r == -EBUSY)
		follow_begin(calls, call);
	else
		qbi_list_unlink(&call->link);
	qbi_calls_unlock(calls);
	if (r == -EBUSY) {
		r = follow(call, deadline);
		return r ? r : QBI_AGAIN;
	}
	return r || done ? r : lead(call, deadline);
}

/* A response that does not fit stays, for the next receiver. With the lock. */
static void message_keep(struct qbi_calls *calls, struct qbi_request *call)
{
	char *kept = malloc(call->size);

	if (!kept)
		return;
	memcpy(kept, call->message, call->size);
	free(calls->kept);
	calls->kept = kept;
	calls->kept_size = call->size;
}

static int message_give(struct qbi_request *call, void *buf, size_t size, size_t *ret_size)
{
	if (call->result < 0)
		return call->result;
	if (call->size > size) {
		qbi_calls_lock(call->calls);
		message_keep(call->calls, call);
		qbi_calls_unlock(call->calls);
		*ret_size = call->size;
		return -ENOBUFS;
	}
	memcpy(buf, call->message, call->size);
	*ret_size = call->size;
	return 0;
}

static bool waiter_is_done(struct qbi_request *call)
{
	bool done;

	qbi_calls_lock(call->calls);
	done = call->done;
	qbi_calls_unlock(call->calls);
	return done;
}

int qbi_await_response(struct qbi_request *call, void *buf, size_t size, uint64_t deadline,
		       size_t *ret_size)
{
	int r;

	do
		r = wait_step(call, size, deadline);
	while (r == QBI_AGAIN);
	if (waiter_is_done(call))
		r = message_give(call, buf, size, ret_size);
	waiter_end(call);
	return r;
}

int qbi_await_send(struct qbi_calls *calls, const struct qbi_msg *msg, uint64_t deadline,
		   struct qbi_request **ret_call)
{
	struct qbi_request *call = waiter_new(calls);
	uint64_t number;
	int r;

	if (!call)
		return -ENOMEM;
	r = qbi_calls_put(calls, msg, call, deadline, &number);
	if (r)
		waiter_end(call);
	else
		*ret_call = call;
	return r;
}

/* The response that did not fit. 0; QBI_EMPTY there is none; -ENOBUFS it does not fit. */
static int kept_take(struct qbi_calls *calls, void *buf, size_t size, size_t *ret_size)
{
	int r = QBI_EMPTY;

	qbi_calls_lock(calls);
	if (calls->kept && calls->kept_size > size) {
		*ret_size = calls->kept_size;
		r = -ENOBUFS;
	} else if (calls->kept) {
		memcpy(buf, calls->kept, calls->kept_size);
		*ret_size = calls->kept_size;
		free(QBI_TAKE(calls->kept));
		r = 0;
	}
	qbi_calls_unlock(calls);
	return r;
}

int qbi_await_any(struct qbi_calls *calls, void *buf, size_t size, uint64_t deadline,
		  size_t *ret_size)
{
	int r = kept_take(calls, buf, size, ret_size);
	struct qbi_request *call;

	if (r != QBI_EMPTY)
		return r;
	call = waiter_new(calls);
	if (!call)
		return -ENOMEM;
	return qbi_await_response(call, buf, size, deadline, ret_size);
}
