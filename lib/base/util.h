/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small helpers used everywhere: outcomes, cleanup attributes, hand-over.
 *
 * Errors are split by who must act. A negative value is an errno: a fault that
 * travels up unchanged. A positive outcome below is a normal state of affairs
 * that the caller has to handle; lib/api/errors.c maps it to the errno that the
 * public function promises.
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
	QBI_UNSENT = 4,	     /* accepted; a part of it, or its wake-up, waits to go out */
	QBI_MORE = 5,	     /* a message waits after all: take again */
	QBI_AGAIN = 6,	     /* nothing is known by this: look again */
	QBI_PARTIAL = 7,     /* a part has come, the rest has not */
	QBI_UNANNOUNCED = 8, /* it is there, and its wake-up is not yet */
	QBI_FAREWELL = 9,    /* the peer has said that it leaves */
};

#define QBI_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define qbi_container_of(ptr, type, member)                                                    \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Hand over: the value of @p, which becomes NULL. */
#define QBI_TAKE(p)                                                                            \
	({                                                                                     \
		__typeof__(p) qbi_taken_ = (p);                                                \
		(p) = NULL;                                                                    \
		qbi_taken_;                                                                    \
	})

/* Leaving the scope is a use: a variable may be there for that alone. */
#define _cleanup_(fn) __attribute__((cleanup(fn), unused))

static inline void qbi_freep(void *p)
{
	free(*(void **)p);
}

/* Close @fd if it is one, keep errno; returns -1: fd = qbi_close(fd). */
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

/* Hand over a descriptor: the value of *@fd, which becomes -1. */
static inline int qbi_take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#endif
