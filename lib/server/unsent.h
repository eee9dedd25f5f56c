/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What remains to be done on a connection after a send: the rest of accepted messages, and
 * room for refused ones, per channel. retry.h decides when to try.
 *
 * Threads: any, under the connection's `send`.
 * Trust: as send.h.
 */
#ifndef QBI_SERVER_UNSENT_H
#define QBI_SERVER_UNSENT_H

#include <stdbool.h>
#include <stddef.h>

#include "server/connection.h"
#include "transport/transport.h"

/* A message was accepted, and a part of it is still to be sent. */
void qbi_unsent_begun(qb_ipcs_connection_t *c, enum qbi_channel channel);

/* A message of @size bytes found no room: the application may want to know of it. */
void qbi_unsent_refused(qb_ipcs_connection_t *c, enum qbi_channel channel, size_t size);

/* Something was sent: what waits is tried again soon. */
void qbi_unsent_moved(qb_ipcs_connection_t *c);
static inline void qbi_unsent_progress(qb_ipcs_connection_t *c)
{
	if (c->retry.step != 0)
		qbi_unsent_moved(c);
}

/*
 * Send the rest of accepted messages as far as possible. A sender may stay away from its
 * loop until the client has done something, and the client may wait for just these bytes.
 * 0, -errno.
 */
int qbi_unsent_flush(qb_ipcs_connection_t *c);
static inline int qbi_unsent_pass_on(qb_ipcs_connection_t *c)
{
	return c->unsent[QBI_RESPONSES].begun || c->unsent[QBI_EVENTS].begun ?
		       qbi_unsent_flush(c) :
		       0;
}

/*
 * The same, and look for room. @in_turn: the interval is over. *@ret_room: tell the
 * application that there is room. 0; -errno: the connection is broken.
 */
int qbi_unsent_try(qb_ipcs_connection_t *c, bool in_turn, bool *ret_room);

#endif
