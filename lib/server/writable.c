/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/writable.h"

#include "base/socket.h"
#include "base/util.h"
#include "server/connection.h"
#include "server/service.h"

void qbi_writable_set(qb_ipcs_service_t *s, qbi_writable_fn fn, void *data)
{
	s->writable.data = data;
	atomic_store(&s->writable.fn, fn);
}

/* -- Under `send` -------------------------------------------------------------- */

static bool unsent_is_waiting(const struct qbi_unsent *u)
{
	return u->begun || u->refused;
}

/*
 * Be woken by the socket, if one can tell. One that takes bytes although it has just
 * refused some is out of memory, and would wake us for ever: then by time.
 */
static bool channel_watch(qb_ipcs_connection_t *c, enum qbi_channel channel)
{
	int fd = c->transport->server->wait_fd(c->end, channel);

	if (fd < 0 || (c->retry.step > 0 && qbi_socket_room(fd) != QBI_FULL))
		return false;
	return qbi_retry_watch(c->service, c, channel, fd) == 0;
}

static void connection_wait(qb_ipcs_connection_t *c)
{
	bool waiting = false;
	bool timer = false;
	int channel;

	for (channel = 0; channel < QBI_CHANNELS; channel++) {
		if (!unsent_is_waiting(&c->unsent[channel]))
			continue;
		waiting = true;
		timer |= !channel_watch(c, (enum qbi_channel)channel);
	}
	if (timer)
		qbi_retry_after(c->service, c);
	c->waiting = waiting;
}

void qbi_unsent_begun(qb_ipcs_connection_t *c, enum qbi_channel channel)
{
	c->unsent[channel].begun = true;
	connection_wait(c);
}

void qbi_unsent_refused(qb_ipcs_connection_t *c, enum qbi_channel channel, size_t size)
{
	struct qbi_unsent *u = &c->unsent[channel];

	if (!c->service->writable.fn)
		return;
	if (!u->refused || size < u->size)
		u->size = size;
	if (u->refused)
		return;
	u->refused = true;
	connection_wait(c);
}

void qbi_unsent_progress(qb_ipcs_connection_t *c)
{
	if (c->retry.step == 0)
		return;
	c->retry.step = 0;
	if (c->waiting)
		connection_wait(c);
}

/* What of @channel has begun. 0, QBI_FULL, QBI_UNSENT, QBI_GONE, -errno. */
static int channel_flush(qb_ipcs_connection_t *c, enum qbi_channel channel, bool *ret_moved)
{
	struct qbi_unsent *u = &c->unsent[channel];
	int r = c->transport->server->flush(c->end, channel);

	u->begun = r == QBI_UNSENT || r == QBI_FULL;
	*ret_moved |= r == 0 || r == QBI_UNSENT;
	return r;
}

int qbi_unsent_pass_on(qb_ipcs_connection_t *c)
{
	bool moved = false;
	int channel;
	int r = 0;

	for (channel = 0; channel < QBI_CHANNELS && r >= 0; channel++)
		if (c->unsent[channel].begun)
			r = channel_flush(c, (enum qbi_channel)channel, &moved);
	if (moved)
		qbi_unsent_progress(c);
	return r < 0 ? r : 0;
}

/*
 * 0, -errno. *@ret_moved: something went out; *@ret_room: there is room again for what
 * was refused.
 */
static int channel_resume(qb_ipcs_connection_t *c, enum qbi_channel channel,
			  bool *ret_moved, bool *ret_room)
{
	const struct qbi_server_ops *ops = c->transport->server;
	struct qbi_unsent *u = &c->unsent[channel];
	int r = 0;

	if (u->begun)
		r = channel_flush(c, channel, ret_moved);
	if (u->refused && !u->begun) {
		if (r == 0)
			r = ops->room(c->end, channel, u->size);
		u->refused = r == QBI_FULL;
		*ret_room |= r == 0;
	}
	return r < 0 ? r : 0;
}

/* True: the application is to be told that there is room. */
static bool connection_try(qb_ipcs_connection_t *c, bool in_turn)
{
	bool moved = false, room = false;
	int channel;
	int r = 0;

	for (channel = 0; channel < QBI_CHANNELS && r == 0; channel++)
		r = channel_resume(c, (enum qbi_channel)channel, &moved, &room);
	if (r < 0) {
		qbi_connection_break(c);
		c->waiting = false;
		return false;
	}
	/* Room counts when something was sent into it. */
	if (moved)
		c->retry.step = 0;
	else if ((in_turn || room) && c->retry.step < QBI_RETRY_STEPS - 1)
		c->retry.step++;
	connection_wait(c);
	return room;
}

/* -- Dispatching thread --------------------------------------------------------- */

void qbi_connection_resume(qb_ipcs_connection_t *c, bool in_turn)
{
	struct qbi_writable *w = &c->service->writable;
	bool room = false;
	qbi_writable_fn fn;

	qbi_mutex_lock(&c->send);
	if (c->sendable && !c->broken)
		room = connection_try(c, in_turn);
	qbi_mutex_unlock(&c->send);
	fn = w->fn;
	if (room && fn && qbi_connection_is_connected(c))
		fn(c, w->data);
}
