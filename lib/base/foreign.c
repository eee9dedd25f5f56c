/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/foreign.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/mutex.h"
#include "base/thread.h"
#include "base/util.h"

/* Linux 6.5; the headers may be older than the kernel. */
#ifndef SCM_PIDFD
#define SCM_PIDFD 4
#endif

/* Room for all control data that the kernel may send, with the descriptors. */
#define ROOM 2048
_Static_assert(ROOM >= CMSG_SPACE(sizeof(struct ucred)) +
			       CMSG_SPACE(sizeof(int) * QBI_FOREIGN_MOST) +
			       CMSG_SPACE(sizeof(int)),
	       "room for all that can come along");

/* Memory that the kernel frees in less than 20 ms. */
#define MEMORY_QUICK (256u << 20)

/* Most reads to empty a queue, on kernels that do not say what it holds. */
#define READS_MAX 4096

/* Most threads that may block at once; later descriptors wait for one of them. */
#define THREADS_MAX 8
/* Descriptors that can wait without memory being allocated. */
#define WAITING_FIRST 1024

/* -- Receiving ---------------------------------------------------------------- */

static void fds_take(struct qbi_foreign *f, const struct cmsghdr *cmsg)
{
	size_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	if (n > QBI_FOREIGN_MOST - f->n)
		n = QBI_FOREIGN_MOST - f->n; /* the kernel has a lower limit */
	memcpy(&f->fds[f->n], CMSG_DATA(cmsg), n * sizeof(int));
	f->n += n;
}

static void control_take(struct qbi_foreign *f, struct msghdr *m)
{
	struct cmsghdr *cmsg;

	for (cmsg = CMSG_FIRSTHDR(m); cmsg; cmsg = CMSG_NXTHDR(m, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET)
			continue;
		if (cmsg->cmsg_type == SCM_RIGHTS || cmsg->cmsg_type == SCM_PIDFD)
			fds_take(f, cmsg);
		if (cmsg->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&f->sender, CMSG_DATA(cmsg), sizeof(f->sender));
			f->has_sender = true;
		}
	}
	f->cut = m->msg_flags & MSG_CTRUNC;
}

ssize_t qbi_foreign_receive(int fd, const struct iovec *iov, size_t n, int flags,
			    int *ret_flags, struct qbi_foreign *ret)
{
	union {
		struct cmsghdr align;
		char buf[ROOM];
	} control;
	struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov,
			    .msg_iovlen = n,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	ssize_t got = recvmsg(fd, &m, flags | MSG_CMSG_CLOEXEC);

	ret->n = 0;
	ret->cut = ret->has_sender = false;
	if (got < 0)
		return got;
	if (m.msg_controllen > 0 || (m.msg_flags & MSG_CTRUNC))
		control_take(ret, &m);
	if (ret_flags)
		*ret_flags = m.msg_flags;
	return got;
}

ssize_t qbi_foreign_receive_bytes(int fd, const struct iovec *iov, size_t n, int flags,
				  int *ret_flags)
{
	struct qbi_foreign came;
	ssize_t got = qbi_foreign_receive(fd, iov, n, flags, ret_flags, &came);

	if (got < 0 || (came.n == 0 && !came.cut))
		return got;
	qbi_foreign_close(came.fds, came.n);
	errno = EBADMSG;
	return -1;
}

ssize_t qbi_foreign_recv(int fd, void *buf, size_t size, int flags)
{
	struct iovec iov = { buf, size };

	return qbi_foreign_receive_bytes(fd, &iov, 1, flags, NULL);
}

/* -- Does closing block? ------------------------------------------------------ */

static bool memory_is_quick(int fd)
{
	struct stat st;

	/* Only files in memory have seals; for these fstat(2) asks no other process. */
	return fcntl(fd, F_GET_SEALS) >= 0 && fstat(fd, &st) == 0 &&
	       (uint64_t)st.st_blocks * 512 <= MEMORY_QUICK;
}

/* For options that never change: the kernel reads them without a lock. */
static bool option_is(int fd, int option, int expected)
{
	int value;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 && value == expected;
}

/* Descriptors in the queue of a unix socket; -1: unknown before Linux 5.8. */
static int descriptors_queued(int fd)
{
	_cleanup_(qbi_closep) int info = -1;
	char text[512], *at;
	ssize_t n;

	snprintf(text, sizeof(text), "/proc/thread-self/fdinfo/%d", fd);
	info = open(text, O_RDONLY | O_CLOEXEC);
	n = info < 0 ? -1 : read(info, text, sizeof(text) - 1);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	at = strstr(text, "scm_fds:");
	return at ? atoi(at + sizeof("scm_fds:") - 1) : -1;
}

/* The socket is shut down: read what is in the queue. True: the queue is empty now. */
static bool queue_is_emptied(int fd)
{
	char bytes[512];
	int left = READS_MAX;
	ssize_t n;

	do
		n = qbi_foreign_recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	while ((n > 0 || (n < 0 && errno == EBADMSG)) && --left);
	return n == 0;
}

/* For a unix socket that is shut down. */
static bool queue_is_quick(int fd)
{
	int queued = descriptors_queued(fd);

	return queued >= 0 ? queued == 0 : queue_is_emptied(fd);
}

/* Also shuts it down: descriptors that are queued later would be closed with it. */
static bool socket_is_quick(int fd)
{
	return option_is(fd, SO_DOMAIN, AF_UNIX) && option_is(fd, SO_ACCEPTCONN, 0) &&
	       shutdown(fd, SHUT_RDWR) == 0 && queue_is_quick(fd);
}

/* -- The thread --------------------------------------------------------------- */

/*
 * Descriptors that wait for a thread. All of them are open, so there are no more than a
 * process may have.
 */
static int waiting_first[WAITING_FIRST];
static int *waiting = waiting_first;
static size_t n_waiting;
static size_t waiting_room = WAITING_FIRST;
static unsigned int threads;
static uint32_t threads_of; /* the process, by its generation */
QBI_MUTEX_STATIC(closing)

/* Both: the caller holds the lock. */
static void waiting_swap(int *memory, size_t room)
{
	int *old = waiting;

	memcpy(memory, waiting, n_waiting * sizeof(*memory));
	waiting = memory;
	waiting_room = room;
	if (old != waiting_first)
		free(old);
}

static bool waiting_grow(size_t n)
{
	size_t room = waiting_room;
	int *memory;

	while (room - n_waiting < n)
		room *= 2;
	if (room == waiting_room)
		return true;
	memory = malloc(room * sizeof(*memory));
	if (memory)
		waiting_swap(memory, room);
	return memory;
}

/* The next descriptor to close; -1: none, and the calling thread is no longer counted. */
static int next_take(void)
{
	int fd = -1;

	qbi_mutex_lock(&closing);
	if (n_waiting)
		fd = waiting[--n_waiting];
	else
		threads--;
	if (n_waiting == 0 && waiting != waiting_first)
		waiting_swap(waiting_first, WAITING_FIRST);
	qbi_mutex_unlock(&closing);
	return fd;
}

/* Try to close without lingering; this call may block as well. */
static void slowly_close(int fd)
{
	struct linger off = { 0, 0 };

	if (!option_is(fd, SO_DOMAIN, AF_UNIX))
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
	qbi_close(fd);
}

static void *thread_close(void *unused)
{
	int fd;

	while ((fd = next_take()) >= 0)
		slowly_close(fd);
	return NULL;
}

/* Queue descriptors for the threads. True: start one more. */
static bool waiting_add(const int *fds, size_t n)
{
	bool more = false;

	qbi_mutex_lock(&closing);
	/* The threads of the parent do not exist here. */
	if (threads_of != qbi_generation())
		threads = 0;
	threads_of = qbi_generation();
	if (waiting_grow(n)) {
		memcpy(&waiting[n_waiting], fds, n * sizeof(*fds));
		n_waiting += n;
		more = threads < THREADS_MAX;
		threads += more;
	}
	qbi_mutex_unlock(&closing);
	return more;
}

/*
 * Never here, where it may block: without memory they stay open, and without a thread (a
 * sandbox may refuse them) until there is one, which the next call tries to start.
 */
static void elsewhere_close(const int *fds, size_t n)
{
	if (!waiting_add(fds, n) || qbi_thread_start(thread_close, NULL) == 0)
		return;
	qbi_mutex_lock(&closing);
	threads--;
	qbi_mutex_unlock(&closing);
}

void qbi_foreign_close(int *fds, size_t n)
{
	size_t i, n_slow = 0;
	int saved = errno;

	for (i = 0; i < n; i++) {
		if (memory_is_quick(fds[i]) || socket_is_quick(fds[i]))
			qbi_close(fds[i]);
		else
			fds[n_slow++] = fds[i];
	}
	if (n_slow)
		elsewhere_close(fds, n_slow);
	errno = saved;
}

int qbi_close_foreign(int fd)
{
	if (fd >= 0)
		qbi_foreign_close(&fd, 1);
	return -1;
}

int qbi_close_stream(int fd)
{
	int saved = errno, queued;

	if (fd < 0)
		return -1;
	(void)shutdown(fd, SHUT_RDWR);
	/* No other process has this socket. A queue without bytes has no descriptors. */
	if ((ioctl(fd, FIONREAD, &queued) == 0 && queued == 0) || queue_is_quick(fd))
		qbi_close(fd);
	else
		elsewhere_close(&fd, 1);
	errno = saved;
	return -1;
}
