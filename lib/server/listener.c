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
#include "base/refused.h"
#include "base/socket.h"
#include "base/util.h"
#include "server/connection.h"
#include "server/dispatch.h"
#include "server/end.h"
#include "server/admission.h"
#include "server/handshake.h"
#include "server/takeover.h"
#include "wire/names.h"

#define BACKLOG SOMAXCONN

/*
 * A process that connects and disconnects in a loop fills the accept queue with clients
 * that are gone, and delays the clients behind them. One dispatch therefore discards up to
 * this many dead clients, but accepts a single live one, since serving it may take long.
 */
#define ACCEPTED_AT_ONCE 64
/* And for no more CPU time than this: a dead client of which others hold the socket may be dear. */
#define ACCEPTED_FOR (10 * QBI_NS_PER_MS)

/*
 * Pause of the listener after an error. New clients wait at most this much longer than the
 * cause of the error lasts; connected clients do not notice. The cause may be permanent (a
 * policy, a filter): then the pauses grow.
 */
#define REST_FIRST (100 * QBI_NS_PER_MS)
#define REST_LONGEST (1600 * QBI_NS_PER_MS)

static int32_t listener_dispatch(int32_t listen_fd, int32_t revents, void *data);
static void listener_resume(struct qbi_deadline *d);

void qbi_listener_init(struct qbi_listener *l, struct qbi_host *h)
{
	*l = (struct qbi_listener){ .host = h, .fd = -1, .spare = -1 };
	qbi_deadline_init(&l->rest, listener_resume);
}

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
	/* The mode of the socket does not restrict clients: connection_accept decides. */
	if (is_path && chmod(address->sun_path, 0777) < 0)
		return -errno;
	return 0;
}

static bool is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/*
 * No client waits, or the error concerned one client only: the next accept may succeed. All
 * other errors concern this process or its socket and would come again at once: EACCES and
 * EPERM from a policy, ENOSYS and others from a filter, EINVAL if the socket does not
 * listen, EBADF and ENOTSOCK if the application has closed the descriptor.
 */
static bool is_about_one_client(int error)
{
	return error == EAGAIN || error == EINTR || error == ECONNABORTED || error == EPROTO;
}

/* Close the socket of a client that is not taken. */
static void client_turn_away(int fd)
{
	socklen_t len = sizeof(struct ucred);
	struct ucred peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	    !qbi_limits_is_exempt(peer.uid))
		qbi_end_stream(fd, peer.uid, false);
	else
		(void)qbi_close(fd);
}

/* accept4(2) if possible; filters may allow only the calls that libqb makes. */
static int client_accept(const struct qbi_listener *l)
{
	_cleanup_(qbi_closep) int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0 || !qbi_is_refused(errno))
		return qbi_take_fd(&fd);
	fd = accept(l->fd, NULL, NULL);
	if (fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -1;
	return qbi_take_fd(&fd);
}

static int listener_join(struct qbi_listener *l)
{
	const struct qbi_settings *set = &l->host->set;
	int r = qbi_app_loop_add(&set->loop, set->priority, l->fd, QBI_POLL_EVENTS, l,
				 listener_dispatch);

	l->in_loop = r >= 0;
	return r < 0 ? r : 0;
}

static void listener_leave(struct qbi_listener *l)
{
	if (l->in_loop)
		qbi_app_loop_del(&l->host->set.loop, l->fd);
	l->in_loop = false;
}

/*
 * Leave the loop for a while, because it would spin. Logged once, until the reason is
 * another one.
 */
static void listener_rest(struct qbi_listener *l)
{
	struct qbi_host *h = l->host;
	int error = errno;

	if (l->refused_with == error)
		qbi_refusals_count(&h->refusals, QBI_REFUSED_FOR_A_WHILE);
	else
		qbi_refusals_note(&h->refusals, QBI_REFUSED_FOR_A_WHILE, NULL,
				  "cannot accept clients now: %s", strerror(error));
	l->refused_with = error;
	l->rest_ns = l->rest_ns ? 2 * l->rest_ns : REST_FIRST;
	if (l->rest_ns > REST_LONGEST)
		l->rest_ns = REST_LONGEST;
	/* Without a timer stay in the loop: spinning is better than not accepting any more. */
	if (qbi_deadlines_set(&h->deadlines, &l->rest, qbi_now_ns() + l->rest_ns) == 0)
		listener_leave(l);
}

/* A client was accepted, or none waits: the next error is a new one. */
static void listener_note_success(struct qbi_listener *l)
{
	l->rest_ns = 0;
	l->refused_with = 0;
}

/* The end of a rest. */
static void listener_resume(struct qbi_deadline *d)
{
	struct qbi_listener *l = qbi_container_of(d, struct qbi_listener, rest);

	if (listener_join(l) < 0)
		(void)qbi_deadlines_set(&l->host->deadlines, d, qbi_now_ns() + REST_FIRST);
}

/*
 * Close the spare descriptor, use its place to accept and close the next client, and open a
 * new spare. So the backlog becomes empty instead of waking the loop for ever. False: there
 * is no spare, or it did not help.
 *
 * What is or may be a bell is not closed, but goes to *@ret_bell: its connection keeps a place
 * for it, which is free when it has joined. Until then there is no spare.
 */
static bool listener_turn_away(struct qbi_listener *l, int *ret_bell)
{
	bool empty;
	int fd;

	if (l->spare < 0)
		return false;
	l->spare = qbi_close(l->spare);
	fd = client_accept(l);
	if (fd >= 0 && qbi_handshake_may_be_bell(l->host, fd)) {
		*ret_bell = fd;
		return true;
	}
	if (fd >= 0)
		qbi_refusals_note(&l->host->refusals, QBI_REFUSED_DESCRIPTORS, NULL,
				  "out of descriptors");
	empty = fd < 0 && is_about_one_client(errno);
	if (fd >= 0)
		client_turn_away(fd);
	l->spare = spare_open();
	return fd >= 0 || empty;
}

/* Out of descriptors or memory: try to make room. Result as listener_accept(). */
static int listener_accept_when_short(struct qbi_listener *l)
{
	int fd = qbi_handshake_make_room(l->host) ? client_accept(l) : -1;

	if (fd < 0 && is_shortage(errno) && listener_turn_away(l, &fd))
		errno = EAGAIN;
	return fd;
}

/* The socket of the next client; -1: none now, and errors were handled. */
static int listener_accept(struct qbi_listener *l)
{
	int fd = client_accept(l);

	if (fd < 0 && is_shortage(errno))
		fd = listener_accept_when_short(l);
	if (fd < 0 && !is_about_one_client(errno)) {
		listener_rest(l);
		return -1;
	}
	listener_note_success(l);
	if (fd >= 0 && l->spare < 0)
		l->spare = spare_open();
	return fd;
}

/* As client_take(). */
static bool client_begin(qb_ipcs_connection_t *c)
{
	_cleanup_(qbi_connection_let_go) struct qbi_connection_hold hold =
		qbi_connection_hold(c);

	if (qbi_handshake_begin(c) < 0) {
		qbi_connection_abandon(c);
		return false;
	}
	/* Its first message has usually arrived by now: this saves a turn of the loop. */
	qbi_admission_continue(c);
	return c->state == QBI_CONNECTION_CLOSED && !c->announced;
}

/* True: the client is closed again, and the application knows nothing of it. */
static bool client_take(struct qbi_listener *l)
{
	int fd = listener_accept(l);
	qb_ipcs_connection_t *c;
	bool closed;

	if (fd < 0)
		return false;
	qbi_refuse_descriptors(fd);
	qbi_take_urgent_inline(fd);
	if (qbi_connection_new(l->host, fd, qbi_dispatch_connection, &c) < 0) {
		client_turn_away(fd);
		return false;
	}
	closed = client_begin(c);
	/* A bell has given back the place that was kept for it. */
	if (l->spare < 0 && l->fd >= 0)
		l->spare = spare_open();
	return closed;
}

static int32_t listener_dispatch(int32_t listen_fd, int32_t revents, void *data)
{
	struct qbi_listener *l = data;
	/* The reference keeps the listener alive too. */
	_cleanup_(qbi_host_unrefp) struct qbi_host *h = qbi_host_ref(l->host);
	unsigned int left = ACCEPTED_AT_ONCE;
	uint64_t until = qbi_cpu_ns() + ACCEPTED_FOR;

	qbi_take_over(h);
	while (client_take(l) && --left && !h->stopped && qbi_cpu_ns() < until)
		;
	/* Another process that has the socket shut it down: it stays readable for ever. */
	if ((revents & (POLLHUP | POLLERR)) && l->in_loop) {
		errno = EINVAL;
		listener_rest(l);
	}
	return l->in_loop ? 0 : -ESHUTDOWN;
}

/* 0, or -errno as qbi_listener_adopt(). */
static int adopted_check(int fd)
{
	socklen_t len = sizeof(int);
	int listens = 0;

	if (fcntl(fd, F_GETFD) < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0)
		return -errno;
	if (qbi_socket_check(fd, SOCK_STREAM) < 0)
		return -EPROTOTYPE;
	return listens ? 0 : -EINVAL;
}

int qbi_listener_adopt(struct qbi_listener *l, int fd)
{
	int r, flags;

	if (l->fd >= 0 || l->host->stopped)
		return -EBUSY;
	r = adopted_check(fd);
	if (r < 0)
		return r;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	qbi_refuse_descriptors(fd);
	l->fd = fd;
	return 0;
}

/* Is it bound to an address that clients of @name try? */
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

static int listener_make(struct qbi_listener *l)
{
	bool filesystem = access(FORCESOCKETSFILE, F_OK) == 0;
	_cleanup_(qbi_closep) int fd = -1;
	int r;

	r = qbi_service_address(l->host->set.name, filesystem, &l->address);
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

int qbi_listener_open(struct qbi_listener *l)
{
	const struct qbi_settings *set = &l->host->set;
	int r = 0;

	if (l->fd < 0)
		r = listener_make(l);
	else if (!adopted_is_found(l->fd, set->name))
		qbi_log(LOG_WARNING, "service %s: clients of that name look elsewhere",
			set->name);
	if (r == 0) {
		l->spare = spare_open();
	}
	if (r == 0)
		r = listener_join(l);
	if (r < 0)
		qbi_listener_close(l);
	return r;
}

static void listener_withdraw(const struct qbi_listener *l)
{
	if (l->address.sun_path[0] != '\0')
		(void)unlink(l->address.sun_path);
	/* A child may have the socket too, and clients would wait for the child. A socket
	 * that was passed to us may be passed on to another process: leave it open. */
	if (l->address.sun_family == AF_UNIX)
		(void)shutdown(l->fd, SHUT_RDWR);
}

void qbi_listener_close(struct qbi_listener *l)
{
	listener_leave(l);
	listener_note_success(l);
	(void)qbi_deadlines_set(&l->host->deadlines, &l->rest, QBI_FOREVER);
	if (l->fd >= 0 && !qbi_settings_are_copied(&l->host->set))
		listener_withdraw(l);
	l->fd = qbi_close(l->fd);
	l->spare = qbi_close(l->spare);
}
