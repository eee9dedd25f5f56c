/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/inquire.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/foreign.h"
#include "base/util.h"
#include "client/reach.h"
#include "transport/transport.h"
#include "transport/trial.h"

/* Wait until there is something to read, or a hang-up. 0, -ETIMEDOUT, -errno. */
static int stream_wait(const struct qbi_inquiry *q, uint64_t deadline)
{
	struct pollfd p = { .fd = q->stream, .events = POLLIN };
	int n;

	qbi_cancel_as(q->cancel_state);
	n = poll(&p, 1, qbi_deadline_to_poll(deadline));
	(void)qbi_cancel_hold_back();
	if (n < 0 && errno != EINTR)
		return -errno;
	return n == 0 ? -ETIMEDOUT : 0;
}

/* What would keep a connection from using the descriptors that came. */
static struct qbi_why descriptors_try(const struct qbi_inquiry *q,
				      const struct qbi_foreign *came)
{
	unsigned int n =
		came->n < QBI_REPLY_FDS_MAX ? (unsigned int)came->n : QBI_REPLY_FDS_MAX;

	if (came->cut && came->n < QBI_REPLY_FDS_MAX)
		return qbi_why_client(QBI_CALL_RECVMSG,
				      qbi_descriptor_is_free(q->stream) ? -EACCES : -EMFILE);
	return qbi_transport_trial_client(came->fds, n);
}

/*
 * Read one piece of the answer, with the credentials of its sender. Descriptors come from
 * a server that takes us for a client, or that was asked for them; they are tried and
 * closed again. More of them are an error.
 */
static ssize_t welcome_read(struct qbi_inquiry *q)
{
	struct iovec iov = { (char *)&q->welcome + q->size, sizeof(q->welcome) - q->size };
	struct qbi_foreign came;
	ssize_t n = qbi_foreign_receive(q->stream, &iov, 1, MSG_DONTWAIT, NULL, &came);

	if (!q->obstacle.code)
		q->obstacle = descriptors_try(q, &came);
	qbi_foreign_close(came.fds, came.n);
	q->n_fds += came.n;
	if (n <= 0)
		return n;
	/* All pieces must come from one process. */
	if (q->n_fds > QBI_REPLY_FDS_MAX ||
	    (came.has_sender && q->size > 0 &&
	     memcmp(&came.sender, &q->server, sizeof(came.sender)) != 0)) {
		errno = EBADMSG;
		return -1;
	}
	if (came.has_sender)
		q->server = came.sender;
	return n;
}

static int welcome_receive(struct qbi_inquiry *q, uint64_t deadline)
{
	while (q->size < sizeof(q->welcome)) {
		ssize_t n = welcome_read(q);
		int r;

		if (n == 0)
			return -ECONNRESET;
		if (n > 0) {
			q->size += (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = stream_wait(q, deadline);
		if (r < 0)
			return r;
	}
	return qbi_welcome_check(&q->welcome);
}

static int question_send(int stream, const struct qbi_hello *question)
{
	ssize_t n = send(stream, question, sizeof(*question), MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0)
		return errno == EPIPE ? -ECONNRESET : -errno;
	return n == sizeof(*question) ? 0 : -EAGAIN;
}

int qbi_inquire(struct qbi_inquiry *q, const char *name, const struct qbi_hello *question,
		uint64_t deadline)
{
	uint64_t begin = qbi_now_ns();
	int r = qbi_reach(name, deadline, q->cancel_state, &q->stream, NULL);

	if (r == 0)
		r = question_send(q->stream, question);
	if (r == 0)
		r = welcome_receive(q, deadline);
	q->answer_ns = qbi_now_ns() - begin;
	return r;
}

static void inquiry_undo(struct qbi_unfinished *u)
{
	qbi_inquiry_free(qbi_container_of(u, struct qbi_inquiry, asking));
}

struct qbi_inquiry *qbi_inquiry_new(void)
{
	struct qbi_inquiry *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->stream = -1;
	q->cancel_state = qbi_cancel_hold_back();
	(void)qbi_unfinished_begin(&q->asking, inquiry_undo);
	return q;
}

void qbi_inquiry_free(struct qbi_inquiry *q)
{
	int cancel_state;

	if (!q)
		return;
	cancel_state = q->cancel_state;
	qbi_unfinished_end(&q->asking);
	qbi_close_stream(q->stream);
	free(q->page);
	free(q);
	qbi_cancel_as(cancel_state);
}

bool qbi_inquiry_is_answered(const struct qbi_inquiry *q, uint32_t question)
{
	return q->welcome.mark == QBI_WIRE_MARK && (q->welcome.abilities & question);
}

/* Read up to @size bytes; fewer if the stream ends. Returns the number, or -errno. */
static int64_t stream_read(struct qbi_inquiry *q, void *buf, size_t size, uint64_t deadline)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = qbi_foreign_recv(q->stream, (char *)buf + got, size - got,
					     MSG_DONTWAIT);
		int r;

		if (n == 0)
			break;
		if (n > 0) {
			got += (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = stream_wait(q, deadline);
		if (r < 0)
			return r;
	}
	return (int64_t)got;
}

/* A kind of page, as far as it is known here. */
struct page_form {
	uint32_t mark;
	size_t head_size;
	size_t record_size;
	size_t more_at; /* of a u32 of the head: there are more pages */
	size_t most;	/* records of all pages */
	bool (*is_next)(const void *record, const void *before);
};

/* Read a page as far as it came; the caller frees the memory. 0 or -errno. */
static int page_read(struct qbi_inquiry *q, const struct page_form *form, uint64_t deadline,
		     struct qbi_page **ret_page, uint32_t *ret_records)
{
	struct qbi_page first;
	size_t begin = sizeof(first);
	int64_t rest, got;

	/* Enough to know the size of the rest. */
	got = stream_read(q, &first, begin, deadline);
	if (got < 0)
		return (int)got;
	if ((size_t)got < begin)
		return -ECONNRESET;
	rest = qbi_page_rest(&first, form->mark, form->head_size, form->record_size);
	if (rest < 0)
		return (int)rest;
	q->page = malloc(begin + (size_t)rest);
	if (!q->page)
		return -ENOMEM;
	memcpy(q->page, &first, begin);
	got = stream_read(q, q->page + begin, (size_t)rest, deadline);
	if (got < 0)
		return (int)got;
	if (begin + (size_t)got < first.head_size)
		return -ECONNRESET;
	/* An incomplete record does not count. */
	*ret_records = (uint32_t)((begin + (size_t)got - first.head_size) / first.record_size);
	*ret_page = (struct qbi_page *)(void *)QBI_TAKE(q->page);
	return 0;
}

/*
 * Copy the known part of @n records behind the @*count of @*all. Each must come after the one
 * before, also from page to page, so that asking for pages comes to an end.
 */
static int records_add(const struct page_form *form, const struct qbi_page *page, uint32_t n,
		       void **all, uint32_t *count)
{
	const char *from = (const char *)page + page->head_size;
	size_t size = form->record_size;
	char *to = realloc(*all, ((size_t)*count + n + 1) * size);
	uint32_t i;

	if (!to)
		return -ENOMEM;
	*all = to;
	to += *count * size;
	for (i = 0; i < n; i++, from += page->record_size, to += size) {
		memcpy(to, from, size);
		if (*count && !form->is_next(to, to - size))
			return -EBADMSG;
		(*count)++;
	}
	return 0;
}

/* Add a page to @*all; the head of the first one goes to @head. 1: there are more of them. */
static int page_add(struct qbi_inquiry *q, const struct page_form *form, uint64_t deadline,
		    void *head, void **all, uint32_t *count)
{
	_cleanup_(qbi_freep) struct qbi_page *page = NULL;
	bool is_first = *count == 0;
	uint32_t n = 0, more;
	int r = page_read(q, form, deadline, &page, &n);

	if (r == 0)
		r = records_add(form, page, n, all, count);
	if (r < 0)
		return r;
	if (is_first)
		memcpy(head, page, form->head_size);
	memcpy(&more, (const char *)page + form->more_at, sizeof(more));
	/* The page may be incomplete, because the socket had no room for all of it. */
	return n > 0 && (more || n < page->records) && *count < form->most;
}

static bool connection_is_older(const void *record, const void *before)
{
	const struct qbi_snapshot_record *r = record, *b = before;

	return r->number < b->number;
}

int qbi_inquiry_snapshot(struct qbi_inquiry *q, uint64_t deadline, struct qbi_snapshot *s)
{
	static const struct page_form form = {
		.mark = QBI_SNAPSHOT_MARK,
		.head_size = sizeof(s->head),
		.record_size = sizeof(s->records[0]),
		.more_at = offsetof(struct qbi_snapshot_head, more),
		.most = QBI_SNAPSHOT_CONNECTIONS,
		.is_next = connection_is_older,
	};
	void *records = s->records;
	int r = page_add(q, &form, deadline, &s->head, &records, &s->count);

	s->records = records;
	return r;
}

static bool handler_is_next(const void *record, const void *before)
{
	const struct qbi_description_record *r = record, *b = before;

	return r->id > b->id;
}

static bool names_are_terminated(const struct qbi_description *d, uint32_t from)
{
	uint32_t i;

	for (i = from; i < d->count; i++)
		if (!memchr(d->records[i].name, '\0', sizeof(d->records[i].name)))
			return false;
	return true;
}

int qbi_inquiry_description(struct qbi_inquiry *q, uint64_t deadline, struct qbi_description *d)
{
	static const struct page_form form = {
		.mark = QBI_DESCRIPTION_MARK,
		.head_size = sizeof(d->head),
		.record_size = sizeof(d->records[0]),
		.more_at = offsetof(struct qbi_description_head, more),
		.most = QBI_DESCRIPTION_HANDLERS,
		.is_next = handler_is_next,
	};
	void *records = d->records;
	uint32_t before = d->count;
	int r = page_add(q, &form, deadline, &d->head, &records, &d->count);

	d->records = records;
	if (r < 0)
		return r;
	if (!names_are_terminated(d, before))
		return -EBADMSG;
	/* There is no id behind the last one. */
	return r && d->records[d->count - 1].id < INT32_MAX;
}

int qbi_inquiry_monitor(struct qbi_inquiry *q, uint64_t deadline, struct qbi_monitor_head *head)
{
	char unknown[QBI_MONITOR_HEAD_MAX];
	int64_t got = stream_read(q, head, sizeof(*head), deadline);
	size_t more;

	if (got < 0)
		return (int)got;
	if ((size_t)got < sizeof(*head))
		return -ECONNRESET;
	if (qbi_monitor_head_check(head) < 0)
		return -EBADMSG;
	more = head->head_size - sizeof(*head);
	got = stream_read(q, unknown, more, deadline);
	if (got < 0)
		return (int)got;
	return (size_t)got < more ? -ECONNRESET : 0;
}
