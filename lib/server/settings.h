/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the application has decided about a service: who it is, what is called, which loop
 * it lives in, and how its clients are served.
 *
 * Threads: set before the service runs or by the dispatching thread; any may read what
 * does not change while it runs.
 */
#ifndef QBI_SERVER_SETTINGS_H
#define QBI_SERVER_SETTINGS_H

#include <poll.h>
#include <qb/qbipcs.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/mutex.h"
#include "base/owner.h"
#include "server/app-loop.h"

/* Events that the library asks the application's loop for. */
#define QBI_POLL_EVENTS (POLLIN | POLLPRI | POLLNVAL)

typedef void (*qbi_writable_fn)(struct qb_ipcs_connection *c, void *data);

struct qbi_settings {
	/* Of the process that dispatches the service. Another one, after fork(2), has a
	 * copy, which shares timers, epoll, files and sockets and leaves them alone. */
	_Atomic(uint32_t) generation;
	char *name;
	int32_t id;
	enum qb_ipc_type type;
	struct qb_ipcs_service_handlers on;
	struct qbi_app_loop loop;
	void *context;

	enum qb_loop_priority priority; /* of its fds in the loop */
	uint32_t flow;			/* flow-control value of its clients */
	uint32_t batch;			/* most requests in one dispatch */
	uint32_t min_msg_size;		/* enforced; 0 none */
	struct qbi_owner watchers;	/* who may watch besides root and our user */

	_Atomic(qbi_writable_fn) writable; /* there is room again; NULL: nobody cares */
	void *writable_data;		   /* the dispatching thread's */
};

static inline bool qbi_settings_are_copied(const struct qbi_settings *set)
{
	return set->generation != qbi_generation();
}

#endif
