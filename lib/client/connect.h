/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Making and ending a connection to the service of a name.
 *
 * Owner: the caller, from qbi_client_start() to qbi_client_free().
 * Threads: one at a time for each connection; no other function of the connection may run
 * at the same time.
 */
#ifndef QBI_CLIENT_CONNECT_H
#define QBI_CLIENT_CONNECT_H

#include <stddef.h>
#include <stdint.h>

#include <qb/qbipcc.h>

/*
 * Reach the service and ask for a connection. 0; -ETIMEDOUT its queue of clients was full
 * until @deadline; -ECONNREFUSED no process listens there; -ENOENT likewise (filesystem
 * sockets); -EINVAL or -ENAMETOOLONG the name is invalid; -EMSGSIZE @max_msg_size is above
 * the maximum of the wire; another -errno.
 */
int qbi_client_start(const char *name, size_t max_msg_size, uint64_t deadline,
		     qb_ipcc_connection_t **ret_c);

/*
 * Read the answer and set up the transport. With @deadline 0, do not wait for the beginning
 * of the answer. 0; -ETIMEDOUT no answer before @deadline; -EAGAIN no answer yet, and
 * @deadline is 0; the value of the server's refusal; -ECONNRESET the server is gone;
 * -EBADMSG or -EACCES the answer is not to be trusted; another -errno. The caller keeps the
 * connection.
 */
int qbi_client_finish(qb_ipcc_connection_t *c, uint64_t deadline);

/* @c may be NULL, and at any stage. */
void qbi_client_free(qb_ipcc_connection_t *c);

#endif
