/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Send one event to all connections of a service. The loop holds a reference on the current
 * connection and continues from there, so the callback may end any connection.
 */
#ifndef QBI_SERVER_BROADCAST_H
#define QBI_SERVER_BROADCAST_H

#include "base/msg.h"

struct qb_ipcs_connection;
struct qbi_host;

/* @outcome: the result of qbi_send_event(), not 0. */
typedef void (*qbi_missed_fn)(struct qb_ipcs_connection *c, int outcome, void *data);

/* The number of connections that took it; @fn is called for the others. Dispatching thread. */
unsigned int qbi_broadcast(struct qbi_host *h, const struct qbi_msg *msg, qbi_missed_fn fn,
			   void *data);

#endif
