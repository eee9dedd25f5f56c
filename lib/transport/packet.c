/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/foreign.h"
#include "base/socket.h"
#include "base/util.h"

int qbi_packet_send(struct qbi_packets *p, size_t msg_size, size_t offset,
		    const struct iovec *iov, size_t n, uint64_t *deadline)
{
	struct qbi_packet_header header = { (uint32_t)msg_size, (uint32_t)offset };
	struct iovec all[QBI_PACKET_IOVS + 1];
	int r;

	all[0] = (struct iovec){ &header, sizeof(header) };
	memcpy(&all[1], iov, n * sizeof(*iov));
	if (deadline && offset == 0) {
		header.size |= QBI_PACKET_TIMED;
		all[++n] = (struct iovec){ deadline, QBI_PACKET_WORD };
	}
	r = qbi_socket_sendv(p->fd, all, n + 1);
	if (r == 0 || (errno != ENOBUFS && errno != ENOMEM) ||
	    p->piece <= QBI_PACKET_PIECE_SCARCE)
		return r;
	p->piece = QBI_PACKET_PIECE_SCARCE;
	return QBI_FULL;
}

/* Nothing was received. QBI_EMPTY, QBI_GONE, -EBADMSG. */
static int outcome_of_receive(int error)
{
	if (error == EBADMSG)
		return -EBADMSG;
	return error == EAGAIN || error == EINTR ? QBI_EMPTY : QBI_GONE;
}

/* As recvmsg(2), with room for descriptors where they can come. */
static ssize_t bytes_receive_once(struct qbi_packets *p, struct iovec *iov, size_t n, int flags,
				  int *ret_flags)
{
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = n };
	ssize_t got;

	if (p->passed)
		return qbi_foreign_receive_bytes(p->fd, iov, n, flags | MSG_DONTWAIT,
						 ret_flags);
	got = recvmsg(p->fd, &m, flags | MSG_DONTWAIT);
	*ret_flags = m.msg_flags;
	return got;
}

/*
 * A peer that closes with messages of ours unread is reported once, before what it has sent:
 * that comes afterwards.
 */
static ssize_t bytes_receive(struct qbi_packets *p, struct iovec *iov, size_t n, int flags,
			     int *ret_flags)
{
	ssize_t got = bytes_receive_once(p, iov, n, flags, ret_flags);

	if (got < 0 && errno == ECONNRESET)
		got = bytes_receive_once(p, iov, n, flags, ret_flags);
	return got;
}

int qbi_packet_peek(struct qbi_packets *p, struct qbi_packet_header *ret)
{
	struct iovec iov = { ret, sizeof(*ret) };
	int flags;
	ssize_t n = bytes_receive(p, &iov, 1, MSG_PEEK, &flags);

	if (n < 0)
		return outcome_of_receive(errno);
	if (n == 0)
		return QBI_GONE;
	return n == sizeof(*ret) && ret->size <= p->in.most ? 0 : -EBADMSG;
}

/* The word after @n bytes, of which @room lie at @from and the others at @rest. */
static uint64_t packet_word(const char *from, size_t room, const char *rest, size_t n)
{
	size_t first = n >= room ? 0 : room - n < QBI_PACKET_WORD ? room - n : QBI_PACKET_WORD;
	char word[QBI_PACKET_WORD];
	uint64_t value;

	memcpy(word, from + n, first);
	memcpy(word + first, rest, QBI_PACKET_WORD - first);
	memcpy(&value, word, sizeof(value));
	return value;
}

int qbi_packet_receive(struct qbi_packets *p, void *to, size_t room,
		       struct qbi_packet_header *ret, size_t *ret_piece, uint64_t *ret_word)
{
	char beyond[QBI_PACKET_WORD]; /* the part of a word for which @to has no room */
	struct iovec iov[3] = { { ret, sizeof(*ret) },
				{ to, room },
				{ beyond, sizeof(beyond) } };
	int flags = 0;
	ssize_t n = bytes_receive(p, iov, ret_word ? 3 : 2, 0, &flags);
	int r = 0;

	if (n < 0)
		return outcome_of_receive(errno);
	if (n == 0)
		return QBI_GONE;
	if ((size_t)n < sizeof(*ret) || (flags & MSG_TRUNC))
		return -EBADMSG;
	*ret_piece = (size_t)n - sizeof(*ret);
	if (ret_word && ret->size == QBI_PACKET_LIMIT) {
		p->body_most = ret->offset;
		return *ret_piece ? -EBADMSG : QBI_PARTIAL;
	}
	if (ret_word && (ret->size & QBI_PACKET_TIMED)) {
		if (*ret_piece < QBI_PACKET_WORD)
			return -EBADMSG;
		*ret_piece -= QBI_PACKET_WORD;
		*ret_word = packet_word(to, room, beyond, *ret_piece);
		if (ret->size == QBI_PACKET_CANCEL)
			return ret->offset || *ret_piece ? -EBADMSG : QBI_CANCEL;
		ret->size &= ~QBI_PACKET_TIMED;
		r = QBI_TIMED;
	}
	/* The memory for a word is none for a piece. */
	if (*ret_piece > room)
		return -EBADMSG;
	if (ret->size > p->in.most || ret->offset != p->in.done ||
	    (p->in.done && ret->size != p->in.size) || *ret_piece > ret->size - p->in.done)
		return -EBADMSG;
	/* A body has no deadline. */
	if (r == QBI_TIMED && ret->size > p->max_msg_size)
		return -EBADMSG;
	return r;
}
