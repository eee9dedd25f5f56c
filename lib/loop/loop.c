/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Life of a loop, waiting, and dispatch by priority. loop.h explains the design. */
#include "loop/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mutex.h"
#include "base/refused.h"
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

/*
 * In place of an eventfd, which a sandbox may refuse: a datagram socket that is its own
 * peer, and so takes nothing from anybody else.
 */
static int echo_socket_open(void)
{
	_cleanup_(qbi_closep) int fd =
		socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un self = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(self.sun_family);

	/* Bound to nothing, the kernel finds a name. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&self, len) < 0)
		return -errno;
	len = sizeof(self);
	if (getsockname(fd, (struct sockaddr *)&self, &len) < 0 ||
	    connect(fd, (struct sockaddr *)&self, len) < 0)
		return -errno;
	return qbi_take_fd(&fd);
}

static int wake_fd_open(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0 && qbi_is_refused(errno))
		return echo_socket_open();
	return fd < 0 ? -errno : fd;
}

/*
 * First run in a child of the process that ran it last: what the kernel keeps for it is
 * the parent's, and each would act on the other's. 0 or -errno.
 */
static int loop_adopt(struct qb_loop *l)
{
	uint32_t before = l->generation;
	int fd = wake_fd_open();
	int r;

	if (fd < 0)
		return fd;
	if (!qbi_loop_is_inside(l))
		l->depth = 0; /* who ran it is in the parent */
	/* In its place: a signal handler may be about to write to it. */
	r = dup3(fd, l->wake_fd, O_CLOEXEC) < 0 ? -errno : 0;
	qbi_close(fd);
	l->generation = qbi_generation();
	if (r == 0)
		r = qbi_polls_renew(l);
	if (r < 0)
		l->generation = before;
	return r;
}

int qbi_loop_own(struct qb_loop *l)
{
	return l->generation == qbi_generation() ? 0 : loop_adopt(l);
}

/* Nobody runs the loop. Good on a half-built one. */
static void loop_destroy(struct qb_loop *l)
{
	registry_remove(l);
	qbi_signals_deinit(l);
	qbi_polls_deinit(l);
	qbi_timers_deinit(l);
	qbi_jobs_deinit(l);
	l->wake_fd = qbi_close(l->wake_fd);
	qbi_mutex_destroy(&l->lock);
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
	qbi_mutex_init(&l->lock);
	l->epoll_fd = -1;
	for (size_t i = 0; i < QBI_LEVELS; i++)
		qbi_list_init(&l->levels[i].items);
	qbi_jobs_init(l);
	qbi_signals_init(l);
	l->generation = qbi_generation();
	l->wake_fd = wake_fd_open();
	if (l->wake_fd < 0)
		return l->wake_fd;
	r = qbi_polls_init(l);
	if (r < 0)
		return r;
	registry_add(l);
	*ret_loop = QBI_TAKE(l);
	return 0;
}

void qbi_loop_free(struct qb_loop *l)
{
	bool running;

	qbi_mutex_lock(&l->lock);
	running = l->depth > 0 && (l->generation == qbi_generation() || qbi_loop_is_inside(l));
	l->doomed = true;
	if (running)
		qbi_loop_stop(l);
	qbi_mutex_unlock(&l->lock);
	if (!running)
		loop_destroy(l);
}

void qbi_loop_wake(struct qb_loop *l)
{
	static const uint64_t one = 1;
	int saved;

	/* In a child that does not run it, the sleeper is the parent. */
	if (l->generation != qbi_generation())
		return;
	/* order W1 (wake): after what the caller changed. Only one of several writes. */
	if (!atomic_load(&l->sleeping) || !atomic_exchange(&l->sleeping, false))
		return;
	saved = errno;
	/* Fails only when the counter is full, and then the loop is awake anyway. */
	while (write(l->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	errno = saved;
}

void qbi_loop_stop(struct qb_loop *l)
{
	atomic_store(&l->stop, true);
	qbi_loop_wake(l);
}

bool qbi_loop_is_inside(const struct qb_loop *l)
{
	return l->depth > 0 && pthread_equal(l->runner, pthread_self());
}

void qbi_loop_push_ready(struct qb_loop *l, struct qbi_item *item)
{
	struct qbi_level *level = &l->levels[item->level];

	qbi_list_push_back(&level->items, &item->node);
	item->ready = true;
	level->count++;
}

void qbi_loop_drop_ready(struct qb_loop *l, struct qbi_item *item)
{
	if (!item->ready)
		return;
	qbi_list_unlink(&item->node);
	item->ready = false;
	l->levels[item->level].count--;
}

static bool loop_has_ready(const struct qb_loop *l)
{
	for (size_t i = 0; i < QBI_LEVELS; i++)
		if (l->levels[i].count > 0)
			return true;
	return false;
}

/* Milliseconds for epoll_wait(). */
static int loop_timeout(struct qb_loop *l)
{
	int timers = qbi_timers_timeout(l);
	bool ready = loop_has_ready(l);
	int jobs = qbi_jobs_timeout(l, timers, ready);

	if (ready)
		return 0;
	if (jobs < 0 || timers < 0)
		return jobs < 0 ? timers : jobs;
	return jobs < timers ? jobs : timers;
}

/* Returns how many @events there are, or a negative errno; the lock is given up. */
static int loop_wait(struct qb_loop *l, struct epoll_event *events)
{
	int timeout = loop_timeout(l);
	int n;

	if (timeout != 0) {
		/* order W1 (sleep): before the last look. */
		atomic_store(&l->sleeping, true);
		if (atomic_load(&l->stop) || qbi_signals_are_pending(l))
			timeout = 0;
	}
	qbi_mutex_unlock(&l->lock);
	n = epoll_wait(l->epoll_fd, events, QBI_LOOP_BATCH, timeout);
	if (n < 0)
		n = errno == EINTR ? 0 : -errno;
	/* A wake-up that is under way costs one more cycle, nothing else. */
	atomic_store_explicit(&l->sleeping, false, memory_order_relaxed);
	qbi_mutex_lock(&l->lock);
	return n;
}

/* Everything that is ready at @level now; not what becomes ready meanwhile. */
static bool loop_dispatch_level(struct qb_loop *l, struct qbi_level *level)
{
	const struct qbi_item_kind *outer = l->running;
	unsigned int n = level->count;
	bool any = false;

	while (n-- > 0 && level->count > 0 && !atomic_load(&l->stop)) {
		struct qbi_item *item =
			qbi_list_entry(qbi_list_first(&level->items), struct qbi_item, node);

		qbi_loop_drop_ready(l, item);
		l->running = item->kind;
		item->kind->dispatch(l, item);
		any = true;
	}
	l->running = outer;
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
		any |= loop_dispatch_level(l, &l->levels[level]);
	}
}

/* Somebody has more to do, and others have been asked about not long ago. */
static bool loop_may_go_blind(struct qb_loop *l)
{
	bool may = l->again && l->blind < QBI_LOOP_BLIND;

	l->again = false;
	l->blind = may ? l->blind + 1 : 0;
	return may;
}

static int loop_cycle(struct qb_loop *l)
{
	struct epoll_event events[QBI_LOOP_BATCH];
	bool blind;
	int n, r;

	/* Also when a callback forked, and the child goes on here. */
	r = qbi_loop_own(l);
	if (r < 0)
		return r;
	qbi_polls_check_low(l);
	blind = loop_may_go_blind(l);
	n = blind ? 0 : loop_wait(l, events);
	if (n < 0)
		return n;
	/* When descriptors were ready, what expired since shows in the next timeout. */
	if (n == 0)
		qbi_timers_advance(l);
	qbi_jobs_collect(l, blind || n > 0 || qbi_signals_are_pending(l));
	qbi_timers_collect(l);
	qbi_signals_collect(l);
	r = qbi_polls_collect(l, events, n);
	loop_dispatch(l);
	return r;
}

/* 0 or -errno. */
static int loop_cycles(struct qb_loop *l)
{
	int r = 0;

	qbi_mutex_lock(&l->lock);
	while (r == 0 && !atomic_load(&l->stop))
		r = loop_cycle(l);
	qbi_mutex_unlock(&l->lock);
	return r;
}

/* Also when the thread was cancelled, waiting or in a callback: another one may go on. */
static void run_end(void *data)
{
	struct qb_loop *l = data;
	bool last;

	qbi_mutex_lock(&l->lock);
	l->depth--;
	if (l->depth == 0)
		l->running = NULL;
	atomic_store(&l->sleeping, false);
	last = l->doomed && l->depth == 0;
	qbi_mutex_unlock(&l->lock);
	if (last)
		loop_destroy(l);
}

void qbi_loop_run(struct qb_loop *l)
{
	int r;

	qbi_mutex_lock(&l->lock);
	(void)qbi_loop_own(l); /* if it fails, the first cycle says so */
	if (l->doomed || (l->depth > 0 && !qbi_loop_is_inside(l))) {
		qbi_mutex_unlock(&l->lock);
		qbi_log(LOG_ERR, "loop: it is run by another thread or was destroyed");
		return;
	}
	l->runner = pthread_self();
	l->depth++;
	atomic_store(&l->stop, false);
	qbi_mutex_unlock(&l->lock);
	pthread_cleanup_push(run_end, l);
	r = loop_cycles(l);
	pthread_cleanup_pop(1);
	if (r < 0)
		qbi_log(LOG_ERR, "loop: cannot wait for events: %s", strerror(-r));
}
