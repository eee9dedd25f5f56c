/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "loop/poll.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "base/again.h"
#include "base/util.h"

#define POLLS_FIRST_SIZE 64

/* Descriptors reserved for other uses of the process. */
#define POLLS_RESERVE 51

struct qbi_poll {
	struct qbi_item item;
	int fd;
	uint32_t generation;
	int32_t events;	 /* watched events, as given */
	int32_t revents; /* reported, and not passed on yet */
	qb_loop_poll_dispatch_fn fn;
	bool again; /* its function asked for another call */
};

/*
 * Events that poll(2) and epoll(7) have in common have the same values. Only poll has
 * POLLNVAL, which need not be asked for.
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

static struct qbi_poll *polls_find(const struct qbi_polls *p, int fd)
{
	return fd >= 0 && (size_t)fd < p->size ? p->by_fd[fd] : NULL;
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

static int epoll_control(const struct qbi_polls *p, int op, int fd, int32_t events,
			 uint32_t generation)
{
	struct epoll_event event = {
		.events = (uint32_t)(events & EVENTS_COMMON),
		.data.u64 = (uint64_t)generation << 32 | (uint32_t)fd,
	};

	if (!qbi_loop_is_own(p->kind.core))
		return 0; /* it belongs to the parent, which still watches it */
	return epoll_ctl(p->epoll_fd, op, fd, &event) < 0 ? -errno : 0;
}

/* Forget the registration, which the epoll does not have any more. */
static void poll_free(struct qbi_polls *p, struct qbi_poll *poll)
{
	qbi_loop_drop_ready(p->kind.core, &poll->item);
	p->by_fd[poll->fd] = NULL;
	p->count--;
	free(poll);
}

static void poll_remove(struct qbi_polls *p, struct qbi_poll *poll)
{
	/* Fails if the descriptor was closed before, which has the same effect. */
	epoll_control(p, EPOLL_CTL_DEL, poll->fd, 0, 0);
	poll_free(p, poll);
}

/* Its function has more to do: call it in the next cycle, whatever the kernel reports. */
static void poll_again(struct qbi_polls *p, struct qbi_poll *poll)
{
	poll->again = true;
	p->again = true;
	if (!poll->item.ready)
		qbi_loop_push_ready(p->kind.core, &poll->item);
}

static void poll_dispatch(struct qbi_kind *kind, struct qbi_item *item)
{
	struct qbi_polls *p = qbi_container_of(kind, struct qbi_polls, kind);
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
		return; /* not watched any more */
	poll->again = false;
	qbi_mutex_unlock(&p->kind.core->lock);
	qbi_dispatch_again = false;
	r = fn(fd, revents, data);
	again = qbi_dispatch_again;
	qbi_dispatch_again = false;
	qbi_mutex_lock(&p->kind.core->lock);
	if (r >= 0 && !again)
		return;
	poll = polls_find(p, fd);
	if (!poll || poll->generation != generation)
		return;
	if (r < 0)
		poll_remove(p, poll);
	else
		poll_again(p, poll);
}

static uint32_t polls_next_generation(struct qbi_polls *p)
{
	if (++p->generation == 0)
		p->generation = 1;
	return p->generation;
}

/* Add a descriptor to the epoll. There may be an old registration there or here. */
static int poll_register(struct qbi_polls *p, const struct qbi_poll *poll)
{
	int32_t events = poll->events;
	int r = epoll_control(p, EPOLL_CTL_ADD, poll->fd, events, poll->generation);

	if (r == -EEXIST && !polls_find(p, poll->fd))
		r = epoll_control(p, EPOLL_CTL_MOD, poll->fd, events, poll->generation);
	return r;
}

int qbi_polls_open(struct qbi_polls *p)
{
	p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (p->epoll_fd < 0)
		return -errno;
	return epoll_control(p, EPOLL_CTL_ADD, p->kind.core->wake_fd, EPOLLIN, 0);
}

/*
 * Replace the epoll by a new one, because the kernel still watches files under descriptor
 * numbers that belong to other files now.
 */
static int polls_renew(struct qbi_polls *p)
{
	int r;

	/* Close the old one first, so that at the limit its number is free for the new one. */
	p->epoll_fd = qbi_close(p->epoll_fd);
	r = qbi_polls_open(p);
	/* Fails for descriptors that were closed without removal: they get no events. */
	for (size_t i = 0; i < p->size && r == 0; i++)
		if (p->by_fd[i])
			poll_register(p, p->by_fd[i]);
	return r;
}

int qbi_polls_own(struct qbi_polls *p)
{
	struct qbi_loop_core *core = p->kind.core;
	uint32_t before = core->generation;
	int r;

	if (qbi_loop_is_own(core))
		return 0;
	r = qbi_loop_adopt(core);
	if (r == 0)
		r = polls_renew(p);
	if (r < 0)
		core->generation = before;
	return r;
}

static int poll_add_locked(struct qbi_polls *p, struct qbi_poll *poll)
{
	struct qbi_poll *dead;
	int r;

	r = qbi_polls_own(p);
	if (r < 0)
		return r;
	poll->generation = polls_next_generation(p);
	r = poll_register(p, poll);
	if (r < 0)
		return r;
	/* Only now it is known that the number is a valid descriptor. */
	r = polls_reserve(p, poll->fd);
	if (r < 0) {
		epoll_control(p, EPOLL_CTL_DEL, poll->fd, 0, 0);
		return r;
	}
	dead = polls_find(p, poll->fd);
	if (dead)
		poll_free(p, dead);
	p->by_fd[poll->fd] = poll;
	p->count++;
	return 0;
}

int qbi_poll_add(struct qbi_polls *p, enum qb_loop_priority level, int fd, int32_t events,
		 void *data, qb_loop_poll_dispatch_fn fn)
{
	struct qbi_poll *poll = calloc(1, sizeof(*poll));
	int r;

	if (!poll)
		return -ENOMEM;
	poll->item.kind = &p->kind;
	poll->item.level = level;
	poll->item.data = data;
	poll->fd = fd;
	poll->events = events;
	poll->fn = fn;
	qbi_mutex_lock(&p->kind.core->lock);
	r = poll_add_locked(p, poll);
	qbi_mutex_unlock(&p->kind.core->lock);
	if (r < 0)
		free(poll);
	return r;
}

static int poll_mod_locked(struct qbi_polls *p, enum qb_loop_priority level, int fd,
			   int32_t events, void *data, qb_loop_poll_dispatch_fn fn)
{
	struct qbi_poll *poll = polls_find(p, fd);
	bool ready;
	int r;

	if (!poll)
		return -EBADF;
	r = qbi_polls_own(p);
	if (r < 0)
		return r;
	if (events != poll->events) {
		r = epoll_control(p, EPOLL_CTL_MOD, fd, events, poll->generation);
		if (r < 0)
			return r == -ENOENT ? -EBADF : r;
	}
	ready = poll->item.ready;
	qbi_loop_drop_ready(p->kind.core, &poll->item);
	poll->item.level = level;
	if (ready)
		qbi_loop_push_ready(p->kind.core, &poll->item);
	/* The request of the old function does not apply to a new one. */
	poll->again = poll->again && fn == poll->fn;
	poll->item.data = data;
	poll->events = events;
	poll->fn = fn;
	return 0;
}

int qbi_poll_mod(struct qbi_polls *p, enum qb_loop_priority level, int fd, int32_t events,
		 void *data, qb_loop_poll_dispatch_fn fn)
{
	int r;

	qbi_mutex_lock(&p->kind.core->lock);
	r = poll_mod_locked(p, level, fd, events, data, fn);
	qbi_mutex_unlock(&p->kind.core->lock);
	return r;
}

int qbi_poll_del(struct qbi_polls *p, int fd)
{
	struct qbi_poll *poll;

	qbi_mutex_lock(&p->kind.core->lock);
	poll = polls_find(p, fd);
	if (poll)
		poll_remove(p, poll);
	qbi_mutex_unlock(&p->kind.core->lock);
	return poll ? 0 : -EBADF;
}

void qbi_poll_set_low_fn(struct qbi_polls *p, qb_loop_poll_low_fds_event_fn fn)
{
	qbi_mutex_lock(&p->kind.core->lock);
	p->low_fn = fn;
	p->low = false;
	p->low_checked = SIZE_MAX;
	qbi_mutex_unlock(&p->kind.core->lock);
}

/*
 * The number of watched descriptors and a reserve for all others estimate the number of open
 * descriptors. Checked when the number changes, so an idle loop makes no call.
 */
void qbi_polls_check_low(struct qbi_polls *p)
{
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
	qbi_mutex_unlock(&p->kind.core->lock);
	fn(left == 0, left);
	qbi_mutex_lock(&p->kind.core->lock);
}

void qbi_polls_init(struct qbi_polls *p, struct qbi_loop_core *core)
{
	p->kind = (struct qbi_kind){ .core = core, .dispatch = poll_dispatch };
	p->epoll_fd = -1;
}

int qbi_polls_collect(struct qbi_polls *p, const struct epoll_event *events, int n)
{
	bool stale = false;

	for (int i = 0; i < n; i++) {
		uint32_t generation = (uint32_t)(events[i].data.u64 >> 32);
		int fd = (int)(uint32_t)events[i].data.u64;
		struct qbi_poll *poll = polls_find(p, fd);
		uint64_t count;

		if (generation == 0) {
			if (read(fd, &count, sizeof(count)) < 0)
				continue; /* another thread was faster */
		} else if (!poll || poll->generation != generation) {
			stale = true;
		} else {
			poll->revents = (int32_t)(events[i].events & EVENTS_COMMON);
			if (!poll->item.ready)
				qbi_loop_push_ready(p->kind.core, &poll->item);
		}
	}
	return stale ? polls_renew(p) : 0;
}

void qbi_polls_deinit(struct qbi_polls *p)
{
	for (size_t i = 0; i < p->size; i++)
		if (p->by_fd[i])
			poll_free(p, p->by_fd[i]);
	free(p->by_fd);
	p->by_fd = NULL;
	p->size = 0;
	p->epoll_fd = qbi_close(p->epoll_fd);
}
