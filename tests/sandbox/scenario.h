/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A server and a client, one of which may not make a certain system call, and what of
 * their work they get done. Built against this library and against libqb.
 */
#ifndef TEST_SCENARIO_H
#define TEST_SCENARIO_H

#include <qb/qbipc_common.h>
#include <stdbool.h>

enum scenario_end { SCENARIO_SERVER, SCENARIO_CLIENT, SCENARIO_BOTH };

/* Steps, as bits; all of them is a scenario without a fault. */
enum {
	SCENARIO_RUN = 1 << 0, /* the service runs */
	SCENARIO_CONNECT = 1 << 1,
	SCENARIO_CALL = 1 << 2, /* a request, its response */
	SCENARIO_EVENT = 1 << 3,
	SCENARIO_LARGE = 1 << 4,  /* a call of 100 KB */
	SCENARIO_SECOND = 1 << 5, /* a second service of the same process */
	SCENARIO_LOOP = 1 << 6,	  /* a timer and a signal */
	SCENARIO_END = 1 << 7,	  /* the clients left, the service is destroyed */
	SCENARIO_ALL = (1 << 8) - 1,
};

/* System calls of which one at a time is refused; ends with a name of NULL. */
struct scenario_call {
	const char *name;
	int number;
};
extern const struct scenario_call scenario_calls[];

/* For @call: refuse every one that is not in the list, but for those that end a process. */
enum { SCENARIO_UNLISTED = -1, SCENARIO_NOTHING = -2 };

/* For @call: no refusal, but so many descriptors are left. */
#define SCENARIO_LEFT(n) (-10 - (n))

/*
 * The steps that were done within @limit_ms, as bits.
 *
 * @param call   index in scenario_calls, or one of the values above
 * @param error  errno that the kernel answers it with
 */
int scenario_run(enum qb_ipc_type type, enum scenario_end end, int call, int error,
		 int limit_ms);

#endif
