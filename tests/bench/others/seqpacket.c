/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A pair of unix sockets that keep message boundaries. */
#include "other.h"

#include <errno.h>
#include <sys/socket.h>

static int pair[2], end;

static void prepare(void)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
		bench_die("socketpair", errno);
}

static void open_end(int serving)
{
	end = pair[serving];
}

static void send_message(const struct other_message *msg)
{
	if (send(end, msg, sizeof(*msg), 0) != (ssize_t)sizeof(*msg))
		bench_die("send", errno);
}

static void receive_message(struct other_message *msg)
{
	if (recv(end, msg, sizeof(*msg), 0) != (ssize_t)sizeof(*msg))
		bench_die("recv", errno);
}

const struct other other = {
	.prepare = prepare,
	.open = open_end,
	.send = send_message,
	.receive = receive_message,
};
