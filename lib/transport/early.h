/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages for a client that has not bound its address yet, in private memory, oldest
 * first.
 *
 * Threads: one at a time.
 */
#ifndef QBI_TRANSPORT_EARLY_H
#define QBI_TRANSPORT_EARLY_H

#include "base/list.h"
#include "base/msg.h"

struct qbi_early {
	struct qbi_list messages;
	size_t bytes; /* of all messages, with their overhead */
};

void qbi_early_init(struct qbi_early *e);

/* A single message of any size always has room. */
bool qbi_early_has_room(const struct qbi_early *e, size_t size);

/* Keep a copy of @msg. 0, QBI_FULL, -ENOBUFS no memory for a message of this size. */
int qbi_early_add(struct qbi_early *e, const struct qbi_msg *msg);

/* Send messages through @fd, a connected socket, until it is full. 0 none is left, QBI_FULL,
 * QBI_GONE, -errno. */
int qbi_early_send(struct qbi_early *e, int fd);

/* Discard all messages. */
void qbi_early_clear(struct qbi_early *e);

#endif
