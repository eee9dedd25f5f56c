/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors, watched with level-triggered epoll.
 *
 * A registration is found by its descriptor number. Its generation, which is stored in the
 * epoll too, distinguishes it from earlier and later registrations of the same number. So
 * neither an event nor the return value of a function can affect a later registration.
 *
 * The application may close a descriptor without removing it. If this was the last
 * descriptor of the file, the kernel has removed it from the epoll, and a new registration
 * of the number replaces the old one. If the file stays open (dup, fork), the kernel
 * continues to report it, and it cannot be removed by number. qbi_polls_collect() then
 * replaces the epoll by a new one, so that the loop does not spin on these events.
 *
 * Processes: after fork(2), epoll and eventfd of the child's copy still belong to the
 * parent, and changes would affect the parent. So they are not used until the child runs the
 * loop or adds an item; then the child gets its own.
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
	uint32_t generation; /* of the latest one; 0: the eventfd */
	bool again;	     /* a function asked for another call */
	qb_loop_poll_low_fds_event_fn low_fn;
	size_t low_checked; /* count when last compared with the limit */
	bool low;	    /* last report to the application */
};

void qbi_polls_init(struct qbi_polls *p, struct qbi_loop_core *core);

/* After the core was initialized. 0 or -errno. */
int qbi_polls_open(struct qbi_polls *p);

/* After init. The lock is not held. */
void qbi_polls_deinit(struct qbi_polls *p);

/* 0; -ENOMEM; the errno of epoll_ctl(2), or in a child of making new kernel objects. */
int qbi_poll_add(struct qbi_polls *p, enum qb_loop_priority level, int fd, int32_t events,
		 void *data, qb_loop_poll_dispatch_fn fn);

/* As for adding; -EBADF: it is not registered. */
int qbi_poll_mod(struct qbi_polls *p, enum qb_loop_priority level, int fd, int32_t events,
		 void *data, qb_loop_poll_dispatch_fn fn);

/* 0; -EBADF. */
int qbi_poll_del(struct qbi_polls *p, int fd);

void qbi_poll_set_low_fn(struct qbi_polls *p, qb_loop_poll_low_fds_event_fn fn);

/* The functions below are called with the lock held. */

/* In a child: give the loop its own kernel objects. 0 or -errno. */
int qbi_polls_own(struct qbi_polls *p);

/* Tell the application if descriptors run out, or are available again. */
void qbi_polls_check_low(struct qbi_polls *p);

/* Queue the descriptors that the kernel reported. 0 or -errno. */
int qbi_polls_collect(struct qbi_polls *p, const struct epoll_event *events, int n);

#endif
