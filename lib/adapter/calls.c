/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The poll adapters' part for calls: dispatches those of a client. */
#include <errno.h>
#include <stdlib.h>

#include "adapter/poll.h"
#include "base/log.h"
#include "client/async.h"
#include "client/connection.h"

struct qbipc_calls_watch {
	struct qbi_poll_watch *watch; /* frees this when it is freed */
	struct qbi_calls *calls;      /* a reference */
};

static void calls_watch_release(void *data)
{
	struct qbipc_calls_watch *cw = data;

	qbi_calls_closing_forget(cw->calls, cw);
	qbi_calls_unref(cw->calls);
	free(cw);
}

void qbipc_calls_unwatch(struct qbipc_calls_watch *cw)
{
	if (!cw || !cw->watch->poll)
		return;
	/* Not when it is freed: that may be after a new watch was made. */
	qbi_calls_closing_forget(cw->calls, cw);
	qbi_poll_watch_remove(cw->watch);
}

/* The connection is about to close the descriptor. */
static void calls_watch_end(void *data)
{
	qbipc_calls_unwatch(data);
}

/* The caller holds the watch; a function may have ended it, and the connection. */
static int32_t calls_watch_dispatch(int32_t fd, int32_t revents, void *data)
{
	const struct qbipc_calls_watch *cw = data;

	(void)qbi_calls_dispatch(cw->calls);
	return 0;
}

/* 0 or -errno; *@ret has a reference. */
static int calls_watched(qb_ipcc_connection_t *c, int *ret_fd, struct qbi_calls **ret)
{
	int r;

	if (!c)
		return qbi_misuse_of("watching calls", "the connection is NULL");
	if (!c->end)
		return qbi_misuse_of("watching calls", "the connection is not made yet");
	r = qbi_calls_get(c, ret);
	if (r == 0)
		r = qbi_calls_fd(*ret);
	if (r < 0)
		return r;
	*ret_fd = r;
	return 0;
}

static int calls_watch_make(struct qbipc_poll *poll, enum qb_loop_priority p,
			    struct qbi_calls *calls, int fd, struct qbipc_calls_watch **ret)
{
	const struct qbipc_poll_watch what = { .priority = p, .fd = fd, .events = POLLIN };
	struct qbipc_calls_watch *cw = calloc(1, sizeof(*cw));
	int r;

	if (!cw)
		return -ENOMEM;
	cw->calls = calls;
	r = qbi_calls_closing_set(calls, calls_watch_end, cw);
	if (r == 0) {
		r = qbi_poll_watch_new(poll, &what, cw, calls_watch_dispatch,
				       calls_watch_release, &cw->watch);
		if (r < 0)
			qbi_calls_closing_forget(calls, cw);
	}
	if (r < 0) {
		free(cw);
		return r;
	}
	qbi_calls_ref(calls);
	*ret = cw;
	return 0;
}

struct qbipc_calls_watch *qbipc_calls_watch_new(struct qbipc_poll *poll,
						enum qb_loop_priority p,
						qb_ipcc_connection_t *c)
{
	struct qbipc_calls_watch *cw = NULL;
	struct qbi_calls *calls;
	int fd = -1;
	int r = calls_watched(c, &fd, &calls);

	if (r == 0)
		r = calls_watch_make(poll, p, calls, fd, &cw);
	if (r < 0)
		errno = -r;
	return cw;
}
