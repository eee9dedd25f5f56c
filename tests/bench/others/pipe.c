/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two pipes. Messages are shorter than PIPE_BUF: each write is whole. */
#include "other.h"

#include <errno.h>
#include <unistd.h>

static int to_server[2], to_client[2], in, out;

static void prepare(void)
{
	if (pipe(to_server) < 0 || pipe(to_client) < 0)
		bench_die("pipe", errno);
}

static void open_end(int serving)
{
	in = serving ? to_server[0] : to_client[0];
	out = serving ? to_client[1] : to_server[1];
}

static void send_message(const struct other_message *msg)
{
	if (write(out, msg, sizeof(*msg)) != (ssize_t)sizeof(*msg))
		bench_die("write", errno);
}

static void receive_message(struct other_message *msg)
{
	if (read(in, msg, sizeof(*msg)) != (ssize_t)sizeof(*msg))
		bench_die("read", errno);
}

const struct other other = {
	.prepare = prepare,
	.open = open_end,
	.send = send_message,
	.receive = receive_message,
};
