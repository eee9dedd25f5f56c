/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looking before sleeping: stay awake for a bounded, adaptive time, because a message
 * that is found takes half a microsecond and one that has to wake us takes twenty.
 *
 * Idea: ski rental. Never look for longer than sleeping and waking would cost. The
 * budget grows when a message came so soon after we had given up that a longer look
 * would have found it, and shrinks when looking found nothing. What is spent in vain is
 * paid from an allowance that fills with a share of the time that passes, so however
 * unlucky the pattern of messages, vain looks cost no more than that share of a CPU; an
 * idle connection does not look at all. With one usable CPU nobody can answer while we
 * look, and we do not.
 *
 * Between looks: `pause` for the first microsecond, then sched_yield(2), because the
 * other end, or another client, may be waiting for this very CPU. While others use it we
 * do not, so that time costs nothing and is not counted: eight clients on two CPUs hand
 * the CPUs round instead of sleeping and being woken (docs/performance.md).
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

/* What sleeping and being woken costs both ends together, and so the longest look. */
#define QBI_LOOK_DEFAULT_NS 50000

/* The longest that may be set: beyond it, looking is a service nobody asked for. */
#define QBI_LOOK_MAX_US 1000

struct qbi_look {
	uint64_t longest;	/* ns; 0: never look */
	uint64_t budget;	/* ns; what the next look may take */
	uint64_t began;		/* when the last look that was given up began; 0 none */
	int64_t allowance;	/* ns that may still be spent in vain; below 0: too many were */
	uint64_t filled;	/* when it was last filled */
	uint64_t gave_way;	/* when this thread last yielded for others' sake */
};

/*
 * One look that is going on. Time in which others had the CPU because we yielded is not
 * spent: it moves start and end.
 */
struct qbi_looking {
	uint64_t pause;		/* ns of pausing before yielding begins */
	uint64_t start;
	uint64_t end;
	uint64_t limit;		/* and no later than this, whoever had the CPU */
	uint64_t now;		/* as of the last time the clock was read */
	unsigned int turns;
};

/*
 * Longest look of this process in nanoseconds, 0 never. The environment variable
 * QBIPC_BUSY_POLL_US sets it at the start; this changes it for what is made afterwards.
 */
void qbi_look_longest_set(uint64_t ns);

/* Ready to use; looks at how many CPUs this thread may use. */
void qbi_look_init(struct qbi_look *l);

/*
 * How long a look may take that begins @now. 0: do not look. An end that always finds
 * something never sleeps, and others that wait for its CPU would wait for whole time
 * slices: so this yields now and then.
 */
uint64_t qbi_look_allowed(struct qbi_look *l, uint64_t now);

/* Looking from @start to @now found nothing, and we go to sleep. */
void qbi_look_gave_up(struct qbi_look *l, uint64_t start, uint64_t now);

/* A message woke us, after giving up: would a longer look have found it? */
void qbi_look_was_woken(struct qbi_look *l);

#define QBI_LOOK_PAUSE_NS 1000		/* then yield between looks */
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
