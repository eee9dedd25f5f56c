/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Wake-ups as bytes on a stream socket. On libqb's wire there is one per message: they are
 * never merged and never skipped, because a peer counts them. On the native one there is
 * one per sleep (ring/ring.h). A byte follows its message, so whoever reads the byte sees
 * the message.
 *
 * Threads: one sender and one receiver per stream.
 * Trust: the peer sends as many as it likes and reads as few; nothing here blocks.
 */
#ifndef QBI_RING_WAKEUP_H
#define QBI_RING_WAKEUP_H

#include <stddef.h>
#include <sys/types.h>

/* Send up to @n wake-ups. How many went; -EAGAIN the stream is full; -ENOTCONN nobody
 * is there. */
ssize_t qbi_wakeup_send(int stream, size_t n);

/* Read up to @n wake-ups. How many came; -EAGAIN none; -ENOTCONN the end. */
ssize_t qbi_wakeup_receive(int stream, size_t n);

/*
 * Wake-ups that the stream takes for certain, given a send buffer of @send_buffer
 * bytes (SO_SNDBUF). 0 when it is full, or when that cannot be told.
 */
size_t qbi_wakeup_room(int stream, size_t send_buffer);

#endif
