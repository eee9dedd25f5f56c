/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/send.h"

#include <errno.h>
#include <qbipc/monitor.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/socket.h"
#include "base/trace.h"
#include "base/util.h"
#include "server/connection.h"
#include "server/unsent.h"

/* It cannot be used any more. This causes a hang-up, which the loop reports. */
static void connection_break(qb_ipcs_connection_t *c)
{
	c->broken = true;
	if (!qbi_settings_are_copied(&c->host->set))
		(void)shutdown(c->stream.fd, SHUT_RDWR);
}

/* Under `send`. False: it is broken. */
static bool connection_go_on(qb_ipcs_connection_t *c)
{
	const struct qbi_server_ops *ops = c->transport->server;
	uint32_t g = qbi_generation();

	if (c->generation == g)
		return !c->broken;
	c->generation = g;
	c->numbers_unsure = true;
	if (!c->broken && ops->resume && ops->resume(c->end) < 0)
		connection_break(c);
	return !c->broken;
}

void qbi_send_go_on(qb_ipcs_connection_t *c)
{
	qbi_mutex_lock(&c->send);
	/* It may have been found broken before this process owned the stream. */
	if (c->sendable && !connection_go_on(c))
		connection_break(c);
	qbi_mutex_unlock(&c->send);
}

/* -- Sending -------------------------------------------------------------------- */

/* Queue @msg, which is in @loan, if that is not NULL. As respondv(). */
static int message_put(qb_ipcs_connection_t *c, enum qbi_channel channel,
		       const struct qbi_msg *msg, struct qbi_loan *loan)
{
	const struct qbi_server_ops *ops = c->transport->server;

	if (!loan && qbi_connection_loan(c, channel))
		return QBI_FULL;
	if (loan && loan->in_place)
		return ops->commit(c->end, channel, loan->size, msg->size, &loan->place);
	return channel == QBI_EVENTS ? ops->eventv(c->end, msg) : ops->respondv(c->end, msg);
}

/*
 * A body: the client has to take it, and its user to have a quota for what may have to be
 * kept. 0, -EMSGSIZE, -ENOBUFS.
 */
static int body_admit(qb_ipcs_connection_t *c, enum qbi_channel channel, size_t size)
{
	const struct qbi_server_ops *ops = c->transport->server;
	struct qbi_limits *l = &c->host->limits;

	if (!ops->body_most || size > ops->body_most(c->end))
		return -EMSGSIZE;
	if (qbi_limits_hold(l, &c->quota, size) == 0)
		return 0;
	if (qbi_limits_can_ever_hold(l, &c->quota, size))
		qbi_unsent_refused(c, channel, size);
	return -ENOBUFS;
}

/* It was sent, or not: @r. What is not kept is not counted. */
static void body_settle(qb_ipcs_connection_t *c, enum qbi_channel channel, size_t size, int r)
{
	if (r == QBI_UNSENT)
		c->unsent[channel].held += size;
	else
		qbi_limits_let_go(&c->quota, size);
}

/* 0, QBI_FULL, QBI_GONE, -EMSGSIZE, -ENOBUFS, -errno. */
static int message_pass(qb_ipcs_connection_t *c, enum qbi_channel channel,
			const struct qbi_msg *msg, struct qbi_loan *loan)
{
	bool held = false;
	int r = qbi_unsent_pass_on(c);

	/* What that has sent is not counted any more, so it comes first. */
	if (r == 0 && msg->size > c->max_msg_size) {
		r = body_admit(c, channel, msg->size);
		held = r == 0;
	}
	if (r == 0)
		r = message_put(c, channel, msg, loan);
	if (held)
		body_settle(c, channel, msg->size, r);
	if (r == 0 || r == QBI_UNSENT)
		qbi_unsent_progress(c);
	if (r == QBI_UNSENT) {
		qbi_unsent_begun(c, channel);
		return 0;
	}
	if (r == QBI_FULL) {
		qbi_counter_add(&c->count.send_retries);
		qbi_unsent_refused(c, channel, msg->size);
	}
	/* This message cannot be sent; the next one perhaps can. */
	if (r >= 0 || r == -EMSGSIZE || r == -ENOBUFS)
		return r;
	/* The client broke the shared memory: for the sender it is gone. */
	connection_break(c);
	return QBI_GONE;
}

/*
 * As message_pass(). The dispatch watches the clock for responses, events need not come out of
 * one.
 */
static int message_watch(qb_ipcs_connection_t *c, enum qbi_channel channel,
			 const struct qbi_msg *msg, struct qbi_loan *loan)
{
	bool begun = c->unsent[QBI_RESPONSES].begun || c->unsent[QBI_EVENTS].begun;
	struct qbi_cost_mark mark;
	int r;

	if (channel != QBI_EVENTS && !qbi_cost_is_watched(&c->send_cost))
		return message_pass(c, channel, msg, loan);
	mark = qbi_cost_begin(&c->send_cost);
	r = message_pass(c, channel, msg, loan);
	if (qbi_cost_end(&c->send_cost, &mark, msg->size + (begun ? c->max_msg_size : 0))) {
		c->costly = true;
		connection_break(c);
	}
	return r;
}

/* Under `send`. */
static int message_account(qb_ipcs_connection_t *c, enum qbi_channel channel,
			   const struct qbi_msg *msg, struct qbi_loan *loan)
{
	bool event = channel == QBI_EVENTS;
	struct iovec iov = { .iov_len = msg->size };
	const struct qbi_msg placed = { .iov = &iov, .n = 1, .size = msg->size };
	int r = QBI_GONE;

	if (c->sendable && connection_go_on(c))
		r = message_watch(c, channel, msg, loan);
	if (r == 0) {
		qbi_counter_add(event ? &c->count.events : &c->count.responses);
		/* The commit may have moved it. */
		iov.iov_base = loan ? loan->place : NULL;
		qbi_connection_note(c, event ? QBIPC_MONITOR_EVENT : QBIPC_MONITOR_RESPONSE,
				    loan ? &placed : msg);
	}
	return r;
}

/* Tracepoints of what was sent, or refused, from @at. */
static void message_trace(qb_ipcs_connection_t *c, enum qbi_channel channel, const void *at,
			  size_t size, int r)
{
	if (channel == QBI_EVENTS)
		QBI_TRACE(event, c->host->set.name, c->number, at, size, r);
	else
		QBI_TRACE(response, c->host->set.name, c->number, at, size, r);
}

static int message_send(qb_ipcs_connection_t *c, enum qbi_channel channel,
			const struct qbi_msg *msg)
{
	int r;

	qbi_mutex_lock(&c->send);
	r = message_account(c, channel, msg, NULL);
	qbi_mutex_unlock(&c->send);
	message_trace(c, channel, msg->iov[0].iov_base, msg->size, r);
	return r;
}

int qbi_send_response(qb_ipcs_connection_t *c, const struct qbi_msg *msg)
{
	return message_send(c, QBI_RESPONSES, msg);
}

int qbi_send_event(qb_ipcs_connection_t *c, const struct qbi_msg *msg)
{
	return message_send(c, QBI_EVENTS, msg);
}

/* -- Messages that are built where the client reads them ------------------------- */

/* Under `send`, of a connection that can send. As qbi_send_reserve(). */
static int message_place_find(qb_ipcs_connection_t *c, enum qbi_channel channel, size_t size,
			      struct qbi_loan *ret)
{
	const struct qbi_server_ops *ops = c->transport->server;
	int r;

	if (qbi_connection_loan(c, channel))
		return -EBUSY;
	if (size > c->max_msg_size)
		return -EMSGSIZE;
	r = qbi_unsent_pass_on(c);
	if (r == 0)
		r = ops->reserve ? ops->reserve(c->end, channel, size, &ret->place) : QBI_AGAIN;
	ret->in_place = r == 0;
	if (r == QBI_AGAIN) {
		ret->place = qbi_memory_new(size + !size, &c->host->locking);
		r = ret->place ? 0 : -ENOMEM;
	}
	if (r == QBI_FULL) {
		qbi_counter_add(&c->count.send_retries);
		qbi_unsent_refused(c, channel, size);
	}
	if (r >= 0 || r == -ENOMEM)
		return r;
	connection_break(c);
	return QBI_GONE;
}

int qbi_send_reserve(qb_ipcs_connection_t *c, enum qbi_channel channel, size_t size, void **ret)
{
	struct qbi_loan loan = { .size = size, .generation = qbi_generation() };
	struct qbi_loan *mine = &c->loan[channel];
	int r = QBI_GONE;

	qbi_mutex_lock(&c->send);
	if (c->sendable && connection_go_on(c))
		r = message_place_find(c, channel, size, &loan);
	if (r == 0) {
		/* The reference of one of the parent's goes on as that of this one. */
		if (!mine->place)
			qbi_connection_ref(c);
		else if (!mine->in_place)
			qbi_memory_free(mine->place);
		*mine = loan;
		*ret = loan.place;
	}
	qbi_mutex_unlock(&c->send);
	return r;
}

int qbi_send_commit(qb_ipcs_connection_t *c, enum qbi_channel channel, size_t size)
{
	struct iovec iov = { .iov_len = size };
	struct qbi_msg msg = { .iov = &iov, .n = 1, .size = size };
	struct qbi_loan *loan;
	int r;

	qbi_mutex_lock(&c->send);
	loan = qbi_connection_loan(c, channel);
	r = loan && size <= loan->size ? 0 : -EMSGSIZE;
	if (r == 0) {
		iov.iov_base = loan->place;
		r = message_account(c, channel, &msg, loan);
		message_trace(c, channel, loan->place, size, r);
		loan->refused = r == QBI_FULL;
		if (r != QBI_FULL) {
			qbi_connection_loan_end(c, loan);
			return r;
		}
	}
	qbi_mutex_unlock(&c->send);
	return loan ? r : qbi_misuse_of("commit of a message", "nothing is reserved");
}

int qbi_send_abandon(qb_ipcs_connection_t *c, enum qbi_channel channel)
{
	struct qbi_loan *loan;

	qbi_mutex_lock(&c->send);
	loan = qbi_connection_loan(c, channel);
	if (loan && loan->in_place && c->end)
		c->transport->server->abandon(c->end, channel);
	if (loan) {
		qbi_connection_loan_end(c, loan);
		return 0;
	}
	qbi_mutex_unlock(&c->send);
	return qbi_misuse_of("abandon of a message", "nothing is reserved");
}

int qbi_send_most(qb_ipcs_connection_t *c, uint32_t *ret)
{
	int r = QBI_GONE;

	*ret = c->max_msg_size;
	qbi_mutex_lock(&c->send);
	if (c->sendable && connection_go_on(c)) {
		const struct qbi_server_ops *ops = c->transport->server;
		uint32_t most = ops->body_most ? ops->body_most(c->end) : 0;

		if (most > *ret)
			*ret = most;
		r = 0;
	}
	qbi_mutex_unlock(&c->send);
	return r;
}

uint32_t qbi_send_events_queued(qb_ipcs_connection_t *c)
{
	uint32_t n = 0;

	qbi_mutex_lock(&c->send);
	if (c->sendable && connection_go_on(c)) {
		/* The caller may wait for fewer events in a thread without a poll loop. */
		if (qbi_unsent_pass_on(c) < 0)
			connection_break(c);
		n = c->transport->server->events_queued(c->end);
	}
	qbi_mutex_unlock(&c->send);
	return n;
}

/* -- Dispatching thread --------------------------------------------------------- */

/* Under `send`. True: tell the application that there is room. */
static bool connection_try(qb_ipcs_connection_t *c, bool in_turn)
{
	bool room = false;

	if (qbi_unsent_try(c, in_turn, &room) < 0)
		connection_break(c);
	return room;
}

void qbi_send_resume(qb_ipcs_connection_t *c, bool in_turn)
{
	struct qbi_settings *set = &c->host->set;
	bool room = false;
	qbi_writable_fn fn;

	qbi_mutex_lock(&c->send);
	if (c->sendable && connection_go_on(c))
		room = connection_try(c, in_turn);
	qbi_mutex_unlock(&c->send);
	fn = set->writable;
	if (room && fn && qbi_connection_is_connected(c))
		fn(c, set->writable_data);
}

void qbi_send_join(qb_ipcs_connection_t *c, int fd)
{
	qbi_mutex_lock(&c->send);
	if (!c->end)
		(void)qbi_close(fd);
	else if (c->transport->server->join(c->end, fd) == QBI_UNSENT && c->sendable)
		qbi_unsent_begun(c, QBI_RESPONSES);
	qbi_mutex_unlock(&c->send);
}

static void connection_due(struct qbi_retry_entry *e)
{
	qb_ipcs_connection_t *c = qbi_container_of(e, struct qb_ipcs_connection, retry);
	_cleanup_(qbi_connection_let_go) struct qbi_connection_hold hold =
		qbi_connection_hold(c);

	qbi_send_resume(c, true);
}

void qbi_send_begin(qb_ipcs_connection_t *c)
{
	qbi_mutex_lock(&c->send);
	c->retry.fn = connection_due;
	c->sendable = true;
	c->generation = qbi_generation();
	qbi_mutex_unlock(&c->send);
}
