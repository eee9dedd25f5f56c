/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waiting for something to become true, with a deadline instead of a guess.
 *
 * QBIPC_TEST_SLOWDOWN multiplies every deadline: sanitizers and valgrind make
 * the program slower, not wrong.
 */
#ifndef TEST_DEADLINE_H
#define TEST_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#include <check.h>

/* QBIPC_TEST_SLOWDOWN, at least 1. */
unsigned int test_slowdown(void);

/*
 * QBIPC_TEST_LENIENT: only what callers and callbacks see is judged, not what is
 * left behind and not the poll contract. For looking at another library.
 */
bool test_is_lenient(void);

uint64_t now_ms(void);

/* The time within which anything expected has to happen. */
int deadline_ms(void);

/* Keep the CPU for this time. */
void busy_for_us(unsigned int us);

/* A millisecond, between two looks at a condition. */
void pause_briefly(void);

/* Is @fd readable, or hung up, within @ms? */
bool fd_readable_within(int fd, int ms);

#define WAIT_FOR(condition)                                                                    \
	do {                                                                                   \
		uint64_t wait_end_ = now_ms() + (uint64_t)deadline_ms();                       \
		while (!(condition)) {                                                         \
			ck_assert_msg(now_ms() < wait_end_, "never came true: %s",             \
				      #condition);                                             \
			pause_briefly();                                                       \
		}                                                                              \
	} while (0)

#endif
