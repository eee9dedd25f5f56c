/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "server/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/socket.h"
#include "base/util.h"
#include "server/connection.h"
#include "server/service.h"
#include "wire/names.h"

#define BACKLOG SOMAXCONN

/*
 * Who connects and leaves in a loop fills the queue with clients that are gone, and those
 * who mean it stand behind them: so many of the former go in one dispatch. Of the latter
 * one, which may take long to serve.
 */
#define ACCEPTED_AT_ONCE 64

/* Clients wait for this at most longer than the shortage lasts; nobody else notices. */
#define REST_NS (100 * QBI_NS_PER_MS)
#define REST_EVENTS (POLLPRI | POLLNVAL)	/* which a listener never has */

static int32_t listener_dispatch(int32_t listen_fd, int32_t revents, void *data);

static int spare_open(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int listener_bind(int fd, const struct sockaddr_un *address)
{
	bool is_path = address->sun_path[0] != '\0';

	if (is_path)
		(void)unlink(address->sun_path);
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return -errno;
	/* The socket's mode is no guard: connection_accept decides who may come in. */
	if (is_path && chmod(address->sun_path, 0777) < 0)
		return -errno;
	return 0;
}

static bool is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static int client_accept(const struct qbi_listener *l)
{
	return accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static int listen_for(qb_ipcs_service_t *s, int32_t events)
{
	return s->poll.dispatch_mod(s->priority, s->listener.fd, events, s,
				    listener_dispatch);
}

/* Nothing helps now: look away for a while, or the loop would spin. */
static void listener_rest(qb_ipcs_service_t *s)
{
	struct qbi_listener *l = &s->listener;

	qbi_refusals_note(&s->refusals, QBI_REFUSED_FOR_A_WHILE, NULL,
			  "cannot accept anybody now: %s", strerror(errno));
	l->rests_until = qbi_now_ns() + REST_NS;
	if (qbi_deadlines_update(s) < 0 || listen_for(s, REST_EVENTS) < 0)
		l->rests_until = 0;	/* better a loop that spins than a deaf service */
}

void qbi_listener_resume(qb_ipcs_service_t *s)
{
	struct qbi_listener *l = &s->listener;

	l->rests_until = 0;
	if (listen_for(s, QBI_POLL_EVENTS) < 0)
		l->rests_until = qbi_now_ns() + REST_NS;
}

/*
 * Let go of the spare descriptor, turn the next client away with it, and take a new
 * spare: the backlog empties instead of waking the loop for ever. False: it cannot be
 * done, there is no spare or it did not help.
 */
static bool listener_turn_away(qb_ipcs_service_t *s)
{
	struct qbi_listener *l = &s->listener;
	bool empty;
	int fd;

	if (l->spare < 0)
		return false;
	l->spare = qbi_close(l->spare);
	fd = client_accept(l);
	if (fd >= 0)
		qbi_refusals_note(&s->refusals, QBI_REFUSED_DESCRIPTORS, NULL,
				  "out of descriptors");
	empty = fd < 0 && !is_shortage(errno);
	qbi_close(fd);
	l->spare = spare_open();
	return fd >= 0 || empty;
}

/* The next client's socket; -1: none now, and what can be done about it was done. */
static int listener_accept(qb_ipcs_service_t *s)
{
	struct qbi_listener *l = &s->listener;
	int fd = client_accept(l);

	if (fd < 0 && is_shortage(errno) && qbi_limits_make_room(s))
		fd = client_accept(l);
	if (fd < 0 && is_shortage(errno) && !listener_turn_away(s))
		listener_rest(s);
	if (fd >= 0 && l->spare < 0)
		l->spare = spare_open();
	return fd;
}

/* True: that one is done with already, and the application has not heard of it. */
static bool client_take(qb_ipcs_service_t *s)
{
	_cleanup_(qbi_connection_unrefp) qb_ipcs_connection_t *hold = NULL;
	_cleanup_(qbi_closep) int fd = listener_accept(s);
	qb_ipcs_connection_t *c;

	if (fd < 0)
		return false;
	qbi_refuse_descriptors(fd);
	qbi_take_urgent_inline(fd);
	if (qbi_connection_new(s, fd, &c) < 0)
		return false;
	qbi_take_fd(&fd);
	hold = qbi_connection_ref(c);
	/* Its first message has usually arrived by now: save a turn of the loop. */
	qbi_connection_handshake(c);
	return c->state == QBI_CONNECTION_CLOSED && !c->announced;
}

static int32_t listener_dispatch(int32_t listen_fd, int32_t revents, void *data)
{
	_cleanup_(qbi_service_unrefp) qb_ipcs_service_t *s = qbi_service_ref(data);
	unsigned int left = ACCEPTED_AT_ONCE;

	while (client_take(s) && --left && !s->stopped)
		;
	return s->stopped ? -ESHUTDOWN : 0;
}

/* 0 or the errno of qbi_listener_adopt(). */
static int adopted_check(int fd)
{
	socklen_t len = sizeof(int);
	int listens = 0;

	if (fcntl(fd, F_GETFD) < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0)
		return -errno;
	if (!qbi_socket_is(fd, SOCK_STREAM))
		return -EPROTOTYPE;
	return listens ? 0 : -EINVAL;
}

int qbi_listener_adopt(qb_ipcs_service_t *s, int fd)
{
	int r, flags;

	if (s->listener.fd >= 0 || s->stopped)
		return -EBUSY;
	r = adopted_check(fd);
	if (r < 0)
		return r;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	qbi_refuse_descriptors(fd);
	s->listener.fd = fd;
	return 0;
}

/* Is it bound where a client looks that connects to @name? */
static bool adopted_is_found(int fd, const char *name)
{
	struct sockaddr_un bound = { .sun_family = AF_UNSPEC }, expected;
	socklen_t len = sizeof(bound);

	if (getsockname(fd, (struct sockaddr *)&bound, &len) < 0)
		return false;
	if (qbi_service_address(name, true, &expected) == 0 &&
	    memcmp(&bound, &expected, sizeof(bound)) == 0)
		return true;
	return qbi_service_address(name, false, &expected) == 0 &&
	       memcmp(&bound, &expected, sizeof(bound)) == 0 &&
	       (len == sizeof(expected) || len == qbi_address_unpadded(&expected));
}

static int listener_make(qb_ipcs_service_t *s)
{
	bool filesystem = access(FORCESOCKETSFILE, F_OK) == 0;
	_cleanup_(qbi_closep) int fd = -1;
	struct qbi_listener *l = &s->listener;
	int r;

	r = qbi_service_address(s->name, filesystem, &l->address);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	qbi_refuse_descriptors(fd);
	r = listener_bind(fd, &l->address);
	if (r < 0)
		return r;
	l->fd = qbi_take_fd(&fd);
	return listen(l->fd, BACKLOG) < 0 ? -errno : 0;
}

int qbi_listener_open(qb_ipcs_service_t *s)
{
	struct qbi_listener *l = &s->listener;
	int r = 0;

	if (l->fd < 0)
		r = listener_make(s);
	else if (!adopted_is_found(l->fd, s->name))
		qbi_log(LOG_WARNING, "service %s: clients of that name look elsewhere",
			s->name);
	if (r == 0) {
		l->spare = spare_open();
		r = qbi_deadlines_open(s);
	}
	if (r == 0)
		r = s->poll.dispatch_add(s->priority, l->fd, QBI_POLL_EVENTS, s,
					 listener_dispatch);
	if (r < 0) {
		qbi_listener_close(s);
		return r;
	}
	l->in_loop = true;
	return 0;
}

void qbi_listener_close(qb_ipcs_service_t *s)
{
	struct qbi_listener *l = &s->listener;

	if (l->in_loop)
		s->poll.dispatch_del(l->fd);
	l->in_loop = false;
	l->rests_until = 0;
	qbi_deadlines_close(s);
	if (l->fd >= 0 && l->address.sun_path[0] != '\0')
		(void)unlink(l->address.sun_path);
	l->fd = qbi_close(l->fd);
	l->spare = qbi_close(l->spare);
}
