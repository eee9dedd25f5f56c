/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of rows, and the command line. */
#include "peer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A row that takes longer hangs; the driver then reports it as failed. */
#define ROW_LIMIT_S 30

static const struct bench_row rows[] = {
	{ "roundtrip-64", bench_roundtrip, .size = 64 },
	{ "roundtrip-1K", bench_roundtrip, .size = 1024 },
	{ "roundtrip-64K", bench_roundtrip, .size = 65536 },
	{ "roundtrip-64-one-cpu", bench_roundtrip, .size = 64,
	  .placement = BENCH_ONE_CPU },
	{ "roundtrip-64-two-cpus", bench_roundtrip, .size = 64,
	  .placement = BENCH_TWO_CPUS },
	{ "oneway-64", bench_oneway, .size = 64 },
	{ "oneway-4K", bench_oneway, .size = 4096 },
	{ "events-64-single", bench_events, .size = 64, .count = 1 },
	{ "events-64-burst", bench_events, .size = 64, .count = 0 },
	{ "clients-8", bench_many_clients, .size = 64, .count = 8 },
	{ "reconnect", bench_reconnect, .size = 64 },
	{ "memory", bench_memory, .size = 64, .count = 100 },
	{ "idle-500", bench_idle, .size = 64, .count = 500 },
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static int usage(void)
{
	fputs("usage: bench-peer serve NAME shm|socket\n"
	      "       bench-peer --server PROGRAM [--type shm|socket] [--time MS] ROW\n"
	      "       bench-peer --list\n",
	      stderr);
	return 2;
}

static int list_rows(void)
{
	for (size_t i = 0; i < N_ROWS; i++)
		puts(rows[i].name);
	return 0;
}

static int measure_row(const struct bench_opts *opts, const char *name)
{
	struct bench_run run = { .opts = opts };

	for (size_t i = 0; i < N_ROWS; i++)
		if (!strcmp(rows[i].name, name))
			run.row = &rows[i];
	if (!run.row || !opts->server)
		return usage();
	alarm(ROW_LIMIT_S);
	bench_raise_fd_limit();
	bench_server_start(&run);
	if (run.row->placement != BENCH_ANYWHERE)
		bench_pin(0);
	run.conn = bench_connect(&run);
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
		return list_rows();
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
