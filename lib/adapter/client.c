/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The client's side of the poll adapters: delivers events. */
#include <errno.h>
#include <stdlib.h>

#include "adapter/poll.h"
#include "api/errors.h"
#include "base/log.h"
#include "client/connection.h"

struct qbipc_client_watch {
	struct qbi_poll_watch *watch; /* frees this when it is freed */
	qb_ipcc_connection_t *c;
	qbipc_client_event_fn event;
	qbipc_client_gone_fn gone;
	void *data;
	void *buffer; /* for one event */
	size_t size;
};

static void client_release(void *data)
{
	struct qbipc_client_watch *cw = data;

	free(cw->buffer);
	free(cw);
}

static void client_releasep(struct qbipc_client_watch **cw)
{
	if (*cw)
		client_release(*cw);
}

void qbipc_client_unwatch(struct qbipc_client_watch *cw)
{
	if (cw && cw->watch->poll)
		qbi_poll_watch_remove(cw->watch);
}

static void client_end(struct qbipc_client_watch *cw, int error)
{
	qbipc_client_unwatch(cw);
	if (cw->gone)
		cw->gone(cw->c, error, cw->data);
}

/* As qbi_client_event_recv(): the next event, for which the buffer grows if it is a body. */
static int client_event_take(struct qbipc_client_watch *cw, size_t *ret_size)
{
	int r = qbi_client_event_recv(cw->c, cw->buffer, cw->size, 0, ret_size);
	void *grown;

	if (r != -ENOBUFS || *ret_size <= cw->size)
		return r;
	grown = realloc(cw->buffer, *ret_size);
	if (!grown)
		return -ENOMEM;
	cw->buffer = grown;
	cw->size = *ret_size;
	return qbi_client_event_recv(cw->c, cw->buffer, cw->size, 0, ret_size);
}

/* The caller holds the watch and thus @data; a callback may have ended the watch. */
static int32_t client_dispatch(int32_t fd, int32_t revents, void *data)
{
	struct qbipc_client_watch *cw = data;
	int r = 0;
	int i;

	for (i = 0; i < QBIPC_CLIENT_EVENTS && cw->watch->poll; i++) {
		size_t n = 0;

		r = client_event_take(cw, &n);
		if (r != 0)
			break;
		cw->event(cw->c, cw->buffer, n, cw->data);
	}
	if (r != 0 && r != QBI_EMPTY)
		client_end(cw, (int)qbi_result(QBI_CALL_EVENT_RECV, r, 0));
	return 0;
}

static int client_new(qb_ipcc_connection_t *c, int *ret_fd, struct qbipc_client_watch **ret)
{
	_cleanup_(client_releasep) struct qbipc_client_watch *cw = NULL;
	int r;

	if (!c)
		return qbi_misuse_of("watching a client", "the connection is NULL");
	r = qbi_client_event_fd(c);
	if (r == -EINVAL)
		return qbi_misuse_of("watching a client", "the connection is not made yet");
	if (r < 0)
		return r;
	*ret_fd = r;
	cw = calloc(1, sizeof(*cw));
	if (!cw)
		return -ENOMEM;
	cw->c = c;
	cw->size = c->max_msg_size;
	cw->buffer = malloc(cw->size);
	if (!cw->buffer)
		return -ENOMEM;
	*ret = QBI_TAKE(cw);
	return 0;
}

struct qbipc_client_watch *qbipc_client_watch_new(struct qbipc_poll *poll,
						  enum qb_loop_priority p,
						  qb_ipcc_connection_t *c,
						  qbipc_client_event_fn event,
						  qbipc_client_gone_fn gone, void *data)
{
	_cleanup_(client_releasep) struct qbipc_client_watch *cw = NULL;
	struct qbipc_poll_watch what = { .priority = p, .events = POLLIN };
	int r = event ? client_new(c, &what.fd, &cw) :
			qbi_misuse_of("watching a client", "the event function is NULL");

	if (r == 0) {
		cw->event = event;
		cw->gone = gone;
		cw->data = data;
		r = qbi_poll_watch_new(poll, &what, cw, client_dispatch, client_release,
				       &cw->watch);
	}
	if (r < 0) {
		errno = -r;
		return NULL;
	}
	return QBI_TAKE(cw);
}
