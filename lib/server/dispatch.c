/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/dispatch.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/again.h"
#include "base/clock.h"
#include "base/socket.h"
#include "base/trace.h"
#include "base/util.h"
#include "server/admission.h"
#include "server/connection.h"
#include "server/request.h"
#include "server/request-buffer.h"
#include "server/send.h"
#include "server/takeover.h"

/* Bytes that one dispatch discards from a stream on which no wake-ups are expected. */
#define JUNK_BYTES 256

/*
 * Requests that were queued when the client hung up are still served, because they were
 * accepted. But there is a limit, the size of the largest queue: another process may hold
 * the other end and keep sending. As short requests cost as much as longer ones, their number
 * is limited too: more than a ring for messages of 1 MiB can have.
 */
#define DRAIN_BYTES (1u << 20)
#define DRAIN_REQUESTS (1u << 16)

/*
 * The batch of the rate limit protects other descriptors of the loop from handlers that take
 * long. While handlers take so little time that this much has not passed since the second
 * request of a dispatch, it goes on after the batch: the loop's own system call costs more
 * than many requests. Not at QB_IPCS_RATE_SLOW, which asks for one at a time; and not where a
 * dispatch receives a wake-up for each request at its end, after the time was looked at.
 */
#define SLICE_NS 20000

static void connection_drop(qb_ipcs_connection_t *c, int reason)
{
	if (c->costly)
		qbi_refusals_note(&c->host->refusals, QBI_REFUSED_COSTLY, &c->peer,
				  "what it is sent costs too much");
	else if (reason == -EDQUOT)
		qbi_refusals_note(&c->host->refusals, QBI_REFUSED_MEMORY, &c->peer,
				  "too much memory in bodies for this user");
	else
		qbi_refusals_note(&c->host->refusals, QBI_REFUSED_NONSENSE, &c->peer,
				  "dropped: %s", strerror(-reason));
	c->misbehaved = true;
	qbi_connection_disconnect(c);
}

static void hang_up_note(qb_ipcs_connection_t *c)
{
	if (c->hung_up)
		return;
	c->hung_up = true;
	c->drain_left = 2ull * c->max_msg_size + DRAIN_BYTES;
	c->drain_requests = DRAIN_REQUESTS;
}

static bool junk_is_too_much(const qb_ipcs_connection_t *c)
{
	return c->junk > c->host->limits.at.junk_wakeups;
}

static void connection_drop_for_junk(qb_ipcs_connection_t *c)
{
	qbi_refusals_note(&c->host->refusals, QBI_REFUSED_JUNK, &c->peer,
			  "too many wake-ups for nothing");
	c->misbehaved = true;
	qbi_connection_disconnect(c);
}

/* A wake-up without a message. */
static void junk_note(qb_ipcs_connection_t *c)
{
	qbi_counter_add(&c->count.recv_retries);
	c->junk++;
}

/*
 * The stream, when requests come by another descriptor: only a hang-up has a meaning. What it
 * costs is measured as that of a request.
 */
static void stream_drain(qb_ipcs_connection_t *c)
{
	struct qbi_cost_mark mark = qbi_cost_begin(&c->take_cost);
	char junk[JUNK_BYTES];
	ssize_t n = qbi_socket_receive(c->stream.fd, junk, sizeof(junk));

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		hang_up_note(c);
	else if (n > 0)
		junk_note(c);
	c->costly |= qbi_cost_end(&c->take_cost, &mark, 0);
}

/* -- Requests ----------------------------------------------------------------- */

/* What one client may still take of this dispatch. */
struct share {
	uint64_t messages; /* by the limits of the service */
	uint64_t bytes;	   /* by these limits as well */
	uint64_t batch;	   /* messages until the time is looked at */
	uint64_t since;	   /* the second request; 0: there was none */
	bool goes_on;	   /* after the batch, while little time has passed */
	bool cut;	   /* a limit ended the dispatch, rather than the rate */
};

static struct share share_of(const qb_ipcs_connection_t *c)
{
	const struct qbi_host *h = c->host;

	return (struct share){
		.messages = h->limits.at.dispatch_messages,
		.bytes = h->limits.at.dispatch_bytes,
		.batch = h->set.batch,
		.goes_on = h->set.batch > 1 && !c->transport->server->settles_each,
	};
}

static void share_spend(struct share *left, size_t size)
{
	left->messages--;
	left->bytes -= size < left->bytes ? size : left->bytes;
	left->batch--;
}

/* May another request be taken, after @served in this dispatch? */
static bool share_is_left(struct share *left, const struct qbi_host *h, unsigned int served)
{
	left->cut = !left->messages || !left->bytes;
	if (left->cut)
		return false;
	if (served == 1)
		left->since = qbi_now_ns();
	if (left->batch)
		return true;
	if (!left->goes_on || qbi_now_ns() - left->since >= SLICE_NS)
		return false;
	left->batch = h->set.batch;
	return true;
}

/* Bytes that take() has taken, by its result @r and its *@ret_size. */
static uint64_t taken_bytes(qb_ipcs_connection_t *c, int r, size_t size)
{
	switch (r) {
	case 0:
	case QBI_TIMED:
	case QBI_PARTIAL: return size;
	case QBI_BODY: return c->transport->server->noted(c->end);
	default: return 0;
	}
}

/*
 * The next request, or the end of a series, of which the cost is measured where there is a
 * suspicion. As take and settle of the transport.
 */
static int request_take(qb_ipcs_connection_t *c, void *buf, void **ret_in_place,
			size_t *ret_size)
{
	const struct qbi_server_ops *ops = c->transport->server;
	struct qbi_cost_mark mark;
	uint64_t bytes;
	int r;

	if (!qbi_cost_is_watched(&c->take_cost))
		return ops->take(c->end, buf, c->max_msg_size, ret_in_place, ret_size);
	mark = qbi_cost_begin(&c->take_cost);
	r = ops->take(c->end, buf, c->max_msg_size, ret_in_place, ret_size);
	bytes = taken_bytes(c, r, *ret_size);
	c->costly |= qbi_cost_end(&c->take_cost, &mark, bytes ? bytes : c->max_msg_size);
	return r;
}

/* @suspected: when the dispatch began; many cheap requests do not hide what their end costs. */
static int requests_settle(qb_ipcs_connection_t *c, unsigned int taken, bool suspected)
{
	const struct qbi_server_ops *ops = c->transport->server;
	struct qbi_cost_mark mark;
	int r;

	if (suspected)
		qbi_cost_suspect(&c->take_cost);
	if (!qbi_cost_is_watched(&c->take_cost))
		return ops->settle(c->end, taken);
	mark = qbi_cost_begin(&c->take_cost);
	r = ops->settle(c->end, taken);
	c->costly |= qbi_cost_end(&c->take_cost, &mark, 0);
	return r;
}

/* Did a tick pass since *@tick? Then what is done for this client is measured. */
static void ticks_watch(qb_ipcs_connection_t *c, uint64_t *tick)
{
	uint64_t now = qbi_cost_tick();

	if (now == *tick)
		return;
	*tick = now;
	qbi_cost_suspect(&c->take_cost);
	qbi_cost_suspect(&c->send_cost);
}

/* Has take() taken something? */
static bool was_taken(int r)
{
	return r == 0 || r == QBI_TIMED || r == QBI_CANCEL || r == QBI_PARTIAL || r == QBI_BODY;
}

/*
 * Take requests until the batch is done, none is left, or the application takes no more. 0;
 * QBI_EMPTY none is left; QBI_GONE; QBI_FAREWELL; -errno. *@ret_again: the loop may call
 * again at once.
 */
static int requests_serve(qb_ipcs_connection_t *c, void *buf, uint64_t *tick, bool *ret_again)
{
	struct share left = share_of(c);
	bool suspected = qbi_cost_is_watched(&c->take_cost);
	uint32_t generation = qbi_generation();
	unsigned int taken = 0, served = 0;
	bool looked_again = false;
	bool forked = false;
	int r = 0;

	while (!c->flow && share_is_left(&left, c->host, served)) {
		void *in_place = NULL;
		size_t size = 0;

		/* The callback may have forked, and this may be the child. */
		if (c->generation != qbi_generation())
			qbi_send_go_on(c);
		r = request_take(c, qbi_request_buffer_place(c, buf), &in_place, &size);
		if (r == QBI_EMPTY && !looked_again) {
			looked_again = true;
			r = requests_settle(c, taken, suspected);
			taken = 0;
			if (r == QBI_MORE)
				continue;
			if (r == QBI_EMPTY)
				junk_note(c);
			return r ? r : QBI_EMPTY;
		}
		if (!was_taken(r))
			break;
		looked_again = false;
		served++;
		taken++;
		share_spend(&left, taken_bytes(c, r, size));
		if (r == QBI_CANCEL)
			r = qbi_request_cancel(c);
		else if (r == QBI_PARTIAL || r == QBI_BODY)
			r = qbi_request_body(c, in_place, size);
		else if (in_place)
			r = qbi_request_serve(c, in_place, size, false, true);
		else
			r = qbi_request_serve(c, qbi_request_buffer_settle(c, buf, size), size,
					      r == QBI_TIMED, false);
		if (r < 0 || r == QBI_FAREWELL)
			return r;
		if (!c->end)
			return 0;
		/* The wake-ups of what the parent took are its own. */
		if (generation != qbi_generation()) {
			generation = qbi_generation();
			forked = true;
			taken = 0;
		}
		ticks_watch(c, tick);
		if (c->costly)
			return -ECONNRESET;
		if (r == QBI_FULL)
			break;
	}
	if (taken || forked) {
		int s = requests_settle(c, taken, suspected);

		if (s < 0 || s == QBI_GONE)
			return s;
		/* There are more requests, and the application takes them. */
		*ret_again = s == QBI_MORE && r == 0;
		if (*ret_again && left.cut)
			qbi_counter_add(&c->host->refusals.dispatches_cut);
	}
	return r == QBI_FULL ? 0 : r;
}

static void connection_serve(qb_ipcs_connection_t *c, bool readable)
{
	void *buf = qbi_request_buffer_take(c);
	uint64_t tick = qbi_cost_tick();
	bool again = false;
	int r;

	if (!buf)
		return; /* the requests stay queued; the loop calls again */
	c->transport->server->begin(c->end, readable);
	r = requests_serve(c, buf, &tick, &again);
	qbi_request_buffer_give(c, buf);
	if (!c->end)
		return;
	ticks_watch(c, &tick);
	qbi_dispatch_again = again && !c->flow;
	if (r == QBI_GONE || r == QBI_FAREWELL)
		hang_up_note(c);
	if (junk_is_too_much(c))
		connection_drop_for_junk(c);
	else if (r < 0 || c->costly)
		connection_drop(c, r < 0 ? r : -ECONNRESET);
	else if (c->hung_up && (r != 0 || c->flow))
		qbi_connection_disconnect(c);
}

/*
 * A response has no byte before the bell has come, and the callback that sends it may need
 * the client to go on before it returns to the loop that takes the bell. So requests wait for
 * it, unless the client has left. False: they do not.
 */
static bool requests_hold(qb_ipcs_connection_t *c)
{
	char byte;

	if (!c->bell.number || c->hung_up)
		return false;
	/* A loop that no longer watches for requests would not report this end. */
	if (recv(c->stream.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0) {
		hang_up_note(c);
		return false;
	}
	c->held = true;
	if (qbi_connection_watch_update(c) == 0)
		return true;
	c->held = false;
	return false;
}

static void connection_wake(qb_ipcs_connection_t *c, int32_t fd, int32_t revents)
{
	bool requests_here = c->request.fd < 0 || fd == c->request.fd;

	QBI_TRACE(wakeup, c->host->set.name, c->number, fd, revents);
	if (c->broken || (revents & POLLNVAL)) {
		connection_drop(c, -ECONNRESET);
		return;
	}
	if (revents & (POLLHUP | POLLERR | POLLRDHUP))
		hang_up_note(c);
	/* Nothing is read now, and no honest client has something urgent. */
	if ((c->held || c->flow) && (revents & POLLPRI))
		junk_note(c);
	/* The client is active: perhaps it has also made room. */
	if (c->waiting)
		qbi_send_resume(c, false);
	if (c->end && c->request.fd >= 0 && fd == c->stream.fd)
		stream_drain(c);
	if (c->end && c->costly)
		connection_drop(c, -ECONNRESET);
	if (c->end && c->held && junk_is_too_much(c))
		connection_drop_for_junk(c);
	if (c->end && !requests_hold(c))
		connection_serve(c, (revents & POLLIN) && requests_here);
}

int32_t qbi_dispatch_connection(int32_t fd, int32_t revents, void *data)
{
	qb_ipcs_connection_t *c = data;
	_cleanup_(qbi_connection_let_go) struct qbi_connection_hold hold =
		qbi_connection_hold(c);

	qbi_take_over(c->host);
	if (c->state == QBI_CONNECTION_HANDSHAKE)
		qbi_admission_continue(c);
	else if (c->state == QBI_CONNECTION_ESTABLISHED)
		connection_wake(c, fd, revents);
	return c->stream.fd >= 0 ? 0 : -ESHUTDOWN;
}
