/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls of an event loop: requests whose responses are handed to a function.
 *
 * Threads: any may send; the others are for the thread that runs the loop. Functions are
 * called without a lock, and may do everything, also end the connection.
 */
#ifndef QBI_CLIENT_ASYNC_H
#define QBI_CLIENT_ASYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/msg.h"
#include "client/calls.h"

/* 0; QBI_FULL; QBI_GONE; -EMSGSIZE; -errno. */
int qbi_call_send(struct qbi_calls *calls, const struct qbi_msg *msg, uint64_t deadline,
		  qbipc_call_fn fn, void *data, uint64_t *ret_number);

/* 0; -ENOENT it is done. */
int qbi_call_cancel(struct qbi_calls *calls, uint64_t number);

/* The number of functions called, or -errno. The connection may be gone afterwards. */
int qbi_calls_dispatch(struct qbi_calls *calls);

/* The connection is about to end: cancel all calls. False: that has begun already. */
bool qbi_calls_close(struct qbi_calls *calls);

#endif
