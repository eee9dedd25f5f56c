/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages that the application builds, and reads, where they lie.
 *
 * A connection lends one place in each part: that of a request that is being built, and those
 * of a response and an event that are looked at. Where the transport cannot lend its own
 * memory, the place is private, and a copy is made.
 *
 * Threads: each function takes the turn of its part, and gives it back; the place stays lent
 * in between. Other threads that send meanwhile are refused; those that receive get what comes
 * behind.
 * After fork(2): a place belongs to the process that was lent it. Others of the connection
 * cannot use the part until it is given back or that process is dead.
 */
#ifndef QBI_CLIENT_LOANS_H
#define QBI_CLIENT_LOANS_H

#include "client/connection.h"

/*
 * The place for a request of @size bytes. 0; QBI_FULL; QBI_GONE; -EBUSY there is one already;
 * -EMSGSIZE; -ENOMEM; another -errno. May wait as qbi_client_send() does.
 */
int qbi_client_reserve(qb_ipcc_connection_t *c, size_t size, void **ret);

/*
 * Send @size bytes of it. QBI_FULL and -EMSGSIZE: it stays; otherwise it is given back. 0;
 * QBI_GONE; -EINVAL there is none; another -errno.
 */
int qbi_client_commit(qb_ipcc_connection_t *c, size_t size);

/* 0; -EINVAL there is none. */
int qbi_client_abandon(qb_ipcc_connection_t *c);

/*
 * Lend the next response (event), which is waited for until @deadline; one at a time. 0;
 * QBI_EMPTY; QBI_GONE; -EBUSY one is lent, or another thread waits for one to be; -ENOMEM;
 * another -errno.
 */
int qbi_client_view(qb_ipcc_connection_t *c, enum qbi_client_part part, uint64_t deadline,
		    const void **ret, size_t *ret_size);

/* 0; -EINVAL none is lent. */
int qbi_client_release(qb_ipcc_connection_t *c, enum qbi_client_part part);

/* The connection ends: what is private. */
void qbi_client_loans_free(qb_ipcc_connection_t *c);

#endif
