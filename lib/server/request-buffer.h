/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The private memory that a request is copied to, and where in it requests lie.
 *
 * Threads: the dispatching thread.
 */
#ifndef QBI_SERVER_REQUEST_BUFFER_H
#define QBI_SERVER_REQUEST_BUFFER_H

#include <qb/qbipcs.h>
#include <stddef.h>
#include <stdint.h>

/* Size of a buffer for requests of up to @max_msg_size bytes with a zero after each. */
size_t qbi_request_buffer_room(uint32_t max_msg_size);

/*
 * Where to put the next request in a buffer, and where it is after that: short requests
 * have a place of their own. Neither a short request nor the zero after it overwrites the
 * last longer request, if that is shorter than 4 KiB. corosync needs this: its iterators
 * keep a pointer to the request that created them.
 */
char *qbi_request_buffer_place(const qb_ipcs_connection_t *c, void *buffer);
char *qbi_request_buffer_settle(qb_ipcs_connection_t *c, void *buffer, size_t size);

/*
 * Private memory for one request of the agreed size; NULL without memory. After it is given
 * back, the request stays in it until the next one of this client, as in libqb, because
 * applications read requests after the callback has returned. Of large requests only the
 * last one of the service is kept, so that clients cannot make it keep one each.
 */
void *qbi_request_buffer_take(qb_ipcs_connection_t *c);
void qbi_request_buffer_give(qb_ipcs_connection_t *c, void *buffer);

#endif
