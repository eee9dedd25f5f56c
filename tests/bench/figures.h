/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clocks, distributions, and figures on the standard output. */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

void bench_die(const char *what, int error) __attribute__((noreturn));

uint64_t bench_now_ns(void);
/* CPU time of this process so far. */
uint64_t bench_cpu_ns(void);

struct bench_histogram {
	uint64_t count;
	uint32_t slot[64 * 128];
};
void bench_histogram_add(struct bench_histogram *h, uint64_t ns);
double bench_histogram_us(const struct bench_histogram *h, double quantile);

void bench_print(const char *metric, double value, const char *unit);

#ifdef __cplusplus
}
#endif

#endif
