/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A trace of what the loop called, in order, one letter each. */
#ifndef TEST_LOOP_TRACE_H
#define TEST_LOOP_TRACE_H

#include <string.h>

#include "tests/unit/test-loop.h"

static char trace[256];

static inline void trace_call(void *data)
{
	trace[strlen(trace)] = (char)(intptr_t)data;
}

static inline void trace_clear(void)
{
	memset(trace, 0, sizeof(trace));
}

static inline void *letter(char c)
{
	return (void *)(intptr_t)c;
}

#endif
