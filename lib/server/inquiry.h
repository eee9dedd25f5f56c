/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Questions that a first message may have instead of asking for a connection: who is
 * there (probe), and what the counters are (watch). Answered here and at once, without
 * the application; the client is forgotten with the answer.
 *
 * Trust: anybody may probe and learns what any answer says. Watching is for the superuser,
 * the service's own user, and whom the application allowed. The answer is sent in one
 * piece that the socket takes or does not: nothing waits for the client.
 */
#ifndef QBI_SERVER_INQUIRY_H
#define QBI_SERVER_INQUIRY_H

#include <stdbool.h>
#include <stdint.h>

struct qb_ipcs_connection;

/*
 * Is the first message of @c, complete and checked, a question? Then it has been answered
 * and the connection, which the application never heard of, is closed.
 */
bool qbi_inquiry_answer(struct qb_ipcs_connection *c);

#endif
