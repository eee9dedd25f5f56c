/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a thread runs. Two ends that wake each other sometimes share a CPU and sometimes
 * do not, as the scheduler likes, and the figures differ by a factor: a measurement that
 * leaves it to chance shows the chance.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "place.h"

#include "figures.h"

#include <errno.h>
#include <sched.h>

void bench_pin_process(pid_t pid, int nth)
{
	cpu_set_t usable, one;

	if (sched_getaffinity(0, sizeof(usable), &usable) < 0)
		bench_die("sched_getaffinity", errno);
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE && nth >= 0; cpu++) {
		if (!CPU_ISSET(cpu, &usable))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		nth--;
	}
	if (sched_setaffinity(pid, sizeof(one), &one) < 0)
		bench_die("sched_setaffinity", errno);
}

void bench_pin(int nth)
{
	bench_pin_process(0, nth);
}
