/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/hostile/stopwatch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "tests/hostile/arena.h"
#include "tests/hostile/witness.h"

/* TABLE: descriptors, for which there is room before calls are timed. */
enum { CASES_MAX = 256, TABLE = 4096 };

static struct board {
	unsigned int n;
	struct {
		char name[100];
		struct lap worst;
	} cases[CASES_MAX];
} * board;

static struct {
	const char *name;
	int variant;
} timed;

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t stopwatch_now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

void stopwatch_prepare(void)
{
	struct rlimit limit;
	int fd = -1;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC,
			   limit.rlim_cur < TABLE ? (int)limit.rlim_cur - 1 : TABLE - 1);
	if (fd >= 0)
		close(fd);
}

int stopwatch_account(void)
{
	return open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
}

/* 0: the kernel keeps no account, or there was no wait yet. */
static uint64_t without_cpu_ns(int account, bool *ret_known)
{
	int fd = account < 0 ? stopwatch_account() : account;
	unsigned long long ran, waited;
	char text[100] = "";

	*ret_known = pread(fd, text, sizeof(text) - 1, 0) > 0 &&
		     sscanf(text, "%llu %llu", &ran, &waited) == 2;
	if (!*ret_known)
		waited = 0;
	if (account < 0 && fd >= 0)
		close(fd);
	return waited;
}

void stopwatch_start(struct stopwatch *s, int account)
{
	struct rusage usage;
	bool unused;

	getrusage(RUSAGE_THREAD, &usage);
	s->switches = (uint64_t)usage.ru_nvcsw;
	s->faults = (uint64_t)usage.ru_majflt;
	s->waited = without_cpu_ns(account, &unused);
	s->ran = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	s->wall = stopwatch_now();
}

struct lap stopwatch_read(const struct stopwatch *s, int account)
{
	struct lap l = { 0 };
	struct rusage usage;
	uint64_t switches, faults, accounted;
	bool known;

	l.wall = stopwatch_now() - s->wall;
	l.ran = clock_ns(CLOCK_THREAD_CPUTIME_ID) - s->ran;
	getrusage(RUSAGE_THREAD, &usage);
	switches = (uint64_t)usage.ru_nvcsw - s->switches;
	faults = (uint64_t)usage.ru_majflt - s->faults;
	l.waited = without_cpu_ns(account, &known) - s->waited;
	accounted = l.ran + l.waited;
	/* Without an account it is not told, and not judged. */
	if (known && switches > faults && l.wall > accounted)
		l.blocked = l.wall - accounted;
	l.excused = lap_is_blocked(&l, 0) ? witness_waited(s->wall) : 0;
	return l;
}

static bool is_beyond(uint64_t ns, int allowed_ms, int bound_ms)
{
	return ns > ((uint64_t)allowed_ms + (uint64_t)bound_ms * test_slowdown()) * 1000000;
}

bool lap_is_blocked(const struct lap *l, int allowed_ms)
{
	return l->blocked > l->excused &&
	       is_beyond(l->blocked - l->excused, allowed_ms, BLOCKED_MS);
}

bool lap_is_computing(const struct lap *l, int allowed_ms)
{
	return is_beyond(l->ran, allowed_ms, COMPUTED_MS);
}

static unsigned long long us(uint64_t ns)
{
	return ns / 1000;
}

const char *lap_text(const struct lap *l, char *buf, size_t size)
{
	size_t n = (size_t)snprintf(
		buf, size,
		"blocked %llu us, on a CPU %llu us, without one %llu us, in all %llu us",
		us(l->blocked), us(l->ran), us(l->waited), us(l->wall));

	if (l->excused && n < size)
		snprintf(buf + n, size - n, "; others waited %llu us for a CPU",
			 us(l->excused));
	return buf;
}

static void worsen(uint64_t *worst, uint64_t ns)
{
	if (ns > *worst)
		*worst = ns;
}

void lap_worsen(struct lap *worst, const struct lap *l)
{
	worsen(&worst->wall, l->wall);
	worsen(&worst->ran, l->ran);
	worsen(&worst->waited, l->waited);
	worsen(&worst->blocked, l->blocked);
	worsen(&worst->excused, l->excused);
}

/* -- What was the worst --------------------------------------------------------------- */

void worst_begin(void)
{
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	if (board == MAP_FAILED)
		abort();
}

void worst_note(const char *name, int variant, const char *what, const struct lap *l)
{
	char text[sizeof(board->cases[0].name)];
	unsigned int i = 0;

	if (!board)
		return;
	snprintf(text, sizeof(text), "%s, %s (%s)", name, what, variants[variant].name);
	while (i < board->n && strcmp(board->cases[i].name, text) != 0)
		i++;
	if (i == CASES_MAX)
		return;
	if (i == board->n) {
		memcpy(board->cases[i].name, text, sizeof(text));
		board->n++;
	}
	lap_worsen(&board->cases[i].worst, l);
}

void worst_print(void)
{
	char text[200];

	for (unsigned int i = 0; i < board->n; i++)
		printf("# %s: %s\n", board->cases[i].name,
		       lap_text(&board->cases[i].worst, text, sizeof(text)));
}

/* -- Timed calls of a client ---------------------------------------------------------- */

void timed_case(const char *name, int variant)
{
	timed.name = name;
	timed.variant = variant;
}

/* What it was allowed to wait is not of interest. */
static void timed_note(const struct lap *l, uint64_t allowed)
{
	struct lap beyond = *l;

	beyond.blocked -= beyond.blocked < allowed ? beyond.blocked : allowed;
	worst_note(timed.name, timed.variant, "calls beyond their time", &beyond);
}

void timed_check(const struct stopwatch *s, const char *call, int allowed_ms)
{
	struct lap l = stopwatch_read(s, -1);
	char text[200];

	if (timed.name)
		timed_note(&l, (uint64_t)allowed_ms * 1000000);
	ck_assert_msg(!lap_is_blocked(&l, allowed_ms) && !lap_is_computing(&l, allowed_ms),
		      "%s: %s; %d ms were allowed", call, lap_text(&l, text, sizeof(text)),
		      allowed_ms);
}
