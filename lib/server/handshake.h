/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From accept(2) to the first message of a client, or of a bell. It may come slowly, even byte
 * by byte, within the time limit of a handshake; what follows it is in admission.h. If there
 * are too many handshakes, limits.h decides which one is closed; it is closed here.
 *
 * Threads: the dispatching thread.
 */
#ifndef QBI_SERVER_HANDSHAKE_H
#define QBI_SERVER_HANDSHAKE_H

#include <qb/qbipcs.h>
#include <stdbool.h>

#include "server/deadlines.h"
#include "server/host.h"

/* Count the new client @c, and close other handshakes if there are too many. 0; -ENOMEM. */
int qbi_handshake_begin(qb_ipcs_connection_t *c);

/*
 * Read the available part of the first message. True: it is complete, and that of a client, who
 * is to be admitted. Else there is more to come, or it was a bell, or @c is closed. The caller
 * holds the connection (qbi_connection_hold()).
 */
bool qbi_handshake_continue(qb_ipcs_connection_t *c);

/*
 * Is the new stream @fd a bell, by its first message, which stays there? If that has not come
 * yet: may it be the bell of a client that waits for its own?
 */
bool qbi_handshake_may_be_bell(struct qbi_host *h, int fd);

/* Out of descriptors: close a handshake of a user with limits. False: there is none. */
bool qbi_handshake_make_room(struct qbi_host *h);

/* The client with the oldest handshake, or NULL; without a reference. */
qb_ipcs_connection_t *qbi_handshake_oldest(struct qbi_host *h);

/* The function of the host's `overdue`: close handshakes that took too long. */
void qbi_handshake_overdue(struct qbi_deadline *d);

#endif
