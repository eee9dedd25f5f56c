/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Static tracepoints, which bpftrace, perf and SystemTap find in the library by notes in a
 * section of it. Each is a single instruction without effect until somebody traces; there is
 * nothing to link to. docs/tracing.md has their names and arguments.
 *
 * Arguments are computed in any case: give only what is at hand.
 */
#ifndef QBI_BASE_TRACE_H
#define QBI_BASE_TRACE_H

#include "config.h"

#ifdef ENABLE_TRACEPOINTS
#define SDT_USE_VARIADIC 1
#include <sys/sdt.h>
#define QBI_TRACE(name, ...) STAP_PROBEV(qbipc, name, __VA_ARGS__)
#else
static inline void qbi_trace_nothing(int nothing, ...)
{
}
#define QBI_TRACE(name, ...) ((void)(0 && (qbi_trace_nothing(0, __VA_ARGS__), 0)))
#endif

#endif
