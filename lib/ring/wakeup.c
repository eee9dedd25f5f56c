/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ring/wakeup.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/foreign.h"
#include "base/socket.h"
#include "base/trace.h"

/* Most bytes that one system call moves. */
#define AT_ONCE 64

/*
 * What one byte uses of the send buffer of a stream, at most: the kernel accounts a whole
 * small packet (768 bytes measured on 6.18).
 */
#define TRUESIZE 1024

/* How often a client gives way to a handler that is about to return, and how many
 * milliseconds it sleeps for one that is not. */
#define ROOM_YIELDS 50
#define ROOM_SLEEPS 100

ssize_t qbi_wakeup_send(int stream, size_t n)
{
	static const char bytes[AT_ONCE];
	ssize_t sent;

	do
		sent = send(stream, bytes, n < sizeof(bytes) ? n : sizeof(bytes),
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	QBI_TRACE(wakeup_sent, stream, sent);
	if (sent >= 0)
		return sent;
	return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? -EAGAIN : -ENOTCONN;
}

static ssize_t received(ssize_t got)
{
	if (got > 0)
		return got;
	return got < 0 && errno == EAGAIN ? -EAGAIN : -ENOTCONN;
}

ssize_t qbi_wakeup_receive_from_client(int stream, size_t n)
{
	char bytes[AT_ONCE];
	ssize_t got;

	do
		got = qbi_socket_receive(stream, bytes, n < sizeof(bytes) ? n : sizeof(bytes));
	while (got < 0 && errno == EINTR);
	return received(got);
}

ssize_t qbi_wakeup_receive(int stream, size_t n)
{
	char bytes[AT_ONCE];
	ssize_t got;

	do
		got = qbi_foreign_recv(stream, bytes, n < sizeof(bytes) ? n : sizeof(bytes),
				       MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	return received(got);
}

bool qbi_wakeup_is_there(int stream)
{
	char byte;

	/* With descriptors it has to go as well. */
	return qbi_foreign_recv(stream, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0 ||
	       errno == EBADMSG;
}

int qbi_wakeup_wait(int stream, struct qbi_turn *turn, uint64_t deadline)
{
	struct pollfd p = { .fd = stream, .events = POLLIN };
	int timeout = qbi_deadline_to_poll(deadline);
	int r = qbi_turn_poll(turn, &p, 1, timeout);
	char byte;
	ssize_t n;

	if (r)
		return r;
	if (!p.revents)
		return timeout == 0 ? QBI_EMPTY : QBI_AGAIN;
	n = qbi_foreign_recv(stream, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n > 0)
		return 0;
	/* Another process has received it. */
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return timeout == 0 ? QBI_EMPTY : QBI_AGAIN;
	return QBI_GONE;
}

bool qbi_wakeup_is_over(int stream)
{
	struct pollfd p = { .fd = stream, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL));
}

size_t qbi_wakeup_room(int stream, size_t send_buffer)
{
	struct pollfd p = { .fd = stream, .events = POLLOUT };
	size_t used;
	int queued;

	/* If the ioctl is refused: poll(2) says whether there is room for a byte. */
	if (ioctl(stream, SIOCOUTQ, &queued) < 0)
		return poll(&p, 1, 0) > 0 && (p.revents & POLLOUT);
	if (queued < 0)
		return 0;
	used = (size_t)queued + TRUESIZE;
	return used < send_buffer ? (send_buffer - used) / TRUESIZE : 0;
}

int qbi_wakeup_await_room(int stream, struct qbi_turn *turn, uint64_t deadline,
			  unsigned int *tries)
{
	struct pollfd p = { .fd = stream, .events = POLLRDHUP };
	int timeout;
	int r;

	if ((*tries)++ < ROOM_YIELDS) {
		sched_yield();
		return 0;
	}
	timeout = qbi_deadline_to_poll_at_most(deadline, 1);
	if (timeout == 0 || *tries > ROOM_YIELDS + ROOM_SLEEPS)
		return QBI_FULL;
	r = qbi_turn_poll(turn, &p, 1, timeout);
	if (r)
		return r < 0 ? r : QBI_GONE;
	return p.revents ? QBI_GONE : 0;
}
