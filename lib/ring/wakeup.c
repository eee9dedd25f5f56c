/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ring/wakeup.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* Moved by one system call. */
#define AT_ONCE 64

/*
 * What a byte takes of a stream's send buffer, at most: the kernel accounts a whole
 * small packet (768 bytes measured on 6.18).
 */
#define TRUESIZE 1024

ssize_t qbi_wakeup_send(int stream, size_t n)
{
	static const char bytes[AT_ONCE];
	ssize_t sent;

	do
		sent = send(stream, bytes, n < sizeof(bytes) ? n : sizeof(bytes),
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return sent;
	return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? -EAGAIN : -ENOTCONN;
}

ssize_t qbi_wakeup_receive(int stream, size_t n)
{
	char bytes[AT_ONCE];
	ssize_t got;

	do
		got = recv(stream, bytes, n < sizeof(bytes) ? n : sizeof(bytes), MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got > 0)
		return got;
	return got < 0 && errno == EAGAIN ? -EAGAIN : -ENOTCONN;
}

size_t qbi_wakeup_room(int stream, size_t send_buffer)
{
	size_t used;
	int queued;

	if (ioctl(stream, SIOCOUTQ, &queued) < 0 || queued < 0)
		return 0;
	used = (size_t)queued + TRUESIZE;
	return used < send_buffer ? (send_buffer - used) / TRUESIZE : 0;
}
