/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/request.h"

#include <errno.h>
#include <qbipc/monitor.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/again.h"
#include "base/clock.h"
#include "base/trace.h"
#include "base/util.h"
#include "server/connection.h"
#include "server/selector.h"
#include "server/send.h"

/* May a request of @size bytes be served after the hang-up? */
static bool hang_up_allows(qb_ipcs_connection_t *c, size_t size)
{
	if (c->drain_left < size || !c->drain_requests) {
		qbi_refusals_note(&c->host->refusals, QBI_REFUSED_LEFT, &c->peer,
				  "has left too many requests");
		return false;
	}
	c->drain_left -= size;
	c->drain_requests--;
	return true;
}

/* The client may wait for a response. If the queue is full, others in it wake the client. */
static void request_answer(qb_ipcs_connection_t *c, int32_t id, int error)
{
	struct qb_ipc_response_header header;
	struct iovec iov = { &header, sizeof(header) };
	struct qbi_msg msg;

	memset(&header, 0, sizeof(header)); /* the padding too: the client gets it */
	header.id = id;
	header.size = sizeof(header);
	header.error = error;
	if (qbi_msg_init(&msg, &iov, 1) == 0 && qbi_send_response(c, &msg) == 0)
		qbi_selector_answered(c->host->selector);
}

/* A request, and what its header says: that may change where the client can write it. */
struct request {
	void *data;
	size_t size; /* by the header */
	int32_t id;
};

/* No handler takes the message, or it is too short. 0; -errno: disconnect the client. */
static int request_refuse(qb_ipcs_connection_t *c, const struct qbipc_handler *h,
			  const struct request *q, int error)
{
	switch (qbi_selector_refuse(c->host->selector, c, &c->peer, q->data, q->id, q->size,
				    error)) {
	case QBIPC_REFUSE_IGNORE: return 0;
	case QBIPC_REFUSE_DISCONNECT: return error;
	default:
		if (!h || !(h->flags & QBIPC_HANDLER_ONE_WAY))
			request_answer(c, q->id, error);
		return 0;
	}
}

/* 0; QBI_FULL the application takes no more now; -errno: disconnect the client. */
static int request_select(qb_ipcs_connection_t *c, const struct request *q)
{
	struct qbi_host *h = c->host;
	const struct qbipc_handler *picked = qbi_selector_ask(h->selector, c, q->data, q->size);
	struct qbi_selector_choice choice;
	int r;

	if (!c->end)
		return 0;
	qbi_selector_choose(h->selector, picked, q->id, &choice);
	if (!choice.handler && h->set.on.msg_process)
		return h->set.on.msg_process(c, q->data, q->size) < 0 ? QBI_FULL : 0;
	r = qbi_selector_call(&choice, c, q->data, q->size, c->deadline);
	return r < 0 ? request_refuse(c, choice.handler, q, r) : r;
}

static int request_hand_over(qb_ipcs_connection_t *c, const struct request *q)
{
	if (c->host->selector)
		return request_select(c, q);
	if (!c->host->set.on.msg_process)
		return 0;
	return c->host->set.on.msg_process(c, q->data, q->size) < 0 ? QBI_FULL : 0;
}

static int request_hand_over_timed(qb_ipcs_connection_t *c, const struct request *q)
{
	uint64_t begin = qbi_now_ns();
	int r = request_hand_over(c, q);

	/* It may have been switched off meanwhile. */
	if (c->host->timing)
		qbi_timing_add(&c->host->timing->process, qbi_now_ns() - begin);
	return r;
}

int qbi_request_cancel(qb_ipcs_connection_t *c)
{
	uint64_t number = c->transport->server->noted(c->end);

	if (c->hung_up && !hang_up_allows(c, sizeof(number)))
		return QBI_FAREWELL;
	if (number >= c->taken)
		return c->numbers_unsure ? 0 : -EBADMSG;
	if (c->host->cancelled)
		c->host->cancelled(c, number, c->host->cancelled_data);
	return 0;
}

static void request_note(qb_ipcs_connection_t *c, const struct request *q)
{
	struct iovec iov = { q->data, q->size };
	struct qbi_msg msg = { &iov, 1, iov.iov_len };

	qbi_connection_note(c, QBIPC_MONITOR_REQUEST, &msg);
}

/* As qbi_request_serve(). @in_place: the client can still write the @size bytes at @buf. */
static int request_process(qb_ipcs_connection_t *c, void *buf, size_t size, bool in_place)
{
	struct qb_ipc_request_header header;
	struct request q = { .data = buf };

	if (size == 0)
		return QBI_FAREWELL;
	if (size < sizeof(header))
		return -EBADMSG;
	memcpy(&header, buf, sizeof(header));
	/* Read once: decisions are not made again by what may have changed. */
	atomic_signal_fence(memory_order_seq_cst);
	if (header.id == QB_IPC_MSG_DISCONNECT || header.size == 0)
		return QBI_FAREWELL;
	/* Handlers read the header, so only messages with a whole one are passed on. */
	if (header.size < (int32_t)sizeof(header) || (size_t)header.size > size)
		return -EBADMSG;
	q.id = header.id;
	q.size = (size_t)header.size;
	QBI_TRACE(request, c->host->set.name, c->number, q.id, header.size);
	qbi_counter_add(&c->count.requests);
	request_note(c, &q);
	if (c->junk)
		c->junk--;
	/* Handlers may use the rest as a string: the buffer has one more byte. In place the
	 * transport has put a zero behind the whole message. */
	if (!in_place || q.size < size)
		((char *)buf)[q.size] = '\0';
	if (__builtin_expect(c->host->timing != NULL, 0))
		return request_hand_over_timed(c, &q);
	return request_hand_over(c, &q);
}

/* As request_process(), for one that has come as a whole. */
static int request_take_up(qb_ipcs_connection_t *c, void *buf, size_t size, bool in_place)
{
	if (c->hung_up && !hang_up_allows(c, size))
		return QBI_FAREWELL;
	return request_process(c, buf, size, in_place);
}

/* The same for a request where it lies. */
static int request_process_in_place(qb_ipcs_connection_t *c, void *data, size_t size)
{
	int r, done;

	qbi_connection_request_use(c);
	r = request_take_up(c, data, size, true);
	/* The callback may have forked, and this may be the child. */
	if (c->end && c->generation != qbi_generation())
		qbi_send_go_on(c);
	done = qbi_connection_request_done(c);
	return done < 0 ? done : r;
}

int qbi_request_serve(qb_ipcs_connection_t *c, void *buf, size_t size, bool timed,
		      bool in_place)
{
	uint64_t deadline = timed ? c->transport->server->noted(c->end) : 0;
	uint64_t outer = c->deadline; /* if a callback runs the loop */
	int r;

	c->taken++;
	c->deadline = deadline == QBI_FOREVER ? 0 : deadline;
	r = in_place ? request_process_in_place(c, buf, size) :
		       request_take_up(c, buf, size, false);
	c->deadline = outer;
	return r;
}

/* A whole body is at @data, and was counted with @held bytes. As request_process(). */
static int body_serve(qb_ipcs_connection_t *c, void *data, size_t size, uint64_t held)
{
	uint64_t outer = c->deadline;
	void *none = NULL;
	/* Inside a callback that runs the loop the outer one is freed if its thread ends. */
	bool outermost = atomic_compare_exchange_strong(&c->body, &none, data);
	int r;

	c->taken++;
	c->deadline = 0;
	r = request_process(c, data, size, false);
	c->deadline = outer;
	if (outermost)
		c->body = NULL;
	free(data);
	qbi_limits_let_go(&c->quota, held);
	return r;
}

int qbi_request_body(qb_ipcs_connection_t *c, void *whole, size_t size)
{
	uint64_t n = whole ? c->transport->server->noted(c->end) : size;
	uint64_t held;
	int r = 0;

	if (c->hung_up && !hang_up_allows(c, n))
		r = QBI_FAREWELL;
	else
		r = qbi_limits_hold(&c->host->limits, &c->quota, n);
	if (r) {
		free(whole);
		return r;
	}
	c->body_held += n;
	if (!whole)
		return 0;
	held = c->body_held;
	c->body_held = 0;
	return body_serve(c, whole, size, held);
}
