/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors of a peer: to receive them where none are expected, and to be rid of them.
 *
 * Idea: what a peer passes may be anything, and close(2) of it may wait for ever: a TCP
 * socket that lingers, a file of a file system in user space, a socket with one of these in
 * its queue. The kernel closes what there is no room for, in our name. So whoever receives
 * has room for all that can come, and what has come is closed here: at once if that is
 * known not to wait (memory, a unix socket with no descriptors in its queue), else in a
 * thread which does nothing else. A peer that means well never causes one.
 *
 * Threads: any. The thread has all its signals blocked and ends when nothing is left.
 * Trust: the peer decides what it passes, and shares the description of it. A call that
 * takes a lock of the description, as setsockopt(2) does, waits while the peer holds it: so
 * none is made here but those that only read constants.
 * Not here: a process that has no descriptor left. Then the kernel closes what came.
 */
#ifndef QBI_BASE_FOREIGN_H
#define QBI_BASE_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/* In one message, says the kernel; one more is that of the sender's process. */
#define QBI_FOREIGN_MOST 254

/* What came along with some bytes. */
struct qbi_foreign {
	int fds[QBI_FOREIGN_MOST];
	size_t n;
	bool cut; /* the kernel did not give us all that was sent */
	bool has_sender;
	struct ucred sender;
};

/*
 * As recvmsg(2), close-on-exec; the descriptors in *@ret are the caller's. Flags of the
 * message in *@ret_flags, if that is not NULL. Bytes, or -1 with errno.
 */
ssize_t qbi_foreign_receive(int fd, const struct iovec *iov, size_t n, int flags,
			    int *ret_flags, struct qbi_foreign *ret);

/* The same where nothing may come along: what does is closed, and errno is EBADMSG. */
ssize_t qbi_foreign_receive_bytes(int fd, const struct iovec *iov, size_t n, int flags,
				  int *ret_flags);

/* As recv(2), likewise. */
ssize_t qbi_foreign_recv(int fd, void *buf, size_t size, int flags);

/* Close them, whatever they are; @fds has nothing of meaning then. Keeps errno. */
void qbi_foreign_close(int *fds, size_t n);

/* One descriptor, if it is one. Returns -1. */
int qbi_close_foreign(int fd);

/*
 * Shut down and close a connected stream of ours, whatever the peer has left in it.
 * Returns -1.
 */
int qbi_close_stream(int fd);

#endif
