/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/unsent.h"

#include "base/again.h"
#include "base/socket.h"

static bool unsent_is_waiting(const struct qbi_unsent *u)
{
	return u->begun || u->refused;
}

/*
 * Let the socket wake us, if there is one. A socket that reports room although it has just
 * refused bytes is out of memory, and would wake us for ever: then use the timer.
 */
static bool channel_watch(qb_ipcs_connection_t *c, enum qbi_channel channel)
{
	int fd = c->transport->server->wait_fd(c->end, channel);

	if (fd < 0 || (c->retry.step > 0 && qbi_socket_room(fd) != QBI_FULL))
		return false;
	return qbi_retry_watch(&c->host->retry, &c->retry, channel, fd) == 0;
}

static void connection_wait(qb_ipcs_connection_t *c)
{
	bool waiting = false;
	bool timer = false;
	bool body = false;
	int channel;

	for (channel = 0; channel < QBI_CHANNELS; channel++) {
		if (!unsent_is_waiting(&c->unsent[channel]))
			continue;
		waiting = true;
		body |= c->unsent[channel].held != 0;
		timer |= !channel_watch(c, (enum qbi_channel)channel);
	}
	if (timer)
		qbi_retry_after(&c->host->retry, &c->retry,
				body && c->retry.step == 0 ? QBI_RETRY_SOON : c->retry.step);
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

	if (!c->host->set.writable)
		return;
	if (!u->refused || size < u->size)
		u->size = size;
	if (u->refused)
		return;
	u->refused = true;
	connection_wait(c);
}

void qbi_unsent_moved(qb_ipcs_connection_t *c)
{
	c->retry.step = 0;
	if (c->waiting)
		connection_wait(c);
}

/* Send the rest of a message of @channel. 0, QBI_FULL, QBI_UNSENT, QBI_GONE, -errno. */
static int channel_flush(qb_ipcs_connection_t *c, enum qbi_channel channel, bool *ret_moved)
{
	struct qbi_unsent *u = &c->unsent[channel];
	int r = c->transport->server->flush(c->end, channel);

	u->begun = r == QBI_UNSENT || r == QBI_FULL;
	if (r == 0 && u->held) {
		qbi_limits_let_go(&c->quota, u->held);
		u->held = 0;
	}
	*ret_moved |= r == 0 || r == QBI_UNSENT;
	return r;
}

int qbi_unsent_flush(qb_ipcs_connection_t *c)
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

/* Is there room for a message that was refused? As room() of the transport. */
static int channel_room(qb_ipcs_connection_t *c, enum qbi_channel channel, size_t size)
{
	struct qbi_loan *loan = qbi_connection_loan(c, channel);
	int r;

	/* Others wait for its commit, and that may wait itself. */
	if (loan && !loan->refused)
		return QBI_FULL;
	if (size > c->max_msg_size && !qbi_limits_can_hold(&c->host->limits, &c->quota, size))
		return QBI_FULL;
	r = c->transport->server->room(c->end, channel, size);
	if (loan && r == 0)
		loan->refused = false;
	return r;
}

/*
 * 0, -errno. *@ret_moved: something was sent; *@ret_room: there is room again for a refused
 * message.
 */
static int channel_resume(qb_ipcs_connection_t *c, enum qbi_channel channel, bool *ret_moved,
			  bool *ret_room)
{
	struct qbi_unsent *u = &c->unsent[channel];
	int r = 0;

	if (u->begun)
		r = channel_flush(c, channel, ret_moved);
	if (u->refused && !u->begun) {
		if (r == 0)
			r = channel_room(c, channel, u->size);
		u->refused = r == QBI_FULL;
		*ret_room |= r == 0;
	}
	return r < 0 ? r : 0;
}

int qbi_unsent_try(qb_ipcs_connection_t *c, bool in_turn, bool *ret_room)
{
	bool moved = false, room = false;
	int channel;
	int r = 0;

	for (channel = 0; channel < QBI_CHANNELS && r == 0; channel++)
		r = channel_resume(c, (enum qbi_channel)channel, &moved, &room);
	if (r < 0) {
		c->waiting = false;
		return r;
	}
	/* Room alone is no progress: something must have been sent. */
	if (moved)
		c->retry.step = 0;
	else if ((in_turn || room) && c->retry.step < QBI_RETRY_STEPS - 1)
		c->retry.step++;
	connection_wait(c);
	*ret_room = room;
	return 0;
}
