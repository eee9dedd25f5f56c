/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/arrivals.h"

/* Messages that are assumed beside those that came. */
#define ASSUMED 4

/*
 * On one CPU: the other end ran for so long at most before it sent the message. A server that
 * answers does not sleep in between; a client that calls again may have slept, unless it was as
 * quick as this.
 */
#define SAME_CPU_RESPONSE_NS 50000
#define SAME_CPU_REQUEST_NS 10000

/* A message that came after this was polled for at some cost. */
#define LATE_NS 4000

/* What is believed of a wake-up is at least this: no system call is shorter. */
#define WAKE_MIN_NS 500

#define STEP_MIN_NS 1000
#define LATER QBI_ARRIVALS_STEPS

static uint64_t same_cpu_ns(const struct qbi_arrivals *a)
{
	return a->of == QBI_ARRIVALS_OF_REQUESTS ? SAME_CPU_REQUEST_NS : SAME_CPU_RESPONSE_NS;
}

/* The end of a step in ns. */
static uint32_t step_end(unsigned int step)
{
	return (STEP_MIN_NS / 4 * (4 + step % 4)) << (step / 4);
}

/* The step in which @ns lies: the first one that does not end before it. */
static unsigned int step_of(uint64_t ns)
{
	unsigned int step = 0;

	while (step < LATER && step_end(step) < ns)
		step++;
	return step;
}

static uint64_t wake_cost(const struct qbi_arrivals *a)
{
	return a->wake ? a->wake : QBI_ARRIVALS_WAKE_NS;
}

/* What a sleep and its wake-up cost. */
static uint64_t sleep_cost(const struct qbi_arrivals *a)
{
	return a->of == QBI_ARRIVALS_OF_RESPONSES ? 2 * wake_cost(a) : wake_cost(a);
}

/*
 * The cheapest length. Longer than a sleep costs is never the cheapest. The assumed messages
 * are found in the middle of a poll, or missed, as often as its length is of what a sleep costs.
 */
static uint32_t cheapest_length(const struct qbi_arrivals *a)
{
	uint64_t sleep = sleep_cost(a), halves = (1ull << 32) / (2 * sleep);
	uint64_t polled = 0, missed = a->n, least = (missed + ASSUMED) * sleep;
	unsigned int last = step_of(sleep), step;
	uint32_t best = 0;

	for (step = 0; step <= last && step < LATER; step++) {
		uint64_t length = step_end(step), cost;

		polled += a->count[step] * length;
		missed -= a->count[step];
		cost = polled + missed * (length + sleep);
		if (length < sleep)
			cost += ASSUMED * (sleep - ((length * length * halves) >> 32));
		else
			cost += ASSUMED * sleep / 2;
		if (cost < least) {
			least = cost;
			best = (uint32_t)length;
		}
	}
	return best;
}

void qbi_arrivals_init(struct qbi_arrivals *a, enum qbi_arrivals_of of)
{
	*a = (struct qbi_arrivals){ .of = of };
	a->length = cheapest_length(a);
}

/* All messages were found at once, as this one: nothing changes. */
static bool changes_nothing(const struct qbi_arrivals *a, uint64_t after)
{
	return after <= STEP_MIN_NS && a->count[0] == QBI_ARRIVALS_KEPT;
}

/* Keep the message instead of the oldest one. Do the counts change? */
static bool arrival_keep(struct qbi_arrivals *a, uint64_t after)
{
	unsigned int step = step_of(after), oldest = a->kept[a->next];
	bool full = a->n == QBI_ARRIVALS_KEPT;

	a->kept[a->next] = (uint8_t)step;
	a->next = (uint8_t)((a->next + 1) % QBI_ARRIVALS_KEPT);
	if (full && step == oldest)
		return false;
	if (full)
		a->count[oldest]--;
	else
		a->n++;
	a->count[step]++;
	return true;
}

void qbi_arrivals_note(struct qbi_arrivals *a, uint64_t after)
{
	if (changes_nothing(a, after))
		return;
	if (arrival_keep(a, after))
		a->length = cheapest_length(a);
	if (a->of == QBI_ARRIVALS_OF_REQUESTS && a->wake && after > LATE_NS &&
	    ++a->found >= QBI_ARRIVALS_FOUND_MAX)
		a->length = 0; /* until it is measured */
}

void qbi_arrivals_sleep(struct qbi_arrivals *a, uint64_t began, uint64_t now)
{
	uint64_t vain = now - began;

	a->began = began;
	a->vain = vain < UINT32_MAX ? (uint32_t)vain : UINT32_MAX;
}

/*
 * The shortest quarter is below what is believed: a wake-up for which the CPU was not free
 * takes as long as others run, and says nothing about what sleeping costs.
 */
static void wake_note(struct qbi_arrivals *a, uint64_t took)
{
	if (took > QBI_ARRIVALS_WAKE_MAX_NS)
		took = QBI_ARRIVALS_WAKE_MAX_NS;
	if (took < WAKE_MIN_NS)
		took = WAKE_MIN_NS;
	if (!a->wake) {
		a->wake = (uint32_t)took;
	} else if (took < a->wake) {
		uint32_t down = a->wake / 8;

		a->wake = a->wake - (uint32_t)took < down ? (uint32_t)took : a->wake - down;
	} else {
		uint32_t up = a->wake / 24;

		a->wake = (uint32_t)took - a->wake < up ? (uint32_t)took : a->wake + up;
	}
}

void qbi_arrivals_woken(struct qbi_arrivals *a, uint64_t now, uint64_t rang, bool same_cpu)
{
	uint64_t began = a->began, after;

	if (!began || now < began)
		return;
	a->began = 0;
	a->found = 0;
	/* No peer can have rung before this end slept, or will have. */
	if (rang >= began && rang <= now) {
		wake_note(a, now - rang);
		after = rang - began;
	} else {
		uint64_t wake;

		if (!rang)
			a->wake = same_cpu ? QBI_ARRIVALS_SWITCH_NS : 0;
		wake = wake_cost(a);
		after = now - began > wake ? now - began - wake : 0;
	}
	if (same_cpu && after <= same_cpu_ns(a))
		after = 0;
	/* It was not there while this end polled. */
	(void)arrival_keep(a, after > a->vain ? after : a->vain + 1ull);
	a->length = cheapest_length(a);
}
