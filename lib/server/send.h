/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sending on a connection. What remains to be done afterwards is in unsent.h: send the rest
 * of an accepted message, and tell the application that there is room again for a refused one.
 *
 * Threads: any thread that holds a reference may send; what remains is noted under the
 * connection's `send`. Only the dispatching thread resumes and calls back, without a lock.
 * Trust: the client says how much room there is, and the transport checks it. A client that
 * lies causes callbacks in vain, but only at the intervals of retry.h. If a client violates
 * the protocol, a send only sets `broken`; the dispatching thread is woken through the
 * stream and disconnects the client, so no callback runs inside a send.
 */
#ifndef QBI_SERVER_SEND_H
#define QBI_SERVER_SEND_H

#include <qb/qbipcs.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/msg.h"
#include "transport/transport.h"

/*
 * Before the transport is used: if this process was forked from the one that used it last,
 * continue where that one stopped. If that is not possible, the connection is broken.
 */
void qbi_send_go_on(qb_ipcs_connection_t *c);

/* The transport is up: from now on messages are accepted. Dispatching thread. */
void qbi_send_begin(qb_ipcs_connection_t *c);

/* The client has joined @fd to the connection, which owns it. Dispatching thread. */
void qbi_send_join(qb_ipcs_connection_t *c, int fd);

/* 0, QBI_FULL, QBI_GONE, -errno. */
int qbi_send_response(qb_ipcs_connection_t *c, const struct qbi_msg *msg);
int qbi_send_event(qb_ipcs_connection_t *c, const struct qbi_msg *msg);

/*
 * Lend the application a place for a message of @size bytes, one per channel, until it is sent
 * with the size that it has, or abandoned. Until then nothing else is sent on the channel, the
 * place stays valid, and so does @c. 0; QBI_FULL; QBI_GONE; -EBUSY there is one; -EMSGSIZE;
 * -ENOMEM.
 */
int qbi_send_reserve(qb_ipcs_connection_t *c, enum qbi_channel channel, size_t size,
		     void **ret);

/* QBI_FULL and -EMSGSIZE: it stays. 0; QBI_GONE; -EINVAL there is none; another -errno. */
int qbi_send_commit(qb_ipcs_connection_t *c, enum qbi_channel channel, size_t size);

/* 0; -EINVAL there is none. */
int qbi_send_abandon(qb_ipcs_connection_t *c, enum qbi_channel channel);

/* The largest message that the client takes now. 0, QBI_GONE. */
int qbi_send_most(qb_ipcs_connection_t *c, uint32_t *ret);

/* Number of events that the client has not taken yet, as far as the transport knows. */
uint32_t qbi_send_events_queued(qb_ipcs_connection_t *c);

/*
 * Send what can be sent now, and call back if there is room. The callback may end the
 * connection, so the caller holds a reference. Dispatching thread.
 *
 * @in_turn  its interval is over: if nothing moves, the next interval is longer
 */
void qbi_send_resume(qb_ipcs_connection_t *c, bool in_turn);

#endif
