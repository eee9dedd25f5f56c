/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client of corosync that keeps it busy, and tells how fast it was served, with the CPU time
 * of both processes per message.
 *
 *   load get COUNT DAEMON       reads a key of the map COUNT times, one after the other
 *   load cpg SIZE MS DAEMON     the only member of a group sends messages of SIZE bytes to it
 *                               for MS milliseconds, and takes them; IN_FLIGHT at once
 *   load busy                   never sleeps
 *
 * DAEMON is a process ID. It prints one line per figure, "METRIC VALUE UNIT".
 */
#include "../figures.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <corosync/cmap.h>
#include <corosync/corotypes.h>
#include <corosync/cpg.h>

#define WARM_UP_PART 8
#define LARGEST (1024 * 1024)
#define IN_FLIGHT 32
#define KEY "bench.value"

/* -- CPU time ---------------------------------------------------------------------------- */

static clockid_t daemon_clock;
static uint64_t daemon_ns, own_ns;

static uint64_t daemon_now(void)
{
	struct timespec ts;

	if (clock_gettime(daemon_clock, &ts) < 0)
		bench_die("the daemon's clock", errno);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void daemon_find(const char *pid)
{
	int r = clock_getcpuclockid((pid_t)atoi(pid), &daemon_clock);

	if (r != 0)
		bench_die("the daemon", r);
}

static void cpu_begin(void)
{
	daemon_ns = daemon_now();
	own_ns = bench_cpu_ns();
}

static void figures_print(const struct histogram *h, uint64_t ns)
{
	double n = (double)h->count;
	uint64_t own = bench_cpu_ns() - own_ns, theirs = daemon_now() - daemon_ns;

	bench_print("rate", n * 1e9 / (double)ns, "/s");
	bench_print("p50", histogram_us(h, 0.50), "us");
	bench_print("p99", histogram_us(h, 0.99), "us");
	bench_print("cpu", (double)(own + theirs) / 1000 / n, "us");
	bench_print("daemon-cpu", (double)theirs / 1000 / n, "us");
}

/* -- The map ----------------------------------------------------------------------------- */

static void cs_check(const char *what, cs_error_t e)
{
	if (e != CS_OK)
		bench_die(what, EPROTO);
}

static void get(cmap_handle_t map, uint64_t count, struct histogram *h)
{
	uint64_t begin, now = bench_now_ns();
	uint32_t value;
	cs_error_t e;

	while (count > 0) {
		begin = now;
		e = cmap_get_uint32(map, KEY, &value);
		now = bench_now_ns();
		if (e == CS_ERR_TRY_AGAIN)
			continue;
		cs_check("cmap_get", e);
		histogram_add(h, now - begin);
		count--;
	}
}

static void get_measure(uint64_t count)
{
	static struct histogram warm, h;
	cmap_handle_t map;
	uint64_t begin;

	cs_check("cmap_initialize", cmap_initialize(&map));
	cs_check("cmap_set", cmap_set_uint32(map, KEY, 1));
	get(map, count / WARM_UP_PART, &warm);
	cpu_begin();
	begin = bench_now_ns();
	get(map, count, &h);
	figures_print(&h, bench_now_ns() - begin);
	cmap_finalize(map);
}

/* -- Groups ------------------------------------------------------------------------------ */

static cpg_handle_t group;
static uint64_t sent, taken;
static bool joined;
static struct histogram warm_up, measured, *delivered = &warm_up;

static void on_deliver(cpg_handle_t handle, const struct cpg_name *name, uint32_t node,
		       uint32_t pid, void *data, size_t size)
{
	uint64_t sent_ns;

	(void)handle;
	(void)name;
	(void)node;
	(void)size;
	if (pid != (uint32_t)getpid())
		return;
	memcpy(&sent_ns, data, sizeof(sent_ns));
	histogram_add(delivered, bench_now_ns() - sent_ns);
	taken++;
}

static void on_change(cpg_handle_t handle, const struct cpg_name *name,
		      const struct cpg_address *members, size_t n_members,
		      const struct cpg_address *left, size_t n_left,
		      const struct cpg_address *new_ones, size_t n_new)
{
	(void)handle;
	(void)name;
	(void)members;
	(void)left;
	(void)n_left;
	(void)new_ones;
	(void)n_new;
	joined = n_members > 0;
}

static void dispatch(int timeout_ms)
{
	struct pollfd p = { .events = POLLIN };
	cs_error_t e;

	cpg_fd_get(group, &p.fd);
	if (poll(&p, 1, timeout_ms) < 0)
		bench_die("poll", errno);
	e = cpg_dispatch(group, CS_DISPATCH_ALL);
	if (e != CS_ERR_TRY_AGAIN)
		cs_check("cpg_dispatch", e);
}

/* All have been delivered at the end. */
static void send_for(size_t size, uint64_t ns)
{
	static char message[LARGEST];
	struct iovec iov = { message, size };
	uint64_t begin = bench_now_ns(), now = begin;

	while (now - begin < ns || taken < sent) {
		cs_error_t e = CS_ERR_TRY_AGAIN;

		if (sent - taken < IN_FLIGHT && now - begin < ns) {
			memcpy(message, &now, sizeof(now));
			e = cpg_mcast_joined(group, CPG_TYPE_AGREED, &iov, 1);
			if (e == CS_OK)
				sent++;
			else if (e != CS_ERR_TRY_AGAIN)
				cs_check("cpg_mcast_joined", e);
		}
		/* Nothing comes before this was sent: then try again soon. */
		dispatch(e == CS_OK ? 0 : sent > taken ? -1 : 1);
		now = bench_now_ns();
	}
}

static void cpg_measure(size_t size, uint64_t ns)
{
	cpg_callbacks_t callbacks = { on_deliver, on_change };
	struct cpg_name name = { .length = 5, .value = "bench" };
	uint64_t begin;
	cs_error_t e;

	cs_check("cpg_initialize", cpg_initialize(&group, &callbacks));
	while ((e = cpg_join(group, &name)) == CS_ERR_TRY_AGAIN)
		dispatch(10);
	cs_check("cpg_join", e);
	while (!joined)
		dispatch(-1);
	send_for(size, ns / WARM_UP_PART);
	delivered = &measured;
	cpu_begin();
	begin = bench_now_ns();
	send_for(size, ns);
	figures_print(&measured, bench_now_ns() - begin);
	cpg_finalize(group);
}

static void never_sleep(void)
{
	volatile unsigned int n = 0;

	for (;;)
		n++;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "busy"))
		never_sleep();
	if (argc == 4 && !strcmp(argv[1], "get")) {
		daemon_find(argv[3]);
		get_measure(strtoull(argv[2], NULL, 10));
		return 0;
	}
	if (argc == 5 && !strcmp(argv[1], "cpg")) {
		size_t size = strtoul(argv[2], NULL, 10);

		if (size < sizeof(uint64_t) || size > LARGEST)
			return 2;
		daemon_find(argv[4]);
		cpg_measure(size, strtoull(argv[3], NULL, 10) * 1000000);
		return 0;
	}
	return 2;
}
