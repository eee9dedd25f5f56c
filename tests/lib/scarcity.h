/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A server that runs out of descriptors: hooks of its start, functions for host_call(). */
#ifndef TEST_SCARCITY_H
#define TEST_SCARCITY_H

#include "tests/lib/server.h"

/* Descriptors that it may have. */
enum { FEW = 64 };
void prepare_few_descriptors(struct server *sv);

/* The same, with more of them below the service's spare one than a loop polls. */
void prepare_high_spare(struct server *sv);

/* { how many to leave }: take all others. */
int64_t remote_fill(struct server *sv, const int64_t *args);

/* Give them back. */
int64_t remote_empty(struct server *sv, const int64_t *args);

/* { soft limit } */
int64_t remote_rlimit(struct server *sv, const int64_t *args);

/*
 * After prepare_high_spare(): a limit below which all are in use, the spare descriptor
 * being above: to give it up does not help, and there is no new one.
 */
int64_t remote_exhaust(struct server *sv, const int64_t *args);

#endif
