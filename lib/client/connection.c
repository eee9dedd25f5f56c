/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an established connection does. */
#include "client/connection.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

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

/*
 * The server broke its own wire: nothing it says from now on means anything. The
 * connection is over as if the server had gone.
 */
static int client_outcome(qb_ipcc_connection_t *c, int r)
{
	if (r == -EBADMSG) {
		(void)shutdown(c->stream, SHUT_RDWR);
		r = QBI_GONE;
	}
	if (r == QBI_GONE)
		c->gone = true;
	return r;
}

/* A turn, which others may have until the deadline of theirs. */
static bool turn_take(pthread_mutex_t *turn, uint64_t deadline)
{
	struct timespec until;

	if (pthread_mutex_trylock(turn) == 0)
		return true;
	if (deadline == QBI_FOREVER)
		return pthread_mutex_lock(turn) == 0;
	until.tv_sec = (time_t)(deadline / QBI_NS_PER_S);
	until.tv_nsec = (long)(deadline % QBI_NS_PER_S);
	return pthread_mutex_clocklock(turn, CLOCK_MONOTONIC, &until) == 0;
}

int qbi_client_send(qb_ipcc_connection_t *c, const struct qbi_msg *msg, uint64_t deadline)
{
	const struct qbi_client_ops *ops = c->transport->client;
	uint32_t flow;
	int r;

	if (msg->size > c->max_msg_size)
		return -EMSGSIZE;
	if (c->gone)
		return QBI_GONE;
	if (!turn_take(&c->send, deadline))
		return QBI_FULL;
	flow = ops->flow(c->end);
	if (flow != 0 && flow <= c->flow_max)
		r = QBI_FULL;
	else
		r = ops->sendv(c->end, msg, deadline);
	pthread_mutex_unlock(&c->send);
	if (r == QBI_FULL && !qbi_client_is_connected(c))
		r = QBI_GONE;
	return client_outcome(c, r);
}

int qbi_client_event_fd(qb_ipcc_connection_t *c)
{
	int r;

	if (!c->end)
		return -EINVAL;
	pthread_mutex_lock(&c->send);
	r = c->transport->client->event_fd(c->end);
	pthread_mutex_unlock(&c->send);
	return r;
}

int qbi_client_recv(qb_ipcc_connection_t *c, void *buf, size_t size, uint64_t deadline,
		    size_t *ret_size)
{
	int r;

	if (!turn_take(&c->recv, deadline))
		return QBI_EMPTY;
	r = c->transport->client->recv(c->end, buf, size, deadline, ret_size);
	pthread_mutex_unlock(&c->recv);
	return client_outcome(c, r);
}

int qbi_client_event_recv(qb_ipcc_connection_t *c, void *buf, size_t size,
			  uint64_t deadline, size_t *ret_size)
{
	int r;

	if (!turn_take(&c->event, deadline))
		return QBI_EMPTY;
	r = c->transport->client->event_recv(c->end, buf, size, deadline, ret_size);
	pthread_mutex_unlock(&c->event);
	return client_outcome(c, r);
}
