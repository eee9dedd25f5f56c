/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The transport's end of a connection: its state, and how it is given back.
 *
 * A client can hold up what takes back the memory and the files that it shares. Of a client
 * whose user has quotas this is therefore done in a thread of that user (base/reclaim.h), and
 * its connection stays counted until it is done.
 *
 * So is the closing of a socket that has something in its queue: the kernel discards it piece by
 * piece, and for each it wakes all who wait at the client's end, who may be many. How many
 * sockets wait for the thread is limited, so that no user makes the server run out of descriptors.
 *
 * Threads: the dispatching thread. Any other one may free an end, or hand it over, that the
 * dispatching thread has left and nobody uses.
 */
#ifndef QBI_SERVER_END_H
#define QBI_SERVER_END_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "transport/transport.h"

/* The state, zeroed; NULL without memory. */
void *qbi_end_new(const struct qbi_server_ops *ops);

/* Close it before the client was told of it; the state is zeroed, to be opened again. */
void qbi_end_clear(void *state);

/* Close and free it, here. NULL is allowed. */
void qbi_end_free(void *state, enum qbi_parting how);

/*
 * The same where nobody waits, for a client of @uid, whose quota is charged with @memory
 * bytes until it is done.
 */
void qbi_end_hand_over(void *state, enum qbi_parting how, uid_t uid, uint64_t memory);

/*
 * Shut down and close the stream of a client of @uid: here, or in the thread if the client has
 * left bytes there or is @costly to be told anything. -1 is allowed.
 */
void qbi_end_stream(int stream, uid_t uid, bool costly);

#endif
