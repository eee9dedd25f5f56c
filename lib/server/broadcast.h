/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One event for all connections of a service. The walk starts anew from a connection that
 * it holds a reference on, so the callback may end any of them.
 */
#ifndef QBI_SERVER_BROADCAST_H
#define QBI_SERVER_BROADCAST_H

#include "base/msg.h"

struct qb_ipcs_connection;
struct qbi_host;

/* @outcome as of qbi_send_event(), not 0. */
typedef void (*qbi_missed_fn)(struct qb_ipcs_connection *c, int outcome, void *data);

/* Dispatching thread. How many took it; @fn is called for the others. */
unsigned int qbi_broadcast(struct qbi_host *h, const struct qbi_msg *msg, qbi_missed_fn fn,
			   void *data);

#endif
