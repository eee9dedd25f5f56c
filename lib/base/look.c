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

/* How long a thread that never sleeps keeps its CPU before it yields. */
#define GIVE_WAY_NS 50000

/* A real-time thread keeps others off its CPU while it polls: a shorter limit. */
#define REAL_TIME_NS 20000

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

void qbi_look_init(struct qbi_look *l)
{
	qbi_once_run(&once, setting_read);
	*l = (struct qbi_look){ .longest = longest };
	if (l->longest && (quota_below_two_cpus || qbi_cpus_is_one()))
		l->longest = 0;
	if (l->longest > REAL_TIME_NS && is_real_time())
		l->longest = REAL_TIME_NS;
	l->budget = l->longest;
	l->allowance = ALLOWANCE_MAX;
	l->filled = qbi_now_ns();
	l->gave_way = l->filled;
}

static void allowance_spend(struct qbi_look *l, uint64_t spent)
{
	l->allowance -= (int64_t)spent;
	if (l->allowance < -DEBT_MAX)
		l->allowance = -DEBT_MAX;
}

/*
 * Offer the CPU to other threads. False: another thread ran for a time slice. Next to such
 * a thread, sleeping and being woken costs less time than busy polling, so its time slice
 * is charged to the allowance.
 */
static bool give_way(struct qbi_look *l)
{
	uint64_t before = qbi_now_ns(), taken;

	sched_yield();
	taken = qbi_now_ns() - before;
	if (taken <= QBI_LOOK_GIVEN_NS)
		return true;
	allowance_spend(l, taken);
	return false;
}

uint64_t qbi_look_allowed(struct qbi_look *l, uint64_t now)
{
	if (!l->longest)
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
	allowance_spend(l, now - start);
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
