/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libs: pkg-config libzmq */
/* ZeroMQ, a PAIR of sockets over its ipc transport. */
#include "other.h"

#include <stdio.h>
#include <unistd.h>
#include <zmq.h>

static char address[64];
static void *end;

static void prepare(void)
{
	snprintf(address, sizeof(address), "ipc://@bench-other-%d", (int)getpid());
}

static void open_end(int serving)
{
	void *context = zmq_ctx_new();

	end = zmq_socket(context, ZMQ_PAIR);
	if (!end || (serving ? zmq_bind(end, address) : zmq_connect(end, address)) < 0)
		bench_die("zmq", zmq_errno());
}

static void send_message(const struct other_message *msg)
{
	if (zmq_send(end, msg, sizeof(*msg), 0) != (int)sizeof(*msg))
		bench_die("zmq_send", zmq_errno());
}

static void receive_message(struct other_message *msg)
{
	if (zmq_recv(end, msg, sizeof(*msg), 0) != (int)sizeof(*msg))
		bench_die("zmq_recv", zmq_errno());
}

const struct other other = {
	.prepare = prepare,
	.open = open_end,
	.send = send_message,
	.receive = receive_message,
};
