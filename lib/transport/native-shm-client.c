/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared memory between two ends of this library, the client's end. native-shm-server.c
 * says which messages ring which descriptor.
 *
 * The stream is readable iff an event is queued or the server is gone, because applications
 * poll it. So the last event is taken together with the byte that announced it, and an event
 * whose byte has not arrived counts as not there yet.
 *
 * The bell is a second stream to the server, which the core makes and joins after open().
 * Until a byte has come from it, nobody knows whether the server has taken it.
 *
 * Death of the server: the kernel closes both streams, and every sleep here is on one of
 * them that the server has.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/body.h"
#include "base/clock.h"
#include "base/busy-poll.h"
#include "base/foreign.h"
#include "base/socket.h"
#include "base/util.h"
#include "ring/region.h"
#include "ring/ring-places.h"
#include "ring/ring-resume.h"
#include "ring/wakeup.h"
#include "transport/ring-bodies.h"
#include "transport/transport.h"

/* Attempts to send a byte for which the kernel has no room, and the time between them. */
#define RING_TRIES 4
#define RING_WAIT_MS 10

/* Checks for one more event of a burst, 50 ns each, and how many may fail in a row. */
#define BURST_TURNS 8
#define BURST_PATIENCE 4

/*
 * The sender of a body finds no room: the server is taking pieces, or will soon. It gives way
 * this often, then it sleeps; after this time without room it keeps what is left.
 */
#define BODY_YIELDS 200
#define BODY_SLEEP_MS 1
#define BODY_PATIENCE_NS (500 * QBI_NS_PER_MS)

/* How often a thread that waits for messages looks whether there is room for what was kept. */
#define REST_WAIT_MS 1

#define HUNG_UP (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)

struct native_shm_client {
	bool opened;
	int stream; /* borrowed */
	struct qbi_client_turns turns;
	int bell;      /* readable when a response waits for a sleeper; -1: not joined yet */
	bool was_rung; /* by the bell: the server has taken it */
	struct qbi_region region;
	struct qbi_ring request;
	struct qbi_ring response;
	struct qbi_ring event;
	unsigned int burst;		/* checks left for the next event of a burst */
	size_t due;			/* bytes for requests that could not be sent yet */
	struct qbi_busy_poll busy_poll; /* for responses */
	struct qbi_arrivals responses;	/* when they come */
	bool slept;			/* the last wait for a response ended in a sleep */
	uint64_t woken;			/* when the bell was last readable */
	struct timespec checked;	/* when a sender last checked for the server */
	struct qbi_turn out;		/* senders and receivers send the rest of a body */
	_Atomic(bool) unfinished;	/* there is one */
	struct qbi_rest rest;
	uint32_t rest_process;	     /* whose it is */
	_Atomic(uint32_t) body_most; /* the largest that this end has ever said to take */
	struct qbi_body response_body;
	struct qbi_body event_body;
};

static int native_shm_client_open(void *st, const struct qbi_client_spec *spec)
{
	struct native_shm_client *c = st;
	int r;

	c->opened = true;
	c->bell = -1;
	c->stream = spec->stream;
	c->turns = spec->turns;
	if (spec->n_fds != 2 || spec->welcome->opaque == 0)
		return -EBADMSG;
	r = qbi_region_open(&c->region, spec->welcome->max_msg_size,
			    &(struct qbi_region_fds){ spec->fds[0], spec->fds[1] });
	if (r < 0)
		return r;
	qbi_region_ring(&c->region, QBI_REGION_REQUEST, &c->request);
	qbi_region_ring(&c->region, QBI_REGION_RESPONSE, &c->response);
	qbi_region_ring(&c->region, QBI_REGION_EVENT, &c->event);
	c->response_body.least = c->event_body.least = spec->welcome->max_msg_size;
	qbi_busy_poll_init(&c->busy_poll);
	qbi_arrivals_init(&c->responses);
	return 0;
}

static void native_shm_client_join(void *st, int fd)
{
	struct native_shm_client *c = st;

	c->bell = fd;
}

static int native_shm_client_event_fd(void *st)
{
	const struct native_shm_client *c = st;

	return c->stream;
}

static uint32_t native_shm_client_flow(void *st)
{
	struct native_shm_client *c = st;

	return qbi_region_flow_get(&c->region);
}

/*
 * A sender that wakes the server notices its death. While the server is awake, the sender
 * makes no system call, and would notice only when the ring is full. So check, at most once
 * per tick of the coarse clock.
 */
static bool sender_sees_server_gone(struct native_shm_client *c)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (now.tv_nsec == c->checked.tv_nsec && now.tv_sec == c->checked.tv_sec)
		return false;
	c->checked = now;
	return qbi_wakeup_is_over(c->stream);
}

/*
 * Send the byte of a request, and bytes that could not be sent before. The kernel may be
 * short of memory for a moment. If the stream is full, the server is not asleep, or it is
 * not a correct server.
 */
static int ring_server(struct native_shm_client *c, bool ring, uint64_t deadline)
{
	struct pollfd p = { .fd = c->stream, .events = POLLOUT };
	int tries, r;

	c->due += ring;
	for (tries = 0; tries < RING_TRIES; tries++) {
		ssize_t n = qbi_wakeup_send(c->stream, c->due);

		if (n == -ENOTCONN)
			return QBI_GONE;
		if (n > 0)
			c->due -= (size_t)n;
		if (!c->due)
			return 0;
		r = qbi_turn_poll(c->turns.send, &p, 1,
				  qbi_deadline_to_poll_at_most(deadline, RING_WAIT_MS));
		if (r)
			return r < 0 ? r : QBI_GONE;
	}
	return 0;
}

/* What qbi_ring_put() returned @r and @ring for. */
static int record_announce(struct native_shm_client *c, int r, bool ring, uint64_t deadline)
{
	if (r)
		return r == QBI_FULL && qbi_wakeup_is_over(c->stream) ? QBI_GONE : r;
	if (ring)
		qbi_region_rings(&c->region, QBI_REGION_CLIENT);
	if (ring || c->due)
		return ring_server(c, ring, deadline);
	return sender_sees_server_gone(c) ? QBI_GONE : 0;
}

/* May a request that found no room wait for it? The server has taken all, but still uses it. */
static bool room_is_near(struct native_shm_client *c, int r)
{
	return r == QBI_FULL && qbi_ring_queued(&c->request) == 0;
}

/* -- Bodies -------------------------------------------------------------------- */

/* What there is room for. 0 nothing is left; QBI_UNSENT; QBI_GONE; -errno. Has `out`. */
static int client_rest_push(struct native_shm_client *c)
{
	int r = 0;

	while (c->rest.data && r == 0) {
		bool ring = false;

		r = qbi_body_put_rest(&c->request, &c->rest, &ring);
		/* A byte that cannot be sent now is due. */
		r = record_announce(c, r, ring, 0);
	}
	return r == QBI_FULL ? QBI_UNSENT : r;
}

static int native_shm_client_flush(void *st)
{
	struct native_shm_client *c = st;
	int r;

	if (!c->unfinished)
		return 0;
	r = qbi_turn_take(&c->out, QBI_FOREVER);
	if (r)
		return r;
	/* After a fork the process that has sent the beginning sends the rest. */
	if (c->rest_process != qbi_process_id())
		qbi_rest_forget(&c->rest);
	r = client_rest_push(c);
	c->unfinished = c->rest.data != NULL;
	qbi_turn_release(&c->out);
	return r;
}

/* Requests keep their order. 0, QBI_FULL, QBI_GONE, -errno. */
static int rest_passes(struct native_shm_client *c)
{
	int r = native_shm_client_flush(c);

	return r == QBI_UNSENT ? QBI_FULL : r;
}

/* Keep what the server has no room for. 0; -EBADMSG: it has only a part, and gets no more. */
static int body_keep(struct native_shm_client *c, const struct qbi_msg *msg, size_t done)
{
	int r = qbi_turn_take(&c->out, QBI_FOREVER);

	if (r)
		return r;
	r = qbi_rest_keep(&c->rest, msg, done) < 0 ? -EBADMSG : 0;
	c->rest_process = qbi_process_id();
	c->unfinished = r == 0;
	qbi_turn_release(&c->out);
	return r;
}

/*
 * In the middle of a body the turn is not rested: nothing else may be sent. 0 try again;
 * QBI_FULL that was long enough; QBI_GONE. *@since: since when, or 0.
 */
static int body_await_room(struct native_shm_client *c, uint64_t deadline, unsigned int *tries,
			   uint64_t *since)
{
	struct pollfd p = { .fd = c->stream, .events = POLLRDHUP };
	uint64_t now;

	if (deadline == 0)
		return QBI_FULL;
	if ((*tries)++ < BODY_YIELDS) {
		sched_yield();
		return 0;
	}
	now = qbi_now_ns();
	if (!*since)
		*since = now;
	if (now - *since >= BODY_PATIENCE_NS ||
	    (qbi_deadline_is_a_time(deadline) && now >= deadline))
		return QBI_FULL;
	/* Nothing is rested. */
	if (qbi_turn_poll(NULL, &p, 1, BODY_SLEEP_MS) < 0)
		return 0;
	return p.revents ? QBI_GONE : 0;
}

/* The pieces from *@done on. 0; QBI_FULL; QBI_GONE; -errno. */
static int body_pieces_send(struct native_shm_client *c, const struct qbi_msg *msg,
			    uint64_t deadline, size_t *done)
{
	unsigned int tries = 0;
	uint64_t since = 0;
	int r = 0;

	while (*done < msg->size && r == 0) {
		bool ring = false;

		r = qbi_body_put_part(&c->request, msg, done, &ring);
		if (r == QBI_FULL && *done) {
			r = body_await_room(c, deadline, &tries, &since);
			continue;
		}
		tries = 0;
		since = 0;
		r = record_announce(c, r, ring, 0);
	}
	return r;
}

/* 0, QBI_FULL, QBI_GONE, -errno. */
static int native_shm_body_sendv(struct native_shm_client *c, const struct qbi_msg *msg,
				 uint64_t deadline)
{
	size_t done = 0;
	int r = body_pieces_send(c, msg, deadline, &done);

	if (r == QBI_FULL && done)
		r = body_keep(c, msg, done);
	if (r == 0)
		(void)qbi_request_count(&c->turns);
	return r;
}

static uint32_t native_shm_client_body_most(void *st)
{
	struct native_shm_client *c = st;
	uint32_t most = qbi_region_body_get(&c->region, QBI_REGION_SERVER);

	return most < QBI_BODY_MAX ? most : QBI_BODY_MAX;
}

/* What was said once stays right: a body may be on its way. */
static int native_shm_client_body_limit_set(void *st, uint32_t bytes)
{
	struct native_shm_client *c = st;

	if (bytes > c->body_most)
		c->body_most = bytes;
	qbi_region_body_set(&c->region, QBI_REGION_CLIENT, bytes);
	return 0;
}

/* -- Requests ------------------------------------------------------------------ */

static int native_shm_client_sendv(void *st, const struct qbi_msg *msg, uint64_t deadline)
{
	struct native_shm_client *c = st;
	unsigned int tries = 0;
	bool ring = false;
	int r = rest_passes(c);

	if (r)
		return r;
	if (msg->size > c->response_body.least)
		return native_shm_body_sendv(c, msg, deadline);
	while (room_is_near(c, r = qbi_ring_put(&c->request, msg, &ring))) {
		int waited = qbi_wakeup_await_room(c->stream, c->turns.send, deadline, &tries);

		if (waited)
			return waited;
	}
	if (r == 0)
		(void)qbi_request_count(&c->turns);
	return record_announce(c, r, ring, deadline);
}

static int native_shm_client_reserve(void *st, size_t size, uint64_t deadline, void **ret)
{
	struct native_shm_client *c = st;
	unsigned int tries = 0;
	int r = rest_passes(c);

	if (r)
		return r;
	while (room_is_near(c, r = qbi_ring_reserve(&c->request, size, ret))) {
		int waited = qbi_wakeup_await_room(c->stream, c->turns.send, deadline, &tries);

		if (waited)
			return waited;
	}
	return r == QBI_FULL && qbi_wakeup_is_over(c->stream) ? QBI_GONE : r;
}

static int native_shm_client_commit(void *st, size_t reserved, size_t size, uint64_t deadline)
{
	struct native_shm_client *c = st;
	void *place;
	bool ring = qbi_ring_commit(&c->request, reserved, size, &place);

	(void)qbi_request_count(&c->turns);
	return record_announce(c, 0, ring, deadline);
}

static void native_shm_client_abandon(void *st)
{
	struct native_shm_client *c = st;

	qbi_ring_abandon(&c->request);
}

static int native_shm_client_call_sendv(void *st, const struct qbi_msg *msg,
					struct qbi_call_mark *mark)
{
	struct native_shm_client *c = st;
	unsigned int tries = 0;
	bool ring = false;
	int r = rest_passes(c);

	if (r)
		return r;
	while (room_is_near(c, r = qbi_ring_put_timed(&c->request, msg, mark->expires,
						      &mark->place, &ring)))
		if (qbi_wakeup_await_room(c->stream, c->turns.send, 0, &tries))
			break;
	if (r == 0)
		mark->number = qbi_request_count(&c->turns);
	return record_announce(c, r, ring, 0);
}

static int native_shm_client_cancel(void *st, const struct qbi_call_mark *mark)
{
	struct native_shm_client *c = st;
	bool ring = false;
	int r = qbi_ring_cancel(&c->request, mark->place, mark->expires);

	if (r != QBI_EMPTY)
		return r;
	r = rest_passes(c);
	if (r)
		return r;
	r = qbi_ring_put_cancel(&c->request, mark->number, &ring);
	return record_announce(c, r, ring, 0);
}

/* -- Responses ---------------------------------------------------------------- */

/* Poll for a response before sleeping. True: there is one. */
static bool native_shm_response_busy_poll(struct native_shm_client *c, uint64_t deadline)
{
	struct qbi_spin spin;
	uint64_t now, length;
	bool found;

	if (!qbi_busy_poll_is_on(&c->busy_poll))
		return false;
	now = qbi_now_ns();
	length = now < deadline ? qbi_busy_poll_allowed(&c->busy_poll, &c->responses, now) : 0;
	if (!length) {
		qbi_busy_poll_gave_up(&c->busy_poll, &c->responses, now, now);
		return false;
	}
	qbi_spin_begin(&spin, now, length, deadline,
		       qbi_region_shares_cpu(&c->region, QBI_REGION_CLIENT));
	qbi_turn_watch(c->turns.recv, true);
	do
		found = !qbi_ring_is_empty(&c->response);
	while (!found && qbi_spin_again(&spin));
	qbi_turn_watch(c->turns.recv, false);
	if (found) {
		qbi_arrivals_note(&c->responses, spin.now - spin.start);
		return true;
	}
	qbi_busy_poll_gave_up(&c->busy_poll, &c->responses, spin.start, spin.now);
	return false;
}

static bool response_was_rung(struct native_shm_client *c)
{
	return c->response.owed > 0 || qbi_ring_has_rung(&c->response) ||
	       !qbi_ring_is_empty(&c->response);
}

/* As event_take_junk(), when the bell was readable after our turn was resumed. */
static void bell_take_junk(struct native_shm_client *c)
{
	if (!response_was_rung(c) && qbi_wakeup_is_there(c->bell) && !response_was_rung(c))
		(void)qbi_wakeup_receive(c->bell, 1);
}

/* Milliseconds to sleep until @deadline; only for a moment while a body is unfinished. */
static int sleep_of(struct native_shm_client *c, uint64_t deadline)
{
	return c->unfinished && native_shm_client_flush(c) == QBI_UNSENT ?
		       qbi_deadline_to_poll_at_most(deadline, REST_WAIT_MS) :
		       qbi_deadline_to_poll(deadline);
}

/*
 * Sleep until the server rings or is gone. 0 check again; QBI_EMPTY the deadline has passed;
 * QBI_GONE; -errno.
 */
static int native_shm_response_sleep(struct native_shm_client *c, uint64_t deadline)
{
	struct pollfd p[] = { { .fd = c->bell, .events = POLLIN },
			      { .fd = c->stream, .events = POLLRDHUP } };
	int timeout = sleep_of(c, deadline);
	/* When the server has the bell, its hang-up is enough, and the call is cheaper. */
	int r = qbi_turn_poll(c->turns.recv, p, c->was_rung ? 1 : 2, timeout);

	if (r)
		return r;
	if (!p[0].revents && !p[1].revents)
		return timeout == 0 ? QBI_EMPTY : 0;
	if ((p[0].revents | p[1].revents) & HUNG_UP)
		return QBI_GONE;
	c->woken = qbi_now_ns();
	c->was_rung = true;
	bell_take_junk(c);
	/* Junk that keeps coming must not extend the time. */
	return timeout == 0 && qbi_ring_is_empty(&c->response) ? QBI_EMPTY : 0;
}

/* Receive the owed bytes and no more. 0, QBI_GONE. */
static int owed_receive(struct qbi_ring *r, int fd)
{
	ssize_t n;

	if (r->owed <= 0)
		return 0;
	n = qbi_wakeup_receive(fd, (size_t)r->owed);
	if (n > 0)
		r->owed -= n;
	return n < 0 && n != -EAGAIN ? QBI_GONE : 0;
}

/* Where a message goes that is taken. */
struct target {
	void *buf;	   /* a copy of it */
	size_t size;	   /* of @buf */
	const void **view; /* not NULL: no copy, but where it lies */
};

/* 0, QBI_EMPTY, -ENOBUFS, -EBADMSG; QBI_AGAIN only a copy is possible. */
static int message_take(struct qbi_ring *r, const struct target *to, size_t *ret_size)
{
	return to->view ? qbi_ring_view(r, to->view, ret_size) :
			  qbi_ring_take(r, to->buf, to->size, ret_size);
}

/* A piece of a body is the oldest record. 0, -ENOBUFS, -EBADMSG; QBI_AGAIN a copy is possible. */
static int body_fits(struct qbi_ring *r, const struct qbi_body *body, const struct target *to,
		     size_t *ret_size)
{
	int err = qbi_body_check(r, body, to->size, ret_size);

	return to->view && (err == 0 || err == -ENOBUFS) ? QBI_AGAIN : err;
}

/* As message_take(), and QBI_PARTIAL: a part of a body was taken. */
static int response_take_once(struct native_shm_client *c, const struct target *to,
			      size_t *ret_size)
{
	struct qbi_body *body = &c->response_body;
	int r = message_take(&c->response, to, ret_size);

	if (r == 0 && body->done)
		return -EBADMSG;
	if (r != QBI_PARTIAL)
		return r;
	body->most = c->body_most;
	r = body_fits(&c->response, body, to, ret_size);
	return r ? r : qbi_body_receive(&c->response, body, to->buf, to->size, ret_size);
}

/* 0, QBI_EMPTY, QBI_GONE, -errno; QBI_AGAIN only a copy is possible. */
static int response_take(struct native_shm_client *c, const struct target *to,
			 uint64_t deadline, size_t *ret_size)
{
	bool polled = false;
	bool gone = false;

	for (;;) {
		int r = response_take_once(c, to, ret_size);

		if ((r == 0 || r == QBI_PARTIAL) && c->slept) {
			c->slept = false;
			qbi_arrivals_woken(
				&c->responses, c->woken,
				qbi_region_rang(&c->region, QBI_REGION_SERVER),
				qbi_region_shares_cpu(&c->region, QBI_REGION_CLIENT));
		}
		if (r == QBI_PARTIAL) {
			polled = false;
			continue;
		}
		if (r != QBI_EMPTY)
			return r;
		if (gone)
			return QBI_GONE;
		if (!polled && deadline != 0) {
			polled = true;
			if (native_shm_response_busy_poll(c, deadline))
				continue;
		}
		if (!qbi_ring_arm(&c->response, -1))
			continue;
		c->slept = true;
		r = owed_receive(&c->response, c->bell);
		if (r == 0)
			r = native_shm_response_sleep(c, deadline);
		if (r < 0)
			return r;
		if (r == QBI_EMPTY)
			return qbi_wakeup_is_over(c->stream) ? QBI_GONE : QBI_EMPTY;
		gone = r == QBI_GONE;
	}
}

static int native_shm_client_recv(void *st, void *buf, size_t size, uint64_t deadline,
				  size_t *ret_size)
{
	const struct target to = { .buf = buf, .size = size };

	return response_take(st, &to, deadline, ret_size);
}

static int native_shm_client_response_fd(void *st, short *ret_events)
{
	const struct native_shm_client *c = st;

	*ret_events = POLLIN;
	return c->bell;
}

static bool native_shm_client_response_waits(void *st)
{
	struct native_shm_client *c = st;

	return !qbi_ring_is_empty(&c->response);
}

/* -- Events ------------------------------------------------------------------- */

/*
 * Is the oldest event the only one? In a burst, wait a few hundred nanoseconds for the next
 * event: taking the last event needs a system call, and then the server needs another one to
 * announce the next event.
 */
static bool event_is_last(struct native_shm_client *c, size_t size)
{
	int turns = c->burst ? BURST_TURNS : 0;
	bool last;

	while ((last = qbi_ring_is_last(&c->event, size)) && turns-- > 0)
		qbi_cpu_relax();
	if (!last)
		c->burst = BURST_PATIENCE;
	else if (c->burst)
		c->burst--;
	return last;
}

/* The oldest one: an event, or a piece of one. */
static int event_pop(struct native_shm_client *c, bool is_piece, const struct target *to,
		     size_t *ret_size)
{
	if (is_piece)
		return qbi_body_receive(&c->event, &c->event_body, to->buf, to->size, ret_size);
	return message_take(&c->event, to, ret_size);
}

/* 0, QBI_EMPTY no event, QBI_UNANNOUNCED not announced yet, QBI_AGAIN only a copy is possible,
 * QBI_PARTIAL a part of one was taken, -ENOBUFS, -EBADMSG. */
static int native_shm_event_take(struct native_shm_client *c, bool gone,
				 const struct target *to, size_t *ret_size)
{
	struct qbi_ring *ring = &c->event;
	struct qbi_body *body = &c->event_body;
	size_t length;
	int r = qbi_ring_peek(ring, ret_size);
	bool is_piece = r == QBI_PARTIAL;
	bool last;

	if (r && !is_piece)
		return r;
	length = *ret_size;
	body->most = c->body_most;
	if (is_piece)
		r = body_fits(ring, body, to, ret_size);
	else if (body->done)
		r = -EBADMSG;
	if (r)
		return r;
	if (is_piece)
		;
	else if (to->view ? !qbi_ring_can_view(ring, *ret_size) : *ret_size > to->size)
		return to->view ? QBI_AGAIN : -ENOBUFS;
	/* Check before a byte is received: an event that comes in between has its own byte,
	 * which would be taken for the byte of this event. */
	last = event_is_last(c, length);
	if (gone || owed_receive(ring, c->stream) == QBI_GONE || !last)
		return event_pop(c, is_piece, to, ret_size);
	if (ring->owed > 0)
		return QBI_UNANNOUNCED;
	/* The last event: receive its byte with it. If another event came meanwhile, leave
	 * the byte for that one. */
	if (qbi_ring_arm(ring, (ssize_t)length) && owed_receive(ring, c->stream) != QBI_GONE &&
	    ring->owed > 0)
		return QBI_UNANNOUNCED;
	return event_pop(c, is_piece, to, ret_size);
}

/*
 * The stream is readable, but there is no event, no byte is owed, and the server has not
 * rung since we armed. So one byte is certainly junk, and would wake us for ever: discard
 * it. If the server has rung without an event, this violates the protocol. 0, -EBADMSG.
 */
static int event_take_junk(struct native_shm_client *c)
{
	bool rung = qbi_ring_has_rung(&c->event);

	if (c->event.owed > 0 || !qbi_ring_is_empty(&c->event))
		return 0;
	if (rung)
		return -EBADMSG;
	(void)qbi_wakeup_receive(c->stream, 1);
	return 0;
}

/* As sleep_of(). */
static uint64_t event_wait_until(struct native_shm_client *c, uint64_t deadline)
{
	uint64_t soon;

	if (!c->unfinished || native_shm_client_flush(c) != QBI_UNSENT)
		return deadline;
	soon = qbi_now_ns() + REST_WAIT_MS * QBI_NS_PER_MS;
	return deadline == 0 || (qbi_deadline_is_a_time(deadline) && deadline < soon) ?
		       deadline :
		       soon;
}

/* As response_take(). */
static int event_await(struct native_shm_client *c, const struct target *to, uint64_t deadline,
		       size_t *ret_size)
{
	bool gone = false;

	for (;;) {
		int r = native_shm_event_take(c, gone, to, ret_size);
		uint64_t until;
		int waited;

		if (r == QBI_PARTIAL)
			continue;
		if (r != QBI_EMPTY && r != QBI_UNANNOUNCED)
			return r;
		if (gone)
			return QBI_GONE;
		until = event_wait_until(c, deadline);
		waited = qbi_wakeup_wait(c->stream, c->turns.event, until);
		if (waited == QBI_EMPTY && until != deadline)
			continue;
		if (waited < 0 || waited == QBI_EMPTY)
			return waited;
		gone = waited == QBI_GONE;
		if (waited == 0) {
			r = event_take_junk(c);
			if (r < 0)
				return r;
			if (qbi_ring_is_empty(&c->event) && qbi_deadline_to_poll(deadline) == 0)
				return QBI_EMPTY;
		}
	}
}

static int native_shm_client_event_recv(void *st, void *buf, size_t size, uint64_t deadline,
					size_t *ret_size)
{
	const struct target to = { .buf = buf, .size = size };

	return event_await(st, &to, deadline, ret_size);
}

static int native_shm_client_view(void *st, enum qbi_client_part part, uint64_t deadline,
				  const void **ret, size_t *ret_size)
{
	const struct target to = { .view = ret };

	return part == QBI_PART_EVENT ? event_await(st, &to, deadline, ret_size) :
					response_take(st, &to, deadline, ret_size);
}

static void native_shm_client_view_done(void *st, enum qbi_client_part part)
{
	struct native_shm_client *c = st;

	qbi_ring_view_done(part == QBI_PART_EVENT ? &c->event : &c->response);
}

static int native_shm_client_resume(void *st, enum qbi_client_part part)
{
	struct native_shm_client *c = st;
	bool ring;
	int r;

	if (part == QBI_PART_RECV)
		return qbi_ring_resume_consumer(&c->response);
	c->burst = 0;
	if (part == QBI_PART_EVENT)
		return qbi_ring_resume_consumer(&c->event);
	r = qbi_ring_resume_producer(&c->request, &ring);
	/* The other process may have stopped before it sent the byte; one too many is harmless. */
	c->due = r == 0 && ring;
	return r;
}

static void native_shm_client_close(void *st, enum qbi_parting how)
{
	struct native_shm_client *c = st;

	if (!c->opened)
		return;
	c->bell = how == QBI_PART_COPY ? qbi_close(c->bell) : qbi_close_stream(c->bell);
	qbi_rest_forget(&c->rest);
	qbi_body_forget(&c->response_body);
	qbi_body_forget(&c->event_body);
	qbi_ring_close(&c->request);
	qbi_ring_close(&c->response);
	qbi_ring_close(&c->event);
	qbi_region_close(&c->region);
}

extern const struct qbi_client_ops qbi_native_shm_client;
const struct qbi_client_ops qbi_native_shm_client = {
	.state_size = sizeof(struct native_shm_client),
	.open = native_shm_client_open,
	.join = native_shm_client_join,
	.event_fd = native_shm_client_event_fd,
	.flow = native_shm_client_flow,
	.sendv = native_shm_client_sendv,
	.reserve = native_shm_client_reserve,
	.commit = native_shm_client_commit,
	.abandon = native_shm_client_abandon,
	.call_sendv = native_shm_client_call_sendv,
	.cancel = native_shm_client_cancel,
	.body_most = native_shm_client_body_most,
	.flush = native_shm_client_flush,
	.body_limit_set = native_shm_client_body_limit_set,
	.recv = native_shm_client_recv,
	.event_recv = native_shm_client_event_recv,
	.view = native_shm_client_view,
	.view_done = native_shm_client_view_done,
	.response_fd = native_shm_client_response_fd,
	.response_waits = native_shm_client_response_waits,
	.resume = native_shm_client_resume,
	.close = native_shm_client_close,
};
