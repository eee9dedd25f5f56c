/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small helpers used everywhere: outcomes, cleanup attributes, hand-over.
 *
 * There are two kinds of results besides 0. A negative value is an errno: a fault, which is
 * passed up unchanged. A positive value is an outcome: a normal state that the caller has
 * to handle. lib/api/errors.c maps outcomes to the errno that a public function documents.
 */
#ifndef QBI_BASE_UTIL_H
#define QBI_BASE_UTIL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

enum qbi_outcome {
	QBI_FULL = 1,	     /* no room now; room will come */
	QBI_EMPTY = 2,	     /* nothing there now */
	QBI_GONE = 3,	     /* the peer is gone; nothing more will come */
	QBI_UNSENT = 4,	     /* accepted; a part of it, or its wake-up, is still to be sent */
	QBI_MORE = 5,	     /* a message has come meanwhile: take again */
	QBI_AGAIN = 6,	     /* no result yet: try again */
	QBI_PARTIAL = 7,     /* one part has arrived, the rest has not */
	QBI_UNANNOUNCED = 8, /* the message is there, its wake-up is not yet */
	QBI_FAREWELL = 9,    /* the peer has announced that it leaves */
	QBI_BUSY = 10,	     /* other threads had their turn until the deadline */
	QBI_TIMED = 11,	     /* a request that has a deadline */
	QBI_CANCEL = 12,     /* no request: an earlier one is cancelled */
	QBI_BODY = 13,	     /* a message beyond the agreed size, of which all has arrived */
};

#define QBI_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define qbi_container_of(ptr, type, member)                                                    \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Move the value out of @p, which becomes NULL. */
#define QBI_TAKE(p)                                                                            \
	({                                                                                     \
		__typeof__(p) qbi_taken_ = (p);                                                \
		(p) = NULL;                                                                    \
		qbi_taken_;                                                                    \
	})

/* "unused": a variable may exist only to be cleaned up. */
#define _cleanup_(fn) __attribute__((cleanup(fn), unused))

static inline void qbi_freep(void *p)
{
	free(*(void **)p);
}

/* Close @fd unless it is negative; keep errno. Returns -1: fd = qbi_close(fd). */
static inline int qbi_close(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
	return -1;
}

static inline void qbi_closep(int *fd)
{
	*fd = qbi_close(*fd);
}

/* Move a descriptor out of *@fd, which becomes -1. */
static inline int qbi_take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#endif
