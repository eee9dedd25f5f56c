/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a stream to a connection: ask, check the answer. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/look.h"
#include "base/socket.h"
#include "base/util.h"
#include "client/connection.h"
#include "client/reach.h"
#include "wire/handshake.h"
#include "wire/names.h"

/*
 * Once the answer has begun to arrive, the rest follows at once from a server that
 * means well. One that does not may not hold us longer than this.
 */
#define REST_OF_ANSWER_MS 2000

static qb_ipcc_connection_t *connection_new(void)
{
	qb_ipcc_connection_t *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->stream = -1;
	c->flow_max = 1;
	pthread_mutex_init(&c->send, NULL);
	pthread_mutex_init(&c->recv, NULL);
	pthread_mutex_init(&c->event, NULL);
	return c;
}

static int hello_send(int stream, size_t max_msg_size)
{
	struct qbi_hello hello;
	ssize_t n;

	qbi_hello_init(&hello, max_msg_size, qbi_transport_version());
	n = send(stream, &hello, sizeof(hello), MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	return n == sizeof(hello) ? 0 : -EAGAIN;
}

int qbi_client_start(const char *name, size_t max_msg_size, uint64_t deadline,
		     qb_ipcc_connection_t **ret_c)
{
	_cleanup_(qbi_client_freep) qb_ipcc_connection_t *c = NULL;
	int r = qbi_service_name_check(name);

	if (r < 0)
		return r;
	if (max_msg_size > QBI_MAX_MSG_SIZE)
		return -EMSGSIZE;
	c = connection_new();
	if (!c)
		return -ENOMEM;
	r = qbi_reach(name, deadline, &c->stream);
	if (r < 0)
		return r;
	r = hello_send(c->stream, max_msg_size);
	if (r < 0)
		return r;
	*ret_c = QBI_TAKE(c);
	return 0;
}

/* The answer as far as it has come, with what came along. */
struct answer {
	struct qbi_welcome welcome;
	size_t size;
	struct ucred server;
	bool have_server;
	bool two_servers;	/* its pieces are not all of one process */
	int fds[QBI_REPLY_FDS_MAX];
	unsigned int n_fds;
	bool too_many_fds;
};

static void answer_release(struct answer *a)
{
	while (a->n_fds > 0)
		qbi_close_foreign(a->fds[--a->n_fds]);
}

static void answer_take_fds(struct answer *a, const struct cmsghdr *cmsg)
{
	size_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	size_t i;

	for (i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(fd));
		if (a->n_fds < QBI_REPLY_FDS_MAX) {
			a->fds[a->n_fds++] = fd;
		} else {
			a->too_many_fds = true;
			qbi_close_foreign(fd);
		}
	}
}

/* Who can make others write to a stream cannot borrow their names for what he said. */
static void answer_take_server(struct answer *a, const struct cmsghdr *cmsg)
{
	struct ucred who;

	memcpy(&who, CMSG_DATA(cmsg), sizeof(who));
	if (a->have_server && memcmp(&who, &a->server, sizeof(who)) != 0)
		a->two_servers = true;
	a->server = who;
	a->have_server = true;
}

static void answer_take_control(struct answer *a, struct msghdr *m)
{
	struct cmsghdr *cmsg;

	for (cmsg = CMSG_FIRSTHDR(m); cmsg; cmsg = CMSG_NXTHDR(m, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET)
			continue;
		if (cmsg->cmsg_type == SCM_RIGHTS)
			answer_take_fds(a, cmsg);
		if (cmsg->cmsg_type == SCM_CREDENTIALS)
			answer_take_server(a, cmsg);
	}
	if (m->msg_flags & MSG_CTRUNC)
		a->too_many_fds = true;
}

/* Read some. 0 complete, QBI_EMPTY nothing there now, QBI_PARTIAL more to come, -errno. */
static int answer_read(struct answer *a, int stream)
{
	struct iovec iov = { (char *)&a->welcome + a->size, sizeof(a->welcome) - a->size };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(struct ucred)) +
			 CMSG_SPACE(sizeof(int) * QBI_REPLY_FDS_MAX)];
	} control;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	ssize_t n = recvmsg(stream, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? QBI_EMPTY : -errno;
	answer_take_control(a, &m);
	if (n == 0)
		return -ECONNRESET;
	a->size += (size_t)n;
	return a->size < sizeof(a->welcome) ? QBI_PARTIAL : 0;
}

/* As answer_read(), again and again for a while: a server that is awake is quick. */
static int answer_look(struct answer *a, int stream, struct qbi_look *look,
		       uint64_t deadline)
{
	struct qbi_looking looking;
	uint64_t now = qbi_now_ns();
	int r = answer_read(a, stream);

	qbi_looking_begin(&looking, now, qbi_look_allowed(look, now), deadline, true);
	while (r == QBI_EMPTY && now < looking.end && qbi_looking_again(&looking))
		r = answer_read(a, stream);
	return r;
}

static int answer_wait(struct answer *a, int stream, uint64_t deadline)
{
	struct qbi_look look;

	qbi_look_init(&look);
	for (;;) {
		struct pollfd p = { .fd = stream, .events = POLLIN };
		int r = answer_look(a, stream, &look, deadline);
		int timeout;

		if (r <= 0)
			return r;
		if (r == QBI_PARTIAL) {
			uint64_t soon = qbi_deadline_from_ms(REST_OF_ANSWER_MS);

			if (deadline == 0 || deadline > soon)
				deadline = soon;
			continue;
		}
		timeout = qbi_deadline_to_poll(deadline);
		if (timeout == 0)
			return -EAGAIN;
		if (poll(&p, 1, timeout) < 0 && errno != EINTR)
			return -errno;
	}
}

static int answer_check(const struct answer *a)
{
	const struct qbi_welcome *w = &a->welcome;
	int r;

	r = qbi_welcome_check(w);
	if (r < 0)
		return r;
	if (w->error != 0)
		return 0;
	if (a->too_many_fds || !a->have_server || a->two_servers)
		return -EBADMSG;
	return 0;
}

static int client_open_end(qb_ipcc_connection_t *c, struct answer *a)
{
	struct qbi_client_spec spec = {
		.stream = c->stream,
		.server = a->server,
		.welcome = &a->welcome,
		.fds = a->fds,
		.n_fds = a->n_fds,
	};

	c->transport = qbi_transport_for_welcome(&a->welcome);
	if (!c->transport)
		return -EPROTONOSUPPORT;
	c->server = a->server;
	c->max_msg_size = a->welcome.max_msg_size;
	c->end = calloc(1, c->transport->client->state_size);
	if (!c->end)
		return -ENOMEM;
	return c->transport->client->open(c->end, &spec);
}

int qbi_client_finish(qb_ipcc_connection_t *c, uint64_t deadline)
{
	_cleanup_(answer_release) struct answer a = { .size = 0 };
	int off = 0;
	int r = answer_wait(&a, c->stream, deadline);

	if (r == -EAGAIN && deadline != 0)
		return -ETIMEDOUT;
	if (r < 0)
		return r;
	r = answer_check(&a);
	if (r < 0) {
		qbi_log(LOG_WARNING, "pid %d does not answer like a server", a.server.pid);
		return r;
	}
	if (a.welcome.error != 0)
		return a.welcome.error;
	(void)setsockopt(c->stream, SOL_SOCKET, SO_PASSCRED, &off, sizeof(off));
	qbi_refuse_descriptors(c->stream);
	return client_open_end(c, &a);
}

void qbi_client_free(qb_ipcc_connection_t *c)
{
	if (!c)
		return;
	if (c->end)
		c->transport->client->close(c->end, !qbi_client_is_connected(c));
	free(c->end);
	if (c->stream >= 0)
		(void)shutdown(c->stream, SHUT_RDWR);
	c->stream = qbi_close(c->stream);
	pthread_mutex_destroy(&c->send);
	pthread_mutex_destroy(&c->recv);
	pthread_mutex_destroy(&c->event);
	free(c);
}
