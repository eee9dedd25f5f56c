/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A service that continues in a child of the process that ran it, as with daemon(3). */
#ifndef QBI_SERVER_TAKEOVER_H
#define QBI_SERVER_TAKEOVER_H

#include "server/host.h"

/*
 * Called when the loop of this process dispatches the service. If another process, a parent
 * of this one, dispatched it before, this process owns the service from now on.
 */
void qbi_take_over(struct qbi_host *h);

#endif
