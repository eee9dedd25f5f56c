/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads that wait for responses, on a connection on which responses go to whoever sent the
 * request (calls.h).
 *
 * A thread that is cancelled or ends while it waits gives its response up, which is then
 * discarded. If it leaves by siglongjmp, the same happens when it waits again or ends; as
 * long as it was the reader, others wait until then.
 */
#ifndef QBI_CLIENT_AWAIT_H
#define QBI_CLIENT_AWAIT_H

#include <stddef.h>
#include <stdint.h>

#include "base/msg.h"
#include "client/calls.h"

/*
 * Send a request whose response the caller is going to wait for, until @deadline. 0, and
 * *@ret_call is for qbi_await_response(); QBI_FULL; QBI_GONE; -errno.
 */
int qbi_await_send(struct qbi_calls *calls, const struct qbi_msg *msg, uint64_t deadline,
		   struct qbi_request **ret_call);

/*
 * Wait for the response until @deadline; @call is gone afterwards, and a response that comes
 * later is discarded. 0; QBI_EMPTY; QBI_GONE; -ENOBUFS the next qbi_await_any() gets it;
 * -errno.
 */
int qbi_await_response(struct qbi_request *call, void *buf, size_t size, uint64_t deadline,
		       size_t *ret_size);

/* Wait for a response that belongs to no request of the queue. As above. */
int qbi_await_any(struct qbi_calls *calls, void *buf, size_t size, uint64_t deadline,
		  size_t *ret_size);

#endif
