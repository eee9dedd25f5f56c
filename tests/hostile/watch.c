/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The built-in loop, with each dispatch of the library measured (stopwatch.h): for how long
 * the thread slept in it, and for how long it computed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/hostile/arena.h"
#include "tests/hostile/stopwatch.h"

enum {
	FDS_MAX = 8192,
	LIMIT_NS = 50 * 1000000,
	/* A lock of the kernel may be held by somebody who has no CPU, as that of /dev/shm,
	 * once in a while; a peer that can do it does it every time, or for longer. */
	FORGIVEN = 2,
	NEVER_NS = 1000 * 1000000,
	/* A loop that spins comes round thousands of times, if it gets a CPU. */
	REST_NS = 20 * 1000000,
	REST_LOOKS = 10,
};

static struct {
	qb_ipcs_dispatch_fn_t fn;
	void *data;
} watched[FDS_MAX];
static int schedstat = -1;

static void slot_raise(int slot, uint64_t ns, int count_slot)
{
	struct server_shared *sh = the_server->shared;

	if ((int64_t)ns > atomic_load(&sh->slot[slot]))
		atomic_store(&sh->slot[slot], (int64_t)ns);
	if (ns > (uint64_t)LIMIT_NS * test_slowdown())
		atomic_fetch_add(&sh->slot[count_slot], 1);
}

static int32_t watched_dispatch(int32_t fd, int32_t revents, void *data)
{
	qb_ipcs_dispatch_fn_t fn = watched[fd].fn;
	struct stopwatch watch;
	uint64_t slept, ran;
	int32_t result;

	atomic_fetch_add(&the_server->shared->slot[SLOT_DISPATCHES], 1);
	stopwatch_start(&watch, schedstat);
	result = fn(fd, revents, watched[fd].data);
	stopwatch_read(&watch, schedstat, &slept, &ran);
	slot_raise(SLOT_RAN_NS, ran, SLOT_RAN_COUNT);
	if (schedstat >= 0)
		slot_raise(SLOT_SLEPT_NS, slept, SLOT_SLEPT_COUNT);
	return result;
}

static void watched_note(int32_t fd, qb_ipcs_dispatch_fn_t fn, void *data)
{
	if (fd < 0 || fd >= FDS_MAX)
		abort();
	watched[fd].fn = fn;
	watched[fd].data = data;
}

static int32_t watched_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			   qb_ipcs_dispatch_fn_t fn)
{
	watched_note(fd, fn, data);
	return adapter_qb_loop.handlers.dispatch_add(p, fd, events, data, watched_dispatch);
}

static int32_t watched_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			   qb_ipcs_dispatch_fn_t fn)
{
	watched_note(fd, fn, data);
	return adapter_qb_loop.handlers.dispatch_mod(p, fd, events, data, watched_dispatch);
}

static int32_t watched_del(int32_t fd)
{
	return adapter_qb_loop.handlers.dispatch_del(fd);
}

static int32_t watched_job_add(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn)
{
	return adapter_qb_loop.handlers.job_add(p, data, fn);
}

static void watched_open(void)
{
	schedstat = stopwatch_account();
	adapter_qb_loop.open();
}

static void watched_run(void)
{
	adapter_qb_loop.run();
}

static void watched_stop(void)
{
	adapter_qb_loop.stop();
}

static void watched_close(void)
{
	if (schedstat >= 0)
		close(schedstat);
	adapter_qb_loop.close();
}

static void watched_watch(int fd, qb_ipcs_dispatch_fn_t fn, void *data)
{
	adapter_qb_loop.watch(fd, fn, data);
}

static void watched_unwatch(int fd)
{
	adapter_qb_loop.unwatch(fd);
}

const struct adapter adapter_watched = {
	.name = "qb-loop with a stop-watch",
	.handlers = {
		.job_add = watched_job_add,
		.dispatch_add = watched_add,
		.dispatch_mod = watched_mod,
		.dispatch_del = watched_del,
	},
	.open = watched_open,
	.run = watched_run,
	.stop = watched_stop,
	.close = watched_close,
	.watch = watched_watch,
	.unwatch = watched_unwatch,
};

static void one_check(struct host *h, const char *what, int slot, int count_slot, int forgiven)
{
	long long ms = host_slot(h, slot) / 1000000;
	long long count = host_slot(h, count_slot);

	ck_assert_msg(count <= forgiven && ms < NEVER_NS / 1000000 * test_slowdown(),
		      "dispatches of the server %s for up to %lld ms, %lld times", what, ms,
		      count);
}

void watch_check(struct host *h, bool cpu_judged)
{
	one_check(h, "slept", SLOT_SLEPT_NS, SLOT_SLEPT_COUNT, FORGIVEN);
	if (cpu_judged)
		one_check(h, "computed", SLOT_RAN_NS, SLOT_RAN_COUNT, FORGIVEN);
}

void watch_rest(struct arena *a)
{
	_Atomic int64_t *dispatches = &a->host->shared->slot[SLOT_DISPATCHES];
	uint64_t end = now_ms() + (uint64_t)deadline_ms();
	int64_t before;
	int quiet;

	for (quiet = 0; quiet < REST_LOOKS; quiet++) {
		REQUIRE_MSG(now_ms() < end, "the server does not come to rest");
		before = atomic_load(dispatches);
		nanosleep(&(struct timespec){ .tv_nsec = REST_NS }, NULL);
		if (atomic_load(dispatches) != before)
			quiet = -1;
	}
}
