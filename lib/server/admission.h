/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a client gets whose first message is complete: an answer to its question, a connection
 * by one of the wires, or a refusal. The limits of the service are asked first, then the
 * application, and then the transport is opened. Nothing waits for the client.
 *
 * Threads: the dispatching thread.
 */
#ifndef QBI_SERVER_ADMISSION_H
#define QBI_SERVER_ADMISSION_H

#include <qb/qbipcs.h>

/*
 * Read the available part of the first message. When it is complete, the client @c is
 * established, or has its answer and is closed. The caller holds it (qbi_connection_hold()).
 */
void qbi_admission_continue(qb_ipcs_connection_t *c);

#endif
