/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The descriptor that a loop watches for calls: an epoll with a timer, and, while responses
 * are awaited, with what a response or the end of the server makes ready.
 *
 * The timer stands for everything else: deadlines, calls that are ready though nothing is
 * to be read, and the next look where no descriptor reports responses.
 *
 * Threads: one at a time; calls.h has the lock.
 */
#ifndef QBI_CLIENT_CALL_WATCH_H
#define QBI_CLIENT_CALL_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct qbi_call_watch {
	int epoll; /* -1: not made yet */
	int timer;
	int stream;	/* in the epoll; or -1 */
	int response;	/* likewise */
	short events;	/* of response */
	uint64_t armed; /* time of the timer; QBI_FOREVER: none */
};

#define QBI_CALL_WATCH_INIT                                                                    \
	{                                                                                      \
		.epoll = -1, .timer = -1, .stream = -1, .response = -1, .armed = QBI_FOREVER   \
	}

/* Idempotent. 0 or -errno. */
int qbi_call_watch_open(struct qbi_call_watch *w);
void qbi_call_watch_close(struct qbi_call_watch *w);

/* Watch for the hang-up of @stream, and @response for @events; -1: no such. 0 or -errno. */
int qbi_call_watch_begin(struct qbi_call_watch *w, int stream, int response, short events);
void qbi_call_watch_end(struct qbi_call_watch *w);

/* Is there anything to read, or a hang-up, among what is watched besides the timer? */
bool qbi_call_watch_is_ready(struct qbi_call_watch *w);

/* The timer expires at @when; QBI_FOREVER: never. */
void qbi_call_watch_arm(struct qbi_call_watch *w, uint64_t when);

#endif
