/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transport/qb-channel.h"

#include <stddef.h>

#include "base/socket.h"
#include "wire/names.h"

int qbi_qb_channel_open(const char *prefix, const char *channel, const char *peer,
			uint32_t max_msg_size)
{
	struct sockaddr_un address, other;
	int r = qbi_channel_address(prefix, channel, &address);

	if (r == 0 && peer)
		r = qbi_channel_address(prefix, peer, &other);
	return r < 0 ? r : qbi_datagram_open(&address, peer ? &other : NULL, max_msg_size);
}

int qbi_qb_channel_connect(int fd, const char *prefix, const char *channel)
{
	struct sockaddr_un address;
	int r = qbi_channel_address(prefix, channel, &address);

	return r < 0 ? r : qbi_datagram_connect(fd, &address);
}
