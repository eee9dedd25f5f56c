/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libs: -lnng */
/* nng, a pair over its ipc transport. */
#include "other.h"

#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <stdio.h>
#include <unistd.h>

static char address[64];
static nng_socket end;

static void prepare(void)
{
	snprintf(address, sizeof(address), "abstract://bench-other-%d", (int)getpid());
}

static void fail(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, nng_strerror(error));
	bench_die(what, EIO);
}

static void open_end(int serving)
{
	int r = nng_pair0_open(&end);

	if (r == 0 && serving)
		r = nng_listen(end, address, NULL, 0);
	else if (r == 0)
		r = nng_dial(end, address, NULL, NNG_FLAG_NONBLOCK);
	if (r != 0)
		fail("nng", r);
}

static void send_message(const struct other_message *msg)
{
	struct other_message copy = *msg;
	int r = nng_send(end, &copy, sizeof(copy), 0);

	if (r != 0)
		fail("nng_send", r);
}

static void receive_message(struct other_message *msg)
{
	size_t size = sizeof(*msg);
	int r = nng_recv(end, msg, &size, 0);

	if (r != 0 || size != sizeof(*msg))
		fail("nng_recv", r);
}

const struct other other = {
	.prepare = prepare,
	.open = open_end,
	.send = send_message,
	.receive = receive_message,
};
