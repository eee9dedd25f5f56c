/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/loans.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "client/await.h"

/* -- Places, with the turn of the part ----------------------------------------------------- */

static struct qbi_client_loan *loan_mine(qb_ipcc_connection_t *c, enum qbi_client_part part)
{
	struct qbi_client_loan *l = &c->loan[part];

	return l->place && l->process == qbi_process_id() ? l : NULL;
}

/* Private memory of at least @size bytes, which is used again. */
static void *loan_buffer(struct qbi_client_loan *l, size_t size)
{
	if (!l->buffer || l->room < size) {
		free(l->buffer);
		l->buffer = malloc(size + !size);
		l->room = l->buffer ? size : 0;
	}
	return l->buffer;
}

static void loan_begin(qb_ipcc_connection_t *c, enum qbi_client_part part, void *place,
		       size_t size, bool in_place)
{
	struct qbi_client_loan *l = &c->loan[part];

	l->place = place;
	l->size = size;
	l->in_place = in_place;
	l->process = qbi_process_id();
	/* Who receives does not need to know of a copy. */
	if (part == QBI_PART_SEND || in_place)
		c->shared->holder[part] = l->process;
}

static void loan_end(qb_ipcc_connection_t *c, enum qbi_client_part part)
{
	struct qbi_client_loan *l = &c->loan[part];

	l->place = NULL;
	if (part == QBI_PART_SEND || l->in_place)
		c->shared->holder[part] = 0;
}

void qbi_client_loans_free(qb_ipcc_connection_t *c)
{
	int part;

	for (part = 0; part < QBI_CLIENT_PARTS; part++)
		free(QBI_TAKE(c->loan[part].buffer));
}

/* -- Requests -------------------------------------------------------------------------------- */

static int place_is_refused(qb_ipcc_connection_t *c)
{
	if (!qbi_client_is_lent(c, QBI_PART_SEND))
		return 0;
	return loan_mine(c, QBI_PART_SEND) ? -EBUSY : QBI_FULL;
}

/* With the turn of sending; it may rest. As qbi_client_reserve(). */
static int request_place_find(qb_ipcc_connection_t *c, size_t size, void **ret)
{
	const struct qbi_client_ops *ops = c->transport->client;
	void *place = NULL;
	int refused = place_is_refused(c);
	bool in_place;
	int r;

	if (refused || qbi_client_is_stopped(c))
		return refused ? refused : QBI_FULL;
	r = ops->reserve ? ops->reserve(c->end, size, QBI_FOREVER, &place) : QBI_AGAIN;
	in_place = r == 0;
	if (r != 0 && r != QBI_AGAIN && r != QBI_FULL)
		return r;
	/* Another thread may have been quicker while this one rested. */
	refused = place_is_refused(c);
	if (refused && in_place)
		ops->abandon(c->end);
	if (refused || r == QBI_FULL)
		return refused ? refused : r;
	if (!in_place)
		place = loan_buffer(&c->loan[QBI_PART_SEND], size);
	if (!place)
		return -ENOMEM;
	loan_begin(c, QBI_PART_SEND, place, size, in_place);
	*ret = place;
	return 0;
}

int qbi_client_reserve(qb_ipcc_connection_t *c, size_t size, void **ret)
{
	int r;

	if (size > c->max_msg_size)
		return -EMSGSIZE;
	if (c->gone)
		return QBI_GONE;
	r = qbi_client_part_take(c, QBI_PART_SEND, QBI_FOREVER);
	if (r == 0) {
		r = request_place_find(c, size, ret);
		qbi_client_part_release(c, QBI_PART_SEND);
	}
	if (r == QBI_FULL && !qbi_client_is_connected(c))
		r = QBI_GONE;
	return qbi_client_outcome(c, r);
}

/* With the turn of sending; it may rest. As qbi_client_commit(); QBI_EMPTY there is none. */
static int place_send(qb_ipcc_connection_t *c, size_t size)
{
	struct qbi_client_loan *l = loan_mine(c, QBI_PART_SEND);
	struct iovec iov = { .iov_len = size };
	struct qbi_msg msg = { .iov = &iov, .n = 1, .size = size };
	const struct qbi_client_ops *ops = c->transport->client;
	int r;

	if (!l)
		return QBI_EMPTY;
	if (size > l->size)
		return -EMSGSIZE;
	iov.iov_base = l->place;
	r = c->gone	? QBI_GONE :
	    l->in_place ? ops->commit(c->end, l->size, size, QBI_FOREVER) :
			  ops->sendv(c->end, &msg, QBI_FOREVER);
	/* Threads that send while it rests must not come before the commit is over. */
	if (r != QBI_FULL)
		loan_end(c, QBI_PART_SEND);
	return r;
}

int qbi_client_commit(qb_ipcc_connection_t *c, size_t size)
{
	int r = qbi_client_part_take(c, QBI_PART_SEND, QBI_FOREVER);

	if (r)
		return qbi_client_outcome(c, r);
	r = place_send(c, size);
	qbi_client_part_release(c, QBI_PART_SEND);
	if (r == QBI_EMPTY)
		return qbi_misuse_of("commit of a request", "nothing is reserved");
	return qbi_client_outcome(c, r);
}

int qbi_client_abandon(qb_ipcc_connection_t *c)
{
	struct qbi_client_loan *l;

	/* A connection that is broken is not used any more. */
	if (qbi_client_part_take(c, QBI_PART_SEND, QBI_FOREVER))
		return 0;
	l = loan_mine(c, QBI_PART_SEND);
	if (l && l->in_place)
		c->transport->client->abandon(c->end);
	if (l)
		loan_end(c, QBI_PART_SEND);
	qbi_client_part_release(c, QBI_PART_SEND);
	return l ? 0 : qbi_misuse_of("abandon of a request", "nothing is reserved");
}

/* -- Responses and events ---------------------------------------------------------------------- */

/*
 * One thread at a time waits for a message to be lent, so that there is a place for it when it
 * comes. One that has left its call does not count: it waits no more, or waits again. With the
 * turn. 0, -EBUSY.
 */
static int viewer_begin(qb_ipcc_connection_t *c, enum qbi_client_part part)
{
	struct qbi_client_loan *l = &c->loan[part];
	pid_t self = (pid_t)syscall(SYS_gettid);

	if (l->place)
		return -EBUSY;
	if (l->viewer && l->viewer != self && syscall(SYS_tgkill, getpid(), l->viewer, 0) == 0)
		return -EBUSY;
	l->viewer = self;
	return 0;
}

static int message_receive(qb_ipcc_connection_t *c, enum qbi_client_part part, void *buf,
			   size_t size, uint64_t deadline, size_t *ret_size)
{
	const struct qbi_client_ops *ops = c->transport->client;

	return part == QBI_PART_EVENT ? ops->event_recv(c->end, buf, size, deadline, ret_size) :
					ops->recv(c->end, buf, size, deadline, ret_size);
}

/* With the turn; it may rest. As qbi_client_view(); -EINTR a handler has run. */
static int message_lend(qb_ipcc_connection_t *c, enum qbi_client_part part, uint64_t deadline,
			const void **ret, size_t *ret_size)
{
	const struct qbi_client_ops *ops = c->transport->client;
	size_t room = c->max_msg_size;
	const void *place = NULL;
	int r = QBI_AGAIN;
	void *buf;

	if (ops->view)
		r = ops->view(c->end, part, deadline, &place, &room);
	if (r == 0) {
		*ret = place;
		*ret_size = room;
		loan_begin(c, part, (void *)(uintptr_t)place, room, true);
	}
	if (r != QBI_AGAIN)
		return r;
	buf = loan_buffer(&c->loan[part], room);
	if (!buf)
		return -ENOMEM;
	r = message_receive(c, part, buf, room, deadline, ret_size);
	/* A body. */
	if (r == -ENOBUFS && *ret_size > room) {
		buf = loan_buffer(&c->loan[part], *ret_size);
		if (!buf)
			return -ENOMEM;
		r = message_receive(c, part, buf, *ret_size, deadline, ret_size);
	}
	if (r == 0) {
		*ret = buf;
		loan_begin(c, part, buf, *ret_size, false);
	}
	return r;
}

/*
 * Where responses are matched with requests: from the thread that reads for all. With the turn,
 * but *@ret_held says whether also in the end.
 */
static int response_lend(qb_ipcc_connection_t *c, struct qbi_calls *calls, uint64_t deadline,
			 const void **ret, size_t *ret_size, bool *ret_held)
{
	void *buf = loan_buffer(&c->loan[QBI_PART_RECV], c->max_msg_size);
	int r;

	if (!buf)
		return -ENOMEM;
	qbi_client_part_release(c, QBI_PART_RECV);
	r = qbi_await_any(calls, buf, c->max_msg_size, deadline, ret_size);
	/* A body. */
	if (r == -ENOBUFS && *ret_size > c->max_msg_size) {
		buf = loan_buffer(&c->loan[QBI_PART_RECV], *ret_size);
		r = buf ? qbi_await_any(calls, buf, *ret_size, deadline, ret_size) : -ENOMEM;
	}
	*ret_held = qbi_client_part_take(c, QBI_PART_RECV, QBI_FOREVER) == 0;
	if (!*ret_held)
		return QBI_GONE;
	if (r == 0) {
		*ret = buf;
		loan_begin(c, QBI_PART_RECV, buf, *ret_size, false);
	}
	return r;
}

int qbi_client_view(qb_ipcc_connection_t *c, enum qbi_client_part part, uint64_t deadline,
		    const void **ret, size_t *ret_size)
{
	struct qbi_calls *calls = part == QBI_PART_RECV ? atomic_load(&c->calls) : NULL;
	bool held = true;
	int r = qbi_client_part_begin(c, part, deadline);

	if (r)
		return r == QBI_BUSY ? QBI_EMPTY : qbi_client_outcome(c, r);
	r = viewer_begin(c, part);
	if (r == 0) {
		r = calls ? response_lend(c, calls, deadline, ret, ret_size, &held) :
			    message_lend(c, part, deadline, ret, ret_size);
		/* What has come meanwhile, as qb_ipcc_event_recv(). */
		if (r == -EINTR)
			r = message_lend(c, part, 0, ret, ret_size);
		if (r == -EINTR)
			r = QBI_EMPTY;
		c->loan[part].viewer = 0;
	}
	if (held)
		qbi_client_part_release(c, part);
	return qbi_client_outcome(c, r);
}

int qbi_client_release(qb_ipcc_connection_t *c, enum qbi_client_part part)
{
	struct qbi_client_loan *l;

	/* A connection that is broken is not used any more. */
	if (qbi_client_part_take(c, part, QBI_FOREVER))
		return 0;
	l = loan_mine(c, part);
	if (l && l->in_place)
		c->transport->client->view_done(c->end, part);
	if (l)
		loan_end(c, part);
	qbi_client_part_release(c, part);
	return l ? 0 : qbi_misuse_of("release of a message", "none is lent");
}
