/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/early.h"

#include <stdlib.h>

#include "base/socket.h"
#include "base/util.h"

/* Most bytes kept for one direction of a client. */
#define EARLY_BYTES (256u << 10)

struct message {
	struct qbi_list link;
	size_t size;
	char data[];
};

void qbi_early_init(struct qbi_early *e)
{
	qbi_list_init(&e->messages);
	e->bytes = 0;
}

bool qbi_early_has_room(const struct qbi_early *e, size_t size)
{
	return !e->bytes || e->bytes + size <= EARLY_BYTES;
}

int qbi_early_add(struct qbi_early *e, const struct qbi_msg *msg)
{
	struct message *m;

	if (!qbi_early_has_room(e, msg->size))
		return QBI_FULL;
	m = malloc(sizeof(*m) + msg->size);
	if (!m)
		return qbi_no_memory(msg->size);
	m->size = msg->size;
	qbi_msg_copy(msg, m->data);
	qbi_list_push_back(&e->messages, &m->link);
	e->bytes += sizeof(*m) + m->size;
	return 0;
}

static struct message *message_first(struct qbi_early *e)
{
	struct qbi_list *first = qbi_list_first(&e->messages);

	return first ? qbi_list_entry(first, struct message, link) : NULL;
}

static void message_drop(struct qbi_early *e, struct message *m)
{
	qbi_list_unlink(&m->link);
	e->bytes -= sizeof(*m) + m->size;
	free(m);
}

int qbi_early_send(struct qbi_early *e, int fd)
{
	struct message *m;

	while ((m = message_first(e))) {
		struct iovec iov = { m->data, m->size };
		int r = qbi_socket_sendv(fd, &iov, 1);

		if (r)
			return r;
		message_drop(e, m);
	}
	return 0;
}

void qbi_early_clear(struct qbi_early *e)
{
	struct message *m;

	while ((m = message_first(e)))
		message_drop(e, m);
}
