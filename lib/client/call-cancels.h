/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls for which nobody waits any more, until the server has been told.
 *
 * That there is no room to tell it is no reason to wait: they stay here for the next attempt.
 * If there are too many, or there is no memory, some are left out: then the server works for
 * nobody, as it does without being told.
 *
 * Threads: one at a time; calls.h has the lock.
 */
#ifndef QBI_CLIENT_CALL_CANCELS_H
#define QBI_CLIENT_CALL_CANCELS_H

#include <stddef.h>

#include "client/connection.h"

/* Most that are kept. */
#define QBI_CALL_CANCELS_MAX 1024

/* All zeros: none. */
struct qbi_call_cancels {
	struct qbi_call_mark *marks; /* oldest first */
	size_t n;
	size_t room;
};

void qbi_call_cancels_note(struct qbi_call_cancels *list, const struct qbi_call_mark *mark);

/* With the turn of the senders: tell the server, without waiting. 0, QBI_FULL, QBI_GONE, -errno. */
int qbi_call_cancels_send(struct qbi_call_cancels *list, qb_ipcc_connection_t *c);

/* Forget them; idempotent. */
void qbi_call_cancels_deinit(struct qbi_call_cancels *list);

#endif
