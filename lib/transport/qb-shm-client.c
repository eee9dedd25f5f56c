/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared memory on libqb's wire, the client's end: a ring for requests, responses and
 * events each, in files that the server makes and the client opens by name.
 *
 * Wake-ups: requests and events are followed by one byte on the stream per message
 * (ring/wakeup.h); a response only raises the semaphore in its ring.
 *
 * Trust: see ring/qbring.h. Each end keeps its counts of bytes privately.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/util.h"
#include "ring/fault.h"
#include "ring/qbring.h"
#include "ring/wakeup.h"
#include "transport/transport.h"

/* How long a client that waits for a response sleeps before it checks the server. */
#define LIVENESS_SLICE (50 * QBI_NS_PER_MS)

/* How long a client waits for a server that leaves its wake-ups unread. */
#define FULL_STREAM_WAIT_MS 500

/* Attempts to send a wake-up without memory in the kernel, and the time between them. */
#define WAKE_TRIES 50
#define WAKE_WAIT_MS 10

struct shm_client {
	bool opened;
	int stream;
	struct qbi_client_turns turns;
	struct qbi_qbring request;
	struct qbi_qbring response;
	struct qbi_qbring event;
	size_t send_buffer; /* of the stream, bytes */
	size_t due;	    /* wake-ups of queued requests that were not sent yet */
	size_t credit;	    /* wake-ups that the stream takes for certain */
	bool empty;	    /* an event of no bytes was taken and not returned yet */
};

/* If the call is refused: the smallest send buffer of a socket (SOCK_MIN_SNDBUF of the
 * kernel). */
#define SEND_BUFFER_MIN 4608

static int shm_client_open(void *st, const struct qbi_client_spec *spec)
{
	struct shm_client *c = st;
	const struct qbi_welcome *w = spec->welcome;
	const struct qbi_peer_cred server = { spec->server.pid, spec->server.uid,
					      spec->server.gid };
	socklen_t len = sizeof(int);
	int size;
	int r;

	c->opened = true;
	c->stream = spec->stream;
	c->turns = spec->turns;
	c->request = (struct qbi_qbring)QBI_QBRING_INIT;
	c->response = (struct qbi_qbring)QBI_QBRING_INIT;
	c->event = (struct qbi_qbring)QBI_QBRING_INIT;
	if (getsockopt(c->stream, SOL_SOCKET, SO_SNDBUF, &size, &len) < 0)
		size = SEND_BUFFER_MIN;
	c->send_buffer = (size_t)size;
	r = qbi_qbring_open(&c->request, w->request, w->max_msg_size, &server);
	if (r == 0)
		r = qbi_qbring_open(&c->response, w->response, w->max_msg_size, &server);
	if (r == 0)
		r = qbi_qbring_open(&c->event, w->event, w->max_msg_size, &server);
	if (r < 0)
		return r;
	qbi_qbring_take_larger(&c->response);
	qbi_qbring_refs_add(&c->request, 1);
	return 0;
}

static int shm_client_event_fd(void *st)
{
	const struct shm_client *c = st;

	return c->stream;
}

static uint32_t shm_client_flow(void *st)
{
	struct shm_client *c = st;

	qbi_fault_guard_check(false);
	return (uint32_t)qbi_qbring_user_get(&c->request);
}

/*
 * A request must not be queued without its byte, and the server may leave bytes unread: so
 * make sure first that there is room for the byte. 0, QBI_FULL, QBI_GONE.
 */
static int credit_get(struct shm_client *c, uint64_t deadline)
{
	struct pollfd p = { .fd = c->stream, .events = POLLOUT };
	int r;

	if (c->credit)
		return 0;
	c->credit = qbi_wakeup_room(c->stream, c->send_buffer);
	if (c->credit)
		return 0;
	r = qbi_turn_poll(c->turns.send, &p, 1,
			  qbi_deadline_to_poll_at_most(deadline, FULL_STREAM_WAIT_MS));
	if (r)
		return r < 0 ? r : QBI_GONE;
	if (p.revents & (POLLHUP | POLLERR | POLLNVAL))
		return QBI_GONE;
	c->credit = qbi_wakeup_room(c->stream, c->send_buffer);
	return c->credit ? 0 : QBI_FULL;
}

/*
 * Send the byte of a request that is queued already. There was room for it, so at most the
 * kernel is short of memory for a moment; then the byte is sent with the next request.
 */
static int wake_server(struct shm_client *c, uint64_t deadline)
{
	struct pollfd p = { .fd = c->stream, .events = POLLOUT };
	int tries, r = 0;

	c->due++;
	for (tries = 0; c->due && tries < WAKE_TRIES; tries++) {
		ssize_t n = qbi_wakeup_send(c->stream, c->due);

		if (n == -ENOTCONN)
			return QBI_GONE;
		if (n > 0)
			c->due -= (size_t)n;
		else
			r = qbi_turn_poll(c->turns.send, &p, 1,
					  qbi_deadline_to_poll_at_most(deadline, WAKE_WAIT_MS));
		if (r)
			return r < 0 ? r : QBI_GONE;
	}
	return 0;
}

static int shm_client_sendv(void *st, const struct qbi_msg *msg, uint64_t deadline)
{
	struct shm_client *c = st;
	unsigned int tries = 0;
	int r;

	for (;;) {
		r = credit_get(c, deadline);
		if (r)
			return r;
		qbi_fault_guard_check(false);
		r = qbi_qbring_put(&c->request, msg->iov, msg->n, msg->size);
		if (r != QBI_FULL || qbi_qbring_count(&c->request) > 0)
			break;
		r = qbi_wakeup_await_room(c->stream, c->turns.send, deadline, &tries);
		if (r)
			return r;
	}
	if (r)
		return r == QBI_FULL && qbi_wakeup_is_over(c->stream) ? QBI_GONE : r;
	c->credit--;
	return wake_server(c, deadline);
}

/* Not in place: the server could truncate the file under the application. */
static int shm_client_reserve(void *st, size_t size, uint64_t deadline, void **ret)
{
	struct shm_client *c = st;
	unsigned int tries = 0;
	int r;

	for (;;) {
		r = credit_get(c, deadline);
		if (r)
			return r;
		qbi_fault_guard_check(false);
		r = qbi_qbring_room(&c->request, size);
		if (r != QBI_FULL || qbi_qbring_count(&c->request) > 0)
			break;
		r = qbi_wakeup_await_room(c->stream, c->turns.send, deadline, &tries);
		if (r)
			return r;
	}
	if (r == QBI_FULL && qbi_wakeup_is_over(c->stream))
		return QBI_GONE;
	return r ? r : QBI_AGAIN;
}

/*
 * Sleep until there is a response, or until @until; then check whether the server is gone.
 * 0, QBI_EMPTY, QBI_GONE, -EBADMSG.
 */
static int response_sleep(struct shm_client *c, uint64_t until)
{
	bool gone = false;
	int r, turned;

	qbi_turn_rest(c->turns.recv);
	r = qbi_qbring_wait(&c->response, until);
	if (r == QBI_EMPTY)
		gone = qbi_wakeup_is_over(c->stream); /* may be cancelled here */
	turned = qbi_turn_resume(c->turns.recv);
	if (turned)
		return turned;
	return gone ? QBI_GONE : r;
}

static int shm_client_recv(void *st, void *buf, size_t size, uint64_t deadline,
			   size_t *ret_size)
{
	struct shm_client *c = st;
	bool gone = false;

	qbi_fault_guard_check(false);
	for (;;) {
		int r = qbi_qbring_take(&c->response, buf, size, ret_size);
		uint64_t now, slice;

		if (r != QBI_EMPTY)
			return r;
		if (gone)
			return QBI_GONE;
		now = qbi_now_ns();
		if (now >= deadline) {
			r = qbi_wakeup_is_over(c->stream) ? QBI_GONE : QBI_EMPTY;
		} else {
			slice = deadline - now > LIVENESS_SLICE ? now + LIVENESS_SLICE :
								  deadline;
			r = response_sleep(c, slice);
		}
		if (r < 0)
			return r;
		/* Check once more for responses that it has left. */
		gone = r == QBI_GONE;
		if (r == QBI_EMPTY && qbi_now_ns() >= deadline)
			return QBI_EMPTY;
	}
}

/* A response only raises the semaphore, which no descriptor reports. */
static int shm_client_response_fd(void *st, short *ret_events)
{
	*ret_events = 0;
	return -1;
}

static bool shm_client_response_waits(void *st)
{
	struct shm_client *c = st;

	qbi_fault_guard_check(false);
	return qbi_qbring_wait(&c->response, 0) == 0;
}

/*
 * The size of the oldest event. An event of no bytes is taken by this check, so it is
 * remembered. 0, QBI_EMPTY, -errno.
 */
static int event_peek(struct shm_client *c, size_t *ret_size)
{
	int r;

	*ret_size = 0;
	if (c->empty)
		return 0;
	r = qbi_qbring_take(&c->event, NULL, 0, ret_size);
	c->empty = r == 0;
	return r == -ENOBUFS ? 0 : r;
}

/*
 * Take an event together with its byte, when both are there: the stream must be readable as
 * long as there are events. A server that is gone may not have sent all bytes. 0; QBI_EMPTY
 * no event; QBI_UNANNOUNCED no byte yet; -errno.
 */
static int event_take(struct shm_client *c, bool gone, void *buf, size_t size, size_t *ret_size)
{
	size_t next;
	int r = event_peek(c, &next);

	if (r)
		return r;
	*ret_size = next;
	if (next > size)
		return -ENOBUFS;
	if (qbi_wakeup_receive(c->stream, 1) == -EAGAIN && !gone)
		return QBI_UNANNOUNCED;
	if (c->empty) {
		c->empty = false;
		*ret_size = 0;
		return 0;
	}
	return qbi_qbring_take(&c->event, buf, size, ret_size);
}

static int shm_client_event_recv(void *st, void *buf, size_t size, uint64_t deadline,
				 size_t *ret_size)
{
	struct shm_client *c = st;
	bool gone = false;
	size_t next;

	qbi_fault_guard_check(false);
	for (;;) {
		int r = event_take(c, gone, buf, size, ret_size);
		int waited;

		if (r != QBI_EMPTY && r != QBI_UNANNOUNCED)
			return r;
		if (gone)
			return QBI_GONE;
		waited = qbi_wakeup_wait(c->stream, c->turns.event, deadline);
		if (waited < 0 || waited == QBI_EMPTY)
			return waited;
		gone = waited == QBI_GONE;
		if (waited == 0 && r == QBI_EMPTY && event_peek(c, &next) == QBI_EMPTY) {
			/* A byte without an event would wake us for ever. */
			(void)qbi_wakeup_receive(c->stream, 1);
			if (qbi_deadline_to_poll(deadline) == 0)
				return QBI_EMPTY;
		}
	}
}

/* Never in place, as for requests: by the size of the next one. */
static int shm_client_view(void *st, enum qbi_client_part part, uint64_t deadline,
			   const void **ret, size_t *ret_size)
{
	int r = part == QBI_PART_EVENT ?
			shm_client_event_recv(st, NULL, 0, deadline, ret_size) :
			shm_client_recv(st, NULL, 0, deadline, ret_size);

	if (r == 0)
		*ret = "";
	return r == -ENOBUFS ? QBI_AGAIN : r;
}

static void shm_client_view_done(void *st, enum qbi_client_part part)
{
}

static int shm_client_resume(void *st, enum qbi_client_part part)
{
	struct shm_client *c = st;

	if (part == QBI_PART_RECV)
		return qbi_qbring_resume(&c->response);
	if (part == QBI_PART_EVENT)
		return qbi_qbring_resume(&c->event);
	c->credit = 0;
	c->due = 0;
	return qbi_qbring_resume(&c->request);
}

static void shm_client_close(void *st, enum qbi_parting how)
{
	struct shm_client *c = st;

	if (!c->opened)
		return;
	qbi_fault_guard_check(true);
	if (c->request.head && how != QBI_PART_COPY)
		qbi_qbring_refs_add(&c->request, -1);
	if (how == QBI_PART_CLEANING) {
		qbi_qbring_remove_files(&c->request);
		qbi_qbring_remove_files(&c->response);
		qbi_qbring_remove_files(&c->event);
	}
	qbi_qbring_close(&c->request);
	qbi_qbring_close(&c->response);
	qbi_qbring_close(&c->event);
}

extern const struct qbi_client_ops qbi_qb_shm_client;
const struct qbi_client_ops qbi_qb_shm_client = {
	.state_size = sizeof(struct shm_client),
	.open = shm_client_open,
	.event_fd = shm_client_event_fd,
	.flow = shm_client_flow,
	.sendv = shm_client_sendv,
	.reserve = shm_client_reserve,
	.recv = shm_client_recv,
	.event_recv = shm_client_event_recv,
	.view = shm_client_view,
	.view_done = shm_client_view_done,
	.response_fd = shm_client_response_fd,
	.response_waits = shm_client_response_waits,
	.resume = shm_client_resume,
	.close = shm_client_close,
};
