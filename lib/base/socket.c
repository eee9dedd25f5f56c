/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/socket.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/refused.h"
#include "base/util.h"

/* Linux 6.16; the headers may be older than the kernel. */
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

void qbi_refuse_descriptors(int fd)
{
	int off = 0;

	(void)setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
}

void qbi_take_urgent_inline(int fd)
{
	int on = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
}

void qbi_send_only(int fd)
{
	(void)shutdown(fd, SHUT_RD);
}

/* Raise the buffer to one message of @size bytes, within the limits of the system. */
static void buffer_raise(int fd, int option, int force_option, uint32_t size)
{
	int wanted = size > INT_MAX / 2 ? INT_MAX / 2 : (int)size;
	socklen_t len = sizeof(int);
	int have = 0;

	if (getsockopt(fd, SOL_SOCKET, option, &have, &len) == 0 && have >= wanted)
		return;
	if (setsockopt(fd, SOL_SOCKET, force_option, &wanted, sizeof(wanted)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, option, &wanted, sizeof(wanted));
}

void qbi_socket_raise_buffers(int fd, uint32_t size)
{
	buffer_raise(fd, SO_SNDBUF, SO_SNDBUFFORCE, size);
	buffer_raise(fd, SO_RCVBUF, SO_RCVBUFFORCE, size);
}

int qbi_datagram_open(const struct sockaddr_un *address, const struct sockaddr_un *peer,
		      uint32_t max_msg_size)
{
	_cleanup_(qbi_closep) int fd = -1;
	int r;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	qbi_refuse_descriptors(fd);
	qbi_socket_raise_buffers(fd, max_msg_size);
	r = peer ? qbi_datagram_connect(fd, peer) : 0;
	if (r < 0)
		return r;
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return -errno;
	return qbi_take_fd(&fd);
}

int qbi_datagram_connect(int fd, const struct sockaddr_un *address)
{
	return connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
}

int qbi_socket_check(int fd, int type)
{
	int domain, actual;
	socklen_t len = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &actual, &len) < 0)
		return errno == ENOTSOCK ? -EBADMSG : -errno;
	return domain == AF_UNIX && actual == type ? 0 : -EBADMSG;
}

int qbi_no_memory(size_t size)
{
	return size <= QBI_MEMORY_CERTAIN ? QBI_FULL : -ENOBUFS;
}

static size_t pieces_size(const struct iovec *iov, size_t n)
{
	size_t size = 0;

	while (n--)
		size += iov[n].iov_len;
	return size;
}

/*
 * Why a message of @size bytes was not sent. Only a temporary error is QBI_FULL, because
 * the caller then tries again and again. 0, QBI_FULL, QBI_GONE, -errno.
 */
static int outcome_of_send(int error, size_t size)
{
	switch (error) {
	case EAGAIN:
	case EINTR: return QBI_FULL;
	case ENOBUFS:
	case ENOMEM: return qbi_no_memory(size);
	case ECONNREFUSED:
	case ECONNRESET:
	case EDESTADDRREQ:
	case ENOTCONN:
	case EPIPE: return QBI_GONE;
	default: return -error;
	}
}

/* More pieces than one system call takes. */
static int joined_send(int fd, const struct qbi_msg *msg)
{
	_cleanup_(qbi_freep) char *block = malloc(msg->size);
	struct iovec iov = { block, msg->size };

	if (!block)
		return qbi_no_memory(msg->size);
	qbi_msg_copy(msg, block);
	return qbi_socket_sendv(fd, &iov, 1);
}

int qbi_socket_send_message(int fd, const struct qbi_msg *msg)
{
	return msg->n > IOV_MAX ? joined_send(fd, msg) : qbi_socket_sendv(fd, msg->iov, msg->n);
}

/* The same with a system call that a sandbox may still allow. */
static int pieces_send(int fd, const struct iovec *iov, size_t n)
{
	size_t size = pieces_size(iov, n), at = 0;
	_cleanup_(qbi_freep) char *block = malloc(size + 1);

	if (!block)
		return qbi_no_memory(size);
	for (; n--; at += iov++->iov_len)
		if (iov->iov_len)
			memcpy(block + at, iov->iov_base, iov->iov_len);
	if (send(fd, block, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return outcome_of_send(errno, size);
	return 0;
}

int qbi_socket_sendv(int fd, const struct iovec *iov, size_t n)
{
	struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n };

	if (sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	return qbi_is_refused(errno) ? pieces_send(fd, iov, n) :
				       outcome_of_send(errno, pieces_size(iov, n));
}

ssize_t qbi_socket_pass(int stream, const void *data, size_t size, const int *fds, size_t n)
{
	struct iovec iov = { (void *)(uintptr_t)data, size };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * QBI_PASS_MAX)];
	} control;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t sent;

	if (n) {
		struct cmsghdr *cmsg;

		memset(&control, 0, sizeof(control));
		m.msg_control = control.buf;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		cmsg = CMSG_FIRSTHDR(&m);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * n);
	}
	do
		/* A sandbox may refuse sendmsg, which is not needed without descriptors. */
		sent = n ? sendmsg(stream, &m, MSG_NOSIGNAL | MSG_DONTWAIT) :
			   send(stream, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

int qbi_poll_once(struct pollfd *fds, size_t n, int timeout)
{
	int r = poll(fds, n, timeout);

	if (r >= 0)
		return r;
	return errno == EAGAIN || errno == ENOMEM ? 0 : -errno;
}

int qbi_poll(struct pollfd *fds, size_t n, int timeout)
{
	int r = qbi_poll_once(fds, n, timeout);

	return r == -EINTR ? 0 : r;
}

/* Bytes received until the time is looked at. More would be quicker for who sends many. */
#define PIECE 3
/* They take less than a microsecond. */
#define QUICK_NS 100000

ssize_t qbi_socket_receive(int stream, void *buf, size_t size)
{
	uint64_t began = size > PIECE ? qbi_now_ns() : 0;
	size_t done = 0;
	ssize_t n;

	do {
		size_t piece = size - done < PIECE ? size - done : PIECE;

		n = recv(stream, (char *)buf + done, piece, MSG_DONTWAIT);
		if (n > 0)
			done += (size_t)n;
	} while (n == PIECE && done < size && qbi_now_ns() - began < QUICK_NS);
	/* The end, or an error, comes again. */
	return done ? (ssize_t)done : n;
}

bool qbi_socket_holds_bytes(int stream)
{
	char byte;

	return recv(stream, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

bool qbi_socket_has_message(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return qbi_poll(&p, 1, 0) > 0;
}

int qbi_socket_room(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int n = qbi_poll(&p, 1, 0);

	if (n < 0)
		return 0; /* the send will tell */
	if (n == 0)
		return QBI_FULL;
	return p.revents & (POLLERR | POLLHUP | POLLNVAL) ? QBI_GONE : 0;
}
