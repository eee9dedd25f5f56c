/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a name to a connection, and its end.
 *
 * Owner: the connection is the caller's from qbi_client_start() to qbi_client_free().
 * Threads: one at a time for each connection; none of these may run beside another
 * function of it.
 */
#ifndef QBI_CLIENT_CONNECT_H
#define QBI_CLIENT_CONNECT_H

#include <stddef.h>
#include <stdint.h>

#include <qb/qbipcc.h>

/*
 * Reach the service and ask for a connection. 0; -ETIMEDOUT its queue of clients was full
 * until @deadline, -ECONNREFUSED nobody listens there, -ENOENT neither (filesystem
 * sockets), -EINVAL or -ENAMETOOLONG the name, -EMSGSIZE @max_msg_size is beyond what the
 * wire can say; another -errno.
 */
int qbi_client_start(const char *name, size_t max_msg_size, uint64_t deadline,
		     qb_ipcc_connection_t **ret_c);

/*
 * Read the answer and set up the transport. 0; -ETIMEDOUT no answer before @deadline, or
 * -EAGAIN when that was 0: not to be waited for, once it has begun; what the server
 * refused with; -ECONNRESET it went away; -EBADMSG, -EACCES it is not to be trusted;
 * another -errno. The connection stays the caller's.
 */
int qbi_client_finish(qb_ipcc_connection_t *c, uint64_t deadline);

/* Good on NULL and at any stage. */
void qbi_client_free(qb_ipcc_connection_t *c);
static inline void qbi_client_freep(qb_ipcc_connection_t **c)
{
	qbi_client_free(*c);
}

#endif
