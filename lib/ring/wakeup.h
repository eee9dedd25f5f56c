/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Wake-ups as bytes on a stream socket. On libqb's wire there is one per message; they are
 * never merged or skipped, because the peer counts them. On the native wire there is one per
 * sleep (ring/ring.h). A byte is sent after its message, so the reader of the byte sees the
 * message.
 *
 * Threads: one sender and one receiver per stream.
 * Trust: the peer may send any number and may leave any number unread. Nothing here blocks
 * except qbi_wakeup_wait(), which only clients call.
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

/* Send up to @n wake-ups. Returns the number sent; -EAGAIN the stream is full; -ENOTCONN the
 * peer is gone. */
ssize_t qbi_wakeup_send(int stream, size_t n);

/*
 * Send the *@due wake-ups by one call: one by one, the later ones could announce messages
 * that were taken already. 0; QBI_UNSENT the kernel has no room now, the rest stays due;
 * QBI_GONE.
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
 * Read up to @n wake-ups. Returns the number read; -EAGAIN none; -ENOTCONN hang-up. For
 * clients: if descriptors come with them, they are closed without waiting, and this counts
 * as a hang-up.
 */
ssize_t qbi_wakeup_receive(int stream, size_t n);

/* For servers, which install no descriptor: their socket refuses them, or drops them. */
ssize_t qbi_wakeup_receive_from_client(int stream, size_t n);

/*
 * Wait for a wake-up, resting the turn, and do not read it. 0 there is one; QBI_EMPTY none
 * until @deadline (base/clock.h); QBI_AGAIN try again; QBI_GONE hang-up; -errno.
 */
int qbi_wakeup_wait(int stream, struct qbi_turn *turn, uint64_t deadline);

/* Is there a wake-up? It is not read. */
bool qbi_wakeup_is_there(int stream);

/* Has the other end closed the stream? There may still be unread wake-ups. */
bool qbi_wakeup_is_over(int stream);

/*
 * The number of wake-ups that the stream takes for certain, with a send buffer of
 * @send_buffer bytes (SO_SNDBUF). 0: it is full, or that is not known.
 */
size_t qbi_wakeup_room(int stream, size_t send_buffer);

/*
 * A client has found no room in a ring of which the server has taken everything: a handler
 * uses a request where it lies, and may have answered it already. Wait a little for its
 * return; *@tries is 0 at first. 0 try again; QBI_FULL that was long enough; QBI_GONE; -errno.
 */
int qbi_wakeup_await_room(int stream, struct qbi_turn *turn, uint64_t deadline,
			  unsigned int *tries);

#endif
