/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/hostile/stopwatch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "tests/hostile/arena.h"

enum {
	/* An attack that gains something gains as much as it likes: in the tests the deadline
	 * of the attacker. What a machine that pages and has no CPU to spare takes is less. */
	MARGIN_MS = 2000,
	COMPUTED_MS = 500,
};

/* The call that overran its time the most, of the whole program. */
static struct worst {
	uint64_t beyond_us;
	uint64_t slept_us;
	int allowed_ms;
	char call[100];
} * worst;

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

int stopwatch_account(void)
{
	return open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
}

static uint64_t without_cpu_ns(int account)
{
	int fd = account < 0 ? stopwatch_account() : account;
	unsigned long long ran, waited;
	char text[100] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0 ||
	    sscanf(text, "%llu %llu", &ran, &waited) != 2)
		waited = 0;
	if (account < 0 && fd >= 0)
		close(fd);
	return waited;
}

void stopwatch_start(struct stopwatch *s, int account)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	s->switches = (uint64_t)usage.ru_nvcsw;
	s->faults = (uint64_t)usage.ru_majflt;
	s->waited = without_cpu_ns(account);
	s->ran = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	s->wall = clock_ns(CLOCK_MONOTONIC);
}

void stopwatch_read(const struct stopwatch *s, int account, uint64_t *ret_slept,
		    uint64_t *ret_ran)
{
	struct stopwatch now;
	struct rusage usage;
	uint64_t known;

	now.wall = clock_ns(CLOCK_MONOTONIC) - s->wall;
	now.ran = clock_ns(CLOCK_THREAD_CPUTIME_ID) - s->ran;
	getrusage(RUSAGE_THREAD, &usage);
	now.switches = (uint64_t)usage.ru_nvcsw - s->switches;
	now.faults = (uint64_t)usage.ru_majflt - s->faults;
	now.waited = without_cpu_ns(account) - s->waited;
	known = now.ran + now.waited;
	*ret_ran = now.ran;
	*ret_slept = now.switches > now.faults && now.wall > known ? now.wall - known : 0;
}

void timed_check(const struct stopwatch *s, const char *call, int allowed_ms)
{
	uint64_t allowed_us = (uint64_t)allowed_ms * 1000, slept, ran;

	stopwatch_read(s, -1, &slept, &ran);
	slept /= 1000;
	if (worst && slept > allowed_us && slept - allowed_us > worst->beyond_us) {
		worst->beyond_us = slept - allowed_us;
		worst->slept_us = slept;
		worst->allowed_ms = allowed_ms;
		snprintf(worst->call, sizeof(worst->call), "%s", call);
	}
	ck_assert_msg(slept <= allowed_us + MARGIN_MS * 1000ull * test_slowdown(),
		      "%s slept for %llu ms, %d were allowed", call,
		      (unsigned long long)slept / 1000, allowed_ms);
	ck_assert_msg(ran / 1000000 <= (uint64_t)allowed_ms + COMPUTED_MS * test_slowdown(),
		      "%s computed for %llu ms", call, (unsigned long long)ran / 1000000);
}

void timed_begin(void)
{
	worst = mmap(NULL, sizeof(*worst), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	if (worst == MAP_FAILED)
		abort();
}

void timed_print(void)
{
	if (worst->beyond_us)
		printf("# longest beyond its time: %s: slept %llu us, %d ms were allowed\n",
		       worst->call, (unsigned long long)worst->slept_us, worst->allowed_ms);
}
