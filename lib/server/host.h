/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The part of a service that its connections use: settings, and the objects that they
 * share. It is embedded in the service; connections know nothing else of the service.
 *
 * Owner: the application holds a reference on the service from create to destroy, and each
 * connection holds one. The last one to drop a reference frees the memory.
 * Threads: the dispatching thread, which need not be the one that created the service. Any
 * thread may take and drop references. Exceptions are stated where they apply.
 */
#ifndef QBI_SERVER_HOST_H
#define QBI_SERVER_HOST_H

#include <qbipc/deadline.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/bells.h"
#include "server/counters.h"
#include "server/deadlines.h"
#include "server/limits.h"
#include "server/monitor.h"
#include "server/refusals.h"
#include "server/retry.h"
#include "server/roster.h"
#include "server/selector.h"
#include "server/settings.h"
#include "server/timing.h"
#include "server/unread.h"
#include "transport/transport.h"

/* Counted by the dispatching thread; any thread may read and clear them. */
struct qbi_host_counters {
	_Atomic(uint32_t) active;
	_Atomic(uint32_t) closed;
};

struct qbi_host {
	_Atomic(uint32_t) refs;
	void (*free)(struct qbi_host *h); /* the last reference is gone */

	struct qbi_settings set;
	struct qbi_selector *selector; /* NULL: msg_process takes every request */
	struct qbi_limits limits;
	struct qbi_refusals refusals;
	struct qbi_deadlines deadlines;
	struct qbi_deadline overdue; /* of the oldest handshake */
	struct qbi_retry retry;
	struct qbi_unread unread;
	struct qbi_bells bells;
	struct qbi_roster connections; /* from state OPENING on */
	struct qbi_host_counters count;
	/* Of connections that have ended; of the others what was cleared. */
	struct qbi_counters ended;
	qbipc_cancelled_fn cancelled; /* told of cancelled requests; or NULL */
	void *cancelled_data;
	struct qbi_timing *timing;	 /* NULL: times are not measured */
	struct qbi_monitors monitors;	 /* clients that see each message */
	struct qbi_server_shared shared; /* for the transports */
	struct qbi_locking locking;	 /* of the memory for its clients */
	uint64_t last_number;		 /* of the newest client; clients count from 1 */
	bool stopped;			 /* destroyed, but referenced by connections */

	/* The answer to one client, which is too large for the stack of a thread. */
	struct qbi_welcome *welcome;

	/* A buffer for a request when there is no memory for one of the connection; it has
	 * room for the largest size agreed so far. NULL: in use. */
	void *scratch;
	struct qb_ipcs_connection *large; /* the one that keeps a large request, or NULL */
};

/* One reference; the service fills in the other fields, which are zero. */
void qbi_host_init(struct qbi_host *h, void (*free)(struct qbi_host *h));

/* Called before the memory is freed. */
void qbi_host_deinit(struct qbi_host *h);

struct qbi_host *qbi_host_ref(struct qbi_host *h);
void qbi_host_unref(struct qbi_host *h);
static inline void qbi_host_unrefp(struct qbi_host **h)
{
	if (*h)
		qbi_host_unref(*h);
}

/*
 * Private memory for one request of up to @size bytes: the buffer of the host, or a new one
 * if that is in use, because a callback runs the loop inside a dispatch. NULL without
 * memory.
 */
void *qbi_host_scratch_take(struct qbi_host *h, size_t size);

/* Have such a buffer ready, locked as memory is now. Without memory, or lock, false. */
bool qbi_host_scratch_reserve(struct qbi_host *h, size_t size);
void qbi_host_scratch_give(struct qbi_host *h, void *scratch);

/* Measure times, or not; those that were measured are forgotten. 0, -ENOMEM, -errno. */
int qbi_host_timing_set(struct qbi_host *h, bool on);

/* The handshakes or their time limit have changed: set the timer. 0 or -errno. */
int qbi_host_handshakes_changed(struct qbi_host *h);

#endif
