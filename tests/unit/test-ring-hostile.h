/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A ring between an end of ours and a peer that does what it likes. */
#ifndef TEST_RING_HOSTILE_H
#define TEST_RING_HOSTILE_H

#include "tests/unit/test-ring-pair.h"

/* The peer has its own mapping of it. */
extern struct ring_pair p;

/* Fixture: that ring, and one of somebody else's, which must not notice anything. */
void hostile_setup(void);
void hostile_teardown(void);

/* Calls with any result that is documented. */
int put_any(struct qbi_qbring *r, size_t n);
/* Into a buffer whose surroundings are watched. */
int take_watched(struct qbi_qbring *r, size_t size);
void use_everything(struct qbi_qbring *r);

void add_truncation_tests(Suite *s);

#endif
