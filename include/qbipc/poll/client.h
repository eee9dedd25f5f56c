/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * @file poll/client.h
 * The client's side of the poll adapters: events are handed over as they come.
 */
#ifndef QBIPC_POLL_CLIENT_H_DEFINED
#define QBIPC_POLL_CLIENT_H_DEFINED

#include <sys/types.h>

#include <qb/qbipcc.h>
#include <qbipc/poll/watch.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Events that are handed over before other things of the loop get a turn. */
#define QBIPC_CLIENT_EVENTS 10

/** A client's connection that is watched, see qbipc_glib_watch_client() and its like. */
struct qbipc_client_watch;

/**
 * An event has come.
 *
 * @param c      connection; everything may be done with it, and with the watch
 * @param event  the event, starting with a struct qb_ipc_response_header; good until
 *               this returns
 * @param size   bytes at @p event
 * @param data   as given to the watch
 */
typedef void (*qbipc_client_event_fn)(qb_ipcc_connection_t *c, void *event, size_t size,
				      void *data);

/**
 * The server is gone and all its events have been handed over. The watch has ended:
 * unwatch does nothing now and must not be called after this returns. The place to
 * disconnect and to plan the next attempt.
 *
 * @param c      connection, out of the loop already
 * @param error  why: negative errno, -ENOTCONN unless something broke
 * @param data   as given to the watch
 */
typedef void (*qbipc_client_gone_fn)(qb_ipcc_connection_t *c, int error, void *data);

struct qbipc_client_watch {
	struct qbipc_poll_watch *watch;	/* frees this when it is freed */
	qb_ipcc_connection_t *c;
	qbipc_client_event_fn event;
	qbipc_client_gone_fn gone;
	void *data;
	void *buffer;			/* for one event */
	size_t size;
};

static inline void qbipc_client_release(void *data)
{
	struct qbipc_client_watch *cw = (struct qbipc_client_watch *)data;

	free(cw->buffer);
	free(cw);
}

/**
 * Stop watching a client's connection, which stays as it is. Allowed inside its
 * callbacks.
 *
 * @param cw    the watch, not to be used any more; NULL does nothing
 * @note        Threads: the one that runs the loop.
 */
static inline void qbipc_client_unwatch(struct qbipc_client_watch *cw)
{
	if (cw && cw->watch->poll)
		qbipc_poll_remove(cw->watch);
}

static inline void qbipc_client_end(struct qbipc_client_watch *cw, int error)
{
	qbipc_client_unwatch(cw);
	if (cw->gone)
		cw->gone(cw->c, error, cw->data);
}

/* The caller holds the watch, and by that @cw; a callback may have ended either. */
static inline int32_t qbipc_client_dispatch(int32_t fd, int32_t revents, void *data)
{
	struct qbipc_client_watch *cw = (struct qbipc_client_watch *)data;
	ssize_t n = 0;
	int i;

	(void)fd;
	(void)revents;
	for (i = 0; i < QBIPC_CLIENT_EVENTS && cw->watch->poll; i++) {
		n = qb_ipcc_event_recv(cw->c, cw->buffer, cw->size, 0);
		if (n < 0)
			break;
		cw->event(cw->c, cw->buffer, (size_t)n, cw->data);
	}
	if (n < 0 && n != -EAGAIN)
		qbipc_client_end(cw, (int)n);
	return 0;
}

/* See qbipc_glib_watch_client(). */
static inline struct qbipc_client_watch *
qbipc_client_watch_new(struct qbipc_poll *poll, enum qb_loop_priority p,
		       qb_ipcc_connection_t *c, qbipc_client_event_fn event,
		       qbipc_client_gone_fn gone, void *data)
{
	struct qbipc_client_watch *cw;
	int32_t fd = -1, size = qb_ipcc_get_buffer_size(c);
	int32_t r = event ? qb_ipcc_fd_get(c, &fd) : -EINVAL;

	if (r == 0 && size < 0)
		r = size;
	cw = (struct qbipc_client_watch *)calloc(1, sizeof(*cw));
	if (!cw || r < 0) {
		free(cw);
		errno = r < 0 ? -r : ENOMEM;
		return NULL;
	}
	cw->c = c;
	cw->event = event;
	cw->gone = gone;
	cw->data = data;
	cw->size = (size_t)size;
	cw->buffer = malloc(cw->size);
	r = cw->buffer ? qbipc_poll_watch_new(poll, p, fd, POLLIN, cw,
					      qbipc_client_dispatch, &cw->watch) :
			 -ENOMEM;
	if (r < 0) {
		qbipc_client_release(cw);
		errno = -r;
		return NULL;
	}
	cw->watch->release = qbipc_client_release;
	return cw;
}

#ifdef __cplusplus
}
#endif

#endif
