/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BENCH_PLACE_H
#define BENCH_PLACE_H

#include <sys/types.h>

/* The two ends of a row that is placed on two CPUs. */
#define BENCH_CLIENT_CPU 0
#define BENCH_SERVER_CPU 1

/*
 * Keep the calling thread on the nth of the CPUs it may use, or on the last of them if
 * there are fewer.
 */
void bench_pin(int nth);
/* The same for the only thread of another process. */
void bench_pin_process(pid_t pid, int nth);

#endif
