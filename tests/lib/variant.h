/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One test body, every transport: a Check loop test whose _i is an index here. A new
 * transport becomes part of every suite by getting its rows.
 */
#ifndef TEST_VARIANT_H
#define TEST_VARIANT_H

#include <check.h>
#include <qb/qbipc_common.h>

#include "tests/lib/server.h"

struct variant {
	const char *name;
	enum qb_ipc_type type;
	bool libqb_wire; /* not the native transport */
	const struct adapter *adapter;
};

/* Every transport on the built-in loop first, then the same on the other adapter. */
extern const struct variant variants[];
extern const int transport_count;
extern const int variant_count;

/* On every transport; on every transport and adapter. */
#define add_transport_test(tcase, test) tcase_add_loop_test(tcase, test, 0, transport_count)
#define add_variant_test(tcase, test) tcase_add_loop_test(tcase, test, 0, variant_count)

/* The start of a spec for the loop variable of such a test. */
#define VARIANT_SPEC(i)                                                                        \
	.type = variants[i].type, .libqb_wire = variants[i].libqb_wire,                        \
	.adapter = variants[i].adapter

/* A case with the leak-counting fixture and the suite's time limit. */
TCase *tcase_new(Suite *s, const char *name);

/* Run it as a program: the exit status. */
int suite_main(Suite *s);

#endif
