/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sending side of calls (calls.h): requests, and what the server is told of those that
 * were given up.
 *
 * Threads: any, without the lock.
 */
#ifndef QBI_CLIENT_CALL_REQUESTS_H
#define QBI_CLIENT_CALL_REQUESTS_H

#include <stdint.h>

#include "base/msg.h"
#include "client/calls.h"

/*
 * Send a request and put @call into the queue, both or neither; never waits. On success
 * @call is another thread's to finish, if it is of the loop. Where the wire carries it,
 * @deadline goes with the request. 0, QBI_FULL, QBI_GONE, -errno.
 */
int qbi_calls_put(struct qbi_calls *calls, const struct qbi_msg *msg, struct qbi_request *call,
		  uint64_t deadline, uint64_t *ret_number);

/* Tell the server of the calls that were given up; never waits. */
void qbi_calls_tell(struct qbi_calls *calls);

#endif
