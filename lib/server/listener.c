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

#include "base/socket.h"
#include "base/log.h"
#include "base/util.h"
#include "server/connection.h"
#include "server/service.h"
#include "wire/names.h"

#define BACKLOG SOMAXCONN

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

/*
 * Descriptors ran out. Let go of the spare one, turn the client away with it, and
 * take a new spare: the backlog empties instead of waking the loop for ever.
 */
static void listener_turn_away(qb_ipcs_service_t *s)
{
	struct qbi_listener *l = &s->listener;

	if (!l->exhausted)
		qbi_log(LOG_WARNING, "service %s: out of descriptors, refusing clients",
			s->name);
	l->exhausted = true;
	l->spare = qbi_close(l->spare);
	qbi_close(accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
	l->spare = spare_open();
}

static int32_t listener_dispatch(int32_t listen_fd, int32_t revents, void *data)
{
	_cleanup_(qbi_service_unrefp) qb_ipcs_service_t *s = qbi_service_ref(data);
	_cleanup_(qbi_closep) int fd = -1;
	qb_ipcs_connection_t *c;

	fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			listener_turn_away(s);
		return 0;
	}
	s->listener.exhausted = false;
	qbi_refuse_descriptors(fd);
	if (qbi_connection_new(s, fd, &c) < 0)
		return 0;
	qbi_take_fd(&fd);
	/* Its first message has usually arrived by now: save a turn of the loop. */
	qbi_connection_handshake(c);
	return s->stopped ? -ESHUTDOWN : 0;
}

int qbi_listener_open(qb_ipcs_service_t *s)
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
	if (listen(l->fd, BACKLOG) < 0) {
		r = -errno;
		qbi_listener_close(s);
		return r;
	}
	l->spare = spare_open();
	r = s->poll.dispatch_add(s->priority, l->fd, QBI_POLL_EVENTS, s, listener_dispatch);
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
	if (l->fd >= 0 && l->address.sun_path[0] != '\0')
		(void)unlink(l->address.sun_path);
	l->fd = qbi_close(l->fd);
	l->spare = qbi_close(l->spare);
}
