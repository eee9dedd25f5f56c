/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A service whose process went into the background, as by daemon(3). */
#ifndef QBI_SERVER_TAKEOVER_H
#define QBI_SERVER_TAKEOVER_H

#include "server/host.h"

/*
 * The loop of this process calls: if that is a child of the one that dispatched the service
 * before, all is this one's from now on.
 */
void qbi_take_over(struct qbi_host *h);

#endif
