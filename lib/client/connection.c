/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Functions of an established connection. */
#include "client/connection.h"

#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "base/util.h"

bool qbi_client_is_connected(qb_ipcc_connection_t *c)
{
	struct pollfd p = { .fd = c->stream, .events = POLLRDHUP };

	if (c->gone || c->stream < 0)
		return false;
	if (poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)))
		c->gone = true;
	return !c->gone;
}

static bool client_was_left(qb_ipcc_connection_t *c)
{
	int i;

	for (i = 0; i < QBI_CLIENT_PARTS; i++)
		if (c->shared->turn[i].broken == QBI_TURN_LEFT)
			return true;
	return false;
}

/* Exception: if a thread of our parent was in the middle, because the parent uses the stream
 * too. */
int qbi_client_outcome(qb_ipcc_connection_t *c, int r)
{
	if (r == -EBADMSG || (r == QBI_GONE && client_was_left(c))) {
		(void)shutdown(c->stream, SHUT_RDWR);
		r = QBI_GONE;
	}
	if (r == QBI_GONE)
		c->gone = true;
	return r;
}

/* May this process put a request? 0; QBI_FULL another one has to finish its own; QBI_GONE. */
static int half_passes(qb_ipcc_connection_t *c, enum qbi_client_part part)
{
	uint32_t who = part == QBI_PART_SEND ? atomic_load(&c->shared->half) : 0;

	if (!who || who == qbi_process_id())
		return 0;
	if (who == QBI_HALF_LOST || !qbi_client_is_connected(c))
		return QBI_GONE;
	/* It may have finished before it ended. */
	return qbi_process_is_over(who) && atomic_load(&c->shared->half) == who ? QBI_GONE :
										  QBI_FULL;
}

int qbi_client_part_take(qb_ipcc_connection_t *c, enum qbi_client_part part, uint64_t deadline)
{
	struct qbi_turn *t = &c->shared->turn[part];
	/* Before the turn: a sender that lets others in has it back as it was. */
	int r = half_passes(c, part);

	if (r == 0)
		r = qbi_turn_take(t, deadline);
	if (r)
		return r;
	r = half_passes(c, part);
	if (r == 0 && t->moved) {
		r = c->transport->client->resume(c->end, part);
		t->moved = false;
	}
	if (r)
		qbi_turn_release(t);
	return r;
}

void qbi_client_part_release(qb_ipcc_connection_t *c, enum qbi_client_part part)
{
	qbi_turn_release(&c->shared->turn[part]);
}

bool qbi_client_is_lent(qb_ipcc_connection_t *c, enum qbi_client_part part)
{
	uint32_t *holder = &c->shared->holder[part];

	if (*holder && *holder != qbi_process_id() && qbi_process_is_over(*holder))
		*holder = 0;
	return *holder;
}

/* A place that was lent to the process from which this one was forked, and is no more. */
static void loan_forget(qb_ipcc_connection_t *c, enum qbi_client_part part)
{
	struct qbi_client_loan *l = &c->loan[part];

	if (!l->place || l->process == qbi_process_id())
		return;
	if (l->in_place)
		c->transport->client->view_done(c->end, part);
	l->place = NULL;
}

int qbi_client_part_begin(qb_ipcc_connection_t *c, enum qbi_client_part part, uint64_t deadline)
{
	int r = qbi_client_part_take(c, part, deadline);

	if (r)
		return r;
	if (qbi_client_is_lent(c, part) && c->shared->holder[part] != qbi_process_id()) {
		qbi_client_part_release(c, part);
		return -EBUSY;
	}
	loan_forget(c, part);
	return 0;
}

bool qbi_client_is_stopped(qb_ipcc_connection_t *c)
{
	uint32_t flow = c->transport->client->flow(c->end);

	return flow != 0 && flow <= c->flow_max;
}

uint32_t qbi_client_body_most(qb_ipcc_connection_t *c)
{
	const struct qbi_client_ops *ops = c->transport->client;

	return ops->body_most ? ops->body_most(c->end) : 0;
}

bool qbi_client_can_send(qb_ipcc_connection_t *c, size_t size)
{
	return size <= c->max_msg_size || size <= qbi_client_body_most(c);
}

int qbi_client_body_limit_set(qb_ipcc_connection_t *c, uint32_t bytes)
{
	int r;

	if (!c->transport->client->body_limit_set)
		return 0;
	if (c->gone)
		return QBI_GONE;
	r = qbi_client_part_take(c, QBI_PART_SEND, QBI_FOREVER);
	if (r)
		return qbi_client_outcome(c, r);
	r = c->transport->client->body_limit_set(c->end, bytes);
	qbi_client_part_release(c, QBI_PART_SEND);
	return qbi_client_outcome(c, r);
}

int qbi_client_flush(qb_ipcc_connection_t *c)
{
	const struct qbi_client_ops *ops = c->transport->client;

	return ops->flush ? ops->flush(c->end) : 0;
}

int qbi_client_put(qb_ipcc_connection_t *c, const struct qbi_msg *msg, uint64_t deadline)
{
	return qbi_client_is_lent(c, QBI_PART_SEND) || qbi_client_is_stopped(c) ?
		       QBI_FULL :
		       c->transport->client->sendv(c->end, msg, deadline);
}

int qbi_client_call_put(qb_ipcc_connection_t *c, const struct qbi_msg *msg,
			struct qbi_call_mark *mark, bool *ret_marked)
{
	const struct qbi_client_ops *ops = c->transport->client;
	/* A body has no deadline, and is not cancelled. */
	bool marked = ops->call_sendv && msg->size <= c->max_msg_size;
	int r = QBI_FULL;

	if (!qbi_client_is_lent(c, QBI_PART_SEND) && !qbi_client_is_stopped(c))
		r = marked ? ops->call_sendv(c->end, msg, mark) : ops->sendv(c->end, msg, 0);
	*ret_marked = r == 0 && marked;
	return r;
}

int qbi_client_call_cancel(qb_ipcc_connection_t *c, const struct qbi_call_mark *mark)
{
	return qbi_client_is_lent(c, QBI_PART_SEND) ?
		       QBI_FULL :
		       c->transport->client->cancel(c->end, mark);
}

int qbi_client_send(qb_ipcc_connection_t *c, const struct qbi_msg *msg, uint64_t deadline)
{
	int r;

	if (!qbi_client_can_send(c, msg->size))
		return -EMSGSIZE;
	if (c->gone)
		return QBI_GONE;
	r = qbi_client_part_take(c, QBI_PART_SEND, deadline);
	if (r)
		return r == QBI_BUSY ? QBI_FULL : qbi_client_outcome(c, r);
	r = qbi_client_put(c, msg, deadline);
	qbi_client_part_release(c, QBI_PART_SEND);
	if (r == QBI_FULL && !qbi_client_is_connected(c))
		r = QBI_GONE;
	return qbi_client_outcome(c, r);
}

int qbi_client_event_fd(qb_ipcc_connection_t *c)
{
	int r;

	if (!c->end)
		return -EINVAL;
	if (qbi_client_part_take(c, QBI_PART_EVENT, QBI_FOREVER))
		return -ENOTCONN;
	r = c->transport->client->event_fd(c->end);
	qbi_client_part_release(c, QBI_PART_EVENT);
	return r;
}

int qbi_client_recv(qb_ipcc_connection_t *c, void *buf, size_t size, uint64_t deadline,
		    size_t *ret_size)
{
	int r = qbi_client_part_begin(c, QBI_PART_RECV, deadline);

	if (r)
		return r == QBI_BUSY ? QBI_EMPTY : qbi_client_outcome(c, r);
	r = c->transport->client->recv(c->end, buf, size, deadline, ret_size);
	qbi_client_part_release(c, QBI_PART_RECV);
	return qbi_client_outcome(c, r);
}

int qbi_client_event_recv(qb_ipcc_connection_t *c, void *buf, size_t size, uint64_t deadline,
			  size_t *ret_size)
{
	int r = qbi_client_part_begin(c, QBI_PART_EVENT, deadline);

	if (r)
		return r == QBI_BUSY ? QBI_EMPTY : qbi_client_outcome(c, r);
	r = c->transport->client->event_recv(c->end, buf, size, deadline, ret_size);
	/* Cut short by a signal: what has come meanwhile, and no more waiting. */
	if (r == -EINTR)
		r = c->transport->client->event_recv(c->end, buf, size, 0, ret_size);
	if (r == -EINTR)
		r = QBI_EMPTY;
	qbi_client_part_release(c, QBI_PART_EVENT);
	return qbi_client_outcome(c, r);
}
