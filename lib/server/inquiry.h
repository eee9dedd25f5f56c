/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Questions that a first message can ask instead of making a connection: which process
 * serves the name (probe), what the counters are (watch), which messages it takes (describe),
 * and which messages pass from now on (monitor). They are answered here at once, without the
 * application, and then the client is closed; the stream of a monitor stays with monitor.c.
 *
 * Trust: every client may probe; the answer tells no more than one to a connection. Only
 * the superuser, the user of the service, and the user and group that the application
 * allowed may watch. The answer is sent by one call or not at all: nothing waits for the
 * client.
 */
#ifndef QBI_SERVER_INQUIRY_H
#define QBI_SERVER_INQUIRY_H

#include <stdbool.h>
#include <stdint.h>

struct qb_ipcs_connection;

/*
 * If the first message of @c, which is complete and checked, is a question: answer it and
 * close the connection, of which the application knows nothing. Was it a question?
 */
bool qbi_inquiry_answer(struct qb_ipcs_connection *c);

#endif
