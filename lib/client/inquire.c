/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/inquire.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "client/reach.h"
#include "transport/transport.h"

/* Until there is something to read, or the end. 0, -ETIMEDOUT, -errno. */
static int stream_wait(int stream, uint64_t deadline)
{
	struct pollfd p = { .fd = stream, .events = POLLIN };
	int n = poll(&p, 1, qbi_deadline_to_poll(deadline));

	if (n < 0 && errno != EINTR)
		return -errno;
	return n == 0 ? -ETIMEDOUT : 0;
}

/*
 * One piece of the answer and who sent it. There is room for that alone: descriptors,
 * which a server that takes us for a client sends, do not get in.
 */
static ssize_t welcome_read(struct qbi_inquiry *q)
{
	struct iovec iov = { (char *)&q->welcome + q->size, sizeof(q->welcome) - q->size };
	union {
		struct cmsghdr align;
		char buf[CMSG_LEN(sizeof(struct ucred))];
	} control;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	ssize_t n = recvmsg(q->stream, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *cmsg = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	struct ucred who;

	if (!cmsg || cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_CREDENTIALS ||
	    cmsg->cmsg_len != CMSG_LEN(sizeof(who)))
		return n;
	memcpy(&who, CMSG_DATA(cmsg), sizeof(who));
	/* All of it is one process's, or nobody's. */
	if (q->size > 0 && memcmp(&who, &q->server, sizeof(who)) != 0) {
		errno = EBADMSG;
		return -1;
	}
	q->server = who;
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
		r = stream_wait(q->stream, deadline);
		if (r < 0)
			return r;
	}
	return qbi_welcome_check(&q->welcome);
}

static int question_send(int stream, size_t max_msg_size, uint32_t question)
{
	struct qbi_hello hello;
	ssize_t n;

	qbi_hello_ask(&hello, max_msg_size, qbi_transport_version(), question);
	n = send(stream, &hello, sizeof(hello), MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return errno == EPIPE ? -ECONNRESET : -errno;
	return n == sizeof(hello) ? 0 : -EAGAIN;
}

int qbi_inquire(struct qbi_inquiry *q, const char *name, size_t max_msg_size,
		uint32_t question, uint64_t deadline)
{
	uint64_t begin = qbi_now_ns();
	int r = qbi_reach(name, deadline, &q->stream);

	if (r == 0)
		r = question_send(q->stream, max_msg_size, question);
	if (r == 0)
		r = welcome_receive(q, deadline);
	q->answer_ns = qbi_now_ns() - begin;
	return r;
}

void qbi_inquiry_deinit(struct qbi_inquiry *q)
{
	if (q->stream >= 0)
		(void)shutdown(q->stream, SHUT_RDWR);
	q->stream = qbi_close(q->stream);
}

bool qbi_inquiry_is_answered(const struct qbi_inquiry *q, uint32_t question)
{
	return q->welcome.mark == QBI_WIRE_MARK && (q->welcome.abilities & question);
}

/* Up to @size bytes: fewer when the stream ends before. How many, or -errno. */
static int64_t stream_read(int stream, void *buf, size_t size, uint64_t deadline)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = recv(stream, (char *)buf + got, size - got, MSG_DONTWAIT);
		int r;

		if (n == 0)
			break;
		if (n > 0) {
			got += (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = stream_wait(stream, deadline);
		if (r < 0)
			return r;
	}
	return (int64_t)got;
}

int qbi_inquiry_snapshot(struct qbi_inquiry *q, uint64_t deadline,
			 struct qbi_snapshot_head **ret_head)
{
	_cleanup_(qbi_freep) char *all = NULL;
	struct qbi_snapshot_head first;
	size_t begin = offsetof(struct qbi_snapshot_head, connections);
	int64_t rest, got;
	uint64_t records;

	/* Enough to know how much there is. */
	got = stream_read(q->stream, &first, begin, deadline);
	if (got < 0)
		return (int)got;
	if ((size_t)got < begin)
		return -ECONNRESET;
	rest = qbi_snapshot_rest(&first);
	if (rest < 0)
		return (int)rest;
	all = malloc(begin + (size_t)rest);
	if (!all)
		return -ENOMEM;
	memcpy(all, &first, begin);
	got = stream_read(q->stream, all + begin, (size_t)rest, deadline);
	if (got < 0)
		return (int)got;
	if (begin + (size_t)got < first.head_size)
		return -ECONNRESET;
	/* A record that was cut is none. */
	records = (begin + (size_t)got - first.head_size) / first.record_size;
	*ret_head = (struct qbi_snapshot_head *)(void *)QBI_TAKE(all);
	(*ret_head)->records = (uint32_t)records;
	return 0;
}
