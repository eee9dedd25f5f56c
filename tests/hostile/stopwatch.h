/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long a call took, told apart from what other programs on the machine take: of the
 * time that passed, the time on a CPU, the time that the thread was ready and had none, and
 * the rest, in which it slept, because it wanted to or because somebody held it up.
 *
 * A thread that has not given up its CPU once (getrusage(2)), or only for pages that had to be
 * read, has not slept, whatever the clocks say: the machine below this one was busy. What it
 * computed is its CPU time.
 */
#ifndef HOSTILE_STOPWATCH_H
#define HOSTILE_STOPWATCH_H

#include <stdint.h>

struct stopwatch {
	uint64_t wall; /* ns */
	uint64_t ran;
	uint64_t waited;   /* ready, without a CPU; 0 where the kernel does not tell */
	uint64_t switches; /* voluntary */
	uint64_t faults;   /* of pages that had to be read */
};

/* The scheduler's account of this thread, for both below; -1: they open it each time, which
 * leaves no descriptor behind. */
int stopwatch_account(void);
/* Of this thread, from now on. */
void stopwatch_start(struct stopwatch *s, int account);
/* Since then. */
void stopwatch_read(const struct stopwatch *s, int account, uint64_t *ret_slept,
		    uint64_t *ret_ran);

/*
 * A call of a client that has @allowed_ms: it slept no longer, but for a margin, nor did
 * it compute for long. Else the test fails. The worst is printed by arena_main().
 */
void timed_check(const struct stopwatch *s, const char *call, int allowed_ms);
#define TIMED(allowed_ms, call)                                                                \
	({                                                                                     \
		struct stopwatch watch_;                                                       \
		__typeof__(call) result_;                                                      \
		stopwatch_start(&watch_, -1);                                                  \
		result_ = (call);                                                              \
		timed_check(&watch_, #call, allowed_ms);                                       \
		result_;                                                                       \
	})

/* For main(): memory that the processes of the tests share; what was the worst. */
void timed_begin(void);
void timed_print(void);

#endif
