/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Unix datagram sockets on libqb's wire, the server's end. Four abstract addresses with
 * one prefix: the server binds -request and -event-tx, the client -response (connected
 * to -request) and -event (connected to -event-tx). One datagram is one message;
 * responses leave from the -request socket. A small file counts them
 * (ring/qbcontrol.h).
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
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/list.h"
#include "base/log.h"
#include "base/socket.h"
#include "base/util.h"
#include "ring/fault.h"
#include "ring/qbcontrol.h"
#include "ring/shm-dir.h"
#include "ring/shm-sweep.h"
#include "transport/qb-channel.h"
#include "transport/transport.h"
#include "wire/names.h"

/* Datagrams of strangers thrown away per attempt to take a request. */
#define STRANGERS_AT_ONCE 16

/* Bytes of events kept for a client that is not ready yet; one of any size always is. */
#define BACKLOG_BYTES (256u << 10)

struct early_event {
	struct qbi_list link;
	size_t size;
	char data[];
};

struct socket_server {
	bool opened;
	int stream; /* the connection's, for its end */
	struct ucred peer;
	struct qbi_shm_dir dir;
	struct qbi_qbcontrol control;
	char prefix[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int request;		 /* bound to -request */
	int event;		 /* bound to -event-tx */
	bool client_known;	 /* request is connected to its -response */
	bool client_left;	 /* it had asked, and its socket was gone */
	bool event_connected;	 /* event is connected to its -event */
	bool stranger_seen;	 /* said so once */
	struct qbi_list backlog; /* struct early_event, oldest first */
	size_t backlog_bytes;
};

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
	s->request = qbi_qb_channel_open(s->prefix, "request", NULL, spec->max_msg_size);
	if (s->request < 0)
		return s->request;
	s->event = qbi_qb_channel_open(s->prefix, "event-tx", NULL, spec->max_msg_size);
	if (s->event < 0)
		return s->event;
	/* Until the client is known each datagram has to say whose it is. */
	return setsockopt(s->request, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ? -errno :
										      0;
}

static int socket_server_open(void *st, const struct qbi_server_spec *spec,
			      struct qbi_reply *reply)
{
	struct socket_server *s = st;
	int r;

	s->opened = true;
	s->stream = spec->stream;
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

static bool client_has_left(const struct socket_server *s)
{
	struct pollfd p = { .fd = s->stream, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0;
}

/*
 * Connect to an address of the client's. When it is gone anybody can have its names; while
 * its stream is up they are its own. 0, QBI_GONE, -errno.
 */
static int client_connect(const struct socket_server *s, int fd, const char *channel)
{
	int r = qbi_qb_channel_connect(fd, s->prefix, channel);

	return r == 0 && client_has_left(s) ? QBI_GONE : r;
}

/*
 * From its first request on the kernel lets nobody else send here. Whose socket is gone
 * has left, and what it sent before still counts: each has to say whose it is.
 */
static int server_know_client(struct socket_server *s)
{
	int off = 0;
	int r = client_connect(s, s->request, "response");

	if (r == -ECONNREFUSED || r == QBI_GONE) {
		s->client_left = true;
		return 0;
	}
	if (r)
		return r;
	(void)setsockopt(s->request, SOL_SOCKET, SO_PASSCRED, &off, sizeof(off));
	s->client_known = true;
	return 0;
}

/* One datagram. 0, QBI_EMPTY, QBI_AGAIN a stranger's, -errno. */
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
	n = recvmsg(s->request, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
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
	qbi_fault_guard_check(true);
}

static int socket_server_take(void *st, void *buf, size_t size, size_t *ret_size)
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
				       "datagrams for pid %d come from somebody else",
				       s->peer.pid);
		s->stranger_seen = true;
	}
	if (r == QBI_AGAIN)
		return QBI_EMPTY; /* the socket stays readable */
	if (r == 0)
		qbi_qbcontrol_count(&s->control, QBI_QBCONTROL_REQUEST, -1);
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

/*
 * Connect to the client's address if no request has arrived yet: until then the address is
 * all that is known of the client. 0, QBI_FULL, QBI_GONE, -errno.
 */
static int server_address_client(struct socket_server *s)
{
	int r;

	if (s->client_known)
		return 0;
	r = client_connect(s, s->request, "response");
	return r == -ECONNREFUSED || r == -EAGAIN ? QBI_FULL : r;
}

/* A send to a client that has left would make the kernel discard its queued requests. */
static int socket_server_respondv(void *st, const struct qbi_msg *msg)
{
	struct socket_server *s = st;
	bool left = s->client_left || client_has_left(s);
	int r = left ? QBI_GONE : server_address_client(s);

	if (r)
		return r;
	r = qbi_socket_send_message(s->request, msg);
	if (r == 0)
		server_count_sent(s, QBI_QBCONTROL_RESPONSE);
	return r;
}

/* 0, QBI_FULL the client has not bound its address yet, QBI_GONE, -errno. */
static int server_connect_event(struct socket_server *s)
{
	int r;

	if (s->event_connected)
		return 0;
	r = client_connect(s, s->event, "event");
	if (r)
		return r == -ECONNREFUSED || r == -EAGAIN ? QBI_FULL : r;
	s->event_connected = true;
	return 0;
}

static bool backlog_has_room(const struct socket_server *s, size_t size)
{
	return !s->backlog_bytes || s->backlog_bytes + size <= BACKLOG_BYTES;
}

static int backlog_add(struct socket_server *s, const struct qbi_msg *msg)
{
	struct early_event *e;

	if (!backlog_has_room(s, msg->size))
		return QBI_FULL;
	e = malloc(sizeof(*e) + msg->size);
	if (!e)
		return qbi_no_memory(msg->size);
	e->size = msg->size;
	qbi_msg_copy(msg, e->data);
	qbi_list_push_back(&s->backlog, &e->link);
	s->backlog_bytes += sizeof(*e) + e->size;
	server_count_sent(s, QBI_QBCONTROL_EVENT);
	return QBI_UNSENT;
}

static void backlog_pop(struct socket_server *s)
{
	struct early_event *e =
		qbi_list_entry(qbi_list_first(&s->backlog), struct early_event, link);

	qbi_list_unlink(&e->link);
	s->backlog_bytes -= sizeof(*e) + e->size;
	free(e);
}

/* 0 nothing is left, QBI_UNSENT, QBI_GONE, -errno. */
static int backlog_send(struct socket_server *s)
{
	struct qbi_list *first;
	int r = server_connect_event(s);

	while (r == 0 && (first = qbi_list_first(&s->backlog))) {
		struct early_event *e = qbi_list_entry(first, struct early_event, link);
		struct iovec iov = { e->data, e->size };

		r = qbi_socket_sendv(s->event, &iov, 1);
		if (r == 0)
			backlog_pop(s);
	}
	return r == QBI_FULL ? QBI_UNSENT : r;
}

static int socket_server_eventv(void *st, const struct qbi_msg *msg)
{
	struct socket_server *s = st;
	int r = backlog_send(s);

	if (r == QBI_UNSENT)
		return backlog_add(s, msg);
	if (r)
		return r;
	r = qbi_socket_send_message(s->event, msg);
	if (r == 0)
		server_count_sent(s, QBI_QBCONTROL_EVENT);
	return r;
}

static int socket_server_flush(void *st, enum qbi_channel channel)
{
	struct socket_server *s = st;
	size_t before = s->backlog_bytes;
	int r = channel == QBI_EVENTS ? backlog_send(s) : 0;

	return r == QBI_UNSENT && s->backlog_bytes == before ? QBI_FULL : r;
}

static int event_room(struct socket_server *s, size_t size)
{
	int r = backlog_send(s);

	if (r == QBI_UNSENT)
		return backlog_has_room(s, size) ? 0 : QBI_FULL;
	return r ? r : qbi_socket_room(s->event);
}

static int socket_server_room(void *st, enum qbi_channel channel, size_t size)
{
	struct socket_server *s = st;
	int r = channel == QBI_EVENTS ? 0 : server_address_client(s);

	if (r)
		return r;
	return channel == QBI_EVENTS ? event_room(s, size) : qbi_socket_room(s->request);
}

/* Before the client has bound its address there is nobody to wait for. */
static int socket_server_wait_fd(void *st, enum qbi_channel channel)
{
	struct socket_server *s = st;

	if (channel == QBI_EVENTS)
		return s->event_connected ? s->event : -1;
	return s->client_known ? s->request : -1;
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

static void socket_server_close(void *st, enum qbi_parting how)
{
	struct socket_server *s = st;

	if (!s->opened)
		return;
	while (!qbi_list_is_empty(&s->backlog))
		backlog_pop(s);
	/* For everybody who has it: a child of ours may, and the client would talk to it. */
	if (s->request >= 0 && how != QBI_PART_COPY)
		(void)shutdown(s->request, SHUT_RDWR);
	s->request = qbi_close(s->request);
	s->event = qbi_close(s->event);
	qbi_qbcontrol_close(&s->control);
	if (how == QBI_PART_COPY)
		qbi_shm_dir_forget(&s->dir);
	else
		qbi_shm_dir_remove(&s->dir);
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
};
