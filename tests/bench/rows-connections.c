/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows over many connections: one after the other, eight at once, and idle ones. */
#include "peer.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

void bench_reconnect(struct bench_run *run)
{
	struct bench_request *req = bench_message(BENCH_ECHO, run->row->size);
	uint64_t begin = bench_now_ns(), server_ns = bench_ask(run, 0).cpu_ns;
	uint64_t client_ns = bench_cpu_ns(), n = 0, now;
	qb_ipcc_connection_t *c;

	do {
		c = bench_connect(run);
		bench_call(c, req);
		qb_ipcc_disconnect(c);
		now = bench_now_ns();
		n++;
	} while (now - begin < run->opts->time_ns);
	bench_print("rate", (double)n * 1e9 / (double)(now - begin), "/s");
	client_ns = bench_cpu_ns() - client_ns;
	server_ns = bench_ask(run, 0).cpu_ns - server_ns;
	bench_print("cpu", (double)(client_ns + server_ns) / 1000 / (double)n, "us");
	free(req);
}

/* What one of several clients tells the first one. */
struct client_result {
	uint64_t calls;
	uint64_t cpu_ns;
	double p99_us; /* in the sum: of the slowest client */
};

/* One of several clients: connect, say so, wait for the go, call, tell, exit. */
static void client_child(struct bench_run *run, int go, int out)
{
	static struct histogram h;
	struct bench_request *req = bench_message(BENCH_ECHO, run->row->size);
	qb_ipcc_connection_t *c = bench_connect(run);
	struct client_result result = { 0 };
	uint64_t begin, before, now;
	char byte = 0;

	bench_call(c, req);
	if (write(out, &byte, 1) != 1 || read(go, &byte, 1) != 0)
		bench_die("start signal", EPIPE);
	result.cpu_ns = bench_cpu_ns();
	begin = before = now = bench_now_ns();
	while (now - begin < run->opts->time_ns) {
		bench_call(c, req);
		now = bench_now_ns();
		histogram_add(&h, now - before);
		before = now;
	}
	result.calls = h.count;
	result.cpu_ns = bench_cpu_ns() - result.cpu_ns;
	result.p99_us = histogram_us(&h, 0.99);
	qb_ipcc_disconnect(c);
	if (write(out, &result, sizeof(result)) != (ssize_t)sizeof(result))
		bench_die("result", EPIPE);
	_exit(0);
}

/* Start the clients; returns when all of them wait for the end of file on @go[0]. */
static void clients_start(struct bench_run *run, const int go[2], const int out[2])
{
	char byte;
	int i;

	for (i = 0; i < run->row->count; i++) {
		pid_t pid = fork();

		if (pid < 0)
			bench_die("fork", errno);
		if (pid == 0) {
			close(go[1]);
			client_child(run, go[0], out[1]);
		}
	}
	close(out[1]);
	for (i = 0; i < run->row->count; i++)
		if (read(out[0], &byte, 1) != 1)
			bench_die("a client did not connect", EPIPE);
}

void bench_many_clients(struct bench_run *run)
{
	struct client_result one, sum = { 0 };
	uint64_t server_ns;
	int go[2], out[2];

	if (pipe(go) < 0 || pipe(out) < 0)
		bench_die("pipe", errno);
	clients_start(run, go, out);
	server_ns = bench_ask(run, 0).cpu_ns;
	close(go[1]);
	for (int i = 0; i < run->row->count; i++) {
		if (read(out[0], &one, sizeof(one)) != (ssize_t)sizeof(one))
			bench_die("a client failed", EPIPE);
		sum.calls += one.calls;
		sum.cpu_ns += one.cpu_ns;
		sum.p99_us = one.p99_us > sum.p99_us ? one.p99_us : sum.p99_us;
	}
	sum.cpu_ns += bench_ask(run, 0).cpu_ns - server_ns;
	close(go[0]);
	close(out[0]);
	bench_print("rate", (double)sum.calls * 1e9 / (double)run->opts->time_ns, "/s");
	bench_print("p99", sum.p99_us, "us");
	bench_print("cpu", (double)sum.cpu_ns / 1000 / (double)sum.calls, "us");
}

/* Connections that have each made one small call and then rest. */
static qb_ipcc_connection_t **rest(struct bench_run *run)
{
	struct bench_request *req = bench_message(BENCH_ECHO, run->row->size);
	size_t i, n = (size_t)run->row->count;
	qb_ipcc_connection_t **c = calloc(n, sizeof(qb_ipcc_connection_t *));

	if (!c)
		bench_die("calloc", ENOMEM);
	for (i = 0; i < n; i++) {
		c[i] = bench_connect(run);
		bench_call(c[i], req);
	}
	free(req);
	return c;
}

static void disconnect_all(struct bench_run *run, qb_ipcc_connection_t **c)
{
	for (int i = 0; i < run->row->count; i++)
		qb_ipcc_disconnect(c[i]);
	free(c);
}

/* Shared memory of the whole machine: it counts what no process has mapped as well. */
static uint64_t shared_bytes(void)
{
	return bench_proc_bytes("/proc/meminfo", "Shmem");
}

void bench_memory(struct bench_run *run)
{
	double n = (double)run->row->count;
	uint64_t shared = shared_bytes();
	struct bench_report before = bench_ask(run, 1), after;
	qb_ipcc_connection_t **c = rest(run);

	after = bench_ask(run, 1);
	bench_print("shared", ((double)shared_bytes() - (double)shared) / 1024 / n, "KiB");
	bench_print("server-rss", (double)(after.rss_bytes - before.rss_bytes) / 1024 / n,
		    "KiB");
	bench_print("server-pss", (double)(after.pss_bytes - before.pss_bytes) / 1024 / n,
		    "KiB");
	bench_print("server-fds", (double)(after.fds - before.fds) / n, "fds");
	disconnect_all(run, c);
}

void bench_idle(struct bench_run *run)
{
	struct timespec second = { .tv_sec = 1 };
	qb_ipcc_connection_t **c = rest(run);
	uint64_t server_ns = bench_ask(run, 0).cpu_ns, client_ns = bench_cpu_ns();

	nanosleep(&second, NULL);
	client_ns = bench_cpu_ns() - client_ns;
	server_ns = bench_ask(run, 0).cpu_ns - server_ns;
	bench_print("cpu", (double)(server_ns + client_ns) / 1e6, "ms/s");
	disconnect_all(run, c);
}
