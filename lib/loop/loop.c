/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making and ending a loop, waiting, dispatch by priority. loop.h explains the design. */
#include "loop/loop.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/util.h"

/* All loops, oldest first. The head is atomic: it is read without the lock. */
QBI_MUTEX_STATIC(registry_lock)
static _Atomic(struct qb_loop *) registry_first;

struct qb_loop *qbi_loop_first(void)
{
	return atomic_load(&registry_first);
}

static void registry_add(struct qb_loop *l)
{
	struct qb_loop *last;

	qbi_mutex_lock(&registry_lock);
	last = atomic_load(&registry_first);
	if (!last) {
		atomic_store(&registry_first, l);
	} else {
		while (last->next)
			last = last->next;
		last->next = l;
	}
	qbi_mutex_unlock(&registry_lock);
}

static void registry_remove(struct qb_loop *l)
{
	struct qb_loop *prev;

	qbi_mutex_lock(&registry_lock);
	prev = atomic_load(&registry_first);
	if (prev == l) {
		atomic_store(&registry_first, l->next);
	} else {
		while (prev && prev->next != l)
			prev = prev->next;
		if (prev)
			prev->next = l->next;
	}
	qbi_mutex_unlock(&registry_lock);
}

/* No thread runs the loop, which may be half built. */
static void loop_destroy(struct qb_loop *l)
{
	registry_remove(l);
	qbi_signals_deinit(&l->signals);
	qbi_polls_deinit(&l->polls);
	qbi_timers_deinit(&l->timers);
	qbi_jobs_deinit(&l->jobs);
	qbi_loop_core_deinit(&l->core);
	free(l);
}

static void loop_destroyp(struct qb_loop **l)
{
	if (*l)
		loop_destroy(*l);
}

int qbi_loop_new(struct qb_loop **ret_loop)
{
	_cleanup_(loop_destroyp) struct qb_loop *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	qbi_jobs_init(&l->jobs, &l->core);
	qbi_timers_init(&l->timers, &l->core);
	qbi_polls_init(&l->polls, &l->core);
	qbi_signals_init(&l->signals, &l->core);
	r = qbi_loop_core_init(&l->core);
	if (r == 0)
		r = qbi_polls_open(&l->polls);
	if (r < 0)
		return r;
	registry_add(l);
	*ret_loop = QBI_TAKE(l);
	return 0;
}

void qbi_loop_free(struct qb_loop *l)
{
	bool running;

	qbi_mutex_lock(&l->core.lock);
	running = l->core.depth > 0 &&
		  (qbi_loop_is_own(&l->core) || qbi_loop_is_inside(&l->core));
	l->doomed = true;
	if (running)
		qbi_loop_stop(&l->core);
	qbi_mutex_unlock(&l->core.lock);
	if (!running)
		loop_destroy(l);
}

/* The timeout of epoll_wait() in milliseconds. */
static int loop_timeout(struct qb_loop *l)
{
	int timers = qbi_timers_timeout(&l->timers);
	bool ready = qbi_loop_has_ready(&l->core);
	int jobs = qbi_jobs_timeout(&l->jobs, timers, qbi_timers_now(&l->timers), ready);

	if (ready)
		return 0;
	if (jobs < 0 || timers < 0)
		return jobs < 0 ? timers : jobs;
	return jobs < timers ? jobs : timers;
}

/* Returns the number of @events, or -errno. Releases the lock while it waits. */
static int loop_wait(struct qb_loop *l, struct epoll_event *events)
{
	int timeout = loop_timeout(l);
	int n;

	if (timeout != 0) {
		/* order W1 (sleep): before the last check. */
		atomic_store(&l->core.sleeping, true);
		if (atomic_load(&l->core.stop) || qbi_signals_are_pending(&l->signals))
			timeout = 0;
	}
	qbi_mutex_unlock(&l->core.lock);
	n = epoll_wait(l->polls.epoll_fd, events, QBI_LOOP_BATCH, timeout);
	if (n < 0)
		n = errno == EINTR ? 0 : -errno;
	/* A wake-up that is still to come costs one more cycle, nothing else. */
	atomic_store_explicit(&l->core.sleeping, false, memory_order_relaxed);
	qbi_mutex_lock(&l->core.lock);
	return n;
}

/* Dispatch everything that is ready at @level now, but not what becomes ready meanwhile. */
static bool loop_dispatch_level(struct qb_loop *l, struct qbi_level *level)
{
	const struct qbi_kind *outer = l->core.running;
	unsigned int n = level->count;
	bool any = false;

	while (n-- > 0 && level->count > 0 && !atomic_load(&l->core.stop)) {
		struct qbi_item *item =
			qbi_list_entry(qbi_list_first(&level->items), struct qbi_item, node);

		qbi_loop_drop_ready(&l->core, item);
		l->core.running = item->kind;
		item->kind->dispatch(item->kind, item);
		any = true;
	}
	l->core.running = outer;
	return any;
}

static void loop_dispatch(struct qb_loop *l)
{
	int lowest = (int)l->turn;
	bool any = false;

	l->turn = (l->turn + 1) % QBI_LEVELS;
	for (int level = QB_LOOP_HIGH; level >= QB_LOOP_LOW; level--) {
		if (any && level < lowest)
			break;
		any |= loop_dispatch_level(l, &l->core.levels[level]);
	}
}

/*
 * A function has more to do, and the kernel was asked only a few cycles ago, and the cycles since
 * then were short. The clock is read for such cycles only.
 */
static bool loop_may_go_blind(struct qb_loop *l)
{
	bool may = l->polls.again && l->blind < QBI_LOOP_BLIND;

	l->polls.again = false;
	if (may && l->blind == 0)
		l->since = qbi_now_ns();
	else if (may)
		may = qbi_now_ns() - l->since < QBI_LOOP_BLIND_NS;
	l->blind = may ? l->blind + 1 : 0;
	return may;
}

static int loop_cycle(struct qb_loop *l)
{
	struct epoll_event events[QBI_LOOP_BATCH];
	bool blind, event;
	int n, r;

	/* In each cycle: a callback may have forked, and this may be the child. */
	r = qbi_polls_own(&l->polls);
	if (r < 0)
		return r;
	qbi_polls_check_low(&l->polls);
	blind = loop_may_go_blind(l);
	n = blind ? 0 : loop_wait(l, events);
	if (n < 0)
		return n;
	/* If descriptors were ready, the next timeout accounts for timers that expired. */
	if (n == 0)
		qbi_timers_advance(&l->timers);
	event = blind || n > 0 || qbi_signals_are_pending(&l->signals);
	qbi_jobs_collect(&l->jobs, event, qbi_timers_now(&l->timers));
	qbi_timers_collect(&l->timers);
	qbi_signals_collect(&l->signals);
	r = qbi_polls_collect(&l->polls, events, n);
	loop_dispatch(l);
	return r;
}

/* 0 or -errno. */
static int loop_cycles(struct qb_loop *l)
{
	int r = 0;

	qbi_mutex_lock(&l->core.lock);
	while (r == 0 && !atomic_load(&l->core.stop))
		r = loop_cycle(l);
	qbi_mutex_unlock(&l->core.lock);
	return r;
}

/* Also if the thread was cancelled, in a wait or a callback: another one may run it. */
static void run_end(void *data)
{
	struct qb_loop *l = data;
	bool last;

	qbi_mutex_lock(&l->core.lock);
	l->core.depth--;
	if (l->core.depth == 0)
		l->core.running = NULL;
	atomic_store(&l->core.sleeping, false);
	last = l->doomed && l->core.depth == 0;
	qbi_mutex_unlock(&l->core.lock);
	if (last)
		loop_destroy(l);
}

void qbi_loop_run(struct qb_loop *l)
{
	int r;

	qbi_mutex_lock(&l->core.lock);
	(void)qbi_polls_own(&l->polls); /* if it fails, the first cycle reports it */
	if (l->doomed || (l->core.depth > 0 && !qbi_loop_is_inside(&l->core))) {
		qbi_mutex_unlock(&l->core.lock);
		qbi_log(LOG_ERR, "loop: it is run by another thread or was destroyed");
		return;
	}
	l->core.runner = pthread_self();
	l->core.depth++;
	atomic_store(&l->core.stop, false);
	qbi_mutex_unlock(&l->core.lock);
	pthread_cleanup_push(run_end, l);
	r = loop_cycles(l);
	pthread_cleanup_pop(1);
	if (r < 0)
		qbi_log(LOG_ERR, "loop: cannot wait for events: %s", strerror(-r));
}
