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
 * The native wire failed when connecting to the service. A shortage (descriptors, memory) is
 * not remembered, because it may be over the next time.
 */
void qbi_degraded_note(const char *service, struct qbi_why why);

/* The entry of the service; all zero: there is none, or it is too old. */
struct qbi_why qbi_degraded_why(const char *service);

#endif
