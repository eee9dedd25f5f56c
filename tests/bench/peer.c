/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of rows, and the command line. */
#include "peer.h"
#include "place.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A row that takes longer hangs; the driver then reports it as failed. */
#define ROW_LIMIT_S 30

static const struct bench_row rows[] = {
	{ "roundtrip-64", bench_roundtrip, .size = 64, .placement = BENCH_TWO_CPUS },
	{ "roundtrip-1K", bench_roundtrip, .size = 1024, .placement = BENCH_TWO_CPUS },
	{ "roundtrip-64K", bench_roundtrip, .size = 65536, .placement = BENCH_TWO_CPUS },
	{ "roundtrip-64-one-cpu", bench_roundtrip, .size = 64, .placement = BENCH_ONE_CPU },
	{ "roundtrip-64-unplaced", bench_roundtrip, .size = 64 },
	{ "oneway-64", bench_oneway, .size = 64, .placement = BENCH_TWO_CPUS },
	{ "oneway-4K", bench_oneway, .size = 4096, .placement = BENCH_TWO_CPUS },
	{ "events-64-single", bench_events, .size = 64, .count = 1,
	  .placement = BENCH_TWO_CPUS },
	{ "events-64-burst", bench_events, .size = 64, .count = 0,
	  .placement = BENCH_TWO_CPUS },
	{ "clients-8", bench_many_clients, .size = 64, .count = 8 },
	{ "reconnect", bench_reconnect, .size = 64 },
	{ "memory", bench_memory, .size = 64, .count = 100 },
	{ "idle-500", bench_idle, .size = 64, .count = 500 },
	{ 0 },
};

/* The points of two curves: the name ends in what is laid off on the x axis. */
static const struct bench_row curves[] = {
	{ "size-16", bench_roundtrip, .size = 16, .placement = BENCH_TWO_CPUS },
	{ "size-64", bench_roundtrip, .size = 64, .placement = BENCH_TWO_CPUS },
	{ "size-256", bench_roundtrip, .size = 256, .placement = BENCH_TWO_CPUS },
	{ "size-1024", bench_roundtrip, .size = 1024, .placement = BENCH_TWO_CPUS },
	{ "size-4096", bench_roundtrip, .size = 4096, .placement = BENCH_TWO_CPUS },
	{ "size-16384", bench_roundtrip, .size = 16384, .placement = BENCH_TWO_CPUS },
	{ "size-65536", bench_roundtrip, .size = 65536, .placement = BENCH_TWO_CPUS },
	{ "size-262144", bench_roundtrip, .size = 262144, .placement = BENCH_TWO_CPUS },
	{ "size-1048576", bench_roundtrip, .size = BENCH_LARGEST_MSG,
	  .placement = BENCH_TWO_CPUS },
	{ "clients-1", bench_many_clients, .size = 64, .count = 1 },
	{ "clients-2", bench_many_clients, .size = 64, .count = 2 },
	{ "clients-4", bench_many_clients, .size = 64, .count = 4 },
	{ "clients-8", bench_many_clients, .size = 64, .count = 8 },
	{ "clients-16", bench_many_clients, .size = 64, .count = 16 },
	{ "clients-32", bench_many_clients, .size = 64, .count = 32 },
	{ "clients-64", bench_many_clients, .size = 64, .count = 64 },
	{ 0 },
};

static int usage(void)
{
	fputs("usage: bench-peer serve NAME shm|socket\n"
	      "       bench-peer --server PROGRAM [--type shm|socket] [--time MS] ROW\n"
	      "       bench-peer --list | --list-curves\n",
	      stderr);
	return 2;
}

static int list_rows(const struct bench_row *row)
{
	for (; row->name; row++)
		puts(row->name);
	return 0;
}

static const struct bench_row *find_row(const struct bench_row *row, const char *name)
{
	for (; row->name; row++)
		if (!strcmp(row->name, name))
			return row;
	return NULL;
}

/*
 * A library may decide what it does by the CPUs that it finds when it is set up: that
 * has happened, with all of them, when the two ends part.
 */
static void move_apart(struct bench_run *run)
{
	struct bench_request req;

	bench_fill(&req, BENCH_PIN, sizeof(req));
	req.count = BENCH_SERVER_CPU;
	bench_call(run->conn, &req);
	bench_pin(BENCH_CLIENT_CPU);
}

static int measure_row(const struct bench_opts *opts, const char *name)
{
	struct bench_run run = { .opts = opts };

	run.row = find_row(rows, name);
	if (!run.row)
		run.row = find_row(curves, name);
	if (!run.row || !opts->server)
		return usage();
	alarm(ROW_LIMIT_S);
	bench_raise_fd_limit();
	bench_server_start(&run);
	if (run.row->placement == BENCH_ONE_CPU)
		bench_pin(0);
	run.conn = bench_connect(&run);
	if (run.row->placement == BENCH_TWO_CPUS)
		move_apart(&run);
	run.row->measure(&run);
	qb_ipcc_disconnect(run.conn);
	bench_server_stop(&run);
	return 0;
}

int main(int argc, char **argv)
{
	struct bench_opts opts = { .type = "shm", .time_ns = 300000000 };
	int i;

	if (argc == 2 && !strcmp(argv[1], "--list"))
		return list_rows(rows);
	if (argc == 2 && !strcmp(argv[1], "--list-curves"))
		return list_rows(curves);
	if (argc == 4 && !strcmp(argv[1], "serve"))
		return bench_serve(argv[2], argv[3]);
	for (i = 1; i + 2 < argc; i += 2) {
		if (!strcmp(argv[i], "--server"))
			opts.server = argv[i + 1];
		else if (!strcmp(argv[i], "--type"))
			opts.type = argv[i + 1];
		else if (!strcmp(argv[i], "--time"))
			opts.time_ns = strtoull(argv[i + 1], NULL, 10) * 1000000;
		else
			return usage();
	}
	if (i != argc - 1)
		return usage();
	return measure_row(&opts, argv[i]);
}
