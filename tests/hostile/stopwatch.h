/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long a call took, told apart from what other programs on the machine take. The time
 * that passed is
 *
 *   ran      on a CPU,
 *   waited   ready, but without a CPU (the scheduler's account of the thread),
 *   blocked  the rest: asleep, because it wanted to or because somebody held it up.
 *
 * A thread that has not given up its CPU once (getrusage(2)), or only for pages that had to be
 * read, was not blocked, whatever the clocks say: the machine below this one was busy.
 *
 * What ran and what blocked are judged, each with a bound, and none is forgiven. What waited is
 * the machine's; so is, of what blocked, as much as somebody else had to wait for a CPU at the
 * time (witness.h).
 */
#ifndef HOSTILE_STOPWATCH_H
#define HOSTILE_STOPWATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stopwatch {
	uint64_t wall; /* ns */
	uint64_t ran;
	uint64_t waited;
	uint64_t switches; /* voluntary */
	uint64_t faults;   /* of pages that had to be read */
};

struct lap {
	uint64_t wall; /* ns */
	uint64_t ran;
	uint64_t waited;
	uint64_t blocked;
	uint64_t excused; /* of that, what a holder of a lock may have waited (witness.h) */
};

/* Beyond what was promised; more is a violation. */
enum { BLOCKED_MS = 50, COMPUTED_MS = 50 };

/* The monotonic clock, in ns. */
uint64_t stopwatch_now(void);

/*
 * Before calls of this process are timed: its table of descriptors gets room for as many as a
 * peer may pass. Where threads share the table, the kernel lets whoever needs a larger one wait
 * until all CPUs have come round (an RCU grace period): on a busy machine half a second.
 */
void stopwatch_prepare(void);
/* The scheduler's account of this thread, for both below; -1: they open it each time, which
 * leaves no descriptor behind. */
int stopwatch_account(void);
/* Of this thread, from now on. */
void stopwatch_start(struct stopwatch *s, int account);
/* Since then. */
struct lap stopwatch_read(const struct stopwatch *s, int account);

/* Is it more than @allowed_ms and the bound? */
bool lap_is_blocked(const struct lap *l, int allowed_ms);
bool lap_is_computing(const struct lap *l, int allowed_ms);
/* "blocked for 1 us, 2 us on a CPU, 3 us without one: 6 us". */
const char *lap_text(const struct lap *l, char *buf, size_t size);
/* Each figure of @worst becomes that of @l, if that is larger. */
void lap_worsen(struct lap *worst, const struct lap *l);

/* -- What was the worst --------------------------------------------------------------- */

/*
 * The worst of each case, in memory that the processes of the tests share. main() begins,
 * and prints it at the end.
 */
void worst_begin(void);
void worst_print(void);
/* @what: of a case, as "dispatches". */
void worst_note(const char *name, int variant, const char *what, const struct lap *l);

/* -- Timed calls of a client ---------------------------------------------------------- */

/* The case that the calls below belong to. */
void timed_case(const char *name, int variant);

/*
 * A call of a client that has @allowed_ms: it was blocked and computed for no longer, but
 * for the bounds. Else the test fails.
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

#endif
