/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/packets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/foreign.h"
#include "base/socket.h"
#include "base/util.h"

/* A packet uses at most half of the send buffer, so that two can be queued. */
#define PIECE_SHARE 2

/* Most packets received by one call, so that a sender of tiny ones cannot keep us here. */
#define PIECES_AT_ONCE 256

/* What the kernel charges for a packet besides its payload. */
#define OVERHEAD 4096

static void packets_init(struct qbi_packets *p, int fd, uint32_t max_msg_size)
{
	socklen_t len = sizeof(int);
	int room;

	/* If the call is refused: the default size of a send buffer is larger. */
	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, &len) < 0)
		room = QBI_PACKET_PIECE_SCARCE;
	*p = (struct qbi_packets)QBI_PACKETS_INIT;
	p->max_msg_size = max_msg_size;
	p->in.most = max_msg_size;
	p->piece = (size_t)room / PIECE_SHARE;
	if (p->piece > QBI_PACKET_PIECE_MAX)
		p->piece = QBI_PACKET_PIECE_MAX;
	p->fd = fd;
}

int qbi_packets_open(struct qbi_packets *p, int fd, uint32_t max_msg_size)
{
	packets_init(p, fd, max_msg_size);
	qbi_refuse_descriptors(fd);
	return 0;
}

void qbi_packets_open_passed(struct qbi_packets *p, int fd, uint32_t max_msg_size)
{
	packets_init(p, fd, max_msg_size);
	p->passed = true;
}

void qbi_packets_make_room(int fd, uint32_t max_msg_size)
{
	qbi_socket_raise_buffers(fd, max_msg_size + OVERHEAD);
}

void qbi_packets_end(struct qbi_packets *p)
{
	if (p->fd >= 0)
		(void)shutdown(p->fd, SHUT_RDWR);
	p->ended = true;
}

void qbi_packets_close(struct qbi_packets *p)
{
	/* One that goes on is a copy, and not the last one. */
	p->fd = p->passed && p->ended ? qbi_close_foreign(p->fd) : qbi_close(p->fd);
	qbi_rest_forget(&p->out);
	qbi_body_forget(&p->in);
}

/* -- Sending ------------------------------------------------------------------ */

/* Send one block from *@done on, in pieces. 0, QBI_FULL, QBI_GONE, -errno. */
static int block_send(struct qbi_packets *p, char *block, size_t size, size_t *done,
		      uint64_t *deadline)
{
	do {
		size_t left = size - *done;
		struct iovec iov = { block + *done, left < p->piece ? left : p->piece };
		int r = qbi_packet_send(p, size, *done, &iov, 1, deadline);

		if (r == QBI_FULL && iov.iov_len > p->piece)
			continue;
		if (r)
			return r;
		*done += iov.iov_len;
	} while (*done < size);
	return 0;
}

/* Send a message that must be copied: too many pieces of memory, or above one packet. */
static int copy_send(struct qbi_packets *p, const struct qbi_msg *msg, uint64_t *deadline)
{
	_cleanup_(qbi_freep) char *block = malloc(msg->size);
	size_t done = 0;
	int r;

	if (!block)
		return qbi_no_memory(msg->size);
	qbi_msg_copy(msg, block);
	r = block_send(p, block, msg->size, &done, deadline);
	if (r != QBI_FULL || done == 0)
		return r;
	p->out = (struct qbi_rest){ .data = QBI_TAKE(block),
				    .size = (uint32_t)msg->size,
				    .done = (uint32_t)done };
	return QBI_UNSENT;
}

/* Bytes of the next piece of a body: the first one comes where a message could. */
static size_t body_piece(const struct qbi_packets *p, size_t done)
{
	return done == 0 && p->piece > p->max_msg_size ? p->max_msg_size : p->piece;
}

int qbi_packets_send_pieces(struct qbi_packets *p, const struct qbi_msg *msg, size_t *done)
{
	while (*done < msg->size) {
		size_t most = body_piece(p, *done);
		struct iovec iov[QBI_PACKET_IOVS];
		size_t n, size;
		int r;

		size = qbi_msg_part(msg, *done, most, iov, QBI_PACKET_IOVS, &n);
		r = qbi_packet_send(p, msg->size, *done, iov, n, NULL);
		if (r == QBI_FULL && most > body_piece(p, *done))
			continue;
		if (r)
			return r;
		*done += size;
	}
	return 0;
}

int qbi_packets_keep(struct qbi_packets *p, const struct qbi_msg *msg, size_t done)
{
	return qbi_rest_keep(&p->out, msg, done);
}

int qbi_packets_flush(struct qbi_packets *p)
{
	int r;

	while (p->out.data) {
		size_t most = p->piece;
		struct iovec iov = qbi_rest_next(&p->out, most);

		r = qbi_packet_send(p, p->out.size, p->out.done, &iov, 1, NULL);
		if (r == QBI_FULL && most > p->piece)
			continue;
		if (r == QBI_FULL)
			return QBI_UNSENT;
		if (r) {
			qbi_rest_forget(&p->out);
			return r;
		}
		(void)qbi_rest_add(&p->out, iov.iov_len);
	}
	return 0;
}

static int packets_body_put(struct qbi_packets *p, const struct qbi_msg *msg)
{
	size_t done = 0;
	int r = qbi_packets_send_pieces(p, msg, &done);

	if (r != QBI_FULL || done == 0)
		return r;
	r = qbi_packets_keep(p, msg, done);
	return r < 0 ? r : QBI_UNSENT;
}

static int packets_put(struct qbi_packets *p, const struct qbi_msg *msg, uint64_t *deadline)
{
	int r = qbi_packets_flush(p);

	if (r)
		return r == QBI_UNSENT ? QBI_FULL : r;
	if (msg->size > p->max_msg_size)
		return packets_body_put(p, msg);
	if (msg->n < QBI_PACKET_IOVS && msg->size <= p->piece) {
		r = qbi_packet_send(p, msg->size, 0, msg->iov, msg->n, deadline);
		if (r != QBI_FULL || msg->size <= p->piece)
			return r;
	}
	return copy_send(p, msg, deadline);
}

int qbi_packets_sendv(struct qbi_packets *p, const struct qbi_msg *msg)
{
	return packets_put(p, msg, NULL);
}

int qbi_packets_send_timed(struct qbi_packets *p, const struct qbi_msg *msg, uint64_t deadline)
{
	return packets_put(p, msg, &deadline);
}

int qbi_packets_send_cancel(struct qbi_packets *p, uint64_t number)
{
	struct qbi_packet_header header = { QBI_PACKET_CANCEL, 0 };
	struct iovec iov[2] = { { &header, sizeof(header) }, { &number, QBI_PACKET_WORD } };
	int r = qbi_packets_flush(p);

	if (r)
		return r == QBI_UNSENT ? QBI_FULL : r;
	return qbi_socket_sendv(p->fd, iov, 2);
}

int qbi_packets_send_limit(struct qbi_packets *p, uint32_t bytes)
{
	struct qbi_packet_header header = { QBI_PACKET_LIMIT, bytes };
	struct iovec iov = { &header, sizeof(header) };
	int r = qbi_packets_flush(p);

	if (r)
		return r == QBI_UNSENT ? QBI_FULL : r;
	return qbi_socket_sendv(p->fd, &iov, 1);
}

/* -- Receiving ---------------------------------------------------------------- */

static bool is_body(const struct qbi_packets *p)
{
	return p->in.size > p->max_msg_size;
}

/* The first piece of several: keep it and continue. 0, -EBADMSG, -ENOMEM. */
static int assembly_begin(struct qbi_packets *p, const void *first, size_t n, uint32_t size)
{
	struct qbi_piece piece = { .size = size };
	char *to;
	/* Pieces of no bytes, which would never end, are refused. */
	int r = qbi_body_place(&p->in, &piece, n, &to);

	if (r < 0)
		return r;
	memcpy(to, first, n);
	(void)qbi_body_add(&p->in, n);
	return 0;
}

/* Most bytes of a piece that is received next. */
static size_t assembly_room(const struct qbi_packets *p)
{
	size_t left = p->in.size - p->in.done;
	size_t most =
		p->max_msg_size > QBI_PACKET_PIECE_MAX ? p->max_msg_size : QBI_PACKET_PIECE_MAX;

	return left < most ? left : most;
}

/* Receive one more piece. 0 it is not the last one; QBI_MORE it is; QBI_EMPTY; ... */
static int assembly_add(struct qbi_packets *p, size_t *ret_n)
{
	struct qbi_packet_header header;
	char *to;
	int r = qbi_body_reserve(&p->in, assembly_room(p), &to);

	if (r == 0)
		r = qbi_packet_receive(p, to, assembly_room(p), &header, ret_n, NULL);
	if (r == 0 && *ret_n == 0)
		r = -EBADMSG;
	if (r)
		return r;
	return qbi_body_add(&p->in, *ret_n) ? QBI_MORE : 0;
}

/*
 * Receive more pieces of the message; of a body one piece. 0: it is complete; QBI_PARTIAL;
 * QBI_EMPTY; ...
 */
static int assembly_continue(struct qbi_packets *p, size_t *ret_n)
{
	int left = PIECES_AT_ONCE;
	int r;

	*ret_n = 0;
	while (p->in.done < p->in.size) {
		if (!left--)
			return QBI_EMPTY; /* the rest keeps the socket readable */
		r = assembly_add(p, ret_n);
		if (r == 0 && is_body(p))
			return QBI_PARTIAL;
		if (r != 0 && r != QBI_MORE)
			return r;
	}
	return 0;
}

static int assembly_take(struct qbi_packets *p, void *buf, size_t size, size_t *ret_size)
{
	_cleanup_(qbi_freep) char *whole = NULL;
	size_t n;
	int r;

	*ret_size = p->in.size;
	/* What has not come yet stays in the socket, which makes it readable. */
	if (p->in.size > size)
		return -ENOBUFS;
	r = assembly_continue(p, &n);
	if (r)
		return r;
	whole = qbi_body_take(&p->in, ret_size);
	memcpy(buf, whole, *ret_size);
	return 0;
}

void qbi_packets_take_bodies(struct qbi_packets *p, uint32_t bytes)
{
	p->in.most = bytes > p->max_msg_size ? bytes : p->max_msg_size;
}

/* As assembly_take(), for a body among requests. */
static int assembly_take_body(struct qbi_packets *p, void **ret_body, size_t *ret_size,
			      uint64_t *ret_word)
{
	size_t n;
	int r = assembly_continue(p, &n);

	*ret_size = n;
	if (r)
		return r;
	*ret_body = qbi_body_take(&p->in, ret_size);
	*ret_word = n;
	return QBI_BODY;
}

int qbi_packets_take_request(struct qbi_packets *p, void *buf, size_t size, void **ret_body,
			     size_t *ret_size, uint64_t *ret_word)
{
	struct qbi_packet_header header;
	size_t n;
	int r;

	if (!p->in.done) {
		r = qbi_packet_receive(p, buf, size, &header, &n, ret_word);
		*ret_size = n;
		if (r != 0 && r != QBI_TIMED)
			return r;
		*ret_size = header.size;
		if (n == header.size)
			return r;
		p->in_timed = r == QBI_TIMED;
		p->in_deadline = *ret_word;
		r = assembly_begin(p, buf, n, header.size);
		*ret_size = n;
		if (r == 0 && is_body(p))
			return QBI_PARTIAL;
		if (r)
			return r;
	}
	if (is_body(p))
		return assembly_take_body(p, ret_body, ret_size, ret_word);
	r = assembly_take(p, buf, size, ret_size);
	if (r || !p->in_timed)
		return r;
	*ret_word = p->in_deadline;
	return QBI_TIMED;
}

int qbi_packets_take(struct qbi_packets *p, void *buf, size_t size, size_t *ret_size)
{
	struct qbi_packet_header header;
	size_t n;
	int r;

	if (p->in.done)
		return assembly_take(p, buf, size, ret_size);
	/* If the buffer has room for the largest message, the size need not be checked. */
	if (size < p->in.most) {
		r = qbi_packet_peek(p, &header);
		if (r)
			return r;
		*ret_size = header.size;
		if (header.size > size)
			return -ENOBUFS;
	}
	r = qbi_packet_receive(p, buf, size, &header, &n, NULL);
	if (r)
		return r;
	*ret_size = header.size;
	if (n == header.size)
		return 0;
	r = assembly_begin(p, buf, n, header.size);
	return r == 0 ? assembly_take(p, buf, size, ret_size) : r;
}
