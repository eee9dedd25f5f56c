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

/* Under the send lock. The loop sees the hang-up that this causes. */
static void connection_break(qb_ipcs_connection_t *c)
{
	c->broken = true;
	(void)shutdown(c->stream.fd, SHUT_RDWR);
}

typedef int (*send_fn)(void *st, const struct qbi_msg *msg);

static int connection_send(qb_ipcs_connection_t *c, send_fn fn, const struct qbi_msg *msg)
{
	int r;

	if (msg->size > c->max_msg_size)
		return -EMSGSIZE;
	r = fn(c->end, msg);
	if (r == QBI_FULL)
		qbi_counter_add(&c->count.send_retries);
	if (r >= 0 || r == -EMSGSIZE)
		return r;
	/* The client made nonsense of what we share: to the sender it is gone. */
	connection_break(c);
	return QBI_GONE;
}

/* Part of a message waits to go out: have flush() called. */
static void connection_flush_later(qb_ipcs_connection_t *c)
{
	if (!c->flush_pending)
		qbi_retry_add(c->service, c);
	c->flush_pending = true;
}

static int message_send(qb_ipcs_connection_t *c, send_fn fn, const struct qbi_msg *msg)
{
	int r = connection_send(c, fn, msg);

	if (r != QBI_LATER)
		return r;
	connection_flush_later(c);
	return 0;
}

int qbi_connection_respond(qb_ipcs_connection_t *c, const struct qbi_msg *msg)
{
	int r = QBI_GONE;

	pthread_mutex_lock(&c->send);
	if (c->end && !c->broken)
		r = message_send(c, c->transport->server->respondv, msg);
	if (r == 0)
		qbi_counter_add(&c->count.responses);
	pthread_mutex_unlock(&c->send);
	return r;
}

int qbi_connection_event(qb_ipcs_connection_t *c, const struct qbi_msg *msg)
{
	int r = QBI_GONE;

	pthread_mutex_lock(&c->send);
	if (c->end && !c->broken)
		r = message_send(c, c->transport->server->eventv, msg);
	if (r == 0)
		qbi_counter_add(&c->count.events);
	pthread_mutex_unlock(&c->send);
	return r;
}

int qbi_connection_flush(qb_ipcs_connection_t *c)
{
	int r = 0;

	pthread_mutex_lock(&c->send);
	if (c->end && c->flush_pending)
		r = c->transport->server->flush(c->end);
	c->flush_pending = r == QBI_LATER;
	if (r < 0)
		connection_break(c);
	pthread_mutex_unlock(&c->send);
	return r;
}

uint32_t qbi_connection_events_queued(qb_ipcs_connection_t *c)
{
	uint32_t n = 0;

	pthread_mutex_lock(&c->send);
	if (c->end)
		n = c->transport->server->events_queued(c->end);
	pthread_mutex_unlock(&c->send);
	return n;
}
