/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A poll loop that is turned by hand: one thread can play a server and all of its
 * clients, step by step, and the same steps give the same run. It never sleeps.
 *
 * Knows nothing of Check. One per process.
 */
#ifndef TEST_PUMP_H
#define TEST_PUMP_H

#include <stdbool.h>

#include <qb/qbipcs.h>

extern const struct qb_ipcs_poll_handlers pump_handlers;

/* Called around each dispatch function and job: true before, false after. May be NULL. */
extern void (*pump_around)(bool enter);

/* One turn: what is ready is dispatched once, then the jobs run. Was there anything? */
bool pump_turn(void);

/* Turns until nothing is ready, at most @most. False: something still was. */
bool pump_settle(unsigned int most);

/* Descriptors in the loop. */
unsigned int pump_count(void);

/* What was done against the contract of a poll loop, or NULL. */
const char *pump_violation(void);

#endif
