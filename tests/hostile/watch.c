/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The built-in loop, with each dispatch of the library measured (stopwatch.h): for how long
 * the thread was blocked in it, and for how long it computed.
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
	/* A loop that spins comes round thousands of times, if it gets a CPU. */
	REST_NS = 20 * 1000000,
	REST_LOOKS = 10,
};

static struct {
	qb_ipcs_dispatch_fn_t fn;
	void *data;
} watched[FDS_MAX];
static int schedstat = -1;

static void slot_raise(int slot, uint64_t ns)
{
	_Atomic int64_t *worst = &the_server->shared->slot[slot];

	if ((int64_t)ns > atomic_load(worst))
		atomic_store(worst, (int64_t)ns);
}

static void lap_judge(const struct lap *l)
{
	struct server_shared *sh = the_server->shared;

	slot_raise(SLOT_WALL_NS, l->wall);
	slot_raise(SLOT_RAN_NS, l->ran);
	slot_raise(SLOT_BLOCKED_NS, l->blocked);
	slot_raise(SLOT_WAITED_NS, l->waited);
	if (lap_is_computing(l, 0))
		atomic_fetch_add(&sh->slot[SLOT_RAN_COUNT], 1);
	if (lap_is_blocked(l, 0))
		atomic_fetch_add(&sh->slot[SLOT_BLOCKED_COUNT], 1);
}

static int32_t watched_dispatch(int32_t fd, int32_t revents, void *data)
{
	qb_ipcs_dispatch_fn_t fn = watched[fd].fn;
	struct server_shared *sh = the_server->shared;
	int64_t frozen = atomic_load(&sh->slot[SLOT_FROZEN]);
	struct stopwatch watch;
	struct lap l;
	int32_t result;

	atomic_fetch_add(&sh->slot[SLOT_DISPATCHES], 1);
	stopwatch_start(&watch, schedstat);
	result = fn(fd, revents, watched[fd].data);
	l = stopwatch_read(&watch, schedstat);
	if (frozen == atomic_load(&sh->slot[SLOT_FROZEN]))
		lap_judge(&l);
	return result;
}

static void watched_note(int32_t fd, qb_ipcs_dispatch_fn_t fn, void *data)
{
	if (fd < 0 || fd >= FDS_MAX)
		server_fail(the_server, __FILE__, __LINE__, "the descriptor %d is in the loop",
			    fd);
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
	stopwatch_prepare();
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

struct lap watch_worst(struct host *h)
{
	return (struct lap){
		.wall = (uint64_t)host_slot(h, SLOT_WALL_NS),
		.ran = (uint64_t)host_slot(h, SLOT_RAN_NS),
		.waited = (uint64_t)host_slot(h, SLOT_WAITED_NS),
		.blocked = (uint64_t)host_slot(h, SLOT_BLOCKED_NS),
	};
}

bool watch_is_blocked(struct host *h)
{
	return host_slot(h, SLOT_BLOCKED_COUNT) > 0;
}

void watch_check(struct host *h, bool cpu_judged, bool blocking_judged)
{
	long long blocked = blocking_judged ? host_slot(h, SLOT_BLOCKED_COUNT) : 0;
	long long computing = cpu_judged ? host_slot(h, SLOT_RAN_COUNT) : 0;
	struct lap worst = watch_worst(h);
	char text[200];

	ck_assert_msg(blocked == 0 && computing == 0,
		      "%lld dispatches were blocked and %lld computed for long; at most: %s",
		      blocked, computing, lap_text(&worst, text, sizeof(text)));
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
