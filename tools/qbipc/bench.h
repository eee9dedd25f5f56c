/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qbipc bench: declarations that its files share. */
#ifndef TOOL_BENCH_H
#define TOOL_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <qb/qbipcc.h>

#include "examples/echo.h"

#define BENCH_CALL_MS 5000 /* time limit of a call, and of connecting */
#define BENCH_SIZE_MIN sizeof(struct echo_message)
#define BENCH_SIZE_MAX (16u << 20)

/* Calls of one size over one transport. */
struct bench_cell {
	const char *transport; /* cells of one transport are adjacent, sizes ascend */
	size_t size;	       /* bytes of the request and of its response */
	uint64_t count;	       /* calls measured */
	double p50_us;
	double p99_us;
	double rate; /* calls per second */
};

/* The progress line on standard error. */
struct bench_progress {
	bool on;	   /* standard error is a terminal */
	uint64_t shown_ns; /* when it was shown last */
};

/*
 * Call for @ns, after a warm-up that does not count, and fill in the results of @cell, whose
 * transport and size are set. 0 or -errno; -EBADMSG: a response is not as long as its request.
 */
int bench_measure(qb_ipcc_connection_t *c, struct bench_cell *cell, uint64_t ns,
		  struct bench_progress *progress);

/* An own server, in a child process. */
struct bench_server {
	char name[64];
	pid_t pid; /* -1: none */
	int life;  /* the server ends when this is closed */
};

/* Start a server that echoes, for this user and root. 0: it serves; or -errno. */
int bench_server_start(struct bench_server *s, enum qb_ipc_type type);
void bench_server_stop(struct bench_server *s);

/* Describe the machine: processor, kernel, present load. */
void bench_machine(char *buf, size_t room);

/*
 * Draw latency against size as an SVG for light and dark backgrounds. @machine is its title.
 * The caller checks @out for write errors.
 */
void bench_plot(FILE *out, const struct bench_cell *cells, size_t n, const char *machine);

#endif
