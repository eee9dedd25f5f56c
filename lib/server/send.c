/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Responses and events. Any thread that holds a reference may be here; what a client
 * did wrong is only noted (`broken`), and the dispatching thread, woken through the
 * stream, draws the consequence: no callback runs inside a send.
 */
#include <errno.h>
#include <sys/socket.h>

#include "base/util.h"
#include "server/connection.h"
#include "server/service.h"

void qbi_connection_break(qb_ipcs_connection_t *c)
{
	c->broken = true;
	(void)shutdown(c->stream.fd, SHUT_RDWR);
}

/* 0, QBI_FULL, QBI_GONE, -EMSGSIZE, -ENOBUFS, -errno. */
static int message_pass(qb_ipcs_connection_t *c, enum qbi_channel channel,
			const struct qbi_msg *msg)
{
	const struct qbi_server_ops *ops = c->transport->server;
	int r;

	if (msg->size > c->max_msg_size)
		return -EMSGSIZE;
	r = qbi_unsent_pass_on(c);
	if (r == 0)
		r = channel == QBI_EVENTS ? ops->eventv(c->end, msg)
					  : ops->respondv(c->end, msg);
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
	/* This message cannot be sent; the next one may be. */
	if (r >= 0 || r == -EMSGSIZE || r == -ENOBUFS)
		return r;
	/* The client made nonsense of what we share: to the sender it is gone. */
	qbi_connection_break(c);
	return QBI_GONE;
}

static int message_send(qb_ipcs_connection_t *c, enum qbi_channel channel,
			const struct qbi_msg *msg, qbi_counter *counter)
{
	int r = QBI_GONE;

	qbi_mutex_lock(&c->send);
	if (c->sendable && !c->broken)
		r = message_pass(c, channel, msg);
	if (r == 0)
		qbi_counter_add(counter);
	qbi_mutex_unlock(&c->send);
	return r;
}

int qbi_connection_respond(qb_ipcs_connection_t *c, const struct qbi_msg *msg)
{
	return message_send(c, QBI_RESPONSES, msg, &c->count.responses);
}

int qbi_connection_event(qb_ipcs_connection_t *c, const struct qbi_msg *msg)
{
	return message_send(c, QBI_EVENTS, msg, &c->count.events);
}

uint32_t qbi_connection_events_queued(qb_ipcs_connection_t *c)
{
	uint32_t n = 0;

	qbi_mutex_lock(&c->send);
	if (c->sendable && !c->broken) {
		/* Who waits for fewer may do so away from the loop. */
		if (qbi_unsent_pass_on(c) < 0)
			qbi_connection_break(c);
		n = c->transport->server->events_queued(c->end);
	}
	qbi_mutex_unlock(&c->send);
	return n;
}
