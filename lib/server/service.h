/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A service: a name, the application's callbacks and its poll loop, and the
 * connections made to it.
 *
 * Owner: the application, from create to destroy; each connection holds a
 * reference, so the memory goes with whoever is last.
 * Threads: a service belongs to the dispatching thread, which need not be the one that
 * created it; callbacks and poll handlers run there. Exception: connection_destroyed
 * runs with whoever drops the last reference. References may be counted by any thread.
 */
#ifndef QBI_SERVER_SERVICE_H
#define QBI_SERVER_SERVICE_H

#include <poll.h>
#include <qb/qbipcs.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/owner.h"
#include "server/deadlines.h"
#include "server/limits.h"
#include "server/listener.h"
#include "server/refusals.h"
#include "server/retry.h"
#include "server/writable.h"
#include "transport/transport.h"

/* Counted by the dispatching thread; any thread may read and clear them. */
struct qbi_service_counters {
	_Atomic(uint32_t) active;
	_Atomic(uint32_t) closed;
};

struct qb_ipcs_service {
	_Atomic(uint32_t) refs;
	char *name;
	int32_t id;
	enum qb_ipc_type type;
	struct qb_ipcs_service_handlers on;
	struct qb_ipcs_poll_handlers poll;	/* all NULL until set */
	void *context;
	struct qbi_selector *selector;		/* NULL: msg_process takes every request */

	enum qb_loop_priority priority;		/* of its fds in the loop */
	uint32_t flow;				/* flow-control value of its clients */
	uint32_t batch;				/* most requests in one dispatch */
	uint32_t min_msg_size;			/* enforced; 0 none */

	struct qbi_listener listener;
	struct qbi_deadlines deadlines;
	struct qbi_retry retry;
	struct qbi_limits limits;
	struct qbi_refusals refusals;
	struct qbi_writable writable;
	struct qbi_list connections;		/* answered or about to be, newest first */
	uint64_t last_place;			/* given to one of them */
	struct qbi_list handshakes;		/* accepted, not listed yet, oldest first */
	struct qbi_server_shared shared;	/* for the transports */
	struct qbi_service_counters count;
	struct qbi_owner watchers;		/* who may watch besides root and our user */
	uint64_t last_number;			/* clients so far: numbers of connections */
	bool stopped;				/* destroyed, lives on in its connections */

	/* For a request when there is no memory for a buffer of its connection, with room
	 * for the largest agreed so far; NULL: in use. */
	void *scratch;
	struct qb_ipcs_connection *large;	/* keeps a large request; NULL: none does */
};

qb_ipcs_service_t *qbi_service_new(const char *name, int32_t id, enum qb_ipc_type type,
				   const struct qb_ipcs_service_handlers *handlers);

qb_ipcs_service_t *qbi_service_ref(qb_ipcs_service_t *s);
void qbi_service_unref(qb_ipcs_service_t *s);
static inline void qbi_service_unrefp(qb_ipcs_service_t **s)
{
	if (*s)
		qbi_service_unref(*s);
}

bool qbi_service_is_running(const qb_ipcs_service_t *s);

/*
 * Listen, when it does not run. 0; -EINVAL without handlers or for an unknown type; -ENOTSUP for the
 * message queues; -EADDRINUSE, another -errno. The service stays the caller's.
 */
int qbi_service_run(qb_ipcs_service_t *s);

/* Disconnect everybody, then stop listening. Keeps the caller's reference. */
void qbi_service_stop(qb_ipcs_service_t *s);

void qbi_service_rate_set(qb_ipcs_service_t *s, enum qb_ipcs_rate_limit rate);

/* The next connected one after @current (NULL: the first), with a reference. */
struct qb_ipcs_connection *qbi_service_next(qb_ipcs_service_t *s,
					    struct qb_ipcs_connection *current);

/* The same of those too that are going, until connection_closed has said that it is done. */
struct qb_ipcs_connection *qbi_service_next_listed(qb_ipcs_service_t *s,
						   struct qb_ipcs_connection *current);

/*
 * Private memory for one request of up to @size bytes: the one the service keeps, or
 * another while a callback runs the loop inside a dispatch. NULL without memory.
 */
void *qbi_service_scratch_take(qb_ipcs_service_t *s, size_t size);
void qbi_service_scratch_give(qb_ipcs_service_t *s, void *scratch);

/* Events that the library asks the application's loop for. */
#define QBI_POLL_EVENTS (POLLIN | POLLPRI | POLLNVAL)

#endif
