/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Wake-ups as bytes on a stream socket. On libqb's wire there is one per message: they are
 * never merged and never skipped, because a peer counts them. On the native one there is
 * one per sleep (ring/ring.h). A byte follows its message, so whoever reads the byte sees
 * the message.
 *
 * Threads: one sender and one receiver per stream.
 * Trust: the peer sends as many as it likes and reads as few; nothing here blocks but
 * qbi_wakeup_wait(), which is the client's.
 */
#ifndef QBI_RING_WAKEUP_H
#define QBI_RING_WAKEUP_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/turn.h"
#include "base/util.h"

/* Send up to @n wake-ups. How many went; -EAGAIN the stream is full; -ENOTCONN nobody
 * is there. */
ssize_t qbi_wakeup_send(int stream, size_t n);

/*
 * Send the *@due wake-ups, all in one go: one at a time they would announce messages that
 * are gone by then. 0; QBI_UNSENT the kernel has no room now, the rest is due; QBI_GONE.
 */
static inline int qbi_wakeup_send_due(int stream, uint64_t *due)
{
	while (*due) {
		ssize_t n = qbi_wakeup_send(stream, *due);

		if (n < 0)
			return n == -EAGAIN ? QBI_UNSENT : QBI_GONE;
		*due -= (uint64_t)n;
	}
	return 0;
}

/*
 * Read up to @n wake-ups. How many came; -EAGAIN none; -ENOTCONN the end. For clients:
 * descriptors among them are such an end, and closed where nobody waits.
 */
ssize_t qbi_wakeup_receive(int stream, size_t n);

/* For servers, which install no descriptor: their socket refuses them, or drops them. */
ssize_t qbi_wakeup_receive_from_client(int stream, size_t n);

/*
 * Wait for a wake-up, resting, and leave it there. 0 it is there; QBI_EMPTY none
 * until @deadline (base/clock.h); QBI_AGAIN look again; QBI_GONE the end; -errno.
 */
int qbi_wakeup_wait(int stream, struct qbi_turn *turn, uint64_t deadline);

/* Is a wake-up there, which is left there? */
bool qbi_wakeup_is_there(int stream);

/* Has the other end closed the stream? Wake-ups may still wait to be read. */
bool qbi_wakeup_is_over(int stream);

/*
 * Wake-ups that the stream takes for certain, given a send buffer of @send_buffer
 * bytes (SO_SNDBUF). 0 when it is full, or when that cannot be told.
 */
size_t qbi_wakeup_room(int stream, size_t send_buffer);

#endif
