/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stream is readable iff an event is queued or the server is gone, because applications
 * poll it. So the last event is taken together with the byte that announced it, and an event
 * whose byte has not arrived counts as not there yet.
 */
#include "transport/native-shm-client-events.h"

#include <errno.h>

#include "base/clock.h"
#include "ring/wakeup.h"
#include "transport/native-shm-client-requests.h"
#include "transport/ring-bodies.h"

/* Checks for one more event of a burst, 50 ns each, and how many may fail in a row. */
#define BURST_TURNS 8
#define BURST_PATIENCE 4

/*
 * Is the oldest event the only one? In a burst, wait a few hundred nanoseconds for the next
 * event: taking the last event needs a system call, and then the server needs another one to
 * announce the next event.
 */
static bool event_is_last(struct qbi_native_shm_client *c, size_t size)
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
static int event_pop(struct qbi_native_shm_client *c, bool is_piece,
		     const struct qbi_native_shm_target *to, size_t *ret_size)
{
	if (is_piece)
		return qbi_body_receive(&c->event, &c->event_body, to->buf, to->size, ret_size);
	return qbi_native_shm_message_take(&c->event, to, ret_size);
}

/* 0, QBI_EMPTY no event, QBI_UNANNOUNCED not announced yet, QBI_AGAIN only a copy is possible,
 * QBI_PARTIAL a part of one was taken, -ENOBUFS, -EBADMSG. */
static int native_shm_event_take(struct qbi_native_shm_client *c, bool gone,
				 const struct qbi_native_shm_target *to, size_t *ret_size)
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
		r = qbi_native_shm_body_fits(ring, body, to, ret_size);
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
	if (gone || qbi_native_shm_owed_receive(ring, c->stream) == QBI_GONE || !last)
		return event_pop(c, is_piece, to, ret_size);
	if (ring->owed > 0)
		return QBI_UNANNOUNCED;
	/* The last event: receive its byte with it. If another event came meanwhile, leave
	 * the byte for that one. */
	if (qbi_ring_arm(ring, (ssize_t)length) &&
	    qbi_native_shm_owed_receive(ring, c->stream) != QBI_GONE && ring->owed > 0)
		return QBI_UNANNOUNCED;
	return event_pop(c, is_piece, to, ret_size);
}

/*
 * The stream is readable, but there is no event, no byte is owed, and the server has not
 * rung since we armed. So one byte is certainly junk, and would wake us for ever: discard
 * it. If the server has rung without an event, this violates the protocol. 0, -EBADMSG.
 */
static int event_take_junk(struct qbi_native_shm_client *c)
{
	bool rung = qbi_ring_has_rung(&c->event);

	if (c->event.owed > 0 || !qbi_ring_is_empty(&c->event))
		return 0;
	if (rung)
		return -EBADMSG;
	(void)qbi_wakeup_receive(c->stream, 1);
	return 0;
}

/* Only for a moment while a body is unfinished. */
static uint64_t event_wait_until(struct qbi_native_shm_client *c, uint64_t deadline)
{
	uint64_t soon;

	if (!c->unfinished || qbi_native_shm_client_flush(c) != QBI_UNSENT)
		return deadline;
	soon = qbi_now_ns() + QBI_NATIVE_SHM_REST_MS * QBI_NS_PER_MS;
	return deadline == 0 || (qbi_deadline_is_a_time(deadline) && deadline < soon) ?
		       deadline :
		       soon;
}

int qbi_native_shm_event_await(struct qbi_native_shm_client *c,
			       const struct qbi_native_shm_target *to, uint64_t deadline,
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
