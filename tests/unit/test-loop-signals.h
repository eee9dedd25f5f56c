/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For the tests of signals: a registration that notes what it saw. */
#ifndef TEST_LOOP_SIGNALS_H
#define TEST_LOOP_SIGNALS_H

#include <signal.h>

#include "tests/unit/test-loop.h"

/* What a registration saw. */
struct seen {
	int calls;
	int32_t sig;
	int32_t answer; /* what to return */
	qb_loop_signal_handle handle;
};

static inline int32_t note(int32_t sig, void *data)
{
	struct seen *s = data;

	s->calls++;
	s->sig = sig;
	return s->answer;
}

static inline void watch(struct seen *s, int sig)
{
	ck_assert_int_eq(qb_loop_signal_add(loop, QB_LOOP_MED, sig, s, note, &s->handle), 0);
}

#endif
