/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Busy polling before sleeping: check for a message in a loop for a bounded, adaptive time,
 * because a message found this way takes half a microsecond, and one that has to wake the
 * thread takes five to fifty.
 *
 * How long a poll may last follows from when the messages of that peer came and from what a
 * wake-up takes here (base/arrivals.h). Time polled in vain is paid from an allowance, a token
 * bucket that fills with a share of the time that passes. So whatever the pattern of messages,
 * polling in vain costs no more than that share of a CPU, and an idle connection does not poll
 * at all.
 *
 * Between checks: `pause` for the first microsecond, then sched_yield(2), because the
 * other end, or another client, may be waiting for this very CPU. Time in which other
 * threads run on it costs nothing and is not counted: eight clients on two CPUs take turns
 * on the CPUs instead of sleeping and being woken (docs/performance.md). An end that polls
 * rarely only pauses, unless the other end was on this CPU: its poll is short beside the time
 * slice that a thread which never sleeps would take when it yields, and beside the time
 * between two such polls.
 *
 * With one usable CPU it works the same way, whether the other end runs on that CPU or on
 * another one. Until a yield costs a time slice: then another thread is busy on this CPU, and
 * an end that sleeps runs again sooner than one that yields. So it does not poll for a while,
 * and for four times as long each time if the next poll loses a slice, too.
 *
 * Owner: one struct qbi_busy_poll per service, or per client connection and channel.
 * Threads: one at a time per struct. The setting is for the process, any thread.
 *
 * Figures: measured on the machine of docs/performance.md.
 */
#ifndef QBI_BASE_BUSY_POLL_H
#define QBI_BASE_BUSY_POLL_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arrivals.h"
#include "base/clock.h"

/* The longest busy poll, if it is not set: what the longest wake-up that is believed costs. */
#define QBI_BUSY_POLL_DEFAULT_NS (2ull * QBI_ARRIVALS_WAKE_MAX_NS)

/* The largest value that may be set. */
#define QBI_BUSY_POLL_MAX_US 1000

struct qbi_busy_poll {
	uint64_t setting;    /* ns; the longest poll as set; 0: never poll */
	uint64_t longest;    /* ns; the part of it that is useful here; 0: do not poll */
	uint64_t noted;	     /* when affinity and scheduling class were last read */
	bool one_cpu;	     /* as of then: this thread may use only one CPU */
	unsigned int asked;  /* calls of qbi_busy_poll_is_on() that returned false */
	int64_t allowance;   /* ns that may still be polled in vain; below 0: in debt */
	uint64_t filled;     /* when the allowance was last filled */
	uint64_t crowded;    /* ns; how long polling was last put off; 0 never */
	uint64_t not_before; /* no poll until then: the CPU is crowded */
	uint64_t gave_way;   /* when this thread last yielded to give others the CPU */
	bool rare;	     /* the poll before is long ago */
};

/*
 * A busy poll in progress. Time in which other threads ran because this one yielded does
 * not count: it moves start and end.
 */
struct qbi_spin {
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
void qbi_busy_poll_longest_set(uint64_t ns);

/*
 * Initialize. Reads how many CPUs this thread may use and its scheduling class, which are
 * read again ten times a second while messages come.
 */
void qbi_busy_poll_init(struct qbi_busy_poll *b);

/* Does this end poll at present? Cheap when it does not. */
bool qbi_busy_poll_is_on(struct qbi_busy_poll *b);

/*
 * How long a busy poll for a message of @from that begins @now may take; 0: do not poll. An end
 * that always finds a message never sleeps, and other threads would wait whole time slices for
 * its CPU: so this function yields now and then.
 */
uint64_t qbi_busy_poll_allowed(struct qbi_busy_poll *b, const struct qbi_arrivals *from,
			       uint64_t now);

/* Polling from @start to @now found nothing, or there was none; the thread goes to sleep. */
void qbi_busy_poll_gave_up(struct qbi_busy_poll *b, struct qbi_arrivals *from, uint64_t start,
			   uint64_t now);

#define QBI_SPIN_PAUSE_NS 1000 /* then yield between checks */
#define QBI_SPIN_TURNS_PER_CLOCK 16

/* A yield that takes longer let other threads run; the rest of the time was theirs. */
#define QBI_SPIN_YIELD_NS 1000

/* If others keep the CPU for longer than this, sleeping and being woken costs less. */
#define QBI_BUSY_POLL_GIVEN_NS 500000

/*
 * Poll for @length, without the time in which other threads run, and until @limit at most.
 * @yield: from the first check on, because the other end was last seen on this CPU, or because a
 * check costs as much. Otherwise an end that polls rarely does not yield at all: it would lose a
 * time slice to any thread that is busy on this CPU, and takes less from that than a slice.
 */
static inline void qbi_spin_begin(struct qbi_spin *s, const struct qbi_busy_poll *b,
				  uint64_t now, uint64_t length, uint64_t limit, bool yield)
{
	uint64_t longest = now + length + QBI_BUSY_POLL_GIVEN_NS;
	uint64_t pause = b->rare ? length : QBI_SPIN_PAUSE_NS;

	*s = (struct qbi_spin){
		.pause = yield ? 0 : pause,
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
static inline void qbi_spin_yield(struct qbi_spin *s)
{
	uint64_t before = s->now;
	uint64_t given;

	sched_yield();
	s->now = qbi_now_ns();
	if (s->now - before <= QBI_SPIN_YIELD_NS)
		return;
	given = s->now - before - QBI_SPIN_YIELD_NS;
	/* Another thread took a time slice: count it, so that this end polls less. */
	if (given > QBI_BUSY_POLL_GIVEN_NS)
		return;
	s->start += given;
	s->end += given;
}

/* Between two checks. False: time is up. */
static inline bool qbi_spin_again(struct qbi_spin *s)
{
	if (s->now - s->start >= s->pause) {
		qbi_spin_yield(s);
	} else {
		qbi_cpu_relax();
		if (++s->turns % QBI_SPIN_TURNS_PER_CLOCK)
			return true;
		s->now = qbi_now_ns();
	}
	return s->now < s->end && s->now < s->limit;
}

#endif
