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

/*
 * Clients wait for this at most longer than what stops us lasts; nobody else notices. It
 * may last for good (a policy, a filter): then the pauses grow.
 */
#define REST_FIRST (100 * QBI_NS_PER_MS)
#define REST_LONGEST (1600 * QBI_NS_PER_MS)

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

/*
 * Nobody waits now, or who did is done with: the next one may do better. All else is about
 * ourselves or the socket we listen on, and would come again at once: EACCES and EPERM of
 * a policy, ENOSYS and any other of a filter, EINVAL of what does not listen, EBADF and ENOTSOCK when the application closed its number.
 */
static bool is_about_one_client(int error)
{
	return error == EAGAIN || error == EINTR || error == ECONNABORTED || error == EPROTO;
}

/* accept4(2), where it is there; filters may know only what libqb calls. */
static int client_accept(const struct qbi_listener *l)
{
	_cleanup_(qbi_closep) int fd =
		accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
		return qbi_take_fd(&fd);
	fd = accept(l->fd, NULL, NULL);
	if (fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -1;
	return qbi_take_fd(&fd);
}

static int listener_join(qb_ipcs_service_t *s)
{
	struct qbi_listener *l = &s->listener;
	int r = s->poll.dispatch_add(s->priority, l->fd, QBI_POLL_EVENTS, s,
				     listener_dispatch);

	l->in_loop = r >= 0;
	return r < 0 ? r : 0;
}

static void listener_leave(qb_ipcs_service_t *s)
{
	if (s->listener.in_loop)
		s->poll.dispatch_del(s->listener.fd);
	s->listener.in_loop = false;
}

/*
 * Nothing helps now: leave the loop for a while, or it would spin. Said once for as long
 * as the reason is the same.
 */
static void listener_rest(qb_ipcs_service_t *s)
{
	struct qbi_listener *l = &s->listener;
	int error = errno;

	if (l->refused_with == error)
		qbi_refusals_count(&s->refusals, QBI_REFUSED_FOR_A_WHILE);
	else
		qbi_refusals_note(&s->refusals, QBI_REFUSED_FOR_A_WHILE, NULL,
				  "cannot accept anybody now: %s", strerror(error));
	l->refused_with = error;
	l->rest = l->rest ? 2 * l->rest : REST_FIRST;
	if (l->rest > REST_LONGEST)
		l->rest = REST_LONGEST;
	l->rests_until = qbi_now_ns() + l->rest;
	if (qbi_deadlines_update(s) < 0)
		l->rests_until = 0;	/* better a loop that spins than a deaf service */
	else
		listener_leave(s);
}

/* A client came in or none waits: the next refusal is a new one. */
static void listener_note_success(struct qbi_listener *l)
{
	l->rest = 0;
	l->refused_with = 0;
}

void qbi_listener_resume(qb_ipcs_service_t *s)
{
	struct qbi_listener *l = &s->listener;

	l->rests_until = 0;
	if (listener_join(s) < 0)
		l->rests_until = qbi_now_ns() + REST_FIRST;
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
	empty = fd < 0 && is_about_one_client(errno);
	qbi_close(fd);
	l->spare = spare_open();
	return fd >= 0 || empty;
}

/* Out of descriptors or memory: the next client's socket all the same, or as below. */
static int listener_accept_when_short(qb_ipcs_service_t *s)
{
	int fd = qbi_limits_make_room(s) ? client_accept(&s->listener) : -1;

	if (fd < 0 && is_shortage(errno) && listener_turn_away(s))
		errno = EAGAIN;
	return fd;
}

/* The next client's socket; -1: none now, and what can be done about it was done. */
static int listener_accept(qb_ipcs_service_t *s)
{
	struct qbi_listener *l = &s->listener;
	int fd = client_accept(l);

	if (fd < 0 && is_shortage(errno))
		fd = listener_accept_when_short(s);
	if (fd < 0 && !is_about_one_client(errno)) {
		listener_rest(s);
		return -1;
	}
	listener_note_success(l);
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
	/* Shut down by somebody who has it too: nobody comes, and it never falls silent. */
	if ((revents & (POLLHUP | POLLERR)) && s->listener.in_loop) {
		errno = EINVAL;
		listener_rest(s);
	}
	return s->listener.in_loop ? 0 : -ESHUTDOWN;
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
		r = listener_join(s);
	if (r < 0)
		qbi_listener_close(s);
	return r;
}

void qbi_listener_close(qb_ipcs_service_t *s)
{
	struct qbi_listener *l = &s->listener;

	listener_leave(s);
	l->rests_until = 0;
	listener_note_success(l);
	qbi_deadlines_close(s);
	if (l->fd >= 0 && l->address.sun_path[0] != '\0')
		(void)unlink(l->address.sun_path);
	l->fd = qbi_close(l->fd);
	l->spare = qbi_close(l->spare);
}
