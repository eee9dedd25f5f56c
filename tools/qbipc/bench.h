/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qbipc bench: what its parts share. */
#ifndef TOOL_BENCH_H
#define TOOL_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <qb/qbipc_common.h>

/* Calls of one size over one transport. */
struct bench_cell {
	const char *transport;	/* cells of one follow each other, sizes grow */
	size_t size;		/* bytes of the request and of its response */
	uint64_t count;		/* of calls measured */
	double p50_us;
	double p99_us;
	double rate;		/* calls per second */
};

/* A server of our own, in a process of its own. */
struct bench_server {
	char name[64];
	pid_t pid;		/* -1: none */
	int life;		/* it ends when this is closed */
};

/* Start one that echoes, for this user and root. 0 when it serves, or -errno. */
int bench_server_start(struct bench_server *s, enum qb_ipc_type type);
void bench_server_stop(struct bench_server *s);

/*
 * Draw latency against size, an SVG for light and dark backgrounds. Errors of writing
 * stay in @out.
 */
void bench_plot(FILE *out, const struct bench_cell *cells, size_t n);

#endif
