/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Monotonic time in nanoseconds, and deadlines made of the API's milliseconds. */
#ifndef QBI_BASE_CLOCK_H
#define QBI_BASE_CLOCK_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define QBI_NS_PER_MS 1000000ULL
#define QBI_NS_PER_S 1000000000ULL
#define QBI_FOREVER UINT64_MAX
/* For ever as well, but a signal handler that runs ends it, where a function says so. */
#define QBI_UNTIL_SIGNAL (QBI_FOREVER - 1)

static inline uint64_t qbi_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * QBI_NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* The CPU time of this thread: what others on the machine do is not in it. */
static inline uint64_t qbi_cpu_ns(void)
{
	struct timespec ts = { 0, 0 };

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * QBI_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static inline bool qbi_deadline_is_a_time(uint64_t deadline)
{
	return deadline < QBI_UNTIL_SIGNAL;
}

/* The deadline in @ms; negative: never; 0: now, without reading the clock. */
static inline uint64_t qbi_deadline_from_ms(int32_t ms)
{
	if (ms < 0)
		return QBI_FOREVER;
	if (ms == 0)
		return 0;
	return qbi_now_ns() + (uint64_t)ms * QBI_NS_PER_MS;
}

/* What is left for poll(2): milliseconds rounded up, 0 when over, -1 for ever. */
static inline int qbi_deadline_to_poll(uint64_t deadline)
{
	uint64_t now, ms;

	if (deadline == QBI_FOREVER)
		return -1;
	if (deadline == 0)
		return 0;
	now = qbi_now_ns();
	if (now >= deadline)
		return 0;
	ms = (deadline - now + QBI_NS_PER_MS - 1) / QBI_NS_PER_MS;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

/* The same, but no more than @most milliseconds. */
static inline int qbi_deadline_to_poll_at_most(uint64_t deadline, int most)
{
	int ms = qbi_deadline_to_poll(deadline);

	return ms < 0 || ms > most ? most : ms;
}

#endif
