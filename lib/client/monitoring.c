/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/monitoring.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/foreign.h"
#include "base/unfinished.h"
#include "base/util.h"

static int wish_send(int stream, const struct qbi_monitor_wish *wish)
{
	ssize_t n = send(stream, wish, sizeof(*wish), MSG_NOSIGNAL | MSG_DONTWAIT);

	/* It may have said why before it left. */
	if (n < 0)
		return errno == EPIPE ? 0 : -errno;
	return n == sizeof(*wish) ? 0 : -EAGAIN;
}

int qbi_monitoring_new(struct qbi_inquiry *q, const struct qbi_monitor_wish *wish,
		       uint64_t deadline, struct qbi_monitoring **ret_m)
{
	struct qbi_monitor_head head;
	struct qbi_monitoring *m;
	int r = wish_send(q->stream, wish);

	if (r == 0)
		r = qbi_inquiry_monitor(q, deadline, &head);
	if (r < 0)
		return r;
	m = malloc(sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->server = q->server;
	m->head = head;
	m->stream = qbi_take_fd(&q->stream);
	m->begin = m->end = 0;
	*ret_m = m;
	return 0;
}

void qbi_monitoring_free(struct qbi_monitoring *m)
{
	if (!m)
		return;
	qbi_close_stream(m->stream);
	free(m);
}

/* Of what was read. 0, QBI_EMPTY it has not come whole, -EBADMSG. */
static int record_take(struct qbi_monitoring *m, struct qbi_monitor_record *record,
		       const char **ret_data)
{
	size_t left = m->end - m->begin;
	int64_t size;

	if (left < sizeof(*record))
		return QBI_EMPTY;
	memcpy(record, m->bytes + m->begin, sizeof(*record));
	size = qbi_monitor_record_size(record);
	if (size < 0)
		return (int)size;
	if (left < (size_t)size)
		return QBI_EMPTY;
	*ret_data = m->bytes + m->begin + record->size;
	m->begin += (size_t)size;
	return 0;
}

/* 0, QBI_EMPTY, -ENOTCONN, -errno. */
static int stream_fill(struct qbi_monitoring *m)
{
	ssize_t n;

	memmove(m->bytes, m->bytes + m->begin, m->end - m->begin);
	m->end -= m->begin;
	m->begin = 0;
	n = qbi_foreign_recv(m->stream, m->bytes + m->end, sizeof(m->bytes) - m->end,
			     MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return -ENOTCONN;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? QBI_EMPTY : -errno;
	m->end += (size_t)n;
	return 0;
}

/* 0, -ETIMEDOUT, -errno. */
static int records_await(const struct qbi_monitoring *m, uint64_t deadline, int cancel_state)
{
	struct pollfd p = { .fd = m->stream, .events = POLLIN };
	int n;

	qbi_cancel_as(cancel_state);
	n = poll(&p, 1, qbi_deadline_to_poll(deadline));
	(void)qbi_cancel_hold_back();
	if (n < 0 && errno != EINTR)
		return -errno;
	return n == 0 ? -ETIMEDOUT : 0;
}

int qbi_monitoring_next(struct qbi_monitoring *m, uint64_t deadline,
			struct qbi_monitor_record *record, const char **ret_data)
{
	int cancel_state = qbi_cancel_hold_back();
	int r = record_take(m, record, ret_data);

	while (r == QBI_EMPTY) {
		r = stream_fill(m);
		if (r == QBI_EMPTY)
			r = records_await(m, deadline, cancel_state);
		if (r == 0)
			r = record_take(m, record, ret_data);
	}
	qbi_cancel_as(cancel_state);
	return r;
}
