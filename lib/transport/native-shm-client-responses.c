/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/native-shm-client-responses.h"

#include <errno.h>
#include <poll.h>

#include "base/busy-poll.h"
#include "base/clock.h"
#include "ring/wakeup.h"
#include "transport/native-shm-client-requests.h"
#include "transport/ring-bodies.h"

#define HUNG_UP (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)

/* Poll for a response before sleeping. True: there is one. */
static bool native_shm_response_busy_poll(struct qbi_native_shm_client *c, uint64_t deadline)
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
	qbi_spin_begin(&spin, &c->busy_poll, now, length, deadline,
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

static bool response_was_rung(struct qbi_native_shm_client *c)
{
	return c->response.owed > 0 || qbi_ring_has_rung(&c->response) ||
	       !qbi_ring_is_empty(&c->response);
}

/* As event_take_junk(), when the bell was readable after our turn was resumed. */
static void bell_take_junk(struct qbi_native_shm_client *c)
{
	if (!response_was_rung(c) && qbi_wakeup_is_there(c->bell) && !response_was_rung(c))
		(void)qbi_wakeup_receive(c->bell, 1);
}

/* Milliseconds to sleep until @deadline; only for a moment while a body is unfinished. */
static int sleep_of(struct qbi_native_shm_client *c, uint64_t deadline)
{
	return c->unfinished && qbi_native_shm_client_flush(c) == QBI_UNSENT ?
		       qbi_deadline_to_poll_at_most(deadline, QBI_NATIVE_SHM_REST_MS) :
		       qbi_deadline_to_poll(deadline);
}

/*
 * Sleep until the server rings or is gone. 0 check again; QBI_EMPTY the deadline has passed;
 * QBI_GONE; -errno.
 */
static int native_shm_response_sleep(struct qbi_native_shm_client *c, uint64_t deadline)
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

/* As qbi_native_shm_message_take(), and QBI_PARTIAL: a part of a body was taken. */
static int response_take_once(struct qbi_native_shm_client *c,
			      const struct qbi_native_shm_target *to, size_t *ret_size)
{
	struct qbi_body *body = &c->response_body;
	int r = qbi_native_shm_message_take(&c->response, to, ret_size);

	if (r == 0 && body->done)
		return -EBADMSG;
	if (r != QBI_PARTIAL)
		return r;
	body->most = c->body_most;
	r = qbi_native_shm_body_fits(&c->response, body, to, ret_size);
	return r ? r : qbi_body_receive(&c->response, body, to->buf, to->size, ret_size);
}

int qbi_native_shm_response_take(struct qbi_native_shm_client *c,
				 const struct qbi_native_shm_target *to, uint64_t deadline,
				 size_t *ret_size)
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
		r = qbi_native_shm_owed_receive(&c->response, c->bell);
		if (r == 0)
			r = native_shm_response_sleep(c, deadline);
		if (r < 0)
			return r;
		if (r == QBI_EMPTY)
			return qbi_wakeup_is_over(c->stream) ? QBI_GONE : QBI_EMPTY;
		gone = r == QBI_GONE;
	}
}
