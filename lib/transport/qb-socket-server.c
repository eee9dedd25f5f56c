/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Unix datagram sockets on libqb's wire, the server's end. Four abstract addresses with
 * one prefix: the server binds -request and -event-tx, the client -response (connected
 * to -request) and -event (connected to -event-tx). One datagram is one message;
 * responses are sent from the -request socket. A small file counts messages
 * (ring/qbcontrol.h).
 *
 * Trust: any process can send to an abstract name. The first request is accepted if it
 * comes from the client's address and process. The server then connects to that address,
 * and the kernel rejects all other senders. The stream reports when a peer is gone; a
 * datagram socket does not.
 *
 * Messages may be sent before the client has bound its address: events, and responses in
 * connection_created. They are kept in private memory, and flush() tries again.
 */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/socket.h"
#include "base/util.h"
#include "ring/fault.h"
#include "ring/qbcontrol.h"
#include "ring/shm-dir.h"
#include "ring/shm-sweep.h"
#include "transport/early.h"
#include "transport/qb-channel.h"
#include "transport/server-awake.h"
#include "transport/transport.h"
#include "wire/names.h"

/* Most datagrams of other senders that one attempt to take a request discards. */
#define STRANGERS_AT_ONCE 16

/* The sending side of responses or of events. */
struct outgoing {
	int fd;		       /* request, bound to -request, or event, bound to -event-tx */
	atomic_bool connected; /* to the client's -response, or -event */
	struct qbi_early early;
};

struct socket_server {
	bool opened;
	int stream; /* of the connection, to notice its end */
	struct ucred peer;
	struct qbi_shm_dir dir;
	struct qbi_qbcontrol control;
	char prefix[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct outgoing out[QBI_CHANNELS];
	bool client_known;	 /* it has sent a request from its own address */
	atomic_bool client_left; /* it has sent a request, but its socket is gone */
	bool stranger_seen;	 /* already logged */
	struct qbi_server_awake awake;
};

/* Requests arrive at the socket from which responses are sent. */
static int request_socket(const struct socket_server *s)
{
	return s->out[QBI_RESPONSES].fd;
}

#define CONTROL_NAME_SIZE (QBI_SERVICE_NAME_MAX + 16)

static void control_name(char *name, const char *service)
{
	snprintf(name, CONTROL_NAME_SIZE, "qb-control-%s", service);
}

static void socket_server_sweep(const char *service)
{
	char name[CONTROL_NAME_SIZE];

	control_name(name, service);
	qbi_shm_sweep((const char *const[]){ name }, 1);
}

static int server_make_control(struct socket_server *s, const struct qbi_server_spec *spec,
			       struct qbi_welcome *w)
{
	_cleanup_(qbi_closep) int fd = -1;
	char name[CONTROL_NAME_SIZE];
	int r;

	control_name(name, spec->service);
	r = qbi_shm_dir_file(&s->dir, name, QBI_QBCONTROL_SIZE, &spec->owner, &fd);
	if (r < 0)
		return r;
	snprintf(w->request, sizeof(w->request), "%s/%s", s->dir.path, name);
	s->control.map.locking = spec->locking;
	return qbi_qbcontrol_open(&s->control, fd);
}

static int server_bind(struct socket_server *s, const struct qbi_server_spec *spec,
		       struct qbi_welcome *w)
{
	static const char *const ours[QBI_CHANNELS] = { "request", "event-tx" };
	int on = 1;
	int channel;
	int n;

	n = snprintf(s->prefix, sizeof(s->prefix), "%s/qb-%s", s->dir.path, spec->service);
	if (n < 0 || (size_t)n >= sizeof(s->prefix))
		return -ENAMETOOLONG;
	snprintf(w->response, sizeof(w->response), "%s", s->prefix);
	for (channel = 0; channel < QBI_CHANNELS; channel++) {
		int fd =
			qbi_qb_channel_open(s->prefix, ours[channel], NULL, spec->max_msg_size);

		if (fd < 0)
			return fd;
		s->out[channel].fd = fd;
	}
	/* Until the client is known, each datagram must have credentials. */
	if (setsockopt(request_socket(s), SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return -errno;
	return 0;
}

static int socket_server_open(void *st, const struct qbi_server_spec *spec,
			      struct qbi_reply *reply)
{
	struct socket_server *s = st;
	int channel;
	int r;

	s->opened = true;
	s->stream = spec->stream;
	s->peer = spec->peer;
	qbi_server_awake_init(&s->awake, spec);
	s->dir = (struct qbi_shm_dir)QBI_SHM_DIR_INIT;
	s->control = (struct qbi_qbcontrol)QBI_QBCONTROL_INIT;
	for (channel = 0; channel < QBI_CHANNELS; channel++) {
		s->out[channel].fd = -1;
		qbi_early_init(&s->out[channel].early);
	}
	r = qbi_shm_dir_create(&s->dir, spec->peer.pid, spec->stream);
	if (r == 0)
		r = server_make_control(s, spec, reply->welcome);
	if (r == 0)
		r = server_bind(s, spec, reply->welcome);
	if (r < 0)
		return r;
	return qbi_shm_dir_hand_over(&s->dir, &spec->owner);
}

static int socket_server_request_fd(const void *st)
{
	return request_socket(st);
}

static const struct ucred *datagram_credentials(struct msghdr *m)
{
	struct cmsghdr *cmsg;

	for (cmsg = CMSG_FIRSTHDR(m); cmsg; cmsg = CMSG_NXTHDR(m, cmsg))
		if (cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_CREDENTIALS)
			return (const struct ucred *)(const void *)CMSG_DATA(cmsg);
	return NULL;
}

/*
 * Did this datagram come from the client's response socket; and from its process, or at
 * least from its user, in case it has forked?
 */
static bool datagram_is_clients(struct socket_server *s, struct msghdr *m)
{
	const struct sockaddr_un *from = m->msg_name;
	struct sockaddr_un expected;
	const struct ucred *cred;

	if (qbi_channel_address(s->prefix, "response", &expected) < 0 ||
	    m->msg_namelen != sizeof(expected) ||
	    memcmp(from, &expected, sizeof(expected)) != 0)
		return false;
	if (s->client_known)
		return true;
	cred = datagram_credentials(m);
	return cred && (cred->pid == s->peer.pid || cred->uid == s->peer.uid);
}

static bool client_has_left(const struct socket_server *s)
{
	struct pollfd p = { .fd = s->stream, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0;
}

/*
 * Connect to an address of the client. When the client is gone, any process can take its
 * names; while its stream is up, they are its own. 0; QBI_GONE; -ECONNREFUSED no process
 * has the address; -errno.
 */
static int client_connect(struct socket_server *s, enum qbi_channel channel)
{
	static const char *const theirs[QBI_CHANNELS] = { "response", "event" };
	struct outgoing *o = &s->out[channel];
	int r = qbi_qb_channel_connect(o->fd, s->prefix, theirs[channel]);

	if (r == 0 && client_has_left(s))
		return QBI_GONE;
	if (r == 0)
		o->connected = true;
	return r;
}

/*
 * From the first request on, the kernel rejects other senders. If the socket of the client
 * is gone, the client has left; requests that it sent before still count, and each datagram
 * must have credentials.
 */
static int server_know_client(struct socket_server *s)
{
	int off = 0;
	int r = s->out[QBI_RESPONSES].connected ? 0 : client_connect(s, QBI_RESPONSES);

	if (r == -ECONNREFUSED || r == QBI_GONE) {
		s->client_left = true;
		return 0;
	}
	if (r)
		return r;
	(void)setsockopt(request_socket(s), SOL_SOCKET, SO_PASSCRED, &off, sizeof(off));
	s->client_known = true;
	return 0;
}

/* Receive one datagram. 0; QBI_EMPTY; QBI_AGAIN it is of another sender; -errno. */
static int server_receive(struct socket_server *s, void *buf, size_t size, size_t *ret_size)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct sockaddr_un from;
	struct iovec iov = { buf, size };
	struct msghdr m = { .msg_name = &from,
			    .msg_namelen = sizeof(from),
			    .msg_iov = &iov,
			    .msg_iovlen = 1 };
	ssize_t n;

	if (!s->client_known) {
		m.msg_control = control.buf;
		m.msg_controllen = sizeof(control.buf);
	}
	n = recvmsg(request_socket(s), &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR || errno == ECONNRESET ? QBI_EMPTY :
										  -errno;
	if (!datagram_is_clients(s, &m))
		return QBI_AGAIN;
	if (m.msg_flags & MSG_TRUNC)
		return -EBADMSG;
	*ret_size = (size_t)n;
	return s->client_known ? 0 : server_know_client(s);
}

static void socket_server_begin(void *st, bool readable)
{
	struct socket_server *s = st;

	qbi_server_awake_begin(&s->awake);
	qbi_fault_guard_check(true);
}

static int socket_server_take(void *st, void *buf, size_t size, void **ret_in_place,
			      size_t *ret_size)
{
	struct socket_server *s = st;
	int strangers;
	int r;

	for (strangers = 0; strangers < STRANGERS_AT_ONCE; strangers++) {
		r = server_receive(s, buf, size, ret_size);
		if (r != QBI_AGAIN)
			break;
		if (!s->stranger_seen)
			qbi_log_rarely(LOG_NOTICE,
				       "datagrams for pid %d come from another process",
				       s->peer.pid);
		s->stranger_seen = true;
	}
	if (r == QBI_AGAIN)
		return QBI_EMPTY; /* the socket stays readable */
	if (r == 0) {
		qbi_qbcontrol_count(&s->control, QBI_QBCONTROL_REQUEST, -1);
		qbi_server_awake_took(&s->awake);
	}
	return r;
}

static int socket_server_settle(void *st, unsigned int taken)
{
	struct socket_server *s = st;

	return taken && qbi_server_awake_poll(&s->awake, s, request_socket(s)) ? QBI_MORE : 0;
}

static void server_count_sent(struct socket_server *s, enum qbi_channel channel)
{
	qbi_fault_guard_check(false);
	qbi_qbcontrol_count(
		&s->control,
		channel == QBI_EVENTS ? QBI_QBCONTROL_EVENT : QBI_QBCONTROL_RESPONSE, 1);
}

/* 0, QBI_FULL the client has not bound its address yet, QBI_GONE, -errno. */
static int server_reach(struct socket_server *s, enum qbi_channel channel)
{
	int r = s->out[channel].connected ? 0 : client_connect(s, channel);

	return r == -ECONNREFUSED || r == -EAGAIN ? QBI_FULL : r;
}

/*
 * Send the messages that were kept. 0 nothing is left; QBI_UNSENT; QBI_GONE; -errno. Nothing
 * is sent to a client that has left: the kernel would discard its queued requests.
 */
static int early_send(struct socket_server *s, enum qbi_channel channel)
{
	struct outgoing *o = &s->out[channel];
	int r;

	if (channel == QBI_RESPONSES && (s->client_left || client_has_left(s)))
		return QBI_GONE;
	r = server_reach(s, channel);
	if (r == 0)
		r = qbi_early_send(&o->early, o->fd);
	return r == QBI_FULL ? QBI_UNSENT : r;
}

static int server_sendv(struct socket_server *s, enum qbi_channel channel,
			const struct qbi_msg *msg)
{
	struct outgoing *o = &s->out[channel];
	int before = early_send(s, channel);
	int r = before;

	if (before == QBI_UNSENT)
		r = qbi_early_add(&o->early, msg);
	else if (before == 0)
		r = qbi_socket_send_message(o->fd, msg);
	if (r)
		return r;
	server_count_sent(s, channel);
	return before;
}

static int socket_server_respondv(void *st, const struct qbi_msg *msg)
{
	return server_sendv(st, QBI_RESPONSES, msg);
}

static int socket_server_eventv(void *st, const struct qbi_msg *msg)
{
	return server_sendv(st, QBI_EVENTS, msg);
}

static int socket_server_flush(void *st, enum qbi_channel channel)
{
	struct socket_server *s = st;
	const struct qbi_early *early = &s->out[channel].early;
	size_t before = early->bytes;
	int r = early_send(s, channel);

	return r == QBI_UNSENT && early->bytes == before ? QBI_FULL : r;
}

static int socket_server_room(void *st, enum qbi_channel channel, size_t size)
{
	struct socket_server *s = st;
	const struct outgoing *o = &s->out[channel];
	int r = early_send(s, channel);

	if (r == QBI_UNSENT)
		return qbi_early_has_room(&o->early, size) ? 0 : QBI_FULL;
	return r ? r : qbi_socket_room(o->fd);
}

/* Before the client has bound its address, there is nothing to wait for. */
static int socket_server_wait_fd(void *st, enum qbi_channel channel)
{
	const struct socket_server *s = st;

	return s->out[channel].connected ? s->out[channel].fd : -1;
}

static void socket_server_flow_set(void *st, uint32_t value)
{
	struct socket_server *s = st;

	qbi_fault_guard_check(true);
	qbi_qbcontrol_flow_set(&s->control, value);
}

static uint32_t socket_server_events_queued(void *st)
{
	struct socket_server *s = st;

	qbi_fault_guard_check(false);
	return qbi_qbcontrol_queued(&s->control, QBI_QBCONTROL_EVENT);
}

static void socket_server_leave(void *st, enum qbi_parting how)
{
	struct socket_server *s = st;

	if (!s->opened)
		return;
	(void)qbi_server_awake_leave(&s->awake, s);
	/* Shut down for all processes: a child may have it, and the client would send to it. */
	if (request_socket(s) >= 0 && how != QBI_PART_COPY)
		(void)shutdown(request_socket(s), SHUT_RDWR);
}

static int socket_server_withdraw(void *st, enum qbi_parting how)
{
	struct socket_server *s = st;
	int channel;
	int r = 0;

	if (!s->opened)
		return 0;
	/* Requests may be left in there. */
	for (channel = 0; channel < QBI_CHANNELS; channel++) {
		qbi_early_clear(&s->out[channel].early);
		s->out[channel].fd = qbi_close(s->out[channel].fd);
	}
	if (how == QBI_PART_COPY)
		return 0;
	if (how != QBI_PART_UNPUNCHED)
		r = qbi_qbcontrol_probe(&s->control);
	return qbi_shm_dir_remove(&s->dir) ? QBI_AGAIN : r;
}

static void socket_server_close(void *st, enum qbi_parting how)
{
	struct socket_server *s = st;

	if (!s->opened)
		return;
	socket_server_leave(s, how);
	(void)socket_server_withdraw(s, how);
	qbi_qbcontrol_close(&s->control);
	qbi_shm_dir_forget(&s->dir);
}

extern const struct qbi_server_ops qbi_qb_socket_server;
const struct qbi_server_ops qbi_qb_socket_server = {
	.state_size = sizeof(struct socket_server),
	.sweep = socket_server_sweep,
	.open = socket_server_open,
	.request_fd = socket_server_request_fd,
	.begin = socket_server_begin,
	.take = socket_server_take,
	.settle = socket_server_settle,
	.respondv = socket_server_respondv,
	.eventv = socket_server_eventv,
	.flush = socket_server_flush,
	.room = socket_server_room,
	.wait_fd = socket_server_wait_fd,
	.flow_set = socket_server_flow_set,
	.events_queued = socket_server_events_queued,
	.close = socket_server_close,
	.leave = socket_server_leave,
	.withdraw = socket_server_withdraw,
};
