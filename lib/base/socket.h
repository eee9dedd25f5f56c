/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unix sockets as this library uses them: one datagram is one message, nothing blocks. */
#ifndef QBI_BASE_SOCKET_H
#define QBI_BASE_SOCKET_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "base/msg.h"

/*
 * Nobody may pass descriptors to this socket. Where the kernel cannot be told, they
 * are dropped because no control buffer is ever offered.
 */
void qbi_refuse_descriptors(int fd);

/*
 * Make urgent (out-of-band) data part of the stream. Otherwise it makes poll(2) report the
 * socket readable although recv(2) with MSG_PEEK finds nothing, and the poll loop spins.
 */
void qbi_take_urgent_inline(int fd);

/*
 * Shut down the receiving direction of this end of a connected pair: the peer can no longer
 * send, so neither bytes nor descriptors are queued here.
 */
void qbi_send_only(int fd);

/*
 * Make a socket bound to @address, with buffers for messages of @max_msg_size bytes if the
 * system's limits allow. It accepts no descriptors. With a @peer it is connected before it
 * is bound, so that it never receives from another process. Returns the socket or -errno.
 */
int qbi_datagram_open(const struct sockaddr_un *address, const struct sockaddr_un *peer,
		      uint32_t max_msg_size);

/* 0 or -errno. */
int qbi_datagram_connect(int fd, const struct sockaddr_un *address);

/* Raise both buffers to @size bytes, within the limits of the system. */
void qbi_socket_raise_buffers(int fd, uint32_t size);

/*
 * Is @fd, which a peer passed, a unix socket of this @type? 0; -EBADMSG no; -errno the
 * kernel refuses to say. Asks for constants only, for which the kernel takes no lock that
 * the peer could hold.
 */
int qbi_socket_check(int fd, int type);

/*
 * The kernel allocates most of a message in one contiguous piece. Up to this size it will
 * succeed again soon; a larger piece may never be available, and one of a few MiB never is.
 */
#define QBI_MEMORY_CERTAIN (256u << 10)

/* The kernel had no memory for @size bytes. QBI_FULL: it will have; -ENOBUFS: it may not. */
int qbi_no_memory(size_t size);

/*
 * Send one message of any number of pieces. 0; QBI_FULL; QBI_GONE; -EMSGSIZE; -ENOBUFS no
 * memory for such a large message; -errno.
 */
int qbi_socket_send_message(int fd, const struct qbi_msg *msg);

/* The same with at most IOV_MAX pieces. */
int qbi_socket_sendv(int fd, const struct iovec *iov, size_t n);

/*
 * As poll(2): the number of ready descriptors; 0 none within the time, or a signal came;
 * -errno a permanent error, for example a limit on descriptors that is below @n.
 */
int qbi_poll(struct pollfd *fds, size_t n, int timeout);
/* The same, but -EINTR when a signal handler cut it short. */
int qbi_poll_once(struct pollfd *fds, size_t n, int timeout);

/*
 * As recv(2) on a stream, without waiting, but fewer bytes if they take long: for each piece
 * that the other end has sent, the kernel wakes all who wait there, and that may be tens of
 * thousands. A piece may be a byte.
 */
ssize_t qbi_socket_receive(int stream, void *buf, size_t size);

/* Has the other end queued something that nobody has received? A hang-up does not count. */
bool qbi_socket_holds_bytes(int stream);

/*
 * As send(2) on a stream, without waiting, and with up to QBI_PASS_MAX descriptors, which
 * the caller keeps. Bytes, or -errno.
 */
#define QBI_PASS_MAX 3
ssize_t qbi_socket_pass(int stream, const void *data, size_t size, const int *fds, size_t n);

/* Is there a message, or a hang-up? */
bool qbi_socket_has_message(int fd);

/* Would it take a message? 0, QBI_FULL, QBI_GONE. */
int qbi_socket_room(int fd);

#endif
