/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Busy polling before sleeping ("look" in names): check for a message in a loop for a
 * bounded, adaptive time, because a message found this way takes half a microsecond and
 * one that has to wake the thread takes twenty.
 *
 * Idea: ski rental. Never poll for longer than sleeping and waking would cost. The budget
 * grows when a message came so soon after polling gave up that a longer poll would have
 * found it, and shrinks when polling found nothing. Time polled in vain is paid from an
 * allowance, a token bucket that fills with a share of the time that passes. So whatever
 * the pattern of messages, polling in vain costs no more than that share of a CPU, and an
 * idle connection does not poll at all.
 *
 * Between checks: `pause` for the first microsecond, then sched_yield(2), because the
 * other end, or another client, may be waiting for this very CPU. Time in which other
 * threads run on it costs nothing and is not counted: eight clients on two CPUs hand the
 * CPUs round instead of sleeping and being woken (docs/performance.md).
 *
 * With one usable CPU this is the same, whether the other end has it too or one of its
 * own, until a yield costs a time slice. Then another thread is busy there, and an end that
 * sleeps runs again sooner than one that yields.
 *
 * Owner: one struct qbi_look per service, or per client connection and channel.
 * Threads: one at a time per struct. The setting is for the process, any thread.
 *
 * Figures: measured on the machine of docs/performance.md.
 */
#ifndef QBI_BASE_LOOK_H
#define QBI_BASE_LOOK_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* Cost of sleeping and waking for both ends together, hence the longest busy poll. */
#define QBI_LOOK_DEFAULT_NS 50000

/* The largest value that may be set. */
#define QBI_LOOK_MAX_US 1000

struct qbi_look {
	uint64_t setting;    /* ns; the longest poll as set; 0: never poll */
	uint64_t longest;    /* ns; of that, what makes sense here; 0: do not poll */
	uint64_t noted;	     /* when affinity and scheduling class were last read */
	bool one_cpu;	     /* as of then: this thread may use no other */
	unsigned int asked;  /* calls of qbi_look_is_on() that said no */
	uint64_t budget;     /* ns; limit of the next busy poll */
	uint64_t began;	     /* start of the last poll that found nothing; 0 none */
	int64_t allowance;   /* ns that may still be polled in vain; below 0: in debt */
	uint64_t filled;     /* when the allowance was last filled */
	uint64_t crowded;    /* ns; how long polling was last put off; 0 never */
	uint64_t not_before; /* no poll until then: the only usable CPU is crowded */
	uint64_t gave_way;   /* when this thread last yielded to give others the CPU */
};

/*
 * A busy poll in progress. Time in which other threads ran because this one yielded does
 * not count: it moves start and end.
 */
struct qbi_looking {
	uint64_t pause; /* ns of pausing before yielding begins */
	uint64_t start;
	uint64_t end;
	uint64_t limit; /* hard end, even if other threads had the CPU */
	uint64_t now;	/* as of the last time the clock was read */
	unsigned int turns;
};

/*
 * Set the longest busy poll of this process in nanoseconds; 0: never poll. The initial
 * value comes from the environment variable QBIPC_BUSY_POLL_US. A change applies to
 * services and connections that are made afterwards.
 */
void qbi_look_longest_set(uint64_t ns);

/*
 * Initialize. Reads how many CPUs this thread may use and its scheduling class, which are
 * read again ten times a second while messages come.
 */
void qbi_look_init(struct qbi_look *l);

/* Does this end poll at present? Cheap when it does not. */
bool qbi_look_is_on(struct qbi_look *l);

/*
 * How long a busy poll that begins @now may take; 0: do not poll. An end that always finds
 * a message never sleeps, and other threads would wait whole time slices for its CPU: so
 * this function yields now and then.
 */
uint64_t qbi_look_allowed(struct qbi_look *l, uint64_t now);

/* Looking from @start to @now found nothing, and we go to sleep. */
void qbi_look_gave_up(struct qbi_look *l, uint64_t start, uint64_t now);

/* A message woke us, after giving up: would a longer look have found it? */
void qbi_look_was_woken(struct qbi_look *l);

#define QBI_LOOK_PAUSE_NS 1000 /* then yield between looks */
#define QBI_LOOK_TURNS_PER_CLOCK 16

/* A yield that takes longer has let others run; they used what is beyond. */
#define QBI_LOOK_YIELD_NS 1000

/* For how long others may have the CPU before one who looks had better be woken. */
#define QBI_LOOK_GIVEN_NS 500000

/*
 * Look for @length, given away time not counted, but until @limit at most. @yield: from
 * the first look on, because the other end was last seen on this CPU.
 */
static inline void qbi_looking_begin(struct qbi_looking *k, uint64_t now, uint64_t length,
				     uint64_t limit, bool yield)
{
	uint64_t longest = now + length + QBI_LOOK_GIVEN_NS;

	*k = (struct qbi_looking){
		.pause = yield ? 0 : QBI_LOOK_PAUSE_NS,
		.start = now,
		.end = now + length,
		.limit = limit < longest ? limit : longest,
		.now = now,
	};
}

static inline void qbi_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
	__asm__ volatile("yield" ::: "memory");
#else
	__asm__ volatile("" ::: "memory");
#endif
}

/* Let others run. */
static inline void qbi_looking_yield(struct qbi_looking *k)
{
	uint64_t before = k->now;
	uint64_t given;

	sched_yield();
	k->now = qbi_now_ns();
	if (k->now - before <= QBI_LOOK_YIELD_NS)
		return;
	given = k->now - before - QBI_LOOK_YIELD_NS;
	/* Somebody who does not yield: that is charged, so that we look less and are woken. */
	if (given > QBI_LOOK_GIVEN_NS)
		return;
	k->start += given;
	k->end += given;
}

/* Between two looks. False: time is up. */
static inline bool qbi_looking_again(struct qbi_looking *k)
{
	if (k->now - k->start >= k->pause) {
		qbi_looking_yield(k);
	} else {
		qbi_cpu_relax();
		if (++k->turns % QBI_LOOK_TURNS_PER_CLOCK)
			return true;
		k->now = qbi_now_ns();
	}
	return k->now < k->end && k->now < k->limit;
}

#endif
