/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A ring for each test of a suite: a checked fixture that also counts what is left. */
#ifndef TEST_RING_FIXTURE_H
#define TEST_RING_FIXTURE_H

#include "tests/lib/census.h"
#include "tests/unit/test-ring-pair.h"

static struct ring_pair p;

static inline void ring_setup(void)
{
	census_setup();
	pair_open(&p, PAIR_MAX);
}

static inline void ring_teardown(void)
{
	pair_close(&p);
	census_teardown();
}

#endif
