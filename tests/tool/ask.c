/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/tool/ask.h"

#include <check.h>

#include "tests/lib/deadline.h"

struct qbipc_probe_info ask_probe(const char *name, size_t size)
{
	struct qbipc_probe_info info = { .size = sizeof(info) };

	ck_assert_int_eq(qbipc_probe(name, size, deadline_ms(), &info), 0);
	return info;
}

qbipc_snapshot_t *ask_watch(const char *name)
{
	qbipc_snapshot_t *s = NULL;

	ck_assert_int_eq(qbipc_snapshot_get(name, deadline_ms(), &s), 0);
	return s;
}

struct qbipc_snapshot_info info_of(const qbipc_snapshot_t *s)
{
	struct qbipc_snapshot_info info = { .size = sizeof(info) };

	ck_assert_int_eq(qbipc_snapshot_info_get(s, &info), 0);
	return info;
}

struct qbipc_snapshot_connection connection_of(const qbipc_snapshot_t *s, uint32_t i)
{
	struct qbipc_snapshot_connection c = { .size = sizeof(c) };

	ck_assert_int_eq(qbipc_snapshot_connection_get(s, i, &c), 0);
	return c;
}
