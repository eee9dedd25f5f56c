/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The settings of a service, made by the application: its name, its callbacks, its loop, and
 * how clients are served.
 *
 * Threads: they are set before the service runs, or by the dispatching thread. Any thread
 * may read the settings that do not change while it runs.
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

/* The events that the application's loop watches for the library. */
#define QBI_POLL_EVENTS (POLLIN | POLLPRI | POLLNVAL)

typedef void (*qbi_writable_fn)(struct qb_ipcs_connection *c, void *data);

/* Whose requests are handed out in memory that the client can write. All zero: the default. */
enum qbi_views {
	QBI_VIEWS_TRUSTED, /* of who could do anything to this process (access.h) */
	QBI_VIEWS_NEVER,
	QBI_VIEWS_ALWAYS,
};

struct qbi_settings {
	/* Of the process that dispatches the service. After fork(2) the other process has
	 * a copy, which must not touch the timers, epoll, files and sockets they share. */
	_Atomic(uint32_t) generation;
	char *name;
	int32_t id;
	enum qb_ipc_type type;
	struct qb_ipcs_service_handlers on;
	struct qbi_app_loop loop;
	void *context;

	enum qb_loop_priority priority; /* of its descriptors in the loop */
	uint32_t flow;			/* flow-control value of its clients */
	uint32_t batch;			/* most requests in one dispatch */
	uint32_t min_msg_size;		/* enforced; 0: none */
	uint32_t body_limit;		/* largest body taken and sent, bytes; 0: none */
	enum qbi_views views;		/* whose requests are handed out where they lie */
	struct qbi_owner watchers;	/* may watch, besides root and our user */

	_Atomic(qbi_writable_fn) writable; /* called when there is room again; or NULL */
	void *writable_data;		   /* used by the dispatching thread only */
};

static inline bool qbi_settings_are_copied(const struct qbi_settings *set)
{
	return set->generation != qbi_generation();
}

#endif
