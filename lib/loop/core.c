/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ready items of a loop, and waking it. core.h explains the design. */
#include "loop/core.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/refused.h"
#include "base/util.h"

/*
 * A replacement for an eventfd, which a sandbox may refuse: a datagram socket that is
 * connected to itself, so that it receives nothing from other processes.
 */
static int echo_socket_open(void)
{
	_cleanup_(qbi_closep) int fd =
		socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un self = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(self.sun_family);

	/* Without a name, the kernel chooses one. */
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

int qbi_loop_core_init(struct qbi_loop_core *c)
{
	qbi_mutex_init(&c->lock);
	for (size_t i = 0; i < QBI_LEVELS; i++)
		qbi_list_init(&c->levels[i].items);
	c->generation = qbi_generation();
	c->wake_fd = wake_fd_open();
	return c->wake_fd < 0 ? c->wake_fd : 0;
}

void qbi_loop_core_deinit(struct qbi_loop_core *c)
{
	c->wake_fd = qbi_close(c->wake_fd);
	qbi_mutex_destroy(&c->lock);
}

bool qbi_loop_is_own(const struct qbi_loop_core *c)
{
	return c->generation == qbi_generation();
}

int qbi_loop_adopt(struct qbi_loop_core *c)
{
	int fd = wake_fd_open();
	int r;

	if (fd < 0)
		return fd;
	if (!qbi_loop_is_inside(c))
		c->depth = 0; /* the thread that ran it is in the parent */
	/* By dup3(2), at the same number: a signal handler may be writing to it. */
	r = dup3(fd, c->wake_fd, O_CLOEXEC) < 0 ? -errno : 0;
	qbi_close(fd);
	if (r == 0)
		c->generation = qbi_generation();
	return r;
}

void qbi_loop_wake(struct qbi_loop_core *c)
{
	static const uint64_t one = 1;
	int saved;

	/* In a child that does not run it, the sleeping thread is in the parent. */
	if (!qbi_loop_is_own(c))
		return;
	/* order W1 (wake): after the change of the caller. Only one of several callers writes. */
	if (!atomic_load(&c->sleeping) || !atomic_exchange(&c->sleeping, false))
		return;
	saved = errno;
	/* Fails only if the counter is full, and then the loop wakes anyway. */
	while (write(c->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	errno = saved;
}

void qbi_loop_stop(struct qbi_loop_core *c)
{
	atomic_store(&c->stop, true);
	qbi_loop_wake(c);
}

bool qbi_loop_is_inside(const struct qbi_loop_core *c)
{
	return c->depth > 0 && pthread_equal(c->runner, pthread_self());
}

void qbi_loop_push_ready(struct qbi_loop_core *c, struct qbi_item *item)
{
	struct qbi_level *level = &c->levels[item->level];

	qbi_list_push_back(&level->items, &item->node);
	item->ready = true;
	level->count++;
}

void qbi_loop_drop_ready(struct qbi_loop_core *c, struct qbi_item *item)
{
	if (!item->ready)
		return;
	qbi_list_unlink(&item->node);
	item->ready = false;
	c->levels[item->level].count--;
}

bool qbi_loop_has_ready(const struct qbi_loop_core *c)
{
	for (size_t i = 0; i < QBI_LEVELS; i++)
		if (c->levels[i].count > 0)
			return true;
	return false;
}
