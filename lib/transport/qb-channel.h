/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The datagram sockets that both ends of the socket transport on libqb's wire make. */
#ifndef QBI_TRANSPORT_QB_CHANNEL_H
#define QBI_TRANSPORT_QB_CHANNEL_H

#include <stdint.h>

/*
 * A socket bound to "<prefix>-<channel>" for messages of that size. With a @peer it is
 * connected to "<prefix>-<peer>", and has been before anybody could send to it. It or
 * -errno.
 */
int qbi_qb_channel_open(const char *prefix, const char *channel, const char *peer,
			uint32_t max_msg_size);

/* Connect @fd to "<prefix>-<channel>". 0 or -errno. */
int qbi_qb_channel_connect(int fd, const char *prefix, const char *channel);

#endif
