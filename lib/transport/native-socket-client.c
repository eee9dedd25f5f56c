/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets between two ends of this library, the client's end; see native-socket-server.c.
 * When the server dies, the kernel closes its ends of the pairs, which wakes every thread
 * that sleeps here. Messages that were queued before are read first.
 */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/busy-poll.h"
#include "base/socket.h"
#include "base/util.h"
#include "ring/region.h"
#include "transport/packets.h"
#include "transport/transport.h"

/* How long a sender waits for a server that takes a large request slowly. */
#define FINISH_WAIT_MS 500

struct native_socket_client {
	bool opened;
	struct qbi_region region;
	struct qbi_packets call;  /* requests out, responses in */
	struct qbi_packets event; /* events in */
	uint32_t events_taken;
	struct qbi_busy_poll busy_poll; /* for responses */
	struct qbi_arrivals responses;	/* when they come */
	struct qbi_client_turns turns;
	struct qbi_turn out;	     /* senders and receivers send the rest of requests */
	_Atomic(bool) unfinished;    /* a request was sent in part */
	uint32_t rest_process;	     /* by which one */
	_Atomic(uint32_t) body_most; /* the largest that this end has ever said to take */
};

static int client_open_pair(struct qbi_packets *p, int *fd, uint32_t max_msg_size)
{
	int r = qbi_socket_check(*fd, SOCK_SEQPACKET);

	if (r == 0)
		qbi_packets_open_passed(p, qbi_take_fd(fd), max_msg_size);
	return r;
}

static int native_socket_client_open(void *st, const struct qbi_client_spec *spec)
{
	struct native_socket_client *c = st;
	uint32_t size = spec->welcome->max_msg_size;
	int r;

	c->opened = true;
	c->call = (struct qbi_packets)QBI_PACKETS_INIT;
	c->event = (struct qbi_packets)QBI_PACKETS_INIT;
	c->turns = spec->turns;
	qbi_busy_poll_init(&c->busy_poll);
	qbi_arrivals_init(&c->responses, QBI_ARRIVALS_OF_RESPONSES);
	if (spec->n_fds != 3)
		return -EBADMSG;
	r = qbi_region_open(&c->region, QBI_REGION_NO_RINGS,
			    &(struct qbi_region_fds){ .common = spec->fds[0], .sent = -1 });
	if (r == 0)
		r = client_open_pair(&c->call, &spec->fds[1], size);
	if (r == 0)
		r = client_open_pair(&c->event, &spec->fds[2], size);
	return r;
}

static int native_socket_client_event_fd(void *st)
{
	const struct native_socket_client *c = st;

	return c->event.fd;
}

static uint32_t native_socket_client_flow(void *st)
{
	struct native_socket_client *c = st;

	return qbi_region_flow_get(&c->region);
}

/* 0; QBI_GONE. The rest of a request of the process from which this one was forked is its. */
static int out_take(struct native_socket_client *c)
{
	int r = qbi_turn_take(&c->out, QBI_FOREVER);

	if (r == 0 && c->unfinished && c->rest_process != qbi_process_id()) {
		qbi_rest_forget(&c->call.out);
		c->unfinished = false;
	}
	return r;
}

static void out_release(struct native_socket_client *c)
{
	bool rest = c->call.out.data != NULL;

	if (rest != c->unfinished) {
		c->rest_process = qbi_process_id();
		c->unfinished = rest;
		qbi_half_note(&c->turns, rest);
	}
	qbi_turn_release(&c->out);
}

/* Send the rest of a request. 0, QBI_UNSENT, QBI_GONE, -errno. */
static int request_flush(struct native_socket_client *c)
{
	int r = out_take(c);

	if (r)
		return r;
	r = qbi_packets_flush(&c->call);
	out_release(c);
	return r;
}

/*
 * A request of which a part was sent is accepted. The server takes the rest when it takes
 * requests: wait for a short time, and otherwise let later calls send it.
 */
static int request_finish(struct native_socket_client *c, uint64_t deadline)
{
	uint64_t own = qbi_deadline_from_ms(FINISH_WAIT_MS);
	int timeout;
	int r;

	if (deadline > own)
		deadline = own;
	timeout = qbi_deadline_to_poll(deadline);
	while ((r = request_flush(c)) == QBI_UNSENT && timeout > 0) {
		struct pollfd p = { .fd = c->call.fd, .events = POLLOUT };

		int t = qbi_turn_poll(c->turns.send, &p, 1, timeout);

		if (t == QBI_GONE || t == -EBUSY)
			return t;
		timeout = qbi_deadline_to_poll(deadline);
	}
	return r == QBI_UNSENT ? 0 : r;
}

/*
 * Wait until the server has taken something. The turn is not rested, because nothing else may
 * be sent in the middle of a body. 0; QBI_FULL it has not; QBI_GONE.
 */
static int body_wait(struct native_socket_client *c, uint64_t deadline)
{
	struct pollfd p = { .fd = c->call.fd, .events = POLLOUT };
	int timeout = qbi_deadline_to_poll_at_most(deadline, FINISH_WAIT_MS);

	if (timeout == 0)
		return QBI_FULL;
	if (qbi_turn_poll(NULL, &p, 1, timeout) < 0 || !p.revents)
		return QBI_FULL;
	return p.revents & POLLOUT ? 0 : QBI_GONE;
}

/* With `out`. 0, QBI_FULL, QBI_GONE, -errno. */
static int body_send(struct native_socket_client *c, const struct qbi_msg *msg,
		     uint64_t deadline)
{
	size_t done = 0;
	int r = qbi_packets_flush(&c->call);

	if (r)
		return r == QBI_UNSENT ? QBI_FULL : r;
	while ((r = qbi_packets_send_pieces(&c->call, msg, &done)) == QBI_FULL && done)
		if ((r = body_wait(c, deadline)))
			break;
	if (r != QBI_FULL || done == 0)
		return r;
	/* The server has a part: without the rest nothing can follow. */
	return qbi_packets_keep(&c->call, msg, done) < 0 ? -EBADMSG : 0;
}

static int native_socket_body_sendv(struct native_socket_client *c, const struct qbi_msg *msg,
				    uint64_t deadline)
{
	int r = out_take(c);

	if (r)
		return r;
	r = body_send(c, msg, qbi_body_deadline(deadline));
	if (r == 0)
		(void)qbi_request_count(&c->turns);
	out_release(c);
	return r;
}

static uint32_t native_socket_client_body_most(void *st)
{
	struct native_socket_client *c = st;
	uint32_t most = qbi_region_body_get(&c->region, QBI_REGION_SERVER);

	return most < QBI_BODY_MAX ? most : QBI_BODY_MAX;
}

static int native_socket_client_flush(void *st)
{
	struct native_socket_client *c = st;

	return c->unfinished ? request_flush(c) : 0;
}

/* What was said once stays right: a body may be on its way. */
static int native_socket_client_body_limit_set(void *st, uint32_t bytes)
{
	struct native_socket_client *c = st;
	int r = out_take(c);

	if (r)
		return r;
	/* Before the server knows it. */
	if (bytes > c->body_most)
		c->body_most = bytes;
	r = qbi_packets_send_limit(&c->call, bytes);
	out_release(c);
	return r;
}

static int native_socket_client_sendv(void *st, const struct qbi_msg *msg, uint64_t deadline)
{
	struct native_socket_client *c = st;
	int r;

	if (msg->size > c->call.max_msg_size)
		return native_socket_body_sendv(c, msg, deadline);
	r = out_take(c);
	if (r)
		return r;
	r = qbi_packets_sendv(&c->call, msg);
	if (r == 0 || r == QBI_UNSENT)
		(void)qbi_request_count(&c->turns);
	out_release(c);
	return r == QBI_UNSENT ? request_finish(c, deadline) : r;
}

static int native_socket_client_call_sendv(void *st, const struct qbi_msg *msg,
					   struct qbi_call_mark *mark)
{
	struct native_socket_client *c = st;
	int r = out_take(c);

	if (r)
		return r;
	r = qbi_packets_send_timed(&c->call, msg, mark->expires);
	if (r == 0 || r == QBI_UNSENT)
		mark->number = qbi_request_count(&c->turns);
	out_release(c);
	return r == QBI_UNSENT ? request_finish(c, 0) : r;
}

/* A request that waits in the socket cannot be reached there: the cancel comes behind it. */
static int native_socket_client_cancel(void *st, const struct qbi_call_mark *mark)
{
	struct native_socket_client *c = st;
	int r = out_take(c);

	if (r)
		return r;
	r = qbi_packets_send_cancel(&c->call, mark->number);
	out_release(c);
	return r;
}

/* Sleep until there is something to take from @p, or to send. 0, QBI_GONE, -errno. */
static int message_sleep(struct native_socket_client *c, struct qbi_packets *p,
			 struct qbi_turn *turn, int timeout)
{
	struct pollfd fds[2] = {
		{ .fd = p->fd, .events = POLLIN },
		{ .fd = c->unfinished ? c->call.fd : -1, .events = POLLOUT },
	};
	int r = qbi_turn_poll(turn, fds, 2, timeout);

	if (r)
		return r;
	if (fds[1].revents)
		(void)request_flush(c);
	return 0;
}

/* Take a message, or wait for it. 0, QBI_EMPTY, QBI_GONE, -errno. */
static int message_wait(struct native_socket_client *c, struct qbi_packets *p,
			struct qbi_turn *turn, void *buf, size_t size, uint64_t deadline,
			size_t *ret_size)
{
	qbi_packets_take_bodies(p, c->body_most);
	for (;;) {
		int r = qbi_packets_take(p, buf, size, ret_size);
		int timeout;

		if (r == QBI_PARTIAL)
			continue;
		if (r != QBI_EMPTY)
			return r;
		timeout = qbi_deadline_to_poll(deadline);
		if (timeout == 0) {
			/* A caller that never sleeps is the only one to send the rest. */
			if (deadline == 0 && c->unfinished)
				(void)request_flush(c);
			return QBI_EMPTY;
		}
		r = message_sleep(c, p, turn, timeout);
		if (r)
			return r;
	}
}

/* Try again and again for a short while. As message_wait(). */
static int native_socket_response_busy_poll(struct native_socket_client *c, void *buf,
					    size_t size, uint64_t deadline, size_t *ret_size)
{
	struct qbi_spin spin;
	uint64_t now, length;

	if (!qbi_busy_poll_is_on(&c->busy_poll))
		return QBI_EMPTY;
	now = qbi_now_ns();
	length = now < deadline ? qbi_busy_poll_allowed(&c->busy_poll, &c->responses, now) : 0;
	if (!length) {
		qbi_busy_poll_gave_up(&c->busy_poll, &c->responses, now, now);
		return QBI_EMPTY;
	}
	qbi_packets_take_bodies(&c->call, c->body_most);
	qbi_spin_begin(&spin, &c->busy_poll, now, length, deadline,
		       c->busy_poll.one_cpu || !c->busy_poll.rare);
	do {
		int r;

		qbi_turn_watch(c->turns.recv, false);
		r = qbi_packets_take(&c->call, buf, size, ret_size);
		if (r != QBI_EMPTY && r != QBI_PARTIAL) {
			qbi_arrivals_note(&c->responses, spin.now - spin.start);
			return r;
		}
		qbi_turn_watch(c->turns.recv, true);
	} while (qbi_spin_again(&spin));
	qbi_turn_watch(c->turns.recv, false);
	qbi_busy_poll_gave_up(&c->busy_poll, &c->responses, spin.start, spin.now);
	return QBI_EMPTY;
}

static int native_socket_client_recv(void *st, void *buf, size_t size, uint64_t deadline,
				     size_t *ret_size)
{
	struct native_socket_client *c = st;
	int r = QBI_EMPTY;

	if (deadline != 0)
		r = native_socket_response_busy_poll(c, buf, size, deadline, ret_size);
	if (r != QBI_EMPTY)
		return r;
	r = message_wait(c, &c->call, c->turns.recv, buf, size, deadline, ret_size);
	if (r == 0 && deadline != 0)
		qbi_arrivals_woken(&c->responses, qbi_now_ns(), 0, false);
	return r;
}

static int native_socket_client_response_fd(void *st, short *ret_events)
{
	struct native_socket_client *c = st;

	*ret_events = c->unfinished ? POLLIN | POLLOUT : POLLIN;
	return c->call.fd;
}

static bool native_socket_client_response_waits(void *st)
{
	struct native_socket_client *c = st;

	return c->call.in.done || qbi_socket_has_message(c->call.fd);
}

static int native_socket_client_event_recv(void *st, void *buf, size_t size, uint64_t deadline,
					   size_t *ret_size)
{
	struct native_socket_client *c = st;
	int r = message_wait(c, &c->event, c->turns.event, buf, size, deadline, ret_size);

	if (r == 0)
		qbi_region_taken_set(&c->region, ++c->events_taken);
	return r;
}

/* The kernel has the state of the sockets. If a process has received only a part of a
 * message, the next process finds only the rest, which is invalid. */
static int native_socket_client_resume(void *st, enum qbi_client_part part)
{
	struct native_socket_client *c = st;

	if (part == QBI_PART_EVENT)
		c->events_taken = qbi_region_taken_get(&c->region);
	return 0;
}

static void native_socket_client_close(void *st, enum qbi_parting how)
{
	struct native_socket_client *c = st;

	if (!c->opened)
		return;
	qbi_half_give_up(&c->turns);
	if (how != QBI_PART_COPY) {
		qbi_packets_end(&c->call);
		qbi_packets_end(&c->event);
	}
	qbi_packets_close(&c->call);
	qbi_packets_close(&c->event);
	qbi_region_close(&c->region);
}

extern const struct qbi_client_ops qbi_native_socket_client;
const struct qbi_client_ops qbi_native_socket_client = {
	.state_size = sizeof(struct native_socket_client),
	.open = native_socket_client_open,
	.event_fd = native_socket_client_event_fd,
	.flow = native_socket_client_flow,
	.sendv = native_socket_client_sendv,
	.call_sendv = native_socket_client_call_sendv,
	.cancel = native_socket_client_cancel,
	.body_most = native_socket_client_body_most,
	.flush = native_socket_client_flush,
	.body_limit_set = native_socket_client_body_limit_set,
	.recv = native_socket_client_recv,
	.event_recv = native_socket_client_event_recv,
	.response_fd = native_socket_client_response_fd,
	.response_waits = native_socket_client_response_waits,
	.resume = native_socket_client_resume,
	.close = native_socket_client_close,
};
