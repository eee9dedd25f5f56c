/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Clocks, distributions and output.
 *
 * The histogram has 128 slots per power of two: a value is known to better than 1 %, at
 * constant memory and without a sort between two measurements.
 */
#include "figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SUB_BITS 7
#define SUB_SLOTS (1u << SUB_BITS)

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

void bench_histogram_add(struct bench_histogram *h, uint64_t ns)
{
	unsigned int shift = 0;

	while (ns >> shift >= 2 * SUB_SLOTS)
		shift++;
	h->slot[shift * SUB_SLOTS + (ns >> shift)]++;
	h->count++;
}

double bench_histogram_us(const struct bench_histogram *h, double quantile)
{
	uint64_t rank = (uint64_t)(quantile * (double)h->count), seen = 0;
	size_t i, shift = 0;

	for (i = 0; i < sizeof(h->slot) / sizeof(h->slot[0]); i++) {
		seen += h->slot[i];
		if (seen > rank)
			break;
	}
	/* Slots below 2 * SUB_SLOTS are exact; above, the shift is in the index. */
	if (i >= 2 * SUB_SLOTS)
		shift = i / SUB_SLOTS - 1;
	return (double)((i - shift * SUB_SLOTS) << shift) / 1000;
}

void bench_print(const char *metric, double value, const char *unit)
{
	printf("%s %.6g %s\n", metric, value, unit);
}
