/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/look.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/cpus.h"
#include "base/once.h"

/* A budget does not shrink below this. */
#define BUDGET_MIN 1000

/* Polling in vain takes at most a quarter of the time, and at most this much at once. */
#define ALLOWANCE_SHARE 4
#define ALLOWANCE_MAX 1000000

/* Limit of the debt: one time slice that another thread took is paid back, not more. */
#define DEBT_MAX 4000000

/*
 * On the only usable CPU, how long an end sleeps for messages after another thread took a
 * time slice; twice as long each time if the next poll loses one too.
 */
#define CROWDED_MIN_NS 500000000
#define CROWDED_MAX_NS 4000000000

/* How long a thread that never sleeps keeps its CPU before it yields. */
#define GIVE_WAY_NS 50000

/* A real-time thread keeps others off its CPU while it polls: a shorter limit. */
#define REAL_TIME_NS 20000

/*
 * How often affinity and scheduling class are read; and by an end that does not poll, how
 * many calls pass between readings of the clock.
 */
#define NOTE_NS 100000000
#define ASKED_PER_CLOCK 64

static _Atomic(uint64_t) longest = QBI_LOOK_DEFAULT_NS;
static struct qbi_once once;
static bool quota_below_two_cpus;

static void setting_read(void)
{
	const char *text = getenv("QBIPC_BUSY_POLL_US");
	char *end;

	quota_below_two_cpus =
		qbi_cpus_quota_is_below("/sys/fs/cgroup", "/proc/self/cgroup", 2);
	if (text && *text) {
		unsigned long us = strtoul(text, &end, 10);

		if (*end == '\0' && us <= QBI_LOOK_MAX_US)
			longest = us * 1000;
	}
}

void qbi_look_longest_set(uint64_t ns)
{
	qbi_once_run(&once, setting_read);
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
static uint64_t longest_here(const struct qbi_look *l)
{
	if (!l->setting || quota_below_two_cpus)
		return 0;
	if (!is_real_time())
		return l->setting;
	if (l->one_cpu)
		return 0;
	return l->setting > REAL_TIME_NS ? REAL_TIME_NS : l->setting;
}

/* An administrator may have changed affinity or scheduling class. */
static void surroundings_note(struct qbi_look *l, uint64_t now)
{
	uint64_t here;

	l->noted = now;
	l->one_cpu = qbi_cpus_is_one();
	if (!l->one_cpu)
		l->not_before = 0;
	here = longest_here(l);
	if (here == l->longest)
		return;
	l->longest = here;
	l->budget = here;
}

void qbi_look_init(struct qbi_look *l)
{
	qbi_once_run(&once, setting_read);
	*l = (struct qbi_look){ .setting = longest };
	l->allowance = ALLOWANCE_MAX;
	l->filled = qbi_now_ns();
	l->gave_way = l->filled;
	surroundings_note(l, l->filled);
}

bool qbi_look_is_on(struct qbi_look *l)
{
	uint64_t now;

	if (l->longest || !l->setting)
		return l->longest;
	if (++l->asked % ASKED_PER_CLOCK)
		return false;
	now = qbi_now_ns();
	if (now - l->noted >= NOTE_NS)
		surroundings_note(l, now);
	return l->longest;
}

/* Another thread is busy on the only usable CPU. */
static void crowd_note(struct qbi_look *l, uint64_t now)
{
	bool still = l->crowded && now - l->not_before < 2 * l->crowded;

	l->crowded = still ? l->crowded * 2 : CROWDED_MIN_NS;
	if (l->crowded > CROWDED_MAX_NS)
		l->crowded = CROWDED_MAX_NS;
	l->not_before = now + l->crowded;
}

/*
 * Polled in vain from @start to @now. A thread that cannot move to another CPU and lost a
 * time slice would lose one at the next yield as well.
 */
static void allowance_spend(struct qbi_look *l, uint64_t start, uint64_t now)
{
	l->allowance -= (int64_t)(now - start);
	if (l->allowance < -DEBT_MAX)
		l->allowance = -DEBT_MAX;
	if (now - start <= l->longest + QBI_LOOK_GIVEN_NS)
		return;
	surroundings_note(l, now);
	if (l->one_cpu)
		crowd_note(l, now);
}

/*
 * Offer the CPU to other threads. False: another thread ran for a time slice. Next to such
 * a thread, sleeping and being woken costs less time than busy polling, so its time slice
 * is charged to the allowance.
 */
static bool give_way(struct qbi_look *l)
{
	uint64_t before = qbi_now_ns(), now;

	sched_yield();
	now = qbi_now_ns();
	if (now - before <= QBI_LOOK_GIVEN_NS)
		return true;
	allowance_spend(l, before, now);
	return false;
}

uint64_t qbi_look_allowed(struct qbi_look *l, uint64_t now)
{
	if (l->setting && now - l->noted >= NOTE_NS)
		surroundings_note(l, now);
	if (!l->longest || now < l->not_before)
		return 0;
	l->allowance += (int64_t)((now - l->filled) / ALLOWANCE_SHARE);
	if (l->allowance > ALLOWANCE_MAX)
		l->allowance = ALLOWANCE_MAX;
	l->filled = now;
	/* The budget is too small to poll: the caller sleeps, and that yields the CPU. */
	if ((int64_t)l->budget >= l->allowance)
		return 0;
	if (now - l->gave_way >= GIVE_WAY_NS) {
		l->gave_way = now;
		if (!give_way(l))
			return 0;
	}
	return l->budget;
}

void qbi_look_gave_up(struct qbi_look *l, uint64_t start, uint64_t now)
{
	allowance_spend(l, start, now);
	l->budget -= l->budget / 4;
	if (l->budget < BUDGET_MIN)
		l->budget = BUDGET_MIN;
	l->began = start;
}

void qbi_look_was_woken(struct qbi_look *l)
{
	if (!l->longest || !l->began)
		return;
	if (qbi_now_ns() - l->began < l->longest) {
		l->budget *= 3;
		if (l->budget > l->longest)
			l->budget = l->longest;
	}
	l->began = 0;
}
