/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is done with one thing that was taken from a client: a request, a part of a body, or
 * a cancel. A request is checked, shown to monitors, and handed to the application.
 *
 * Threads: the dispatching thread, whose caller holds a reference: callbacks may do anything.
 * Trust: the header is read once, and what decides is a copy of it.
 *
 * After a hang-up, what is served is taken from `drain_left` and `drain_requests`.
 */
#ifndef QBI_SERVER_REQUEST_H
#define QBI_SERVER_REQUEST_H

#include <qb/qbipcs.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * A request of @size bytes at @buf, @timed with a deadline. @in_place: there the client can
 * still write it. 0; QBI_FULL the application takes no more now; QBI_FAREWELL; -errno:
 * disconnect the client.
 */
int qbi_request_serve(qb_ipcs_connection_t *c, void *buf, size_t size, bool timed,
		      bool in_place);

/*
 * @size bytes of a body were taken, or, with @whole, the last of one of that size: this frees
 * it. Each piece is counted in the limits of the user. As qbi_request_serve(); -EDQUOT too
 * much.
 */
int qbi_request_body(qb_ipcs_connection_t *c, void *whole, size_t size);

/* A cancel was taken instead of a request. 0; QBI_FAREWELL; -EBADMSG. */
int qbi_request_cancel(qb_ipcs_connection_t *c);

#endif
