/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Unix datagram sockets on libqb's wire. Four abstract addresses with one prefix: the
 * server binds -request and -event-tx, the client -response (connected to -request)
 * and -event (connected to -event-tx). One datagram is one message; responses leave
 * from the -request socket. A small file counts them (ring/qbcontrol.h).
 *
 * Trust: anybody can send to an abstract name. The first request is believed when it
 * comes from the client's address and process; the server then connects to that
 * address, and the kernel keeps strangers out. The stream tells when a peer is gone;
 * a datagram socket does not.
 *
 * Events may be sent before the client has bound the address they go to. They wait
 * in private memory, and flush() tries again.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/util.h"
#include "ring/fault.h"
#include "ring/qbcontrol.h"
#include "ring/shm-dir.h"
#include "ring/shm-peer.h"
#include "transport/transport.h"
#include "wire/names.h"

/* Datagrams of strangers thrown away per attempt to take a request. */
#define STRANGERS_AT_ONCE 16

/* Bytes of events kept for a client that is not ready yet; one of any size always is. */
#define BACKLOG_BYTES (256u << 10)

/* Linux 6.16; the headers may be older than the kernel. */
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

/* -- Sockets ------------------------------------------------------------------ */

/* Room for one message of @size bytes, as far as the system lets us. */
static void buffer_raise(int fd, int option, int force_option, uint32_t size)
{
	int wanted = size > INT_MAX / 2 ? INT_MAX / 2 : (int)size;
	socklen_t len = sizeof(int);
	int have = 0;

	if (getsockopt(fd, SOL_SOCKET, option, &have, &len) == 0 && have >= wanted)
		return;
	if (setsockopt(fd, SOL_SOCKET, force_option, &wanted, sizeof(wanted)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, option, &wanted, sizeof(wanted));
}

/* A datagram socket bound to "<prefix>-<channel>". The descriptor or -errno. */
static int socket_bound(const char *prefix, const char *channel, uint32_t max_msg_size)
{
	_cleanup_(qbi_closep) int fd = -1;
	struct sockaddr_un addr;
	int off = 0;
	int r = qbi_channel_address(prefix, channel, &addr);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
	buffer_raise(fd, SO_SNDBUF, SO_SNDBUFFORCE, max_msg_size);
	buffer_raise(fd, SO_RCVBUF, SO_RCVBUFFORCE, max_msg_size);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return qbi_take_fd(&fd);
}

static int socket_connect(int fd, const char *prefix, const char *channel)
{
	struct sockaddr_un addr;
	int r = qbi_channel_address(prefix, channel, &addr);

	if (r < 0)
		return r;
	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
}

/* 0, QBI_FULL, QBI_GONE, -errno. */
static int outcome_of_send(int error)
{
	switch (error) {
	case EAGAIN:
	case EINTR:
	case ENOBUFS:
	case ENOMEM:
		return QBI_FULL;
	case ECONNREFUSED:
	case ECONNRESET:
	case EDESTADDRREQ:
	case ENOTCONN:
	case EPIPE:
		return QBI_GONE;
	default:
		return -error;
	}
}

static int socket_sendv(int fd, const struct iovec *iov, size_t n)
{
	struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n };

	if (sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return outcome_of_send(errno);
	return 0;
}

/* -- Server ------------------------------------------------------------------- */

struct early_event {
	struct qbi_list link;
	size_t size;
	char data[];
};

struct socket_server {
	bool opened;
	struct ucred peer;
	struct qbi_shm_dir dir;
	struct qbi_qbcontrol control;
	char prefix[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int request;			/* bound to -request */
	int event;			/* bound to -event-tx */
	bool client_known;		/* request is connected to its -response */
	bool event_connected;		/* event is connected to its -event */
	bool stranger_seen;		/* said so once */
	struct qbi_list backlog;	/* struct early_event, oldest first */
	size_t backlog_bytes;
};

static int server_make_control(struct socket_server *s, const struct qbi_server_spec *spec,
			       struct qbi_welcome *w)
{
	_cleanup_(qbi_closep) int fd = -1;
	char name[QBI_SERVICE_NAME_MAX + 16];
	int r;

	snprintf(name, sizeof(name), "qb-control-%s", spec->service);
	r = qbi_shm_dir_file(&s->dir, name, QBI_QBCONTROL_SIZE, &spec->owner, &fd);
	if (r < 0)
		return r;
	snprintf(w->request, sizeof(w->request), "%s/%s", s->dir.path, name);
	return qbi_qbcontrol_open(&s->control, fd);
}

static int server_bind(struct socket_server *s, const struct qbi_server_spec *spec,
		       struct qbi_welcome *w)
{
	int on = 1;
	int n;

	n = snprintf(s->prefix, sizeof(s->prefix), "%s/qb-%s", s->dir.path, spec->service);
	if (n < 0 || (size_t)n >= sizeof(s->prefix))
		return -ENAMETOOLONG;
	snprintf(w->response, sizeof(w->response), "%s", s->prefix);
	s->request = socket_bound(s->prefix, "request", spec->max_msg_size);
	if (s->request < 0)
		return s->request;
	s->event = socket_bound(s->prefix, "event-tx", spec->max_msg_size);
	if (s->event < 0)
		return s->event;
	/* Until the client is known each datagram has to say whose it is. */
	return setsockopt(s->request, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ? -errno
										    : 0;
}

static int socket_server_open(void *st, const struct qbi_server_spec *spec,
			      struct qbi_reply *reply)
{
	struct socket_server *s = st;
	int r;

	s->opened = true;
	s->peer = spec->peer;
	s->dir = (struct qbi_shm_dir)QBI_SHM_DIR_INIT;
	s->control = (struct qbi_qbcontrol)QBI_QBCONTROL_INIT;
	s->request = -1;
	s->event = -1;
	qbi_list_init(&s->backlog);
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
	const struct socket_server *s = st;

	return s->request;
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
 * Did this datagram come from the client's response socket, and from its process, or
 * at least its user if it forked meanwhile?
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

/* From its first request on the kernel lets nobody else send here. */
static int server_know_client(struct socket_server *s)
{
	int off = 0;
	int r = socket_connect(s->request, s->prefix, "response");

	if (r < 0)
		return r == -ECONNREFUSED ? QBI_GONE : r;
	(void)setsockopt(s->request, SOL_SOCKET, SO_PASSCRED, &off, sizeof(off));
	s->client_known = true;
	return 0;
}

/* One datagram. 0, QBI_EMPTY, QBI_LATER a stranger's, -errno. */
static int server_receive(struct socket_server *s, void *buf, size_t size, size_t *ret_size)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct sockaddr_un from;
	struct iovec iov = { buf, size };
	struct msghdr m = { .msg_name = &from, .msg_namelen = sizeof(from),
			    .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (!s->client_known) {
		m.msg_control = control.buf;
		m.msg_controllen = sizeof(control.buf);
	}
	n = recvmsg(s->request, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR || errno == ECONNRESET ? QBI_EMPTY
										 : -errno;
	if (!datagram_is_clients(s, &m))
		return QBI_LATER;
	if (m.msg_flags & MSG_TRUNC)
		return -EBADMSG;
	*ret_size = (size_t)n;
	return s->client_known ? 0 : server_know_client(s);
}

static int socket_server_take(void *st, void *buf, size_t size, size_t *ret_size)
{
	struct socket_server *s = st;
	int strangers;
	int r;

	for (strangers = 0; strangers < STRANGERS_AT_ONCE; strangers++) {
		r = server_receive(s, buf, size, ret_size);
		if (r != QBI_LATER)
			break;
		if (!s->stranger_seen)
			qbi_log(LOG_NOTICE, "datagrams for pid %d come from somebody else",
				s->peer.pid);
		s->stranger_seen = true;
	}
	if (r == QBI_LATER)
		return QBI_EMPTY;	/* the socket stays readable */
	if (r == 0) {
		qbi_fault_guard_check(true);
		qbi_qbcontrol_count(&s->control, QBI_QBCONTROL_REQUEST, -1);
	}
	return r;
}

static int socket_server_settle(void *st, unsigned int taken)
{
	return 0;
}

static void server_count_sent(struct socket_server *s, enum qbi_qbcontrol_channel channel)
{
	qbi_fault_guard_check(false);
	qbi_qbcontrol_count(&s->control, channel, 1);
}

static int socket_server_respondv(void *st, const struct qbi_msg *msg)
{
	struct socket_server *s = st;
	int r;

	if (!s->client_known)
		return QBI_FULL;	/* nobody has asked anything yet */
	r = socket_sendv(s->request, msg->iov, msg->n);
	if (r == 0)
		server_count_sent(s, QBI_QBCONTROL_RESPONSE);
	return r;
}

/* 0, QBI_LATER the client has not bound its address yet, -errno. */
static int server_connect_event(struct socket_server *s)
{
	int r;

	if (s->event_connected)
		return 0;
	r = socket_connect(s->event, s->prefix, "event");
	if (r < 0)
		return r == -ECONNREFUSED || r == -EAGAIN ? QBI_LATER : r;
	s->event_connected = true;
	return 0;
}

static int backlog_add(struct socket_server *s, const struct qbi_msg *msg)
{
	struct early_event *e;

	if (s->backlog_bytes && s->backlog_bytes + msg->size > BACKLOG_BYTES)
		return QBI_FULL;
	e = malloc(sizeof(*e) + msg->size);
	if (!e)
		return QBI_FULL;
	e->size = msg->size;
	qbi_msg_copy(msg, e->data);
	qbi_list_push_back(&s->backlog, &e->link);
	s->backlog_bytes += sizeof(*e) + e->size;
	server_count_sent(s, QBI_QBCONTROL_EVENT);
	return QBI_LATER;
}

static void backlog_pop(struct socket_server *s)
{
	struct early_event *e =
		qbi_list_entry(qbi_list_first(&s->backlog), struct early_event, link);

	qbi_list_unlink(&e->link);
	s->backlog_bytes -= sizeof(*e) + e->size;
	free(e);
}

static int socket_server_flush(void *st)
{
	struct socket_server *s = st;
	struct qbi_list *first;
	int r = server_connect_event(s);

	while (r == 0 && (first = qbi_list_first(&s->backlog))) {
		struct early_event *e = qbi_list_entry(first, struct early_event, link);
		struct iovec iov = { e->data, e->size };

		r = socket_sendv(s->event, &iov, 1);
		if (r == 0)
			backlog_pop(s);
	}
	return r == QBI_FULL ? QBI_LATER : r;
}

static int socket_server_eventv(void *st, const struct qbi_msg *msg)
{
	struct socket_server *s = st;
	int r = socket_server_flush(s);

	if (r == QBI_LATER)
		return backlog_add(s, msg);
	if (r)
		return r;
	r = socket_sendv(s->event, msg->iov, msg->n);
	if (r == 0)
		server_count_sent(s, QBI_QBCONTROL_EVENT);
	return r;
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

static void socket_server_close(void *st)
{
	struct socket_server *s = st;

	if (!s->opened)
		return;
	while (!qbi_list_is_empty(&s->backlog))
		backlog_pop(s);
	s->request = qbi_close(s->request);
	s->event = qbi_close(s->event);
	qbi_qbcontrol_close(&s->control);
	qbi_shm_dir_remove(&s->dir);
}

static const struct qbi_server_ops server_ops = {
	.state_size = sizeof(struct socket_server),
	.open = socket_server_open,
	.request_fd = socket_server_request_fd,
	.take = socket_server_take,
	.settle = socket_server_settle,
	.respondv = socket_server_respondv,
	.eventv = socket_server_eventv,
	.flush = socket_server_flush,
	.flush_when = QBI_FLUSH_ON_TIMER,
	.flow_set = socket_server_flow_set,
	.events_queued = socket_server_events_queued,
	.close = socket_server_close,
};

/* -- Client ------------------------------------------------------------------- */

struct socket_client {
	bool opened;
	int stream;
	uint32_t max_msg_size;
	struct qbi_shm_peer_file file;	/* the control file, verified */
	struct qbi_qbcontrol control;
	int response;			/* bound to -response */
	int event;			/* bound to -event */
	int watch;			/* epoll of event and stream; -1 until asked for */
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
	c->max_msg_size = spec->welcome->max_msg_size;
	c->file = (struct qbi_shm_peer_file)QBI_SHM_PEER_FILE_INIT;
	c->control = (struct qbi_qbcontrol)QBI_QBCONTROL_INIT;
	c->response = c->event = c->watch = -1;
	r = client_open_control(c, spec);
	if (r < 0)
		return r;
	c->response = socket_bound(prefix, "response", c->max_msg_size);
	if (c->response < 0)
		return c->response;
	r = socket_connect(c->response, prefix, "request");
	if (r < 0)
		return r;
	c->event = socket_bound(prefix, "event", c->max_msg_size);
	if (c->event < 0)
		return c->event;
	return socket_connect(c->event, prefix, "event-tx");
}

/*
 * The event socket alone would not tell that the server is gone, so this is an epoll
 * instance over it and the stream's hang-up.
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

/* Wait until @fd is readable. 0, QBI_EMPTY at the deadline, QBI_GONE. */
static int client_wait(struct socket_client *c, int fd, uint64_t deadline)
{
	struct pollfd p[2] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = c->stream, .events = POLLRDHUP },
	};
	int timeout;
	int n;

	do {
		timeout = qbi_deadline_to_poll(deadline);
		n = poll(p, 2, timeout);
	} while (n < 0 || (n == 0 && timeout != 0));
	if (n == 0)
		return QBI_EMPTY;
	return p[0].revents ? 0 : QBI_GONE;
}

static int socket_client_sendv(void *st, const struct qbi_msg *msg)
{
	struct socket_client *c = st;
	int r = socket_sendv(c->response, msg->iov, msg->n);

	if (r == QBI_FULL && client_wait(c, -1, 0) == QBI_GONE)
		return QBI_GONE;
	if (r == 0) {
		qbi_fault_guard_check(false);
		qbi_qbcontrol_count(&c->control, QBI_QBCONTROL_REQUEST, 1);
	}
	return r;
}

/* One datagram. 0, QBI_EMPTY, -ENOBUFS it stays, -errno. */
static int client_receive(struct socket_client *c, int fd, void *buf, size_t size,
			  size_t *ret_size)
{
	ssize_t n;

	/* A buffer for the largest message needs no look at this one's size. */
	if (size < c->max_msg_size) {
		n = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
		if (n >= 0 && (size_t)n > size && (size_t)n <= c->max_msg_size)
			return -ENOBUFS;
	}
	n = recv(fd, buf, size, MSG_TRUNC | MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR || errno == ECONNRESET ? QBI_EMPTY
										 : -errno;
	if ((size_t)n > size)
		return -EBADMSG;
	*ret_size = (size_t)n;
	return 0;
}

static int client_recv(struct socket_client *c, int fd, enum qbi_qbcontrol_channel channel,
		       void *buf, size_t size, uint64_t deadline, size_t *ret_size)
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
		r = client_wait(c, fd, deadline);
		if (r == QBI_EMPTY)
			return r;
		gone = r == QBI_GONE;
	}
}

static int socket_client_recv(void *st, void *buf, size_t size, uint64_t deadline,
			      size_t *ret_size)
{
	struct socket_client *c = st;

	return client_recv(c, c->response, QBI_QBCONTROL_RESPONSE, buf, size, deadline,
			   ret_size);
}

static int socket_client_event_recv(void *st, void *buf, size_t size, uint64_t deadline,
				    size_t *ret_size)
{
	struct socket_client *c = st;

	return client_recv(c, c->event, QBI_QBCONTROL_EVENT, buf, size, deadline, ret_size);
}

static void socket_client_close(void *st, bool server_gone)
{
	struct socket_client *c = st;

	if (!c->opened)
		return;
	c->watch = qbi_close(c->watch);
	c->response = qbi_close(c->response);
	c->event = qbi_close(c->event);
	qbi_qbcontrol_close(&c->control);
	/* On this wire the client removes the file; the server does if it is there. */
	qbi_shm_peer_remove(&c->file);
	qbi_shm_peer_close(&c->file);
}

static const struct qbi_client_ops client_ops = {
	.state_size = sizeof(struct socket_client),
	.open = socket_client_open,
	.event_fd = socket_client_event_fd,
	.flow = socket_client_flow,
	.sendv = socket_client_sendv,
	.recv = socket_client_recv,
	.event_recv = socket_client_event_recv,
	.close = socket_client_close,
};

extern const struct qbi_transport qbi_transport_qb_socket;
const struct qbi_transport qbi_transport_qb_socket = {
	.name = "sockets on libqb's wire",
	.type = QB_IPC_SOCKET,
	.server = &server_ops,
	.client = &client_ops,
};
