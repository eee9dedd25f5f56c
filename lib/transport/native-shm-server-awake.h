/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a server waits for requests in native shared memory, awake and asleep: operations of the
 * contract (transport.h).
 *
 * Staying awake: as long as the byte of a request is unread, the application's loop calls
 * again at once, and every other descriptor gets its turn. If this is the only busy
 * connection of its service, a dispatch also busy-polls (base/busy-poll.h). When the budget
 * is used up, the byte is read and the server sleeps.
 */
#ifndef QBI_TRANSPORT_NATIVE_SHM_SERVER_AWAKE_H
#define QBI_TRANSPORT_NATIVE_SHM_SERVER_AWAKE_H

#include <stdbool.h>

void qbi_native_shm_server_begin(void *st, bool readable);
int qbi_native_shm_server_settle(void *st, unsigned int taken);
void qbi_native_shm_server_established(void *st);

#endif
