/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A server and a client that only wait: how often each of them wakes up, which nothing asks
 * them to. The client waits for an event, without a time limit.
 */
#include "peer.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LONGEST_NS 10000000000
#define CALLS_BEFORE 100
/* Both have long gone to sleep after that. */
#define SETTLE_NS 200000000

static void sleep_ns(uint64_t ns)
{
	struct timespec ts = { .tv_sec = (time_t)(ns / 1000000000),
			       .tv_nsec = (long)(ns % 1000000000) };

	while (nanosleep(&ts, &ts) != 0)
		;
}

/* Has been awake for a while, and waits. */
static void client_child(const struct bench_run *run, int ready)
{
	static union bench_buffer event;
	struct bench_request *req = bench_message(BENCH_ECHO, run->row->size);
	qb_ipcc_connection_t *c = bench_connect(run);
	char byte = 0;

	for (int i = 0; i < CALLS_BEFORE; i++)
		bench_call(c, req);
	if (write(ready, &byte, 1) != 1)
		bench_die("write", errno);
	qb_ipcc_event_recv(c, &event, sizeof(event), -1);
	bench_die("an event that nobody sends", EPROTO);
}

static pid_t client_start(const struct bench_run *run)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready) < 0)
		bench_die("pipe", errno);
	pid = fork();
	if (pid < 0)
		bench_die("fork", errno);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		client_child(run, ready[1]);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		bench_die("a client did not connect", EPIPE);
	close(ready[0]);
	return pid;
}

void bench_waiting(struct bench_run *run)
{
	uint64_t ns = run->opts->time_ns < LONGEST_NS ? run->opts->time_ns : LONGEST_NS;
	pid_t client = client_start(run);
	uint64_t of_server, of_client;

	sleep_ns(SETTLE_NS);
	of_server = bench_proc_switches(run->server);
	of_client = bench_proc_switches(client);
	sleep_ns(ns);
	bench_print("server-wakes", (double)(bench_proc_switches(run->server) - of_server),
		    "wakes");
	bench_print("client-wakes", (double)(bench_proc_switches(client) - of_client), "wakes");
	kill(client, SIGKILL);
	waitpid(client, NULL, 0);
}
