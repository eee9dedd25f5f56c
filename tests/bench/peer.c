/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line, and the frame around a row. */
#include "peer.h"
#include "place.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A row that takes longer than its time and this hangs; the driver then reports it as failed. */
#define ROW_LIMIT_S 120

static int usage(void)
{
	fputs("usage: bench-peer serve NAME shm|socket [LOOP]\n"
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

static int measure_row(struct bench_opts *opts, const char *name)
{
	static struct bench_run run;

	run.row = find_row(bench_rows, name);
	if (!run.row)
		run.row = find_row(bench_curves, name);
	if (!run.row || !opts->server)
		return usage();
	if (run.row->times)
		opts->time_ns *= (uint64_t)run.row->times;
	run.opts = opts;
	alarm(ROW_LIMIT_S + (unsigned int)(opts->time_ns / 1000000000));
	bench_raise_fd_limit();
	/* Of this library: which wire it offers, and takes. libqb has one. */
	setenv("QBIPC_NATIVE", run.row->libqb_wire ? "0" : "1", 1);
	bench_busy_start(&run);
	bench_server_start(&run);
	if (run.row->placement == BENCH_ONE_CPU || run.row->placement == BENCH_PINNED)
		bench_pin(BENCH_CLIENT_CPU);
	run.conn = bench_connect(&run);
	if (run.row->placement == BENCH_TWO_CPUS)
		move_apart(&run);
	run.row->measure(&run);
	qb_ipcc_disconnect(run.conn);
	bench_server_stop(&run);
	bench_busy_stop(&run);
	return 0;
}

int main(int argc, char **argv)
{
	struct bench_opts opts = { .type = "shm", .time_ns = 300000000 };
	int i;

	if (argc == 2 && !strcmp(argv[1], "--list"))
		return list_rows(bench_rows);
	if (argc == 2 && !strcmp(argv[1], "--list-curves"))
		return list_rows(bench_curves);
	if ((argc == 4 || argc == 5) && !strcmp(argv[1], "serve"))
		return bench_serve(argv[2], argv[3], argv[4]);
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
