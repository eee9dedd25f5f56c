/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors in a loop; making and ending a loop. */
#include "adapter/poll.h"

#include <errno.h>
#include <qbipc/loop.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/sized.h"

/* -- Watches ------------------------------------------------------------------- */

void qbipc_poll_watch_ref(struct qbipc_poll_watch *w)
{
	qbi_poll_watch_of(w)->refs++;
}

void qbipc_poll_watch_unref(struct qbipc_poll_watch *at)
{
	struct qbi_poll_watch *w = qbi_poll_watch_of(at);

	if (--w->refs > 0)
		return;
	if (w->release)
		w->release(w->data);
	free(w);
}

static bool priority_is_known(enum qb_loop_priority p)
{
	return (unsigned int)p <= QB_LOOP_HIGH;
}

/* NULL: none. */
static struct qbi_poll_watch *watch_find(const struct qbipc_poll *poll, int fd)
{
	return poll && fd >= 0 && fd < poll->n_watches ? poll->watches[fd] : NULL;
}

static enum qbi_place place_for(const struct qbi_poll_watch *w)
{
	return w->poll->ops.in_out_only && !(w->at.events & (POLLIN | POLLOUT)) ?
		       QBI_PLACE_QUIET :
		       QBI_PLACE_LOOP;
}

/*
 * Handle one descriptor per report, because its function may remove any other one or end
 * the loop. The epoll stays readable while there are more.
 */
static int32_t quiet_dispatch(int32_t fd, int32_t revents, void *data)
{
	struct qbipc_poll *poll = data;
	int events = 0;
	struct qbi_poll_watch *w = watch_find(poll, qbi_quiet_next(&poll->quiet, &events));

	if (w)
		qbipc_poll_ready(&w->at, events);
	return 0;
}

/*
 * The epoll is in the loop only while it contains something, because some loops end by
 * themselves when nothing is left in them.
 */
static int watch_enter_quiet(struct qbi_poll_watch *w)
{
	struct qbipc_poll *poll = w->poll;
	int r = qbi_quiet_enter(&poll->quiet, w->at.fd, w->at.events);

	if (r < 0 || poll->quiet.n > 1)
		return r;
	r = qbipc_poll_add(poll, QB_LOOP_HIGH, poll->quiet.fd, POLLIN, poll, quiet_dispatch);
	if (r < 0)
		qbi_quiet_leave(&poll->quiet, w->at.fd);
	return r;
}

static void watch_leave_quiet(struct qbi_poll_watch *w)
{
	struct qbipc_poll *poll = w->poll;

	qbi_quiet_leave(&poll->quiet, w->at.fd);
	if (poll->quiet.n == 0)
		qbi_poll_watch_remove(watch_find(poll, poll->quiet.fd));
}

static int watch_enter(struct qbi_poll_watch *w)
{
	enum qbi_place place = place_for(w);
	int r = place == QBI_PLACE_QUIET ? watch_enter_quiet(w) :
					   w->poll->ops.watch_start(&w->at);

	if (r == 0)
		w->place = place;
	return r;
}

static void watch_leave(struct qbi_poll_watch *w)
{
	enum qbi_place place = w->place;

	w->place = QBI_PLACE_OUT;
	if (place == QBI_PLACE_LOOP)
		w->poll->ops.watch_stop(&w->at);
	else if (place == QBI_PLACE_QUIET)
		watch_leave_quiet(w);
}

void qbi_poll_watch_remove(struct qbi_poll_watch *w)
{
	w->poll->watches[w->at.fd] = NULL;
	watch_leave(w);
	w->poll = NULL;
	w->at.loop = NULL;
	qbipc_poll_watch_unref(&w->at);
}

void qbipc_poll_ready(struct qbipc_poll_watch *at, int revents)
{
	struct qbi_poll_watch *w = qbi_poll_watch_of(at);

	/* The report may be older than the last change of the events. */
	revents &= at->events | POLLERR | POLLHUP | POLLNVAL;
	if (!revents)
		return;
	w->refs++;
	/*
	 * A negative result means that the descriptor is gone: remove this watch if it is
	 * still there. A new watch of the same descriptor number stays.
	 */
	if (w->fn(at->fd, revents, w->data) < 0 && w->poll)
		qbi_poll_watch_remove(w);
	qbipc_poll_watch_unref(at);
}

/* Can a function be put in the loop? False: the log has the reason. */
static bool is_callable(const struct qbipc_poll *poll, enum qb_loop_priority p, bool has_fn)
{
	const char *why = !poll	      ? "the loop is NULL" :
			  !poll->loop ? "the loop has ended" :
			  !priority_is_known(p) ?
					"the priority is none of enum qb_loop_priority" :
			  !has_fn ? "the function is NULL" :
				    NULL;

	if (why)
		qbi_log(LOG_ERR, "poll adapter: %s", why);
	return !why;
}

static int table_reach(struct qbipc_poll *poll, int fd)
{
	int n = poll->n_watches ? poll->n_watches : 64;
	struct qbi_poll_watch **grown;

	if (fd < poll->n_watches)
		return 0;
	while (n <= fd)
		n *= 2;
	grown = realloc(poll->watches, (size_t)n * sizeof(*poll->watches));
	if (!grown)
		return -ENOMEM;
	memset(grown + poll->n_watches, 0,
	       (size_t)(n - poll->n_watches) * sizeof(*poll->watches));
	poll->watches = grown;
	poll->n_watches = n;
	return 0;
}

int qbi_poll_watch_new(struct qbipc_poll *poll, const struct qbipc_poll_watch *what, void *data,
		       qb_ipcs_dispatch_fn_t fn, void (*release)(void *data),
		       struct qbi_poll_watch **ret_w)
{
	struct qbi_poll_watch *w;
	int r;

	if (!is_callable(poll, what->priority, fn != NULL))
		return -EINVAL;
	if (what->fd < 0 || what->fd > INT32_MAX / 4)
		return -EBADF;
	r = table_reach(poll, what->fd);
	if (r < 0)
		return r;
	if (poll->watches[what->fd])
		return -EEXIST;
	w = calloc(1, offsetof(struct qbi_poll_watch, at) + poll->ops.watch_size);
	if (!w)
		return -ENOMEM;
	w->poll = poll;
	w->refs = 1;
	w->data = data;
	w->fn = fn;
	w->at = *what;
	w->at.loop = poll->loop;
	r = watch_enter(w);
	if (r < 0) {
		w->poll = NULL;
		w->at.loop = NULL;
		qbipc_poll_watch_unref(&w->at);
		return r;
	}
	w->release = release;
	poll->watches[what->fd] = w;
	*ret_w = w;
	return 0;
}

static int watch_change(struct qbi_poll_watch *w, enum qb_loop_priority p, int events)
{
	struct qbipc_poll_watch old = w->at;
	int r;

	if (p == old.priority && events == old.events && w->place != QBI_PLACE_OUT)
		return 0;
	w->at.events = events;
	w->at.priority = p;
	if (w->place != place_for(w)) {
		watch_leave(w);
		return watch_enter(w);
	}
	r = w->place == QBI_PLACE_QUIET ? qbi_quiet_update(&w->poll->quiet, w->at.fd, events) :
					  w->poll->ops.watch_update(&w->at);
	if (r < 0) {
		w->at.events = old.events;
		w->at.priority = old.priority;
	}
	return r;
}

int qbipc_poll_add(struct qbipc_poll *poll, enum qb_loop_priority p, int fd, int events,
		   void *data, qb_ipcs_dispatch_fn_t fn)
{
	const struct qbipc_poll_watch what = { .priority = p, .fd = fd, .events = events };
	struct qbi_poll_watch *w;

	return qbi_poll_watch_new(poll, &what, data, fn, NULL, &w);
}

int qbipc_poll_mod(struct qbipc_poll *poll, enum qb_loop_priority p, int fd, int events,
		   void *data, qb_ipcs_dispatch_fn_t fn)
{
	struct qbi_poll_watch *w = watch_find(poll, fd);
	int r;

	if (!w)
		return -EBADF;
	if (!is_callable(poll, p, fn != NULL))
		return -EINVAL;
	r = watch_change(w, p, events);
	if (r < 0)
		return r;
	w->data = data;
	w->fn = fn;
	return 0;
}

int qbipc_poll_del(struct qbipc_poll *poll, int fd)
{
	struct qbi_poll_watch *w = watch_find(poll, fd);

	if (!w)
		return -EBADF;
	qbi_poll_watch_remove(w);
	return 0;
}

int qbipc_poll_job(struct qbipc_poll *poll, enum qb_loop_priority p, void *data,
		   qb_loop_job_dispatch_fn fn)
{
	if (!is_callable(poll, p, fn != NULL))
		return -EINVAL;
	return qbi_job_queues_add(&poll->jobs, poll->loop, p, data, fn);
}

/* -- Beginning and end --------------------------------------------------------- */

static void poll_unref(void *data)
{
	struct qbipc_poll *poll = data;

	if (atomic_fetch_sub_explicit(&poll->refs, 1, memory_order_acq_rel) == 1)
		free(poll);
}

int qbipc_poll_new(const struct qbipc_poll_ops *ops, void *loop, struct qbipc_poll **ret_poll)
{
	_cleanup_(qbi_freep) struct qbipc_poll *poll = NULL;
	int r;

	if (!ret_poll)
		return qbi_misuse("ret_poll is NULL");
	*ret_poll = NULL;
	poll = calloc(1, sizeof(*poll));
	if (!poll)
		return -ENOMEM;
	r = qbi_sized_take(&poll->ops, sizeof(poll->ops), ops,
			   QBI_SIZED_THROUGH(struct qbipc_poll_ops, jobs_stop));
	if (r < 0) {
		qbi_log(LOG_ERR, "struct qbipc_poll_ops: %s", qbi_sized_why(ops, r));
		return r;
	}
	if (!loop)
		return qbi_misuse("the loop is NULL");
	if (!poll->ops.watch_start || !poll->ops.watch_update || !poll->ops.watch_stop ||
	    !poll->ops.jobs_arm || !poll->ops.jobs_stop ||
	    poll->ops.watch_size < sizeof(struct qbipc_poll_watch) ||
	    poll->ops.jobs_size < sizeof(struct qbipc_poll_jobs))
		return qbi_misuse("an operation is NULL, or a size is too small");
	poll->refs = 1;
	poll->loop = loop;
	qbi_job_queues_init(&poll->jobs, &poll->ops);
	qbi_quiet_init(&poll->quiet);
	r = poll->ops.in_out_only ? qbi_quiet_open(&poll->quiet) : 0;
	if (r < 0)
		return r;
	*ret_poll = QBI_TAKE(poll);
	return 0;
}

void qbipc_poll_free(struct qbipc_poll *poll)
{
	int i;

	if (!poll)
		return;
	for (i = 0; i < poll->n_watches; i++)
		if (poll->watches[i] && i != poll->quiet.fd)
			qbi_poll_watch_remove(poll->watches[i]);
	free(QBI_TAKE(poll->watches));
	poll->n_watches = 0;
	qbi_job_queues_deinit(&poll->jobs);
	qbi_quiet_deinit(&poll->quiet);
	poll->loop = NULL;
	poll_unref(poll);
}

/* -- A service's loop ----------------------------------------------------------- */

static int service_add(void *loop, enum qb_loop_priority p, int fd, int events, void *data,
		       qb_ipcs_dispatch_fn_t fn)
{
	return qbipc_poll_add(loop, p, fd, events, data, fn);
}

static int service_mod(void *loop, enum qb_loop_priority p, int fd, int events, void *data,
		       qb_ipcs_dispatch_fn_t fn)
{
	return qbipc_poll_mod(loop, p, fd, events, data, fn);
}

static int service_del(void *loop, int fd)
{
	return qbipc_poll_del(loop, fd);
}

static int service_job(void *loop, enum qb_loop_priority p, void *data,
		       qb_loop_job_dispatch_fn fn)
{
	return qbipc_poll_job(loop, p, data, fn);
}

int qbipc_poll_attach(struct qbipc_poll *poll, qb_ipcs_service_t *s)
{
	static const struct qbipc_loop_ops ops = {
		.size = sizeof(ops),
		.add = service_add,
		.mod = service_mod,
		.del = service_del,
		.job = service_job,
		.release = poll_unref,
	};
	int r;

	if (!poll)
		return qbi_misuse("the loop is NULL");
	atomic_fetch_add_explicit(&poll->refs, 1, memory_order_relaxed);
	r = qbipc_service_loop_set(s, &ops, poll);
	if (r < 0)
		poll_unref(poll);
	return r;
}
