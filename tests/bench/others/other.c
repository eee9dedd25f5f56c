/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The measurement that is the same for all kinds. */
#include "other.h"

#include "../place.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Nothing here takes longer unless it hangs. */
#define LIMIT_S 30
#define WARM_UP_PART 8

static void call(enum other_kind kind)
{
	struct other_message msg = { .kind = (unsigned char)kind };

	if (other.call) {
		other.call(&msg);
		return;
	}
	other.send(&msg);
	other.receive(&msg);
}

static void serve(void)
{
	struct other_message msg;

	do {
		other.receive(&msg);
		if (msg.kind != OTHER_POST)
			other.send(&msg);
	} while (msg.kind != OTHER_QUIT);
}

/* The child: it stays until the parent has what was sent last, and hangs up. */
static void serve_until_hangup(int hangup)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	other.open(1);
	bench_pin(BENCH_SERVER_CPU);
	if (other.serve)
		other.serve();
	else
		serve();
	if (read(hangup, &byte, 1) != 0)
		bench_die("hang-up", EPROTO);
	_exit(0);
}

static void call_for(uint64_t ns, struct histogram *h)
{
	uint64_t begin = bench_now_ns(), before = begin, now = begin;

	while (now - begin < ns) {
		call(OTHER_CALL);
		now = bench_now_ns();
		histogram_add(h, now - before);
		before = now;
	}
}

static uint64_t post_for(uint64_t ns)
{
	struct other_message msg = { .kind = OTHER_POST };
	uint64_t begin = bench_now_ns(), n = 0;

	do {
		for (int i = 0; i < 16; i++, n++)
			other.send(&msg);
	} while (bench_now_ns() - begin < ns);
	call(OTHER_CALL);
	return n;
}

static uint64_t measure_calls(uint64_t time_ns)
{
	static struct histogram warm, h;

	call_for(time_ns / WARM_UP_PART, &warm);
	call_for(time_ns, &h);
	bench_print("p50", histogram_us(&h, 0.50), "us");
	bench_print("p99", histogram_us(&h, 0.99), "us");
	return warm.count + h.count;
}

static uint64_t measure_posts(uint64_t time_ns)
{
	uint64_t warm = post_for(time_ns / WARM_UP_PART), begin = bench_now_ns();
	uint64_t n = post_for(time_ns);

	bench_print("rate", (double)n * 1e9 / (double)(bench_now_ns() - begin), "/s");
	return warm + n;
}

/* CPU time of both processes; the child has been waited for. */
static double cpu_us(void)
{
	struct rusage child;

	getrusage(RUSAGE_CHILDREN, &child);
	return (double)bench_cpu_ns() / 1000 +
	       (double)(child.ru_utime.tv_sec + child.ru_stime.tv_sec) * 1e6 +
	       (double)(child.ru_utime.tv_usec + child.ru_stime.tv_usec);
}

int main(int argc, char **argv)
{
	uint64_t time_ns = 300000000, n;
	int i = 1, status, hangup[2];
	pid_t child;

	if (argc == 4 && !strcmp(argv[1], "--time")) {
		time_ns = strtoull(argv[2], NULL, 10) * 1000000;
		i = 3;
	}
	if (i != argc - 1)
		return 2;
	alarm(LIMIT_S);
	if (pipe(hangup) < 0)
		bench_die("pipe", errno);
	if (other.prepare)
		other.prepare();
	child = fork();
	if (child < 0)
		bench_die("fork", errno);
	if (child == 0) {
		close(hangup[1]);
		serve_until_hangup(hangup[0]);
	}
	other.open(0);
	bench_pin(BENCH_CLIENT_CPU);
	n = !strcmp(argv[i], "oneway-64") ? measure_posts(time_ns) : measure_calls(time_ns);
	call(OTHER_QUIT);
	close(hangup[1]);
	if (waitpid(child, &status, 0) != child || status != 0)
		bench_die("the server failed", ECHILD);
	bench_print("cpu", cpu_us() / (double)n, "us");
	return 0;
}
