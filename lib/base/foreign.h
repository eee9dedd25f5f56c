/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors that a peer passes: receives them where none are expected, and closes them.
 *
 * Idea: a peer can pass anything, and close(2) may block for ever: on a TCP socket that
 * lingers, a file of a file system in user space, or a socket with one of these in its
 * queue. If a receiver has no room for descriptors, the kernel closes them in our context.
 * So every receiver has room for all descriptors that can come, and they are closed here: at
 * once if this cannot block (memory, a unix socket without descriptors in its queue),
 * otherwise in one of at most eight threads that do nothing else, for which any number of
 * descriptors can wait. A descriptor stays open rather than that its close blocks a caller. A
 * correct peer never causes such a thread.
 *
 * Threads: any. The thread blocks all signals, and ends when nothing is left to close.
 * Trust: the peer selects what it passes, and shares the open file description. A call that
 * takes a lock of the description, as setsockopt(2) does, can block while the peer holds
 * the lock. So only calls that read constants are made here.
 * Limits: if this process has no free descriptor, the kernel closes the passed ones.
 */
#ifndef QBI_BASE_FOREIGN_H
#define QBI_BASE_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/* The kernel's limit for one message, and one for the pidfd of the sender. */
#define QBI_FOREIGN_MOST 254

/* Descriptors that came with a message. */
struct qbi_foreign {
	int fds[QBI_FOREIGN_MOST];
	size_t n;
	bool cut; /* the kernel discarded some of them */
	bool has_sender;
	struct ucred sender;
};

/*
 * As recvmsg(2), close-on-exec; the caller owns the descriptors in *@ret. *@ret_flags, if it
 * is not NULL, gets the flags of the message. Returns bytes, or -1 with errno.
 */
ssize_t qbi_foreign_receive(int fd, const struct iovec *iov, size_t n, int flags,
			    int *ret_flags, struct qbi_foreign *ret);

/* The same if no descriptors are allowed: they are closed, and errno is EBADMSG. */
ssize_t qbi_foreign_receive_bytes(int fd, const struct iovec *iov, size_t n, int flags,
				  int *ret_flags);

/* As recv(2); descriptors are not allowed here either. */
ssize_t qbi_foreign_recv(int fd, void *buf, size_t size, int flags);

/* Close descriptors of any kind; @fds is invalid afterwards. Keeps errno. */
void qbi_foreign_close(int *fds, size_t n);

/* Close one descriptor, unless it is negative. Returns -1. */
int qbi_close_foreign(int fd);

/*
 * Shut down and close a connected stream of ours, whatever is in its queue from the peer.
 * Returns -1.
 */
int qbi_close_stream(int fd);

#endif
