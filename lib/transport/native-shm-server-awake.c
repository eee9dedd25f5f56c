/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/native-shm-server-awake.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/busy-poll.h"
#include "base/clock.h"
#include "ring/wakeup.h"
#include "transport/native-shm-server-end.h"

/* The longest busy poll inside one dispatch, while others may wait for the loop. */
#define BUSY_POLL_SLICE_NS 20000

/* Is there a byte that keeps the stream readable, or will there be one at once? */
static bool server_will_be_back(struct qbi_native_shm_server *s)
{
	return s->request.owed > 0 || qbi_ring_has_rung(&s->request);
}

/* A request came while this end waited for it, awake. */
static void request_came(struct qbi_native_shm_server *s, uint64_t now)
{
	qbi_arrivals_note(&s->requests, now - s->waiting_since);
	s->waiting_since = 0;
}

/* Poll for at most @length. True: there is a request. */
static bool server_busy_poll(struct qbi_native_shm_server *s, uint64_t now, uint64_t length)
{
	struct qbi_spin spin;
	uint64_t spent;
	bool found;

	if (!s->slice_left)
		return false;
	qbi_spin_begin(&spin, &s->shared->busy_poll, now, length, now + s->slice_left,
		       qbi_region_shares_cpu(&s->region, QBI_REGION_SERVER));
	do
		found = !qbi_ring_is_empty(&s->request);
	while (!found && qbi_spin_again(&spin));
	s->waiting_since += spin.start - now;
	if (found)
		request_came(s, spin.now);
	spent = spin.now - now;
	s->slice_left -= spent < s->slice_left ? spent : s->slice_left;
	return found;
}

/*
 * There is no request. QBI_MORE one has come meanwhile; 0 stay awake, the loop calls again;
 * QBI_EMPTY go to sleep.
 */
static int server_stay_awake(struct qbi_native_shm_server *s, bool took)
{
	struct qbi_busy_poll *busy_poll = &s->shared->busy_poll;
	uint64_t now, allowed, spent;

	if (s->asleep || !qbi_busy_poll_is_on(busy_poll))
		return QBI_EMPTY;
	now = qbi_now_ns();
	if (took || !s->waiting_since)
		s->waiting_since = now;
	spent = now - s->waiting_since;
	allowed = qbi_busy_poll_allowed(busy_poll, &s->requests, now);
	if (spent >= allowed) {
		qbi_busy_poll_gave_up(busy_poll, &s->requests, s->waiting_since, now);
		return QBI_EMPTY;
	}
	if (qbi_server_is_alone(s->shared, s, now) && server_busy_poll(s, now, allowed - spent))
		return QBI_MORE;
	if (server_will_be_back(s))
		return 0;
	qbi_busy_poll_gave_up(busy_poll, &s->requests, s->waiting_since, qbi_now_ns());
	return QBI_EMPTY;
}

/* Read up to @n bytes. 0, QBI_GONE; their number in *@ret. */
static int native_shm_server_receive(struct qbi_native_shm_server *s, int64_t n, int64_t *ret)
{
	ssize_t got = qbi_wakeup_receive_from_client(s->stream, (size_t)n);

	*ret = got > 0 ? got : 0;
	s->readable = false;
	return got < 0 && got != -EAGAIN ? QBI_GONE : 0;
}

/* Are we armed, without a request or a byte for one in transit? */
static bool nothing_is_due(struct qbi_native_shm_server *s)
{
	return !s->request.owed && !qbi_ring_has_rung(&s->request) &&
	       qbi_ring_is_empty(&s->request);
}

/* Is there a byte or a hang-up in the stream? The report of the loop may be old. */
static bool stream_is_readable(const struct qbi_native_shm_server *s)
{
	char byte;

	return recv(s->stream, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

/* 0; QBI_MORE a request has come; QBI_EMPTY a byte without a request; QBI_GONE. */
static int server_sleep(struct qbi_native_shm_server *s, bool took)
{
	bool was_readable = s->readable && !took;
	int64_t got;
	int r;

	s->waiting_since = 0;
	/* Check again after the stream: its byte may belong to a new request. */
	if (was_readable && nothing_is_due(s) && stream_is_readable(s) && nothing_is_due(s)) {
		/* But there was a byte: junk, or a hang-up. */
		s->asleep = true;
		r = native_shm_server_receive(s, 1, &got);
		return r == 0 && got ? QBI_EMPTY : r;
	}
	if (!qbi_ring_arm(&s->request, -1))
		return QBI_MORE;
	s->asleep = true;
	if (!s->request.owed)
		return 0;
	r = native_shm_server_receive(s, s->request.owed, &got);
	s->request.owed -= got;
	return r;
}

int qbi_native_shm_server_settle(void *st, unsigned int taken)
{
	struct qbi_native_shm_server *s = st;
	int r;

	if (!qbi_ring_is_empty(&s->request))
		return QBI_MORE;
	r = server_stay_awake(s, taken > 0);
	return r == QBI_EMPTY ? server_sleep(s, taken > 0) : r;
}

void qbi_native_shm_server_begin(void *st, bool readable)
{
	struct qbi_native_shm_server *s = st;

	s->readable = readable;
	s->slice_left = BUSY_POLL_SLICE_NS;
	if (s->asleep && readable)
		s->woken = qbi_now_ns();
	else if (s->waiting_since && !qbi_ring_is_empty(&s->request))
		request_came(s, qbi_now_ns());
}

/* The stream announces every request anyway, so nothing depends on this. */
void qbi_native_shm_server_established(void *st)
{
	qbi_native_shm_server_begin(st, false);
	(void)qbi_native_shm_server_settle(st, 0);
}
