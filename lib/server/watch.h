/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A descriptor of the library in the loop of the application.
 *
 * Threads: the dispatching thread.
 */
#ifndef QBI_SERVER_WATCH_H
#define QBI_SERVER_WATCH_H

#include <qb/qbipcs.h>
#include <stdint.h>

#include "server/settings.h"

/* A descriptor of ours, and what the application's loop watches it for. */
struct qbi_watch {
	int fd;		/* -1: none */
	int32_t events; /* 0: not in the loop */
	enum qb_loop_priority priority;
};

#define QBI_WATCH_INIT                                                                         \
	{                                                                                      \
		.fd = -1                                                                       \
	}

/*
 * Watch it for @events, with the priority of the service; the loop calls @dispatch with @data.
 * 0, also without a descriptor; or -errno, and it is watched as before.
 */
int qbi_watch_set(const struct qbi_settings *set, struct qbi_watch *w, int32_t events,
		  void *data, qb_ipcs_dispatch_fn_t dispatch);

/* Take it out of the loop. Idempotent. */
void qbi_watch_drop(const struct qbi_settings *set, struct qbi_watch *w);

#endif
