/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors that are watched only for a hang-up, in loops that support nothing but input
 * and output: they are in an epoll, and the loop watches the epoll for input.
 *
 * Owner: the loop of poll.h. Threads: the one that runs it.
 */
#ifndef QBI_ADAPTER_QUIET_H
#define QBI_ADAPTER_QUIET_H

struct qbi_quiet {
	int fd;		/* epoll, or -1 */
	unsigned int n; /* descriptors in it */
};

/* Without an epoll until it is opened. */
void qbi_quiet_init(struct qbi_quiet *q);

/* 0 or -errno. */
int qbi_quiet_open(struct qbi_quiet *q);
void qbi_quiet_deinit(struct qbi_quiet *q);

/* @events: those of poll(2). 0 or -errno. */
int qbi_quiet_enter(struct qbi_quiet *q, int fd, int events);
int qbi_quiet_update(struct qbi_quiet *q, int fd, int events);
void qbi_quiet_leave(struct qbi_quiet *q, int fd);

/* A descriptor that has events, and these events; -1: there is none. */
int qbi_quiet_next(struct qbi_quiet *q, int *ret_events);

#endif
