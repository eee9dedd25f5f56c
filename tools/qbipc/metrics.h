/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A snapshot as metrics: in OpenMetrics, or in the text format of Prometheus, which
 * node_exporter reads from files. They differ in the names of counters in the lines about
 * them, in the type of what is only information, and in the end.
 *
 * Trust: names are escaped, so that the output is ASCII, and each one a single value.
 */
#ifndef TOOL_METRICS_H
#define TOOL_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <qbipc/snapshot.h>

struct metrics {
	const char *service;  /* its name */
	uint32_t connections; /* at most so many, the newest, have metrics of their own */
	bool is_open;	      /* OpenMetrics */
};

/* @snapshot NULL: the service has not answered. Then this is all that there is. */
void metrics_print(FILE *out, const struct metrics *m, const qbipc_snapshot_t *snapshot);

/*
 * The same into a file that appears at once and whole, instead of one of that name, if
 * there is one. 0 or -errno.
 */
int metrics_write(const char *path, const struct metrics *m, const qbipc_snapshot_t *snapshot);

#endif
