/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System calls as the loop sees them: counted, and made to fail on demand. The linker
 * puts these in the place of the real ones, in the library's objects too (--wrap).
 */
#ifndef TEST_LOOP_WRAP_H
#define TEST_LOOP_WRAP_H

#include <stdint.h>

extern struct calls {
	int waits;    /* epoll_wait */
	int asleep;   /* of these with a timeout other than 0 */
	int timeout;  /* of the latest */
	int controls; /* epoll_ctl */
	int clocks;
	int reads;
	int writes;
	int limits; /* getrlimit */
} calls;

/* 1: the next call that can fail does so, 2: the one after, ...; 0: none. */
extern int failing_call;
extern int wait_error;	       /* what the next epoll_wait fails with; 0: nothing */
extern void (*at_clock)(void); /* called once, in the next look at the clock */
/* Not 0: the time in nanoseconds, which passes only while epoll_wait waits in vain. */
extern uint64_t own_clock;

#endif
