/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared memory on libqb's wire: a ring for requests, responses and events each, in
 * files that the server makes and the client opens by name.
 *
 * Wake-ups: requests and events are followed by exactly one byte on the stream per
 * message, never merged, never skipped, because a peer counts them; a response raises
 * the semaphore in its ring and nothing else. A byte always follows its message, so
 * whoever reads the byte sees the message.
 *
 * Trust: ring/qbring.h. A count of bytes is private to the end that keeps it.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/util.h"
#include "ring/fault.h"
#include "ring/qbring.h"
#include "ring/shm-dir.h"
#include "transport/transport.h"

/* Wake-up bytes moved by one system call. */
#define BYTES_AT_ONCE 64

/* How long a client that waits for a response sleeps before it looks for the server. */
#define LIVENESS_SLICE (50 * QBI_NS_PER_MS)

/*
 * What a byte takes of a stream's send buffer, at most: the kernel accounts a whole
 * small packet (768 bytes measured on 6.18).
 */
#define BYTE_TRUESIZE 1024

/* How long a client waits for a server that leaves its wake-ups unread. */
#define FULL_STREAM_WAIT_MS 500

/* -- Bytes on the stream ------------------------------------------------------ */

/* Send up to @n wake-ups. How many went; -EAGAIN the stream is full; -ENOTCONN nobody
 * is there. */
static ssize_t bytes_send(int stream, size_t n)
{
	static const char bytes[BYTES_AT_ONCE];
	ssize_t sent;

	do
		sent = send(stream, bytes, n < sizeof(bytes) ? n : sizeof(bytes),
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return sent;
	return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? -EAGAIN : -ENOTCONN;
}

/* Read up to @n wake-ups. How many came; -EAGAIN none; -ENOTCONN the end. */
static ssize_t bytes_receive(int stream, size_t n)
{
	char bytes[BYTES_AT_ONCE];
	ssize_t got;

	do
		got = recv(stream, bytes, n < sizeof(bytes) ? n : sizeof(bytes), MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got > 0)
		return got;
	return got < 0 && errno == EAGAIN ? -EAGAIN : -ENOTCONN;
}

/* -- Server ------------------------------------------------------------------- */

struct shm_server {
	bool opened;
	int stream;
	struct qbi_shm_dir dir;
	struct qbi_qbring request;
	struct qbi_qbring response;
	struct qbi_qbring event;
	int64_t owed;		/* requests taken whose byte was not read yet */
	bool dispatching;	/* a take since the last settle */
	uint64_t unannounced;	/* events whose byte could not be sent yet */
};

static int server_create_ring(struct shm_server *s, struct qbi_qbring *ring,
			      const char *channel, const struct qbi_server_spec *spec,
			      char *ret_name)
{
	int r = qbi_qbring_create(ring, &s->dir, channel, spec->service, spec->max_msg_size,
				  ring == &s->request, &spec->owner);

	if (r < 0)
		return r;
	/* The buffer is zeroed and a prefix is far shorter. */
	strncpy(ret_name, qbi_qbring_prefix(ring), QBI_WIRE_NAME_SIZE - 1);
	return 0;
}

static int shm_server_open(void *st, const struct qbi_server_spec *spec,
			   struct qbi_reply *reply)
{
	struct shm_server *s = st;
	struct qbi_welcome *w = reply->welcome;
	int r;

	s->opened = true;
	s->stream = spec->stream;
	s->dir = (struct qbi_shm_dir)QBI_SHM_DIR_INIT;
	s->request = (struct qbi_qbring)QBI_QBRING_INIT;
	s->response = (struct qbi_qbring)QBI_QBRING_INIT;
	s->event = (struct qbi_qbring)QBI_QBRING_INIT;
	r = qbi_shm_dir_create(&s->dir, spec->peer.pid, spec->stream);
	if (r == 0)
		r = server_create_ring(s, &s->request, "request", spec, w->request);
	if (r == 0)
		r = server_create_ring(s, &s->response, "response", spec, w->response);
	if (r == 0)
		r = server_create_ring(s, &s->event, "event", spec, w->event);
	if (r < 0)
		return r;
	qbi_qbring_refs_set(&s->request, 1);
	return qbi_shm_dir_hand_over(&s->dir, &spec->owner);
}

static int shm_server_request_fd(const void *st)
{
	return -1;
}

static int shm_server_take(void *st, void *buf, size_t size, size_t *ret_size)
{
	struct shm_server *s = st;

	if (!s->dispatching)
		qbi_fault_guard_check(true);
	s->dispatching = true;
	return qbi_qbring_take(&s->request, buf, size, ret_size);
}

static int shm_server_settle(void *st, unsigned int taken)
{
	struct shm_server *s = st;
	bool idle;
	ssize_t n;

	s->dispatching = false;
	s->owed += taken;
	/*
	 * A wake-up although nothing was there and nothing is owed: somebody's junk, or a
	 * request that came in this moment. Take one byte away and look again: if it was
	 * a request's, the request is visible by now.
	 */
	idle = taken == 0 && s->owed == 0;
	if (s->owed <= 0 && !idle)
		return 0;
	n = bytes_receive(s->stream, idle ? 1 : (size_t)s->owed);
	if (n < 0)
		return n == -EAGAIN ? 0 : QBI_GONE;
	if (!idle) {
		s->owed -= n;
		return 0;
	}
	if (qbi_qbring_count(&s->request) == 0)
		return 0;
	s->owed = -1;
	return QBI_LATER;
}

static int shm_server_respondv(void *st, const struct qbi_msg *msg)
{
	struct shm_server *s = st;

	qbi_fault_guard_check(false);
	return qbi_qbring_put(&s->response, msg->iov, msg->n, msg->size);
}

static int shm_server_flush(void *st)
{
	struct shm_server *s = st;

	while (s->unannounced) {
		ssize_t n = bytes_send(s->stream, s->unannounced);

		if (n < 0)
			return n == -EAGAIN ? QBI_LATER : QBI_GONE;
		s->unannounced -= (uint64_t)n;
	}
	return 0;
}

static int shm_server_eventv(void *st, const struct qbi_msg *msg)
{
	struct shm_server *s = st;
	int r;

	qbi_fault_guard_check(false);
	r = qbi_qbring_put(&s->event, msg->iov, msg->n, msg->size);
	if (r)
		return r;
	s->unannounced++;
	return shm_server_flush(s);
}

static void shm_server_flow_set(void *st, uint32_t value)
{
	struct shm_server *s = st;

	qbi_fault_guard_check(false);
	qbi_qbring_user_set(&s->request, (int32_t)value);
}

static uint32_t shm_server_events_queued(void *st)
{
	struct shm_server *s = st;

	qbi_fault_guard_check(false);
	return qbi_qbring_count(&s->event);
}

static void shm_server_close(void *st)
{
	struct shm_server *s = st;

	if (!s->opened)
		return;
	qbi_fault_guard_check(true);
	if (s->request.head)
		qbi_qbring_refs_add(&s->request, -1);
	qbi_qbring_close(&s->request);
	qbi_qbring_close(&s->response);
	qbi_qbring_close(&s->event);
	qbi_shm_dir_remove(&s->dir);
}

static const struct qbi_server_ops server_ops = {
	.state_size = sizeof(struct shm_server),
	.open = shm_server_open,
	.request_fd = shm_server_request_fd,
	.take = shm_server_take,
	.settle = shm_server_settle,
	.respondv = shm_server_respondv,
	.eventv = shm_server_eventv,
	.flush = shm_server_flush,
	.flush_when = QBI_FLUSH_ON_POLLOUT,
	.flow_set = shm_server_flow_set,
	.events_queued = shm_server_events_queued,
	.close = shm_server_close,
};

/* -- Client ------------------------------------------------------------------- */

struct shm_client {
	bool opened;
	int stream;
	struct qbi_qbring request;
	struct qbi_qbring response;
	struct qbi_qbring event;
	size_t send_buffer;	/* of the stream, bytes */
	size_t credit;		/* wake-ups that the stream takes for certain */
};

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
	c->request = (struct qbi_qbring)QBI_QBRING_INIT;
	c->response = (struct qbi_qbring)QBI_QBRING_INIT;
	c->event = (struct qbi_qbring)QBI_QBRING_INIT;
	if (getsockopt(c->stream, SOL_SOCKET, SO_SNDBUF, &size, &len) < 0)
		return -errno;
	c->send_buffer = (size_t)size;
	r = qbi_qbring_open(&c->request, w->request, w->max_msg_size, &server);
	if (r == 0)
		r = qbi_qbring_open(&c->response, w->response, w->max_msg_size, &server);
	if (r == 0)
		r = qbi_qbring_open(&c->event, w->event, w->max_msg_size, &server);
	if (r < 0)
		return r;
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

/* Has the server closed the stream? Bytes may still wait to be read. */
static bool server_is_gone(const struct shm_client *c)
{
	struct pollfd p = { .fd = c->stream, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL));
}

static void credit_refresh(struct shm_client *c)
{
	size_t margin = BYTE_TRUESIZE;
	int queued;

	c->credit = 0;
	if (ioctl(c->stream, SIOCOUTQ, &queued) == 0 && queued >= 0 &&
	    (size_t)queued + margin < c->send_buffer)
		c->credit = (c->send_buffer - (size_t)queued - margin) / BYTE_TRUESIZE;
}

/*
 * A request must not be queued without its byte, and the server may leave bytes
 * unread: be sure of room for the byte first. 0, QBI_FULL, QBI_GONE.
 */
static int credit_get(struct shm_client *c)
{
	struct pollfd p = { .fd = c->stream, .events = POLLOUT };

	if (c->credit)
		return 0;
	credit_refresh(c);
	if (c->credit)
		return 0;
	(void)poll(&p, 1, FULL_STREAM_WAIT_MS);
	if (p.revents & (POLLHUP | POLLERR | POLLNVAL))
		return QBI_GONE;
	credit_refresh(c);
	return c->credit ? 0 : QBI_FULL;
}

/* The byte of a request that is queued already: it has to go. */
static int wake_server(struct shm_client *c)
{
	struct pollfd p = { .fd = c->stream, .events = POLLOUT };
	ssize_t n;

	while ((n = bytes_send(c->stream, 1)) == -EAGAIN)
		(void)poll(&p, 1, -1);
	return n < 0 ? QBI_GONE : 0;
}

static int shm_client_sendv(void *st, const struct qbi_msg *msg)
{
	struct shm_client *c = st;
	int r = credit_get(c);

	if (r)
		return r;
	qbi_fault_guard_check(false);
	r = qbi_qbring_put(&c->request, msg->iov, msg->n, msg->size);
	if (r)
		return r == QBI_FULL && server_is_gone(c) ? QBI_GONE : r;
	c->credit--;
	return wake_server(c);
}

static int shm_client_recv(void *st, void *buf, size_t size, uint64_t deadline,
			   size_t *ret_size)
{
	struct shm_client *c = st;
	bool gone = false;

	qbi_fault_guard_check(true);
	for (;;) {
		int r = qbi_qbring_take(&c->response, buf, size, ret_size);
		uint64_t now, slice;

		if (r != QBI_EMPTY)
			return r;
		if (gone)
			return QBI_GONE;
		now = qbi_now_ns();
		slice = deadline - now > LIVENESS_SLICE ? now + LIVENESS_SLICE : deadline;
		if (now < deadline)
			r = qbi_qbring_wait(&c->response, slice);
		if (r == 0)
			continue;
		if (r < 0)
			return r;
		/* Look for the server, and once more for what it left, before giving up. */
		gone = server_is_gone(c);
		if (!gone && qbi_now_ns() >= deadline)
			return QBI_EMPTY;
	}
}

/* The size of the oldest event. 0, QBI_EMPTY, -errno. */
static int event_peek(struct shm_client *c, size_t *ret_size)
{
	int r = qbi_qbring_take(&c->event, NULL, 0, ret_size);

	if (r == -ENOBUFS)
		return 0;
	if (r == 0) {	/* no bytes at all: no message, but it was announced */
		(void)bytes_receive(c->stream, 1);
		return QBI_EMPTY;
	}
	return r;
}

/*
 * Take an event together with its byte: the stream is readable as long as events
 * wait, so neither is taken before both are there. A server that is gone may not have
 * sent them all. 0, QBI_EMPTY no event, QBI_LATER no byte yet, -errno.
 */
static int event_take(struct shm_client *c, bool gone, void *buf, size_t size,
		      size_t *ret_size)
{
	size_t next;
	int r = event_peek(c, &next);

	if (r)
		return r;
	if (next > size)
		return -ENOBUFS;
	if (bytes_receive(c->stream, 1) == -EAGAIN && !gone)
		return QBI_LATER;
	return qbi_qbring_take(&c->event, buf, size, ret_size);
}

/* Wait for a byte: 0 there is one, QBI_GONE the end, QBI_EMPTY too late, QBI_LATER
 * look again. */
static int byte_wait(struct shm_client *c, uint64_t deadline)
{
	struct pollfd p = { .fd = c->stream, .events = POLLIN };
	int timeout = qbi_deadline_to_poll(deadline);
	char byte;

	if (poll(&p, 1, timeout) <= 0)
		return timeout == 0 ? QBI_EMPTY : QBI_LATER;
	if (recv(c->stream, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
		return 0;
	return QBI_GONE;
}

static int shm_client_event_recv(void *st, void *buf, size_t size, uint64_t deadline,
				 size_t *ret_size)
{
	struct shm_client *c = st;
	bool gone = false;
	size_t next;

	qbi_fault_guard_check(true);
	for (;;) {
		int r = event_take(c, gone, buf, size, ret_size);
		int waited;

		if (r != QBI_EMPTY && r != QBI_LATER)
			return r;
		if (gone)
			return QBI_GONE;
		waited = byte_wait(c, deadline);
		if (waited == QBI_EMPTY)
			return QBI_EMPTY;
		gone = waited == QBI_GONE;
		if (waited == 0 && r == QBI_EMPTY && event_peek(c, &next) == QBI_EMPTY) {
			/* A byte without an event would wake us for ever. */
			(void)bytes_receive(c->stream, 1);
			if (qbi_deadline_to_poll(deadline) == 0)
				return QBI_EMPTY;
		}
	}
}

static void shm_client_close(void *st, bool server_gone)
{
	struct shm_client *c = st;

	if (!c->opened)
		return;
	qbi_fault_guard_check(true);
	if (c->request.head)
		qbi_qbring_refs_add(&c->request, -1);
	if (server_gone) {
		qbi_qbring_remove_files(&c->request);
		qbi_qbring_remove_files(&c->response);
		qbi_qbring_remove_files(&c->event);
	}
	qbi_qbring_close(&c->request);
	qbi_qbring_close(&c->response);
	qbi_qbring_close(&c->event);
}

static const struct qbi_client_ops client_ops = {
	.state_size = sizeof(struct shm_client),
	.open = shm_client_open,
	.event_fd = shm_client_event_fd,
	.flow = shm_client_flow,
	.sendv = shm_client_sendv,
	.recv = shm_client_recv,
	.event_recv = shm_client_event_recv,
	.close = shm_client_close,
};

extern const struct qbi_transport qbi_transport_qb_shm;
const struct qbi_transport qbi_transport_qb_shm = {
	.name = "shm on libqb's wire",
	.type = QB_IPC_SHM,
	.server = &server_ops,
	.client = &client_ops,
};
