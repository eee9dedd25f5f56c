/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The timer of what a service does not wait for for ever: clients whose handshake is not
 * complete, and a listener that rests because descriptors ran out.
 *
 * It is made with the service, for when it is needed there may be no descriptor left. It
 * is in the application's loop only while something waits, so an idle service wakes
 * nobody.
 *
 * Threads: the dispatching thread.
 */
#ifndef QBI_SERVER_DEADLINES_H
#define QBI_SERVER_DEADLINES_H

#include <stdbool.h>
#include <stdint.h>

struct qb_ipcs_service;

struct qbi_deadlines {
	int fd;			/* timerfd; -1: the service does not run */
	bool in_loop;
	uint64_t set_to;	/* when it goes off, never too late; meaningful in the loop */
};

#define QBI_DEADLINES_INIT { .fd = -1 }

/* 0 or -errno. */
int qbi_deadlines_open(struct qb_ipcs_service *s);

/* Leave the loop, close. Twice is once. */
void qbi_deadlines_close(struct qb_ipcs_service *s);

/*
 * What is waited for has changed: join the loop, set the timer, or leave. 0; -errno when
 * it is needed and cannot be had.
 */
int qbi_deadlines_update(struct qb_ipcs_service *s);

#endif
