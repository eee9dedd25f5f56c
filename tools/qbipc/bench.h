/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qbipc bench: what its parts share. */
#ifndef TOOL_BENCH_H
#define TOOL_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <qb/qbipcc.h>

#include "examples/echo.h"

#define BENCH_CALL_MS 5000 /* that a call, or connecting, may take */
#define BENCH_SIZE_MIN sizeof(struct echo_message)
#define BENCH_SIZE_MAX (16u << 20)

/* Calls of one size over one transport. */
struct bench_cell {
	const char *transport; /* cells of one follow each other, sizes grow */
	size_t size;	       /* bytes of the request and of its response */
	uint64_t count;	       /* of calls measured */
	double p50_us;
	double p99_us;
	double rate; /* calls per second */
};

/* A line on standard error, while something is measured. */
struct bench_progress {
	bool on;	   /* a terminal shows it */
	uint64_t shown_ns; /* when it was shown last */
};

/*
 * Call for @ns, after a part of it that does not count, and fill in what @cell, of a
 * transport and a size, has besides. 0 or -errno: -EBADMSG when what comes back is not
 * as long as what was sent.
 */
int bench_measure(qb_ipcc_connection_t *c, struct bench_cell *cell, uint64_t ns,
		  struct bench_progress *progress);

/* A server of our own, in a process of its own. */
struct bench_server {
	char name[64];
	pid_t pid; /* -1: none */
	int life;  /* it ends when this is closed */
};

/* Start one that echoes, for this user and root. 0 when it serves, or -errno. */
int bench_server_start(struct bench_server *s, enum qb_ipc_type type);
void bench_server_stop(struct bench_server *s);

/* The machine, its kernel, and how busy it is now. */
void bench_machine(char *buf, size_t room);

/*
 * Draw latency against size, an SVG for light and dark backgrounds, measured on @machine.
 * Errors of writing stay in @out.
 */
void bench_plot(FILE *out, const struct bench_cell *cells, size_t n, const char *machine);

#endif
