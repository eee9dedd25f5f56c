/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/handshake.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/socket.h"
#include "base/util.h"
#include "server/connection.h"
#include "server/send.h"

/* -- Evicting handshakes ------------------------------------------------------- */

static qb_ipcs_connection_t *limits_connection(struct qbi_limits_entry *e)
{
	return e ? qbi_container_of(e, struct qb_ipcs_connection, quota) : NULL;
}

qb_ipcs_connection_t *qbi_handshake_oldest(struct qbi_host *h)
{
	return limits_connection(qbi_limits_oldest(&h->limits));
}

/* By its first message, which stays there. */
static bool stream_is_bell(int fd)
{
	struct qbi_hello hello;

	return recv(fd, &hello, sizeof(hello), MSG_PEEK | MSG_DONTWAIT) == sizeof(hello) &&
	       qbi_hello_is_bell(&hello);
}

/*
 * The bell of a client that has its answer, which is here and was not looked at yet: to close it
 * would end that connection. True: it has joined, or was closed.
 */
static bool handshake_joins(qb_ipcs_connection_t *c)
{
	bool closed;

	if (c->hello_size || !stream_is_bell(c->stream.fd))
		return false;
	qbi_connection_ref(c);
	(void)qbi_handshake_continue(c);
	closed = c->state == QBI_CONNECTION_CLOSED;
	qbi_connection_unref(c);
	return closed;
}

static void handshake_close(qb_ipcs_connection_t *c, const struct qbi_limits_verdict *v)
{
	if (handshake_joins(c))
		return;
	qbi_refusals_note(&c->host->refusals, v->why, &c->peer, "%s", v->text);
	qbi_connection_abandon(c);
}

bool qbi_handshake_make_room(struct qbi_host *h)
{
	struct qbi_limits_verdict v;
	qb_ipcs_connection_t *victim = limits_connection(qbi_limits_make_room(&h->limits, &v));

	if (victim)
		handshake_close(victim, &v);
	return victim;
}

int qbi_handshake_begin(qb_ipcs_connection_t *c)
{
	struct qbi_limits *l = &c->host->limits;
	struct qbi_limits_entry *victim;
	struct qbi_limits_verdict v;
	int r = qbi_limits_begin(l, &c->quota, c->peer.uid);

	if (r < 0)
		return r;
	c->take_cost.exempt = c->send_cost.exempt = qbi_limits_is_exempt(c->peer.uid);
	while ((victim = qbi_limits_excess(l, &c->quota, c->stream.fd, &v)))
		handshake_close(limits_connection(victim), &v);
	return 0;
}

void qbi_handshake_overdue(struct qbi_deadline *d)
{
	struct qbi_host *h = qbi_container_of(d, struct qbi_host, overdue);
	uint64_t now = qbi_now_ns();

	while (qbi_limits_overdue_at(&h->limits) <= now) {
		qb_ipcs_connection_t *c = qbi_handshake_oldest(h);

		qbi_refusals_note(&h->refusals, QBI_REFUSED_OVERDUE, &c->peer,
				  "no handshake for %llu ms",
				  (unsigned long long)h->limits.at.handshake_ms);
		qbi_connection_abandon(c);
	}
	(void)qbi_host_handshakes_changed(h);
}

/* -- The first message --------------------------------------------------------- */

/* 0: complete; QBI_EMPTY: not yet; QBI_GONE; -errno. */
static int hello_read(qb_ipcs_connection_t *c)
{
	char *to = (char *)&c->hello + c->hello_size;
	struct qbi_cost_mark mark = qbi_cost_begin(&c->take_cost);
	ssize_t n = qbi_socket_receive(c->stream.fd, to, sizeof(c->hello) - c->hello_size);

	if (qbi_cost_end(&c->take_cost, &mark, 0)) {
		c->costly = true;
		qbi_refusals_note(&c->host->refusals, QBI_REFUSED_COSTLY, &c->peer,
				  "its first message costs too much");
		return -ECONNRESET;
	}
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? QBI_EMPTY : -errno;
	if (n == 0)
		return QBI_GONE;
	c->hello_size += (size_t)n;
	return c->hello_size < sizeof(c->hello) ? QBI_EMPTY : 0;
}

/*
 * Do not make the files and the memory of a connection for a client that has left already:
 * otherwise a process that connects and disconnects in a loop would delay the others.
 */
static bool handshake_client_has_left(const qb_ipcs_connection_t *c)
{
	char byte;

	return recv(c->stream.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* -- Bells --------------------------------------------------------------------- */

/*
 * The connection that waits for @c as its bell; NULL: there is none, or none that is this
 * user's, or @c brought more than it should.
 */
static qb_ipcs_connection_t *bell_owner(const qb_ipcs_connection_t *c)
{
	struct qbi_bell *e = qbi_bells_find(&c->host->bells, qbi_hello_bell_number(&c->hello));
	qb_ipcs_connection_t *owner =
		e ? qbi_container_of(e, struct qb_ipcs_connection, bell) : NULL;
	char byte;

	if (!owner || owner->peer.uid != c->peer.uid)
		return NULL;
	/* From now on nothing can come, and what has come would stay until the end. */
	qbi_send_only(c->stream.fd);
	return recv(c->stream.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0 ? NULL : owner;
}

/* @c was no client of its own: its stream goes to the connection, or it is closed. */
static void bell_join(qb_ipcs_connection_t *c)
{
	qb_ipcs_connection_t *owner = bell_owner(c);

	if (owner) {
		qbi_bell_remove(&owner->bell);
		qbi_send_join(owner, qbi_connection_stream_take(c));
		owner->held = false;
		/* The loop reports again what is there. */
		if (qbi_connection_watch_update(owner) < 0)
			qbi_connection_disconnect(owner);
	}
	qbi_connection_abandon(c);
}

bool qbi_handshake_may_be_bell(struct qbi_host *h, int fd)
{
	socklen_t len = sizeof(struct ucred);
	struct ucred peer;
	char byte;

	if (stream_is_bell(fd))
		return true;
	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN &&
	       getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       qbi_bells_one_waits(&h->bells, peer.uid);
}

/* Its first message is here. True: a client's. */
static bool handshake_finish(qb_ipcs_connection_t *c)
{
	if (qbi_hello_is_bell(&c->hello)) {
		bell_join(c);
		return false;
	}
	if (qbi_hello_check(&c->hello) != -EBADMSG)
		return true;
	qbi_refusals_note(&c->host->refusals, QBI_REFUSED_BAD_HANDSHAKE, &c->peer,
			  "sent no handshake");
	qbi_connection_abandon(c);
	return false;
}

bool qbi_handshake_continue(qb_ipcs_connection_t *c)
{
	int r = hello_read(c);

	/* A bell costs nothing that could be saved. */
	if (r == 0 && !qbi_hello_is_bell(&c->hello) && handshake_client_has_left(c))
		r = QBI_GONE;
	if (r == 0)
		return handshake_finish(c);
	if (r != QBI_EMPTY || qbi_connection_watch_update(c) < 0 ||
	    qbi_host_handshakes_changed(c->host) < 0)
		qbi_connection_abandon(c);
	return false;
}
