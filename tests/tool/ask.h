/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions to a service that answers, or the test fails. */
#ifndef TEST_ASK_H
#define TEST_ASK_H

#include <stddef.h>
#include <stdint.h>

#include <qb/qbipc_ext.h>

struct qbipc_probe_info ask_probe(const char *name, size_t size);
/* To be freed by the caller. */
qbipc_snapshot_t *ask_watch(const char *name);

struct qbipc_snapshot_info info_of(const qbipc_snapshot_t *s);
struct qbipc_snapshot_connection connection_of(const qbipc_snapshot_t *s, uint32_t i);

#endif
