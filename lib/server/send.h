/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a connection sends, and what it still has to do about it: pass on the rest of a
 * message that was accepted, and tell the application that there is room again for one
 * that was refused. When to do that is the business of retry.h.
 *
 * Threads: any that holds a reference may send; what waits is noted under the connection's
 * `send`. Resuming is the dispatching thread's, and only it calls back, under no lock.
 * Trust: whether there is room is what the client says, checked by the transport. One
 * that lies about it has us call back in vain, at the pace of its attempts' interval.
 * What a client did wrong is only noted (`broken`), and the dispatching thread, woken
 * through the stream, draws the consequence: no callback runs inside a send.
 */
#ifndef QBI_SERVER_SEND_H
#define QBI_SERVER_SEND_H

#include <qb/qbipcs.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/msg.h"

/*
 * Before the transport is used: if the process has been forked from the one that used it
 * last, go on where that one has got to. One that cannot is broken.
 */
void qbi_send_go_on(qb_ipcs_connection_t *c);

/* The transport is up: from now on messages are accepted. Dispatching thread. */
void qbi_send_begin(qb_ipcs_connection_t *c);

/* 0, QBI_FULL, QBI_GONE, -errno. */
int qbi_send_response(qb_ipcs_connection_t *c, const struct qbi_msg *msg);
int qbi_send_event(qb_ipcs_connection_t *c, const struct qbi_msg *msg);

/* Number of events that the client has not taken yet, as known to the transport. */
uint32_t qbi_send_events_queued(qb_ipcs_connection_t *c);

/*
 * Do what can be done now, and call back. Anything may have happened to the connection
 * afterwards; the caller holds a reference. Dispatching thread.
 *
 * @in_turn  it waited its time: when it was in vain, wait longer
 */
void qbi_send_resume(qb_ipcs_connection_t *c, bool in_turn);

#endif
