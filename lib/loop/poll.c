/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors, watched with level-triggered epoll.
 *
 * A registration is found by its descriptor's number and told apart from earlier and
 * later ones of the same number by its generation, which travels through epoll. So
 * neither an event nor the return value of a function that belongs to a registration
 * that is gone can hit the one that took its place.
 *
 * The application may close a descriptor without removing it. If that was the last one
 * of its file, the kernel has forgotten it too, and a new registration of the number
 * replaces the dead one. If the file lives on (dup, fork), the kernel goes on reporting
 * it and cannot be told by number to stop: qbi_polls_renew() then starts over with a new
 * epoll descriptor, for a loop must not spin on events that nobody takes.
 */
#include "loop/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "base/again.h"
#include "base/util.h"

#define POLLS_FIRST_SIZE 64

/* Kept for the process's own needs when it asks how many descriptors are left. */
#define POLLS_RESERVE 51

struct qbi_poll {
	struct qbi_item item;
	int fd;
	uint32_t generation;
	int32_t events;	 /* asked for, as given */
	int32_t revents; /* reported and not yet passed on */
	qb_loop_poll_dispatch_fn fn;
	bool again; /* it asked for another call */
};

/*
 * poll(2) and epoll(7) give the events that both have the same numbers. POLLNVAL is
 * poll's alone: nothing to ask for.
 */
#define EVENTS_COMMON                                                                          \
	(POLLIN | POLLPRI | POLLOUT | POLLERR | POLLHUP | POLLRDHUP | POLLRDNORM |             \
	 POLLRDBAND | POLLWRNORM | POLLWRBAND)

_Static_assert(EVENTS_COMMON == (EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLERR | EPOLLHUP |
				 EPOLLRDHUP | EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM |
				 EPOLLWRBAND) &&
		       POLLIN == EPOLLIN && POLLPRI == EPOLLPRI && POLLOUT == EPOLLOUT &&
		       POLLERR == EPOLLERR && POLLHUP == EPOLLHUP && POLLRDHUP == EPOLLRDHUP,
	       "events of poll and epoll need a translation");

static struct qbi_poll *poll_of(struct qbi_item *item)
{
	return qbi_container_of(item, struct qbi_poll, item);
}

static struct qbi_poll *polls_find(const struct qb_loop *l, int fd)
{
	return fd >= 0 && (size_t)fd < l->polls.size ? l->polls.by_fd[fd] : NULL;
}

static int polls_reserve(struct qbi_polls *p, int fd)
{
	size_t size = p->size ? p->size : POLLS_FIRST_SIZE;
	struct qbi_poll **by_fd;

	while (size <= (size_t)fd)
		size *= 2;
	if (size == p->size)
		return 0;
	by_fd = realloc(p->by_fd, size * sizeof(*by_fd));
	if (!by_fd)
		return -ENOMEM;
	memset(by_fd + p->size, 0, (size - p->size) * sizeof(*by_fd));
	p->by_fd = by_fd;
	p->size = size;
	return 0;
}

static int epoll_control(const struct qb_loop *l, int op, int fd, int32_t events,
			 uint32_t generation)
{
	struct epoll_event event = {
		.events = (uint32_t)(events & EVENTS_COMMON),
		.data.u64 = (uint64_t)generation << 32 | (uint32_t)fd,
	};

	if (l->generation != qbi_generation())
		return 0; /* the parent's, and the parent still wants it */
	return epoll_ctl(l->epoll_fd, op, fd, &event) < 0 ? -errno : 0;
}

/* Forget the registration; the kernel's side has been seen to. */
static void poll_free(struct qb_loop *l, struct qbi_poll *poll)
{
	qbi_loop_drop_ready(l, &poll->item);
	l->polls.by_fd[poll->fd] = NULL;
	l->polls.count--;
	free(poll);
}

static void poll_remove(struct qb_loop *l, struct qbi_poll *poll)
{
	/* Fails when the descriptor was closed before, which is as good. */
	epoll_control(l, EPOLL_CTL_DEL, poll->fd, 0, 0);
	poll_free(l, poll);
}

/* Its function said that there is more: its turn comes in the next cycle, whatever the
 * kernel has to report. */
static void poll_again(struct qb_loop *l, struct qbi_poll *poll)
{
	poll->again = true;
	l->again = true;
	if (!poll->item.ready)
		qbi_loop_push_ready(l, &poll->item);
}

static void poll_dispatch(struct qb_loop *l, struct qbi_item *item)
{
	struct qbi_poll *poll = poll_of(item);
	qb_loop_poll_dispatch_fn fn = poll->fn;
	uint32_t generation = poll->generation;
	int32_t revents = poll->revents & (poll->events | POLLERR | POLLHUP);
	void *data = item->data;
	int fd = poll->fd;
	bool again;
	int32_t r;

	poll->revents = 0;
	if (revents == 0 && !poll->again)
		return; /* was asked for no longer */
	poll->again = false;
	qbi_mutex_unlock(&l->lock);
	qbi_dispatch_again = false;
	r = fn(fd, revents, data);
	again = qbi_dispatch_again;
	qbi_dispatch_again = false;
	qbi_mutex_lock(&l->lock);
	if (r >= 0 && !again)
		return;
	poll = polls_find(l, fd);
	if (!poll || poll->generation != generation)
		return;
	if (r < 0)
		poll_remove(l, poll);
	else
		poll_again(l, poll);
}

static const struct qbi_item_kind poll_kind = { .dispatch = poll_dispatch };

static uint32_t polls_next_generation(struct qbi_polls *p)
{
	if (++p->generation == 0)
		p->generation = 1;
	return p->generation;
}

/* Tell the kernel about a descriptor that may have a dead registration there or here. */
static int poll_register(struct qb_loop *l, const struct qbi_poll *poll)
{
	int32_t events = poll->events;
	int r = epoll_control(l, EPOLL_CTL_ADD, poll->fd, events, poll->generation);

	if (r == -EEXIST && !polls_find(l, poll->fd))
		r = epoll_control(l, EPOLL_CTL_MOD, poll->fd, events, poll->generation);
	return r;
}

static int poll_add_locked(struct qb_loop *l, struct qbi_poll *poll)
{
	struct qbi_poll *dead;
	int r;

	r = qbi_loop_own(l);
	if (r < 0)
		return r;
	poll->generation = polls_next_generation(&l->polls);
	r = poll_register(l, poll);
	if (r < 0)
		return r;
	/* Only now is it known that the number is one, and not beyond all bounds. */
	r = polls_reserve(&l->polls, poll->fd);
	if (r < 0) {
		epoll_control(l, EPOLL_CTL_DEL, poll->fd, 0, 0);
		return r;
	}
	dead = polls_find(l, poll->fd);
	if (dead)
		poll_free(l, dead);
	l->polls.by_fd[poll->fd] = poll;
	l->polls.count++;
	return 0;
}

int qbi_poll_add(struct qb_loop *l, enum qb_loop_priority level, int fd, int32_t events,
		 void *data, qb_loop_poll_dispatch_fn fn)
{
	struct qbi_poll *poll = calloc(1, sizeof(*poll));
	int r;

	if (!poll)
		return -ENOMEM;
	poll->item.kind = &poll_kind;
	poll->item.level = level;
	poll->item.data = data;
	poll->fd = fd;
	poll->events = events;
	poll->fn = fn;
	qbi_mutex_lock(&l->lock);
	r = poll_add_locked(l, poll);
	qbi_mutex_unlock(&l->lock);
	if (r < 0)
		free(poll);
	return r;
}

static int poll_mod_locked(struct qb_loop *l, enum qb_loop_priority level, int fd,
			   int32_t events, void *data, qb_loop_poll_dispatch_fn fn)
{
	struct qbi_poll *poll = polls_find(l, fd);
	bool ready;
	int r;

	if (!poll)
		return -EBADF;
	r = qbi_loop_own(l);
	if (r < 0)
		return r;
	if (events != poll->events) {
		r = epoll_control(l, EPOLL_CTL_MOD, fd, events, poll->generation);
		if (r < 0)
			return r == -ENOENT ? -EBADF : r;
	}
	ready = poll->item.ready;
	qbi_loop_drop_ready(l, &poll->item);
	poll->item.level = level;
	if (ready)
		qbi_loop_push_ready(l, &poll->item);
	/* What the function asked for is not for another one. */
	poll->again = poll->again && fn == poll->fn;
	poll->item.data = data;
	poll->events = events;
	poll->fn = fn;
	return 0;
}

int qbi_poll_mod(struct qb_loop *l, enum qb_loop_priority level, int fd, int32_t events,
		 void *data, qb_loop_poll_dispatch_fn fn)
{
	int r;

	qbi_mutex_lock(&l->lock);
	r = poll_mod_locked(l, level, fd, events, data, fn);
	qbi_mutex_unlock(&l->lock);
	return r;
}

int qbi_poll_del(struct qb_loop *l, int fd)
{
	struct qbi_poll *poll;

	qbi_mutex_lock(&l->lock);
	poll = polls_find(l, fd);
	if (poll)
		poll_remove(l, poll);
	qbi_mutex_unlock(&l->lock);
	return poll ? 0 : -EBADF;
}

void qbi_poll_set_low_fn(struct qb_loop *l, qb_loop_poll_low_fds_event_fn fn)
{
	qbi_mutex_lock(&l->lock);
	l->polls.low_fn = fn;
	l->polls.low = false;
	l->polls.low_checked = SIZE_MAX;
	qbi_mutex_unlock(&l->lock);
}

/*
 * What the loop watches stands for what the process has open, beside a reserve for
 * everything else. Looked at when the number changes, so an idle loop asks nothing.
 */
void qbi_polls_check_low(struct qb_loop *l)
{
	struct qbi_polls *p = &l->polls;
	qb_loop_poll_low_fds_event_fn fn = p->low_fn;
	struct rlimit limit;
	rlim_t used = p->count + POLLS_RESERVE;
	int32_t left;

	if (!fn || p->low_checked == p->count)
		return;
	p->low_checked = p->count;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_cur > INT32_MAX)
		limit.rlim_cur = INT32_MAX;
	left = limit.rlim_cur > used ? (int32_t)(limit.rlim_cur - used) : 0;
	if (p->low == (left == 0))
		return;
	p->low = left == 0;
	qbi_mutex_unlock(&l->lock);
	fn(left == 0, left);
	qbi_mutex_lock(&l->lock);
}

static int polls_open(struct qb_loop *l)
{
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0)
		return -errno;
	return epoll_control(l, EPOLL_CTL_ADD, l->wake_fd, EPOLLIN, 0);
}

/* Shed what the kernel still watches under numbers that mean something else by now. */
int qbi_polls_renew(struct qb_loop *l)
{
	int r;

	/* First, so that at the limit its number is there for the new one. */
	l->epoll_fd = qbi_close(l->epoll_fd);
	r = polls_open(l);
	/* Fails for those that were closed without removal: they stay silent. */
	for (size_t i = 0; i < l->polls.size && r == 0; i++)
		if (l->polls.by_fd[i])
			poll_register(l, l->polls.by_fd[i]);
	return r;
}

int qbi_polls_init(struct qb_loop *l)
{
	return polls_open(l);
}

int qbi_polls_collect(struct qb_loop *l, const struct epoll_event *events, int n)
{
	bool stale = false;

	for (int i = 0; i < n; i++) {
		uint32_t generation = (uint32_t)(events[i].data.u64 >> 32);
		int fd = (int)(uint32_t)events[i].data.u64;
		struct qbi_poll *poll = polls_find(l, fd);
		uint64_t count;

		if (generation == 0) {
			if (read(fd, &count, sizeof(count)) < 0)
				continue; /* somebody else was faster */
		} else if (!poll || poll->generation != generation) {
			stale = true;
		} else {
			poll->revents = (int32_t)(events[i].events & EVENTS_COMMON);
			if (!poll->item.ready)
				qbi_loop_push_ready(l, &poll->item);
		}
	}
	return stale ? qbi_polls_renew(l) : 0;
}

void qbi_polls_deinit(struct qb_loop *l)
{
	struct qbi_polls *p = &l->polls;

	for (size_t i = 0; i < p->size; i++)
		if (p->by_fd[i])
			poll_free(l, p->by_fd[i]);
	free(p->by_fd);
	p->by_fd = NULL;
	p->size = 0;
	l->epoll_fd = qbi_close(l->epoll_fd);
}
