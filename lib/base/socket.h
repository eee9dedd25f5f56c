/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unix sockets as this library uses them: one datagram is one message, nothing blocks. */
#ifndef QBI_BASE_SOCKET_H
#define QBI_BASE_SOCKET_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
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
 * is bound, so that it never receives from anybody else. Returns the socket or -errno.
 */
int qbi_datagram_open(const struct sockaddr_un *address, const struct sockaddr_un *peer,
		      uint32_t max_msg_size);

/* 0 or -errno. */
int qbi_datagram_connect(int fd, const struct sockaddr_un *address);

/* Raise both buffers to @size bytes, within the limits of the system. */
void qbi_socket_raise_buffers(int fd, uint32_t size);

/* Is @fd, which a peer passed, a unix socket of this @type? 0; -EBADMSG no; -errno it
 * may not be asked. */
int qbi_socket_check(int fd, int type);

/*
 * The kernel wants most of a message in one piece of memory. So much it has again before
 * long; more than that it may never have, and a few MiB it never has.
 */
#define QBI_MEMORY_CERTAIN (256u << 10)

/* There was no memory for @size bytes: QBI_FULL when there will be, else -ENOBUFS. */
int qbi_no_memory(size_t size);

/*
 * Send one message of any number of pieces. 0, QBI_FULL, QBI_GONE, -EMSGSIZE, -ENOBUFS no
 * memory for so large a one, -errno.
 */
int qbi_socket_send_message(int fd, const struct qbi_msg *msg);

/* The same of at most IOV_MAX pieces. */
int qbi_socket_sendv(int fd, const struct iovec *iov, size_t n);

/*
 * As poll(2): how many descriptors are ready; 0 none in that time, or it was cut short;
 * -errno that will not pass, as in a process that may not have so many descriptors.
 */
int qbi_poll(struct pollfd *fds, size_t n, int timeout);

/* Would it take a message? 0, QBI_FULL, QBI_GONE. */
int qbi_socket_room(int fd);

/*
 * Close a descriptor that a peer passed: whatever it is, the peer does not decide how
 * long that takes. Returns -1.
 */
int qbi_close_foreign(int fd);

#endif
