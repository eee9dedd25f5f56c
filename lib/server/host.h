/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a service is to its connections: its settings, and the objects that they share. A
 * service has one inside; connections know no more of it than this.
 *
 * Owner: the application has a reference on the service from create to destroy, each
 * connection has one; the memory goes with whoever is last.
 * Threads: the dispatching thread, which need not be the one that created the service.
 * References may be counted by any thread, and what has rules of its own says so.
 */
#ifndef QBI_SERVER_HOST_H
#define QBI_SERVER_HOST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/deadlines.h"
#include "server/limits.h"
#include "server/refusals.h"
#include "server/retry.h"
#include "server/roster.h"
#include "server/selector.h"
#include "server/settings.h"
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
	struct qbi_roster connections; /* answered or about to be */
	struct qbi_host_counters count;
	struct qbi_server_shared shared; /* for the transports */
	uint64_t last_number;		 /* clients so far: numbers of connections */
	bool stopped;			 /* destroyed, lives on in its connections */

	/* The answer to one client: much for the stack of a thread. */
	struct qbi_welcome *welcome;

	/* For a request when there is no memory for a buffer of its connection, with room
	 * for the largest agreed so far; NULL: in use. */
	void *scratch;
	struct qb_ipcs_connection *large; /* keeps a large request; NULL: none does */
};

/* With one reference; the rest is zero and for the service to fill. */
void qbi_host_init(struct qbi_host *h, void (*free)(struct qbi_host *h));

/* For whoever frees it. */
void qbi_host_deinit(struct qbi_host *h);

struct qbi_host *qbi_host_ref(struct qbi_host *h);
void qbi_host_unref(struct qbi_host *h);
static inline void qbi_host_unrefp(struct qbi_host **h)
{
	if (*h)
		qbi_host_unref(*h);
}

/*
 * Private memory for one request of up to @size bytes: the one the host keeps, or another
 * while a callback runs the loop inside a dispatch. NULL without memory.
 */
void *qbi_host_scratch_take(struct qbi_host *h, size_t size);
void qbi_host_scratch_give(struct qbi_host *h, void *scratch);

/* Handshakes have come or gone, or their time is another. 0; -errno there is no timer. */
int qbi_host_handshakes_changed(struct qbi_host *h);

#endif
