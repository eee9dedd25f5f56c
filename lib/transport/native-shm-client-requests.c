/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/native-shm-client-requests.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <time.h>

#include "base/body.h"
#include "base/clock.h"
#include "ring/ring-resume.h"
#include "ring/wakeup.h"
#include "transport/native-shm-client-end.h"
#include "transport/ring-bodies.h"

/* Attempts to send a byte for which the kernel has no room, and the time between them. */
#define RING_TRIES 4
#define RING_WAIT_MS 10

/*
 * The sender of a body finds no room: the server is taking pieces, or will soon. It gives way
 * this often, then it sleeps; after this time without room it keeps what is left.
 */
#define BODY_YIELDS 200
#define BODY_SLEEP_MS 1
#define BODY_PATIENCE_NS (500 * QBI_NS_PER_MS)

/*
 * A sender that wakes the server notices its death. While the server is awake, the sender
 * makes no system call, and would notice only when the ring is full. So check, at most once
 * per tick of the coarse clock.
 */
static bool sender_sees_server_gone(struct qbi_native_shm_client *c)
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
static int ring_server(struct qbi_native_shm_client *c, bool ring, uint64_t deadline)
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

/* The ring is full. It stays so if the server sleeps because its byte is still due. */
static int no_room(struct qbi_native_shm_client *c)
{
	int r = c->due ? ring_server(c, false, 0) : 0;

	if (r)
		return r;
	return qbi_wakeup_is_over(c->stream) ? QBI_GONE : QBI_FULL;
}

/* What qbi_ring_put() returned @r and @ring for. */
static int record_announce(struct qbi_native_shm_client *c, int r, bool ring, uint64_t deadline)
{
	if (r)
		return r == QBI_FULL ? no_room(c) : r;
	if (ring)
		qbi_region_rings(&c->region, QBI_REGION_CLIENT);
	if (ring || c->due)
		return ring_server(c, ring, deadline);
	return sender_sees_server_gone(c) ? QBI_GONE : 0;
}

/* May a request that found no room wait for it? The server has taken all, but still uses it. */
static bool room_is_near(struct qbi_native_shm_client *c, int r)
{
	return r == QBI_FULL && qbi_ring_queued(&c->request) == 0;
}

/* -- Bodies -------------------------------------------------------------------- */

/*
 * Send a byte that is due, and what there is room for. 0 nothing is left; QBI_UNSENT; QBI_GONE;
 * -errno. Has `out`.
 */
static int client_rest_push(struct qbi_native_shm_client *c)
{
	int r = c->due ? ring_server(c, false, 0) : 0;

	while (c->rest.data && r == 0) {
		bool ring = false;

		r = qbi_body_put_rest(&c->request, &c->rest, &ring);
		/* A byte that cannot be sent now is due. */
		r = record_announce(c, r, ring, 0);
	}
	return r == QBI_FULL || (r == 0 && c->due) ? QBI_UNSENT : r;
}

/*
 * With `out`. In this order: who may put requests, because none is half sent, has nothing
 * unfinished but a byte.
 */
static void rest_note(struct qbi_native_shm_client *c)
{
	bool rest = c->rest.data != NULL;

	c->rest_process = qbi_process_id();
	c->unfinished = rest || c->due;
	qbi_half_note(&c->turns, rest);
}

int qbi_native_shm_client_flush(void *st)
{
	struct qbi_native_shm_client *c = st;
	int r;

	if (!c->unfinished)
		return 0;
	r = qbi_turn_take(&c->out, QBI_FOREVER);
	if (r)
		return r;
	/* After a fork the process that has sent the beginning sends the rest, and its bytes. */
	if (c->unfinished && c->rest_process != qbi_process_id()) {
		qbi_rest_forget(&c->rest);
		c->due = 0;
	}
	/* Else another thread has been here, and a sender may be at work. */
	if (c->unfinished) {
		r = client_rest_push(c);
		rest_note(c);
	}
	qbi_turn_release(&c->out);
	return r;
}

/* Requests keep their order. 0, QBI_FULL, QBI_GONE, -errno. */
static int rest_passes(struct qbi_native_shm_client *c)
{
	int r = qbi_native_shm_client_flush(c);

	return r == QBI_UNSENT ? QBI_FULL : r;
}

/*
 * Keep what the server has no room for, or only that a byte is due. 0; -EBADMSG: it has only a
 * part, and gets no more.
 */
static int body_keep(struct qbi_native_shm_client *c, const struct qbi_msg *msg, size_t done)
{
	int r = qbi_turn_take(&c->out, QBI_FOREVER);

	if (r)
		return r;
	if (done < msg->size && qbi_rest_keep(&c->rest, msg, done) < 0)
		r = -EBADMSG;
	rest_note(c);
	qbi_turn_release(&c->out);
	return r;
}

/*
 * In the middle of a body the turn is not rested: nothing else may be sent. 0 try again;
 * QBI_FULL that was long enough; QBI_GONE. *@since: since when, or 0.
 */
static int body_await_room(struct qbi_native_shm_client *c, uint64_t deadline,
			   unsigned int *tries, uint64_t *since)
{
	struct pollfd p = { .fd = c->stream, .events = POLLRDHUP };
	uint64_t now;
	int r = c->due ? ring_server(c, false, 0) : 0;

	if (r)
		return r;
	/* A server that takes little at a time does not extend it. */
	now = qbi_now_ns();
	if (now >= deadline)
		return QBI_FULL;
	if ((*tries)++ < BODY_YIELDS) {
		sched_yield();
		return 0;
	}
	if (!*since)
		*since = now;
	if (now - *since >= BODY_PATIENCE_NS)
		return QBI_FULL;
	/* Nothing is rested. */
	if (qbi_turn_poll(NULL, &p, 1, BODY_SLEEP_MS) < 0)
		return 0;
	return p.revents ? QBI_GONE : 0;
}

/* The pieces from *@done on. 0; QBI_FULL; QBI_GONE; -errno. */
static int body_pieces_send(struct qbi_native_shm_client *c, const struct qbi_msg *msg,
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
static int native_shm_body_sendv(struct qbi_native_shm_client *c, const struct qbi_msg *msg,
				 uint64_t deadline)
{
	size_t done = 0;
	int r = body_pieces_send(c, msg, qbi_body_deadline(deadline), &done);

	if ((r == QBI_FULL && done) || (r == 0 && c->due))
		r = body_keep(c, msg, done);
	if (r == 0)
		(void)qbi_request_count(&c->turns);
	return r;
}

/* -- Requests ------------------------------------------------------------------ */

int qbi_native_shm_client_sendv(void *st, const struct qbi_msg *msg, uint64_t deadline)
{
	struct qbi_native_shm_client *c = st;
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

int qbi_native_shm_client_reserve(void *st, size_t size, uint64_t deadline, void **ret)
{
	struct qbi_native_shm_client *c = st;
	unsigned int tries = 0;
	int r = rest_passes(c);

	if (r)
		return r;
	while (room_is_near(c, r = qbi_ring_reserve(&c->request, size, ret))) {
		int waited = qbi_wakeup_await_room(c->stream, c->turns.send, deadline, &tries);

		if (waited)
			return waited;
	}
	return r == QBI_FULL ? no_room(c) : r;
}

int qbi_native_shm_client_commit(void *st, size_t reserved, size_t size, uint64_t deadline)
{
	struct qbi_native_shm_client *c = st;
	void *place;
	bool ring = qbi_ring_commit(&c->request, reserved, size, &place);

	(void)qbi_request_count(&c->turns);
	return record_announce(c, 0, ring, deadline);
}

void qbi_native_shm_client_abandon(void *st)
{
	struct qbi_native_shm_client *c = st;

	qbi_ring_abandon(&c->request);
}

int qbi_native_shm_client_call_sendv(void *st, const struct qbi_msg *msg,
				     struct qbi_call_mark *mark)
{
	struct qbi_native_shm_client *c = st;
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

int qbi_native_shm_client_cancel(void *st, const struct qbi_call_mark *mark)
{
	struct qbi_native_shm_client *c = st;
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

int qbi_native_shm_client_resume_sending(void *st)
{
	struct qbi_native_shm_client *c = st;
	bool unfinished = c->unfinished;
	bool ring;
	int r;

	/* Nobody else has put anything, and another thread may be sending the rest. */
	if (qbi_half_is_ours(&c->turns))
		return 0;
	r = unfinished ? qbi_turn_take(&c->out, QBI_FOREVER) : 0;
	if (r)
		return r;
	r = qbi_ring_resume_producer(&c->request, &ring);
	/* The other process may have stopped before it sent the byte; one too many is harmless. */
	c->due = r == 0 && ring;
	if (unfinished)
		qbi_turn_release(&c->out);
	return r;
}
