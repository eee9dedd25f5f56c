/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The books of a service, added up a second time: whom it counts, for whom, as what, with
 * how much memory, and what it has refused. Looks inside of the service.
 */
#ifndef TEST_FUZZ_LEDGER_H
#define TEST_FUZZ_LEDGER_H

#include <qb/qbipc_ext.h>

/* @s is new and has no clients. */
void ledger_begin(qb_ipcs_service_t *s);

/*
 * Sums agree with lists; nobody was let in beyond the limits, which may have changed
 * since the last look only if nobody came in between; counts of refusals have not gone
 * down, and are not more than the clients that are gone.
 */
void ledger_check(void);

/* Clients that are counted, unfinished handshakes too. */
unsigned int ledger_clients(void);

/* Streams of clients that have ended and left their answer unread. */
unsigned int ledger_streams_kept(void);

/* Bytes that the service may take for them by its own reckoning, and a bit. */
size_t ledger_memory(void);

#endif
