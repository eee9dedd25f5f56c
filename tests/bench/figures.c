/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clocks and output. */
#include "figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

void bench_die(const char *what, int error)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(EXIT_FAILURE);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t bench_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t bench_cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

void bench_pace_begin(struct bench_pace *pace, uint64_t per_second, uint64_t after_ns)
{
	/* Usually the kernel may wake a sleeper 50 us late: a whole period of 20,000 a second. */
	prctl(PR_SET_TIMERSLACK, 1);
	pace->period_ns = 1000000000 / per_second;
	pace->due_ns = bench_now_ns() + after_ns;
}

void bench_pace_wait(struct bench_pace *pace)
{
	struct timespec due = { .tv_sec = (time_t)(pace->due_ns / 1000000000),
				.tv_nsec = (long)(pace->due_ns % 1000000000) };
	uint64_t now;

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) != 0)
		;
	now = bench_now_ns();
	pace->due_ns += pace->period_ns;
	if (pace->due_ns < now)
		pace->due_ns = now;
}

void bench_print(const char *metric, double value, const char *unit)
{
	printf("%s %.6g %s\n", metric, value, unit);
}
