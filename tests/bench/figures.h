/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clocks, and figures on the standard output; distributions are those of the tool. */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include <stdint.h>

#include "../../tools/measure/histogram.h"

#ifdef __cplusplus
extern "C" {
#endif

void bench_die(const char *what, int error) __attribute__((noreturn));

uint64_t bench_now_ns(void);
/* CPU time of this process so far. */
uint64_t bench_cpu_ns(void);

/* A thread that does something now and then: it sleeps until the next time is due. */
struct bench_pace {
	uint64_t due_ns;
	uint64_t period_ns;
};
/* The first time is @after_ns from now. What is late is not made up for. */
void bench_pace_begin(struct bench_pace *pace, uint64_t per_second, uint64_t after_ns);
void bench_pace_wait(struct bench_pace *pace);

void bench_print(const char *metric, double value, const char *unit);

#ifdef __cplusplus
}
#endif

#endif
