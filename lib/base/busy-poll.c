/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/busy-poll.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/cpus.h"
#include "base/once.h"

/* Polling in vain takes at most a quarter of the time, and at most this much at once. */
#define ALLOWANCE_SHARE 4
#define ALLOWANCE_MAX 1000000

/* Limit of the debt: one time slice that another thread took is paid back, not more. */
#define DEBT_MAX 4000000

/*
 * How long an end sleeps for messages instead of polling, after another thread took a time
 * slice: on its only usable CPU, and where it may be moved to another one. Four times as long
 * whenever the next poll loses one too; so in the end less than one in a hundred messages of a
 * client that calls twenty times a second is late for it.
 */
#define CROWDED_ONE_CPU_NS 500000000
#define CROWDED_MIN_NS 50000000
#define CROWDED_MAX_NS 16000000000
#define CROWDED_GROWTH 4

/* A poll so long after the one before is rare. */
#define RARE_NS 1000000

/* How long a thread that never sleeps keeps its CPU before it yields. */
#define GIVE_WAY_NS 50000

/* A real-time thread keeps others off its CPU while it polls: a shorter limit. */
#define REAL_TIME_NS 20000

/*
 * How often affinity and scheduling class are read; and how many calls of an end that does
 * not poll pass between two readings of the clock.
 */
#define NOTE_NS 100000000
#define ASKED_PER_CLOCK 64

static _Atomic(uint64_t) longest = QBI_BUSY_POLL_DEFAULT_NS;
static struct qbi_once once;
static bool quota_below_two_cpus;

static void busy_poll_setting_read(void)
{
	const char *text = getenv("QBIPC_BUSY_POLL_US");
	char *end;

	quota_below_two_cpus =
		qbi_cpus_quota_is_below("/sys/fs/cgroup", "/proc/self/cgroup", 2);
	if (text && *text) {
		unsigned long us = strtoul(text, &end, 10);

		if (*end == '\0' && us <= QBI_BUSY_POLL_MAX_US)
			longest = us * 1000;
	}
}

void qbi_busy_poll_longest_set(uint64_t ns)
{
	qbi_once_run(&once, busy_poll_setting_read);
	longest = ns;
}

static bool is_real_time(void)
{
	int policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;

	return policy == SCHED_FIFO || policy == SCHED_RR;
}

/*
 * The longest busy poll for this thread where it runs at present. On one CPU the other end
 * can answer when this thread yields, but a real-time thread yields to its own priority only.
 */
static uint64_t longest_here(const struct qbi_busy_poll *b)
{
	if (!b->setting || quota_below_two_cpus)
		return 0;
	if (!is_real_time())
		return b->setting;
	if (b->one_cpu)
		return 0;
	return b->setting > REAL_TIME_NS ? REAL_TIME_NS : b->setting;
}

/* An administrator may have changed affinity or scheduling class. */
static void surroundings_note(struct qbi_busy_poll *b, uint64_t now)
{
	bool one_cpu = qbi_cpus_is_one();

	b->noted = now;
	if (b->one_cpu != one_cpu)
		b->not_before = b->crowded = 0;
	b->one_cpu = one_cpu;
	b->longest = longest_here(b);
}

void qbi_busy_poll_init(struct qbi_busy_poll *b)
{
	qbi_once_run(&once, busy_poll_setting_read);
	*b = (struct qbi_busy_poll){ .setting = longest };
	b->allowance = ALLOWANCE_MAX;
	b->filled = qbi_now_ns();
	b->gave_way = b->filled;
	surroundings_note(b, b->filled);
}

bool qbi_busy_poll_is_on(struct qbi_busy_poll *b)
{
	uint64_t now;

	if (b->longest || !b->setting)
		return b->longest;
	if (++b->asked % ASKED_PER_CLOCK)
		return false;
	now = qbi_now_ns();
	if (now - b->noted >= NOTE_NS)
		surroundings_note(b, now);
	return b->longest;
}

/*
 * Another thread is busy on this CPU and took a time slice. Where there are others, the
 * scheduler may move one of the two; but if all are busy, each yield loses another one.
 */
static void crowd_note(struct qbi_busy_poll *b, uint64_t now)
{
	bool still = b->crowded && now - b->not_before < 2 * b->crowded;

	b->crowded = still	? b->crowded * CROWDED_GROWTH :
		     b->one_cpu ? CROWDED_ONE_CPU_NS :
				  CROWDED_MIN_NS;
	if (b->crowded > CROWDED_MAX_NS)
		b->crowded = CROWDED_MAX_NS;
	b->not_before = now + b->crowded;
}

/* Polled in vain from @start to @now. */
static void allowance_spend(struct qbi_busy_poll *b, uint64_t start, uint64_t now)
{
	b->allowance -= (int64_t)(now - start);
	if (b->allowance < -DEBT_MAX)
		b->allowance = -DEBT_MAX;
	if (now - start <= b->longest + QBI_BUSY_POLL_GIVEN_NS)
		return;
	surroundings_note(b, now);
	crowd_note(b, now);
}

/*
 * Offer the CPU to other threads. False: another thread ran for a time slice. Next to such
 * a thread, sleeping and being woken costs less time than busy polling, so its time slice
 * is charged to the allowance.
 */
static bool give_way(struct qbi_busy_poll *b)
{
	uint64_t before = qbi_now_ns(), now;

	sched_yield();
	now = qbi_now_ns();
	if (now - before <= QBI_BUSY_POLL_GIVEN_NS)
		return true;
	allowance_spend(b, before, now);
	return false;
}

uint64_t qbi_busy_poll_allowed(struct qbi_busy_poll *b, const struct qbi_arrivals *from,
			       uint64_t now)
{
	uint64_t length = qbi_arrivals_length(from);

	if (!length)
		return 0;
	if (b->setting && now - b->noted >= NOTE_NS)
		surroundings_note(b, now);
	if (!b->longest || now < b->not_before)
		return 0;
	b->allowance += (int64_t)((now - b->filled) / ALLOWANCE_SHARE);
	if (b->allowance > ALLOWANCE_MAX)
		b->allowance = ALLOWANCE_MAX;
	b->rare = now - b->filled >= RARE_NS;
	b->filled = now;
	if (length > b->longest)
		length = b->longest;
	/* The allowance does not cover the poll: the caller sleeps, which yields the CPU. */
	if ((int64_t)length >= b->allowance)
		return 0;
	if (now - b->gave_way >= GIVE_WAY_NS) {
		b->gave_way = now;
		if (!b->rare && !give_way(b))
			return 0;
	}
	return length;
}

void qbi_busy_poll_gave_up(struct qbi_busy_poll *b, struct qbi_arrivals *from, uint64_t start,
			   uint64_t now)
{
	if (start != now)
		allowance_spend(b, start, now);
	qbi_arrivals_sleep(from, start, now);
}
