/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From accept(2) to an established connection. The client decides the pace of the first
 * message, byte by byte if it likes, within the time of a handshake; from then on nothing
 * waits for it. Whose handshake goes when there are too many is decided by limits.h and
 * done here.
 *
 * Threads: the dispatching thread.
 */
#ifndef QBI_SERVER_HANDSHAKE_H
#define QBI_SERVER_HANDSHAKE_H

#include <qb/qbipcs.h>
#include <stdbool.h>

#include "server/deadlines.h"
#include "server/host.h"

/* Count @c, which is new, and close others that are too many by that. 0; -ENOMEM. */
int qbi_handshake_begin(qb_ipcs_connection_t *c);

/* Read the available part of the client's first message; proceed once it is complete. */
void qbi_handshake_continue(qb_ipcs_connection_t *c);

/* Out of descriptors: close a handshake of somebody not exempt. False: there is none. */
bool qbi_handshake_make_room(struct qbi_host *h);

/* The client whose handshake has taken longest, or NULL; no reference. */
qb_ipcs_connection_t *qbi_handshake_oldest(struct qbi_host *h);

/* The host's `overdue`: close those that have taken too long. */
void qbi_handshake_overdue(struct qbi_deadline *d);

#endif
