/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A server that has taken a request stays in the dispatch for a moment, because the next one may
 * come soon. For transports on which a request announces itself on a descriptor; over native
 * shared memory, where a word in memory does, see native-shm-server-awake.h.
 *
 * Owner: one per connection. Threads: the dispatching one.
 */
#ifndef QBI_TRANSPORT_SERVER_AWAKE_H
#define QBI_TRANSPORT_SERVER_AWAKE_H

#include <stdbool.h>

#include "base/busy-poll.h"
#include "transport/transport.h"

struct qbi_server_awake {
	struct qbi_server_shared *shared; /* of the service; NULL: the connection has ended */
	struct qbi_arrivals requests;	  /* when they come */
	bool asleep;			  /* the last dispatch gave up polling */
	uint64_t slice_left;		  /* ns left to poll in this dispatch */
	pid_t peer;			  /* 0: not known */
	bool same_cpu;			  /* the client has our only CPU */
	uint64_t noted;			  /* the surroundings (busy_poll) as of then */
};

void qbi_server_awake_init(struct qbi_server_awake *a, const struct qbi_server_spec *spec);

/* A dispatch begins: its polls take 100 us at most, for others may wait for the loop. */
void qbi_server_awake_begin(struct qbi_server_awake *a);

/* As the next, when the last dispatch gave up polling. */
void qbi_server_awake_woken(struct qbi_server_awake *a);

/* A request, or a part of one, was taken. */
static inline void qbi_server_awake_took(struct qbi_server_awake *a)
{
	if (a->asleep)
		qbi_server_awake_woken(a);
}

/* The connection ends. False: it had before, or has not begun. */
bool qbi_server_awake_leave(struct qbi_server_awake *a, const void *end);

/*
 * Requests were taken, and there are no more. Poll @fd, if that is worth it: true, it is
 * readable, or broken; false, the loop shall watch it.
 *
 * @end  the connection's end, as the other connections of the service tell it apart
 */
bool qbi_server_awake_poll(struct qbi_server_awake *a, const void *end, int fd);

#endif
