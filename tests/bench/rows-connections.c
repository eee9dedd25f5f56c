/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows over many connections: one after the other, eight at once, and idle ones. */
#include "peer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

void bench_reconnect(struct bench_run *run)
{
	struct bench_request *req = bench_message(BENCH_ECHO, run->row->size);
	struct bench_cpu since = bench_cpu_begin(run);
	uint64_t begin = bench_now_ns(), n = 0, now;
	qb_ipcc_connection_t *c;

	do {
		c = bench_connect(run);
		bench_call(c, req);
		qb_ipcc_disconnect(c);
		now = bench_now_ns();
		n++;
	} while (now - begin < run->opts->time_ns);
	bench_print("rate", (double)n * 1e9 / (double)(now - begin), "/s");
	bench_cpu_print(run, since, n);
	free(req);
}

/* One of several clients, in memory that they share. */
struct client {
	uint64_t cpu_ns;
	struct histogram h;
};

static void calls_make(struct bench_run *run, int index, struct histogram *h)
{
	struct bench_request *req = bench_message(BENCH_ECHO, run->row->size);
	uint64_t begin = bench_now_ns(), before = begin, now = begin;
	int per_second = run->row->pace;
	struct bench_pace pace;

	/* Not all at the same moment. */
	if (per_second)
		bench_pace_begin(&pace, (uint64_t)per_second,
				 1000000000ULL * (uint64_t)index / (uint64_t)per_second /
					 (uint64_t)run->row->count);
	while (now - begin < run->opts->time_ns) {
		if (per_second) {
			bench_pace_wait(&pace);
			before = bench_now_ns();
		}
		bench_call(run->conn, req);
		now = bench_now_ns();
		histogram_add(h, now - before);
		before = now;
	}
	free(req);
}

/* Connect, make a call, say so, wait for the go, call, exit. */
static void client_child(struct bench_run *run, struct client *client, int index, int go,
			 int out)
{
	struct bench_request *req = bench_message(BENCH_ECHO, run->row->size);
	char byte = 0;

	run->conn = bench_connect(run);
	bench_call(run->conn, req);
	if (write(out, &byte, 1) != 1 || read(go, &byte, 1) != 0)
		bench_die("start signal", EPIPE);
	client->cpu_ns = bench_cpu_ns();
	calls_make(run, index, &client->h);
	client->cpu_ns = bench_cpu_ns() - client->cpu_ns;
	qb_ipcc_disconnect(run->conn);
	if (write(out, &byte, 1) != 1)
		bench_die("result", EPIPE);
	_exit(0);
}

static void clients_say(const struct bench_run *run, int out, const char *otherwise)
{
	char byte;

	for (int i = 0; i < run->row->count; i++)
		if (read(out, &byte, 1) != 1)
			bench_die(otherwise, EPIPE);
}

/* Start the clients; returns when all of them wait for the end of file on @go[0]. */
static struct client *clients_start(struct bench_run *run, const int go[2], const int out[2])
{
	struct client *clients =
		mmap(NULL, (size_t)run->row->count * sizeof(*clients), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (clients == MAP_FAILED)
		bench_die("mmap", errno);
	for (int i = 0; i < run->row->count; i++) {
		pid_t pid = fork();

		if (pid < 0)
			bench_die("fork", errno);
		if (pid == 0) {
			close(go[1]);
			client_child(run, &clients[i], i, go[0], out[1]);
		}
	}
	close(out[1]);
	clients_say(run, out[0], "a client did not connect");
	return clients;
}

/* p99 is that of all calls; a client that others hold up shows in that of the slowest. */
static void clients_print(const struct bench_run *run, const struct client *clients)
{
	static struct histogram all;
	double slowest = 0;

	for (int i = 0; i < run->row->count; i++) {
		double p99 = histogram_us(&clients[i].h, 0.99);

		histogram_join(&all, &clients[i].h);
		slowest = p99 > slowest ? p99 : slowest;
	}
	bench_print("rate", (double)all.count * 1e9 / (double)run->opts->time_ns, "/s");
	bench_print("p50", histogram_us(&all, 0.50), "us");
	bench_print("p99", histogram_us(&all, 0.99), "us");
	bench_print("p99-slowest", slowest, "us");
}

void bench_many_clients(struct bench_run *run)
{
	uint64_t calls = 0, client_ns = 0, server_ns;
	struct client *clients;
	int go[2], out[2];

	if (pipe(go) < 0 || pipe(out) < 0)
		bench_die("pipe", errno);
	clients = clients_start(run, go, out);
	server_ns = bench_ask(run, 0).cpu_ns;
	close(go[1]);
	clients_say(run, out[0], "a client failed");
	server_ns = bench_ask(run, 0).cpu_ns - server_ns;
	close(go[0]);
	close(out[0]);
	for (int i = 0; i < run->row->count; i++) {
		calls += clients[i].h.count;
		client_ns += clients[i].cpu_ns;
	}
	clients_print(run, clients);
	bench_print("cpu", (double)(client_ns + server_ns) / 1000 / (double)calls, "us");
	bench_print("server-cpu", (double)server_ns / 1000 / (double)calls, "us");
	munmap(clients, (size_t)run->row->count * sizeof(*clients));
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
	uint64_t ns = run->opts->time_ns;
	struct timespec pause = { .tv_sec = (time_t)(ns / 1000000000),
				  .tv_nsec = (long)(ns % 1000000000) };
	qb_ipcc_connection_t **c = rest(run);
	uint64_t server_ns = bench_ask(run, 0).cpu_ns, client_ns = bench_cpu_ns();

	nanosleep(&pause, NULL);
	client_ns = bench_cpu_ns() - client_ns;
	server_ns = bench_ask(run, 0).cpu_ns - server_ns;
	bench_print("cpu", (double)(server_ns + client_ns) * 1e3 / (double)ns, "ms/s");
	disconnect_all(run, c);
}
