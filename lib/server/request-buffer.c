/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/request-buffer.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "base/memory.h"
#include "base/util.h"
#include "server/connection.h"

/*
 * A buffer begins with the place of short requests. Longer requests follow it, one after
 * the other; when ROUND is reached, the next one is put at the beginning again.
 */
#define SHORT_ROOM 64u
#define ROUND (4u << 10)

/* Memory that is kept per client in any case: enough for requests of default size. */
#define BUFFER_KEPT (ROUND + (16u << 10))

size_t qbi_request_buffer_room(uint32_t max_msg_size)
{
	return ROUND + (size_t)max_msg_size + 1;
}

char *qbi_request_buffer_place(const qb_ipcs_connection_t *c, void *buffer)
{
	return (char *)buffer + (c->request_at ? c->request_at : SHORT_ROOM);
}

char *qbi_request_buffer_settle(qb_ipcs_connection_t *c, void *buffer, size_t size)
{
	char *request = qbi_request_buffer_place(c, buffer);
	size_t end = (size_t)(request - (char *)buffer) + size + 1;

	if (c->buffer_used < end)
		c->buffer_used = end;
	if (size < SHORT_ROOM)
		return memcpy(buffer, request, size);
	end = (end + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
	c->request_at = end < ROUND ? end : SHORT_ROOM;
	return request;
}

void *qbi_request_buffer_take(qb_ipcs_connection_t *c)
{
	size_t room = qbi_request_buffer_room(c->max_msg_size);
	void *none = NULL;
	void *buffer =
		c->buffer ? QBI_TAKE(c->buffer) : qbi_memory_new(room, &c->host->locking);

	/* The buffer of the host is always available, unless a callback runs the loop. */
	if (!buffer)
		buffer = qbi_host_scratch_take(c->host, room);
	atomic_compare_exchange_strong(&c->lent, &none, buffer);
	return buffer;
}

/* Keep a large request of @c, and free that of another client. */
static void large_request_keep(qb_ipcs_connection_t *c)
{
	qb_ipcs_connection_t *before = c->host->large;

	if (before && before != c && before->buffer) {
		qbi_memory_free(QBI_TAKE(before->buffer));
		before->buffer_used = 0;
	}
	c->host->large = c;
}

void qbi_request_buffer_give(qb_ipcs_connection_t *c, void *buffer)
{
	void *lent = buffer;

	atomic_compare_exchange_strong(&c->lent, &lent, NULL);
	/* First give the host its buffer back: this may be it. */
	if (!c->end || c->buffer || !c->host->scratch) {
		qbi_host_scratch_give(c->host, buffer);
		return;
	}
	c->buffer = buffer;
	if (c->buffer_used > BUFFER_KEPT)
		large_request_keep(c);
}
