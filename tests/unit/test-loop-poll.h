/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For the tests of watched descriptors: functions to register, and meddling. */
#ifndef TEST_LOOP_POLL_H
#define TEST_LOOP_POLL_H

#include <sys/socket.h>

#include "tests/unit/test-loop.h"

/* What a registration saw. */
struct seen {
	int calls;
	int32_t fd;
	int32_t revents; /* latest */
	int32_t ever;	 /* all together */
	int32_t answer;	 /* what to return */
};

static inline int32_t note(int32_t fd, int32_t revents, void *data)
{
	struct seen *s = data;

	s->calls++;
	s->fd = fd;
	s->revents = revents;
	s->ever |= revents;
	return s->answer;
}

static inline void make_pair(int fds[2])
{
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
}

/* In a round in which @other is ready too, at a lower priority. */
struct meddler {
	int other;
	int (*meddle)(struct meddler *m);
	struct seen *instead;
	int result;
	int calls;
};

static inline int32_t meddle(int32_t fd, int32_t revents, void *data)
{
	struct meddler *m = data;

	m->calls++;
	m->result = m->meddle(m);
	return -1;
}

static inline void run_meddler(struct meddler *m)
{
	int fds[2];

	make_pipe(fds, true);
	qb_loop_poll_add(loop, QB_LOOP_HIGH, fds[0], POLLIN, m, meddle);
	settle();
	ck_assert_int_eq(m->calls, 1);
	ck_assert_int_eq(m->result, 0);
	close_pipe(fds);
}

#endif
