/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/calls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/unfinished.h"
#include "base/util.h"

/*
 * Where no descriptor reports responses: how long to wait before the next look, as a part of
 * the time that has passed, and within bounds.
 */
#define LOOK_PART 8
#define LOOK_MIN_NS (100 * (QBI_NS_PER_MS / 1000))
#define LOOK_MAX_NS (10 * QBI_NS_PER_MS)

/* -- The object ----------------------------------------------------------------------- */

static struct qbi_calls *calls_new(qb_ipcc_connection_t *c)
{
	struct qbi_calls *calls = calloc(1, sizeof(*calls));

	if (!calls)
		return NULL;
	atomic_init(&calls->refs, 1);
	qbi_mutex_init(&calls->lock);
	calls->generation = qbi_generation();
	calls->c = c;
	qbi_list_init(&calls->ready);
	qbi_list_init(&calls->followers);
	calls->watch = (struct qbi_call_watch)QBI_CALL_WATCH_INIT;
	return calls;
}

int qbi_calls_closing_set(struct qbi_calls *calls, void (*fn)(void *data), void *data)
{
	int r = 0;

	qbi_calls_lock(calls);
	if (calls->closing) {
		r = -EEXIST;
	} else {
		calls->closing = fn;
		calls->closing_data = data;
	}
	qbi_calls_unlock(calls);
	return r;
}

void qbi_calls_closing_forget(struct qbi_calls *calls, const void *data)
{
	qbi_calls_lock(calls);
	if (calls->closing_data == data)
		calls->closing = NULL;
	qbi_calls_unlock(calls);
}

void qbi_calls_ref(struct qbi_calls *calls)
{
	atomic_fetch_add_explicit(&calls->refs, 1, memory_order_relaxed);
}

void qbi_calls_unref(struct qbi_calls *calls)
{
	if (atomic_fetch_sub_explicit(&calls->refs, 1, memory_order_acq_rel) > 1)
		return;
	qbi_call_watch_close(&calls->watch);
	qbi_call_queue_deinit(&calls->queue);
	qbi_call_cancels_deinit(&calls->cancels);
	qbi_mutex_destroy(&calls->lock);
	free(calls->buffer);
	free(calls->kept);
	free(calls);
}

int qbi_calls_get(qb_ipcc_connection_t *c, struct qbi_calls **ret_calls)
{
	struct qbi_calls *made, *none = NULL;

	*ret_calls = atomic_load(&c->calls);
	if (*ret_calls)
		return 0;
	made = calls_new(c);
	if (!made)
		return -ENOMEM;
	if (atomic_compare_exchange_strong(&c->calls, &none, made)) {
		*ret_calls = made;
	} else {
		qbi_calls_unref(made);
		*ret_calls = none;
	}
	return 0;
}

void qbi_request_free(struct qbi_request *call)
{
	free(call->message);
	free(call);
}

/* -- After fork(2) -------------------------------------------------------------------- */

/*
 * Threads that waited are the parent's, too. Their objects are not freed: the thread that
 * forked may have left one of them, which it frees itself when it ends.
 */
static void calls_forget(struct qbi_calls *calls)
{
	struct qbi_call_queue *q = &calls->queue;
	struct qbi_list *link;
	uint64_t i;

	for (i = q->first; i < q->first + q->n; i++) {
		struct qbi_request *call = qbi_call_queue_find(q, i);

		if (!call)
			continue;
		qbi_call_queue_give_up(q, call);
		if (!call->blocks)
			qbi_request_free(call);
	}
	while ((link = qbi_list_first(&calls->ready))) {
		qbi_list_unlink(link);
		qbi_request_free(qbi_list_entry(link, struct qbi_request, link));
	}
	while ((link = qbi_list_first(&calls->followers)))
		qbi_list_unlink(link);
	qbi_call_cancels_deinit(&calls->cancels);
	calls->n_loop = 0;
	calls->reader = NULL;
	/* Only closed: the parent goes on with them. */
	qbi_call_watch_close(&calls->watch);
	calls->closing = NULL;
}

void qbi_calls_lock(struct qbi_calls *calls)
{
	qbi_mutex_lock(&calls->lock);
	if (calls->generation == qbi_generation())
		return;
	calls->generation = qbi_generation();
	calls_forget(calls);
}

void qbi_calls_unlock(struct qbi_calls *calls)
{
	qbi_mutex_unlock(&calls->lock);
}

/* -- What a loop watches; all with the lock --------------------------------------------- */

/* Is a response to be looked for by the timer? */
static bool calls_look(const struct qbi_calls *calls)
{
	return calls->n_loop && !calls->reader && calls->watch.response < 0;
}

static uint64_t look_after(const struct qbi_calls *calls, uint64_t now)
{
	uint64_t part = (now - calls->since) / LOOK_PART;

	return now + (part < LOOK_MIN_NS ? LOOK_MIN_NS :
		      part > LOOK_MAX_NS ? LOOK_MAX_NS :
					   part);
}

uint64_t qbi_calls_due(const struct qbi_calls *calls)
{
	const struct qbi_request *earliest = qbi_call_queue_earliest(&calls->queue);
	uint64_t due = earliest ? earliest->deadline : QBI_FOREVER;

	if (!qbi_list_is_empty(&calls->ready))
		return QBI_CALLS_NOW;
	if (due < QBI_CALLS_NOW)
		return QBI_CALLS_NOW;
	if (calls_look(calls) || calls->cancels.n || calls->unfinished) {
		uint64_t now = qbi_now_ns();
		uint64_t look = calls->unfinished ? now + QBI_NS_PER_MS :
				calls->cancels.n  ? now + LOOK_MAX_NS :
						    look_after(calls, now);

		return look < due ? look : due;
	}
	return due;
}

/* The timer may be early, as long as a dispatch sets it anew. */
void qbi_calls_arm(struct qbi_calls *calls)
{
	uint64_t due = qbi_calls_due(calls);

	if (due < calls->watch.armed)
		qbi_call_watch_arm(&calls->watch, due);
}

/* If the kernel refuses, the timer does it. */
void qbi_calls_watch(struct qbi_calls *calls)
{
	qb_ipcc_connection_t *c = calls->c;
	short events;
	int fd;

	if (calls->watch.epoll < 0 || !calls->n_loop || calls->reader)
		return;
	fd = c->transport->client->response_fd(c->end, &events);
	(void)qbi_call_watch_begin(&calls->watch, c->stream, fd, events);
}

/* -- Calls that are done; with the lock ------------------------------------------------- */

static void follower_wake(const struct qbi_request *call)
{
	uint64_t one = 1;

	/* A counter of 64 bits is never full. */
	if (call->wake >= 0)
		(void)!write(call->wake, &one, sizeof(one));
}

/* It is in the queue no more. */
void qbi_calls_done(struct qbi_calls *calls, struct qbi_request *call, int result)
{
	call->done = true;
	call->result = result;
	if (call->blocks) {
		follower_wake(call);
		return;
	}
	calls->n_loop--;
	qbi_list_push_back(&calls->ready, &call->link);
}

void qbi_calls_give_up(struct qbi_calls *calls, struct qbi_request *call)
{
	qbi_call_queue_give_up(&calls->queue, call);
	if (call->marked && !calls->gone && !calls->closed)
		qbi_call_cancels_note(&calls->cancels, &call->mark);
}

/* The server is gone. */
static void calls_end(struct qbi_calls *calls)
{
	struct qbi_list *pos;

	calls->gone = true;
	qbi_call_cancels_deinit(&calls->cancels);
	while (calls->queue.n) {
		struct qbi_request *call = qbi_call_queue_pop(&calls->queue);

		if (call)
			qbi_calls_done(calls, call, -ENOTCONN);
	}
	qbi_list_for_each(pos, &calls->followers)
		follower_wake(qbi_list_entry(pos, struct qbi_request, link));
	qbi_call_watch_end(&calls->watch);
	qbi_calls_arm(calls);
}

/*
 * A response of @size bytes is in the reader's buffer: give it to whom it belongs. False: to
 * nobody.
 */
static bool response_give(struct qbi_calls *calls, size_t size)
{
	struct qbi_request *reader = calls->reader;
	struct qbi_request *call;
	int result = 0;

	calls->since = qbi_now_ns();
	if (calls->queue.n)
		call = qbi_call_queue_pop(&calls->queue);
	else if (reader && reader->blocks && !reader->number)
		call = reader;
	else
		return false;
	if (!call)
		return true;
	call->size = size;
	if (call == reader) {
		call->message = calls->buffer;
		call->borrows = true;
	} else {
		call->message = malloc(size ? size : 1);
		if (call->message)
			memcpy(call->message, calls->buffer, size);
		else
			result = -ENOMEM;
	}
	qbi_calls_done(calls, call, result);
	qbi_calls_arm(calls);
	return true;
}

/* -- Reading ------------------------------------------------------------------------- */

static int buffer_reach(struct qbi_calls *calls, size_t size)
{
	char *grown;

	if (size <= calls->size)
		return 0;
	grown = realloc(calls->buffer, size);
	if (!grown)
		return -ENOMEM;
	calls->buffer = grown;
	calls->size = size;
	return 0;
}

/* 0; -EBUSY there is another reader; -ENOMEM. */
int qbi_calls_read_begin(struct qbi_calls *calls, struct qbi_request *reader, size_t size)
{
	uint32_t agreed = calls->c->max_msg_size;
	int r;

	/* If it was this thread, it has left by siglongjmp. */
	if (calls->reader && !pthread_equal(calls->reader_thread, pthread_self()))
		return -EBUSY;
	r = buffer_reach(calls, size > agreed ? size : agreed);
	if (r < 0)
		return r;
	calls->reader = reader;
	calls->reader_thread = pthread_self();
	if (reader->blocks)
		qbi_call_watch_end(&calls->watch);
	return 0;
}

void qbi_calls_read_end(struct qbi_calls *calls)
{
	calls->reader = NULL;
	qbi_calls_watch(calls);
	qbi_calls_arm(calls);
	qbi_calls_wake_next(calls);
}

void qbi_calls_wake_next(struct qbi_calls *calls)
{
	struct qbi_list *next = qbi_list_first(&calls->followers);

	if (next && !calls->reader)
		follower_wake(qbi_list_entry(next, struct qbi_request, link));
}

int qbi_calls_read(struct qbi_calls *calls, uint64_t deadline)
{
	qb_ipcc_connection_t *c = calls->c;
	bool given = true;
	size_t size = 0;
	int r = qbi_client_part_begin(c, QBI_PART_RECV, deadline);

	if (r == 0) {
		r = c->transport->client->recv(c->end, calls->buffer, calls->size, deadline,
					       &size);
		if (r == 0) {
			qbi_calls_lock(calls);
			given = response_give(calls, size);
			qbi_calls_unlock(calls);
		}
		qbi_client_part_release(c, QBI_PART_RECV);
	}
	if (!given)
		qbi_log_rarely(LOG_WARNING, "a response of pid %d to no request was discarded",
			       c->server.pid);
	if (r == -ENOBUFS && size > calls->size)
		return buffer_reach(calls, size);
	if (r == QBI_BUSY)
		return QBI_EMPTY;
	r = qbi_client_outcome(c, r);
	if (r == QBI_GONE) {
		qbi_calls_lock(calls);
		calls_end(calls);
		qbi_calls_unlock(calls);
	}
	return r;
}

/* Give what is there to whom it belongs, unless a thread does so. 0; QBI_MORE; -errno. */
int qbi_calls_take(struct qbi_calls *calls)
{
	int cancel_state = qbi_cancel_hold_back();
	int left = QBI_CALLS_AT_ONCE;
	int r;

	qbi_calls_lock(calls);
	r = calls->gone ? -EBUSY : qbi_calls_read_begin(calls, &calls->dispatching, 0);
	qbi_calls_unlock(calls);
	if (r == 0) {
		do
			r = qbi_calls_read(calls, 0);
		while (r == 0 && --left);
		qbi_calls_lock(calls);
		qbi_calls_read_end(calls);
		qbi_calls_unlock(calls);
		if (r == 0)
			r = QBI_MORE;
	}
	qbi_cancel_as(cancel_state);
	return r == QBI_MORE || (r < 0 && r != -EBUSY) ? r : 0;
}

int qbi_calls_fd(struct qbi_calls *calls)
{
	int r;

	qbi_calls_lock(calls);
	r = qbi_call_watch_open(&calls->watch);
	if (r == 0)
		r = calls->watch.epoll;
	qbi_calls_unlock(calls);
	return r;
}
