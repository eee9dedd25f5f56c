/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/admission.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/socket.h"
#include "base/trace.h"
#include "base/util.h"
#include "server/access.h"
#include "server/connection.h"
#include "server/end.h"
#include "server/handshake.h"
#include "server/inquiry.h"
#include "server/request-buffer.h"
#include "server/send.h"
#include "transport/registry.h"
#include "transport/trial.h"

/* -- The answer ------------------------------------------------------------------- */

_Static_assert(QBI_REPLY_FDS_MAX <= QBI_PASS_MAX, "qbi_socket_pass() takes them");

/* A few kilobytes to an empty socket: all of it is sent, or the client is not served. */
static int welcome_send(qb_ipcs_connection_t *c, const struct qbi_reply *reply)
{
	const size_t size = sizeof(*reply->welcome);
	ssize_t n =
		qbi_socket_pass(c->stream.fd, reply->welcome, size, reply->fds, reply->n_fds);

	if (n < 0)
		return (int)n;
	if (reply->n_fds)
		qbi_unread_add(&c->host->unread, &c->unread, c->stream.fd, c->peer.uid);
	if ((size_t)n == size)
		return 0;
	/* Only a part of the answer was sent. A refusal cannot follow it: end the stream. */
	(void)shutdown(c->stream.fd, SHUT_RDWR);
	return -EAGAIN;
}

static void reply_close_fds(struct qbi_reply *reply)
{
	while (reply->n_fds > 0)
		qbi_close(reply->fds[--reply->n_fds]);
}

/* Refuse the client and end it. Its errno becomes @error, negated. */
static void connection_refuse(qb_ipcs_connection_t *c, int32_t error)
{
	struct qbi_reply reply = { .welcome = c->host->welcome };

	qbi_welcome_init(reply.welcome, error);
	(void)welcome_send(c, &reply);
	qbi_connection_abandon(c);
}

/* -- From the limits to the application ------------------------------------------ */

/* At least the minimum of the service and of the answer. 0; -EMSGSIZE it is too large. */
static int size_agree(qb_ipcs_connection_t *c)
{
	const struct qbi_host *h = c->host;
	uint32_t wanted = c->hello.max_msg_size;

	c->max_msg_size = wanted < h->set.min_msg_size ? h->set.min_msg_size : wanted;
	if (c->max_msg_size < QBI_MIN_MSG_SIZE)
		c->max_msg_size = QBI_MIN_MSG_SIZE;
	return wanted > h->limits.at.message_size ? -EMSGSIZE : 0;
}

/* 0: it counts as a connection from now on; -errno: refuse the client with it. */
static int connection_admit(qb_ipcs_connection_t *c)
{
	struct qbi_host *h = c->host;
	struct qbi_limits_verdict v;
	int r = qbi_limits_admit(&h->limits, &c->quota, c->stream.fd, c->max_msg_size, &v);

	if (r < 0)
		qbi_refusals_note(&h->refusals, v.why, &c->peer, "%s", v.text);
	else
		(void)qbi_host_handshakes_changed(h);
	return r;
}

/* Ask the application. 0, or the value of its refusal (any sign). */
static int32_t connection_accept(qb_ipcs_connection_t *c)
{
	struct qbi_host *h = c->host;
	int32_t r = 0;

	qbi_connection_enter(c, QBI_CONNECTION_ACCEPTING);
	c->announced = true;
	if (h->set.on.connection_accept)
		r = h->set.on.connection_accept(c, c->peer.uid, c->peer.gid);
	if (r == 0 && h->stopped)
		r = -ESHUTDOWN;
	return r;
}

/* -- The transport ---------------------------------------------------------------- */

/*
 * Open the transport. When the process is out of descriptors, close unfinished handshakes
 * to free theirs: opening needs several descriptors, and a client whose handshake is
 * complete takes priority over clients that have sent nothing yet.
 */
static int transport_open(qb_ipcs_connection_t *c, const struct qbi_server_spec *spec,
			  struct qbi_reply *reply)
{
	const struct qbi_server_ops *ops = c->transport->server;
	int r = ops->open(c->end, spec, reply);

	while ((r == -EMFILE || r == -ENFILE) && qbi_handshake_make_room(c->host)) {
		qbi_end_clear(c->end);
		reply_close_fds(reply);
		r = ops->open(c->end, spec, reply);
	}
	return r;
}

/* May its large requests be handed out in memory that it can still write? */
static bool in_place_is_granted(const qb_ipcs_connection_t *c)
{
	if (c->max_msg_size < QBI_IN_PLACE_MIN)
		return false;
	switch (c->host->set.views) {
	case QBI_VIEWS_NEVER: return false;
	case QBI_VIEWS_ALWAYS: return true;
	default: return qbi_access_is_trusted(c->stream.fd, &c->peer);
	}
}

static int connection_open_end(qb_ipcs_connection_t *c, struct qbi_reply *reply)
{
	struct qbi_host *h = c->host;
	struct qbi_server_spec spec = {
		.stream = c->stream.fd,
		.service = h->set.name,
		.peer = c->peer,
		.owner = c->owner,
		.max_msg_size = c->max_msg_size,
		.body_limit = h->set.body_limit,
		.shared = &h->shared,
		.locking = &h->locking,
	};
	const struct qbi_server_ops *ops;
	bool unread = false;
	int r;

	if (!c->why.code)
		c->why = qbi_connection_why_not(c, &unread);
	if (unread)
		qbi_refusals_note(&h->refusals, QBI_REFUSED_UNREAD, &c->peer,
				  "too many answers with descriptors are not read");
	/* The native wire passes descriptors. To a client that must not get them libqb's
	 * wire is offered, where the kernel refuses to open the files. */
	if (!c->why.code && !qbi_access_granted(c->stream.fd, &c->peer, &c->owner))
		c->why.code = QBIPC_WHY_OWNER;
	c->transport = qbi_transport_for_service(h->set.type, &c->hello, !c->why.code);
	if (!c->transport)
		return -ENOTSUP;
	ops = c->transport->server;
	spec.in_place = ops->done && in_place_is_granted(c);
	c->end = qbi_end_new(ops);
	if (!c->end)
		return -ENOMEM;
	r = transport_open(c, &spec, reply);
	if (r < 0)
		return r;
	r = qbi_retry_hold(&h->retry);
	if (r < 0)
		return r;
	c->holds_retry = true;
	if (ops->join)
		r = qbi_bells_add(&h->bells, &c->bell, c->peer.uid);
	if (r < 0)
		return r;
	c->request.fd = ops->request_fd(c->end);
	c->flow = h->set.flow;
	ops->flow_set(c->end, c->flow);
	return qbi_connection_watch_update(c);
}

static void welcome_fill(qb_ipcs_connection_t *c, struct qbi_welcome *welcome)
{
	const struct qbi_transport *t = c->transport;

	welcome->type = (int32_t)t->type;
	welcome->max_msg_size = c->max_msg_size;
	welcome->opaque = c->bell.number ? c->bell.number : (uint64_t)c->stream.fd;
	if (t->version) {
		welcome->mark = QBI_WIRE_MARK;
		welcome->version = t->version;
	} else if (c->hello.mark == QBI_WIRE_MARK && c->hello.version > 0) {
		qbi_welcome_decline(welcome, c->why);
	}
}

/* 0; -errno: another transport may be offered. *@ret_made: but for sending it. */
static int connection_offer(qb_ipcs_connection_t *c, bool *ret_made)
{
	_cleanup_(reply_close_fds) struct qbi_reply reply = { .welcome = c->host->welcome };
	int r;

	qbi_welcome_init(reply.welcome, 0);
	r = connection_open_end(c, &reply);
	*ret_made = r >= 0;
	if (r < 0)
		return r;
	if (!c->listed.place)
		qbi_roster_add(&c->host->connections, &c->listed);
	welcome_fill(c, reply.welcome);
	return welcome_send(c, &reply);
}

/*
 * Did the offer fail because of something that libqb's wire does not need? A policy or a
 * sandbox may refuse memfds, socket pairs and passed descriptors. The kernel also limits
 * passed descriptors that nobody has received, and clients that never read their answers
 * use up that limit. A client that is gone, or has half an answer, gets no second offer; nor
 * does one whose memory must be locked and cannot be.
 */
static bool native_is_in_the_way(const qb_ipcs_connection_t *c, int error)
{
	return c->transport && c->transport->version > 0 && error != -EPIPE &&
	       error != -ECONNRESET && error != -EAGAIN && !c->host->locking.error;
}

static struct qbi_why obstacle_of_server(const qb_ipcs_connection_t *c, bool made, int error)
{
	struct qbi_why why;

	if (made)
		return qbi_why_server(QBI_CALL_SENDMSG, error);
	why = qbi_transport_trial_server(c->host->set.type, NULL);
	/* In small it works: too large, or over by now. */
	return why.code ? why : qbi_why_server(QBI_CALL_UNKNOWN, error);
}

/* 0; -errno: refuse the client with it. */
static int connection_open(qb_ipcs_connection_t *c)
{
	struct qbi_host *h = c->host;
	bool made;
	int r;

	qbi_connection_enter(c, QBI_CONNECTION_OPENING);
	h->locking.error = 0;
	if (!qbi_host_scratch_reserve(h, qbi_request_buffer_room(c->max_msg_size)))
		return h->locking.error < 0 ? h->locking.error : -ENOMEM;
	r = connection_offer(c, &made);
	if (r < 0 && native_is_in_the_way(c, r)) {
		qbi_connection_retract(c);
		c->why = obstacle_of_server(c, made, r);
		r = connection_offer(c, &made);
	}
	if (r >= 0 && !c->transport->version)
		qbi_why_log(h->set.name, c->peer.pid, c->why);
	return r;
}

/* -- The end of it ---------------------------------------------------------------- */

static void connection_created(qb_ipcs_connection_t *c)
{
	struct qbi_host *h = c->host;

	qbi_connection_enter(c, QBI_CONNECTION_CREATED);
	qbi_send_begin(c);
	if (h->set.on.connection_created)
		h->set.on.connection_created(c);
	if (c->disconnect_asked || h->stopped) {
		qbi_connection_abandon(c);
		return;
	}
	qbi_connection_enter(c, QBI_CONNECTION_ESTABLISHED);
	if (c->transport->server->established)
		c->transport->server->established(c->end);
}

static void open_refuse(qb_ipcs_connection_t *c, int error)
{
	struct qbi_refusals *refusals = &c->host->refusals;
	bool is_short = error == -EMFILE || error == -ENFILE;
	struct rlimit limit = { 0 };

	if (c->host->locking.error) {
		(void)getrlimit(RLIMIT_MEMLOCK, &limit);
		qbi_refusals_note(refusals, QBI_REFUSED_UNLOCKED, &c->peer,
				  "memory for messages of %u bytes cannot be locked: %s; "
				  "RLIMIT_MEMLOCK is %llu",
				  c->max_msg_size, strerror(-error),
				  (unsigned long long)limit.rlim_cur);
	} else {
		qbi_refusals_note(refusals,
				  is_short ? QBI_REFUSED_DESCRIPTORS : QBI_REFUSED_FAILED,
				  &c->peer, "cannot be served: %s", strerror(-error));
	}
	connection_refuse(c, error);
}

static void admission_decide(qb_ipcs_connection_t *c)
{
	struct qbi_host *h = c->host;
	int32_t refusal;
	int r = qbi_hello_check(&c->hello);

	if (r == 0)
		r = size_agree(c);
	if (r < 0) {
		qbi_refusals_note(&h->refusals, QBI_REFUSED_MESSAGE_SIZE, &c->peer,
				  "asked for messages of %u bytes", c->hello.max_msg_size);
		connection_refuse(c, r);
		return;
	}
	if (qbi_inquiry_answer(c))
		return;
	/* In the order in which they are listed, and not before it is known to be a client. */
	c->number = ++h->last_number;
	QBI_TRACE(accept, h->set.name, c->number, c->peer.pid, c->peer.uid);
	r = connection_admit(c);
	if (r < 0) {
		connection_refuse(c, r);
		return;
	}
	refusal = connection_accept(c);
	if (refusal != 0) {
		connection_refuse(c, refusal);
		return;
	}
	r = connection_open(c);
	if (r < 0) {
		open_refuse(c, r);
		return;
	}
	connection_created(c);
}

void qbi_admission_continue(qb_ipcs_connection_t *c)
{
	if (qbi_handshake_continue(c))
		admission_decide(c);
}
