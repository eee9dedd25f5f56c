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
 * it and cannot be told by number to stop: qbi_polls_collect() then starts over with a new
 * epoll descriptor, for a loop must not spin on events that nobody takes.
 *
 * Processes: after fork(2) epoll and eventfd of the child's copy are still the parent's,
 * and each would act on the other's. They are left alone until the child runs the loop or
 * adds to it; then it gets its own.
 */
#ifndef QBI_LOOP_POLL_H
#define QBI_LOOP_POLL_H

#include <stddef.h>
#include <sys/epoll.h>

#include "loop/core.h"

#define QBI_LOOP_BATCH 64 /* descriptors reported by one wait */

struct qbi_polls {
	struct qbi_kind kind;
	int epoll_fd;
	struct qbi_poll **by_fd;
	size_t size;
	size_t count;	     /* registrations */
	uint32_t generation; /* of the latest one; 0 is the eventfd's */
	bool again;	     /* a function asked for another call */
	qb_loop_poll_low_fds_event_fn low_fn;
	size_t low_checked; /* count when last compared with the limit */
	bool low;	    /* what the application was told last */
};

void qbi_polls_init(struct qbi_polls *p, struct qbi_loop_core *core);

/* The core exists. 0 or -errno. */
int qbi_polls_open(struct qbi_polls *p);

/* Good after init. The lock is not held. */
void qbi_polls_deinit(struct qbi_polls *p);

/* 0; -ENOMEM; the errno of epoll_ctl(2) or, in a child, of making what it lacks. */
int qbi_poll_add(struct qbi_polls *p, enum qb_loop_priority level, int fd, int32_t events,
		 void *data, qb_loop_poll_dispatch_fn fn);

/* As for adding; -EBADF: it is not registered. */
int qbi_poll_mod(struct qbi_polls *p, enum qb_loop_priority level, int fd, int32_t events,
		 void *data, qb_loop_poll_dispatch_fn fn);

/* 0; -EBADF. */
int qbi_poll_del(struct qbi_polls *p, int fd);

void qbi_poll_set_low_fn(struct qbi_polls *p, qb_loop_poll_low_fds_event_fn fn);

/* The rest is called with the lock held. */

/* What the kernel keeps for the loop becomes that of this process. 0 or -errno. */
int qbi_polls_own(struct qbi_polls *p);

/* Tell the application when descriptors run out or are back. */
void qbi_polls_check_low(struct qbi_polls *p);

/* Queue those that the kernel reported. 0 or -errno. */
int qbi_polls_collect(struct qbi_polls *p, const struct epoll_event *events, int n);

#endif
