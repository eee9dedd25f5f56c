/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors for the loop under test, put there as a service would. Each is one end of a
 * pair, whose other end is the test's.
 */
#ifndef TEST_ADAPTERS_PAIRS_H
#define TEST_ADAPTERS_PAIRS_H

#include <poll.h>

#include "tests/adapters/loop.h"

enum {
	INPUT = POLLIN | POLLPRI | POLLNVAL,	/* what a service asks for */
	HANG_UP = POLLPRI | POLLNVAL | POLLHUP, /* and while flow is off */
};

struct pair {
	int fd;
	int peer;
	int calls;
	int32_t revents;	     /* of the last call */
	int order;		     /* of the last call, among all calls */
	int32_t result;		     /* what its function returns */
	void (*act)(struct pair *p); /* in its function; may be NULL */
	struct pair *other;
};

/* A loop, and what the adapter makes of it: the fixture of the cases. */
extern void *pairs_loop;
extern struct qbipc_poll *poll_of;
void pairs_setup(void);
void pairs_teardown(void);

void pair_open(struct pair *p);
void pair_close(struct pair *p);
void pair_add(struct pair *p, enum qb_loop_priority priority, int32_t events);
void pair_feed(struct pair *p);
void pair_hang_up(struct pair *p);

/* For dispatch_mod and refusals; pair_add() uses it. */
int32_t pair_ready(int32_t fd, int32_t revents, void *data);

/* Until functions of pairs have been called @n times. */
void run_calls(int n);

/*
 * Turns in which only @marker is ready, and no other pair may be called: it is, when the
 * loop has looked at all of them.
 */
void run_marker(struct pair *marker);

#endif
