/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Distributions of times that a service measures, for reading and as JSON. */
#ifndef TOOL_TIMES_H
#define TOOL_TIMES_H

#include <stdio.h>

#include <qbipc/snapshot.h>

struct json;

/* A line for each, or nothing if the service does not measure; and how many lines. */
void times_print_lines(FILE *out, const qbipc_snapshot_t *snapshot);
int times_lines(const qbipc_snapshot_t *snapshot);

/* A member "times" of the open object: an object for each, or null. */
void times_print_json(struct json *j, const qbipc_snapshot_t *snapshot);

#endif
