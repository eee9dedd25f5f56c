/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The datagram sockets of both ends of the socket transport on libqb's wire. */
#ifndef QBI_TRANSPORT_QB_CHANNEL_H
#define QBI_TRANSPORT_QB_CHANNEL_H

#include <stdint.h>

/*
 * Make a socket bound to "<prefix>-<channel>" for messages of that size. With a @peer it is
 * connected to "<prefix>-<peer>" before it is bound, so no other process can send to it.
 * Returns the socket or -errno.
 */
int qbi_qb_channel_open(const char *prefix, const char *channel, const char *peer,
			uint32_t max_msg_size);

/* Connect @fd to "<prefix>-<channel>". 0 or -errno. */
int qbi_qb_channel_connect(int fd, const char *prefix, const char *channel);

#endif
