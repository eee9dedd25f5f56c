/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Services with which the native wire has failed recently. For a while, this process asks
 * them for libqb's wire at once, instead of failing first each time.
 *
 * Threads: any. If two threads add an entry at the same time, one may be lost; then one more
 * connect fails first.
 */
#ifndef QBI_CLIENT_DEGRADED_H
#define QBI_CLIENT_DEGRADED_H

#include "wire/why.h"

/*
 * Connecting to the service failed on the way to the native wire. What is short now
 * (descriptors, memory) is not remembered: it may be there the next time.
 */
void qbi_degraded_note(const char *service, struct qbi_why why);

/* What was noted of it; all zero: nothing, or too long ago. */
struct qbi_why qbi_degraded_why(const char *service);

#endif
