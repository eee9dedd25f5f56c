/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Unix datagram sockets on libqb's wire, the client's end. Four abstract addresses with
 * one prefix: the server binds -request and -event-tx, the client -response (connected
 * to -request) and -event (connected to -event-tx). One datagram is one message;
 * responses are sent from the -request socket. A small file counts messages
 * (ring/qbcontrol.h).
 *
 * Trust: the server names the addresses and the file; the credentials of the stream
 * identify the server. The stream reports when it is gone; a datagram socket does not.
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/foreign.h"
#include "base/socket.h"
#include "base/util.h"
#include "ring/fault.h"
#include "ring/qbcontrol.h"
#include "ring/shm-peer.h"
#include "transport/qb-channel.h"
#include "transport/transport.h"
#include "wire/names.h"

struct socket_client {
	bool opened;
	int stream;
	struct qbi_client_turns turns;
	uint32_t max_msg_size;
	struct qbi_shm_peer_file file; /* the control file, verified */
	struct qbi_qbcontrol control;
	int response; /* bound to -response */
	int event;    /* bound to -event */
	int watch;    /* epoll of event and stream; -1 until asked for */
};

static int client_open_control(struct socket_client *c, const struct qbi_client_spec *spec)
{
	static const size_t sizes[] = { QBI_QBCONTROL_SIZE, 0 };
	const struct qbi_peer_cred server = { spec->server.pid, spec->server.uid,
					      spec->server.gid };
	int r;

	r = qbi_shm_peer_open(&c->file, spec->welcome->request, "", sizes, &server);
	if (r < 0)
		return r;
	r = qbi_qbcontrol_open(&c->control, c->file.fd);
	c->file.fd = qbi_close(c->file.fd);
	return r;
}

static int socket_client_open(void *st, const struct qbi_client_spec *spec)
{
	struct socket_client *c = st;
	const char *prefix = spec->welcome->response;
	int r;

	c->opened = true;
	c->stream = spec->stream;
	c->turns = spec->turns;
	c->max_msg_size = spec->welcome->max_msg_size;
	c->file = (struct qbi_shm_peer_file)QBI_SHM_PEER_FILE_INIT;
	c->control = (struct qbi_qbcontrol)QBI_QBCONTROL_INIT;
	c->response = c->event = c->watch = -1;
	r = client_open_control(c, spec);
	if (r < 0)
		return r;
	c->response = qbi_qb_channel_open(prefix, "response", "request", c->max_msg_size);
	if (c->response < 0)
		return c->response;
	c->event = qbi_qb_channel_open(prefix, "event", "event-tx", c->max_msg_size);
	return c->event < 0 ? c->event : 0;
}

/*
 * The event socket does not report that the server is gone. So this is an epoll of the event
 * socket and of the stream's hang-up.
 */
static int socket_client_event_fd(void *st)
{
	struct socket_client *c = st;
	struct epoll_event on_event = { .events = EPOLLIN };
	struct epoll_event on_hang_up = { .events = EPOLLRDHUP };
	_cleanup_(qbi_closep) int fd = -1;

	if (c->watch >= 0)
		return c->watch;
	fd = epoll_create1(EPOLL_CLOEXEC);
	if (fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, c->event, &on_event) < 0 ||
	    epoll_ctl(fd, EPOLL_CTL_ADD, c->stream, &on_hang_up) < 0)
		return -errno;
	c->watch = qbi_take_fd(&fd);
	return c->watch;
}

static uint32_t socket_client_flow(void *st)
{
	struct socket_client *c = st;

	qbi_fault_guard_check(false);
	return qbi_qbcontrol_flow_get(&c->control);
}

/* Wait until @fd is readable, resting. 0, QBI_EMPTY at the deadline, QBI_GONE,
 * -errno. */
static int client_wait(struct socket_client *c, int fd, struct qbi_turn *turn,
		       uint64_t deadline)
{
	struct pollfd p[2] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = c->stream, .events = POLLRDHUP },
	};
	int timeout;
	int r;

	do {
		timeout = qbi_deadline_to_poll(deadline);
		r = qbi_turn_poll(turn, p, 2, timeout);
		if (r)
			return r;
	} while (!p[0].revents && !p[1].revents && timeout != 0);
	if (p[0].revents)
		return 0;
	return p[1].revents ? QBI_GONE : QBI_EMPTY;
}

static int socket_client_sendv(void *st, const struct qbi_msg *msg, uint64_t deadline)
{
	struct socket_client *c = st;
	int r = qbi_socket_send_message(c->response, msg);

	if (r == QBI_FULL && client_wait(c, -1, NULL, 0) == QBI_GONE)
		return QBI_GONE;
	if (r == 0) {
		qbi_fault_guard_check(false);
		qbi_qbcontrol_count(&c->control, QBI_QBCONTROL_REQUEST, 1);
	}
	return r;
}

/* Receive one datagram. 0; QBI_EMPTY; -ENOBUFS it is too large and stays; -errno. */
static int client_receive(struct socket_client *c, int fd, void *buf, size_t size,
			  size_t *ret_size)
{
	ssize_t n;

	/* If the buffer has room for the largest message, the size need not be checked. */
	if (size < c->max_msg_size) {
		n = qbi_foreign_recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
		if (n >= 0 && (size_t)n > size && (size_t)n <= c->max_msg_size)
			return -ENOBUFS;
	}
	n = qbi_foreign_recv(fd, buf, size, MSG_TRUNC | MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR || errno == ECONNRESET ? QBI_EMPTY :
										  -errno;
	if ((size_t)n > size)
		return -EBADMSG;
	*ret_size = (size_t)n;
	return 0;
}

static int client_recv(struct socket_client *c, int fd, enum qbi_qbcontrol_channel channel,
		       struct qbi_turn *turn, void *buf, size_t size, uint64_t deadline,
		       size_t *ret_size)
{
	bool gone = false;

	for (;;) {
		int r = client_receive(c, fd, buf, size, ret_size);

		if (r == 0) {
			qbi_fault_guard_check(false);
			qbi_qbcontrol_count(&c->control, channel, -1);
		}
		if (r != QBI_EMPTY)
			return r;
		if (gone)
			return QBI_GONE;
		r = client_wait(c, fd, turn, deadline);
		if (r < 0 || r == QBI_EMPTY)
			return r;
		gone = r == QBI_GONE;
	}
}

static int socket_client_recv(void *st, void *buf, size_t size, uint64_t deadline,
			      size_t *ret_size)
{
	struct socket_client *c = st;

	return client_recv(c, c->response, QBI_QBCONTROL_RESPONSE, c->turns.recv, buf, size,
			   deadline, ret_size);
}

static int socket_client_event_recv(void *st, void *buf, size_t size, uint64_t deadline,
				    size_t *ret_size)
{
	struct socket_client *c = st;

	return client_recv(c, c->event, QBI_QBCONTROL_EVENT, c->turns.event, buf, size,
			   deadline, ret_size);
}

static int socket_client_response_fd(void *st, short *ret_events)
{
	const struct socket_client *c = st;

	*ret_events = POLLIN;
	return c->response;
}

static bool socket_client_response_waits(void *st)
{
	const struct socket_client *c = st;

	return qbi_socket_has_message(c->response);
}

/* The whole state is in the kernel and in the control file. */
static int socket_client_resume(void *st, enum qbi_client_part part)
{
	return 0;
}

static void socket_client_close(void *st, enum qbi_parting how)
{
	struct socket_client *c = st;

	if (!c->opened)
		return;
	c->watch = qbi_close(c->watch);
	if (how == QBI_PART_COPY) {
		c->response = qbi_close(c->response);
		c->event = qbi_close(c->event);
	}
	c->response = qbi_close_stream(c->response);
	c->event = qbi_close_stream(c->event);
	qbi_qbcontrol_close(&c->control);
	/* On this wire the client removes the file; the server does if it still exists. */
	if (how != QBI_PART_COPY)
		qbi_shm_peer_remove(&c->file);
	qbi_shm_peer_close(&c->file);
}

extern const struct qbi_client_ops qbi_qb_socket_client;
const struct qbi_client_ops qbi_qb_socket_client = {
	.state_size = sizeof(struct socket_client),
	.open = socket_client_open,
	.event_fd = socket_client_event_fd,
	.flow = socket_client_flow,
	.sendv = socket_client_sendv,
	.recv = socket_client_recv,
	.event_recv = socket_client_event_recv,
	.response_fd = socket_client_response_fd,
	.response_waits = socket_client_response_waits,
	.resume = socket_client_resume,
	.close = socket_client_close,
};
