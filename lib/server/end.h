/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The transport's end of a connection: its state, and how it is given back.
 *
 * A client can hold up what takes back the memory and the files that it shares. Of a client
 * whose user has quotas this is therefore done in a thread of that user (base/reclaim.h), and
 * its connection stays counted until it is done.
 *
 * Threads: the dispatching thread.
 */
#ifndef QBI_SERVER_END_H
#define QBI_SERVER_END_H

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

#endif
