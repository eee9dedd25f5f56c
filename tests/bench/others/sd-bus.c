/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libs: pkg-config libsystemd */
/* sd-bus between two processes without a daemon: method calls with an array of bytes. */
#include "other.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#define PATH "/bench"
#define INTERFACE "bench.Other"

static int pair[2], quit;
static sd_bus *bus;

static void prepare(void)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		bench_die("socketpair", errno);
}

static int handle(sd_bus_message *m, void *data, sd_bus_error *error)
{
	const struct other_message *msg;
	size_t size;
	int r = sd_bus_message_read_array(m, 'y', (const void **)&msg, &size);
	sd_bus_message *answer = NULL;

	(void)data;
	(void)error;
	if (r < 0 || size != sizeof(*msg))
		bench_die("read", r);
	quit = msg->kind == OTHER_QUIT;
	if (msg->kind == OTHER_POST)
		return 0;
	r = sd_bus_message_new_method_return(m, &answer);
	if (r >= 0)
		r = sd_bus_message_append_array(answer, 'y', msg, size);
	if (r >= 0)
		r = sd_bus_send(bus, answer, NULL);
	if (r < 0)
		bench_die("answer", r);
	sd_bus_message_unref(answer);
	return 0;
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Do", "ay", "ay", handle, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static void open_end(int serving)
{
	sd_id128_t id = { 0 };
	int r = sd_bus_new(&bus);

	if (r >= 0)
		r = sd_bus_set_fd(bus, pair[serving], pair[serving]);
	if (r >= 0 && serving)
		r = sd_bus_set_server(bus, 1, id);
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r >= 0 && serving)
		r = sd_bus_add_object_vtable(bus, NULL, PATH, INTERFACE, vtable, NULL);
	if (r < 0)
		bench_die("sd_bus", r);
}

static void serve(void)
{
	int r = 0;

	while (r >= 0 && !quit) {
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, UINT64_MAX);
	}
	if (r < 0 || sd_bus_flush(bus) < 0)
		bench_die("sd_bus_process", r);
}

static sd_bus_message *method_call(const struct other_message *msg)
{
	sd_bus_message *m = NULL;
	int r = sd_bus_message_new_method_call(bus, &m, NULL, PATH, INTERFACE, "Do");

	if (r >= 0)
		r = sd_bus_message_append_array(m, 'y', msg, sizeof(*msg));
	if (r < 0)
		bench_die("method call", r);
	return m;
}

static void call(struct other_message *msg)
{
	sd_bus_message *m = method_call(msg), *answer = NULL;
	int r = sd_bus_call(bus, m, 0, NULL, &answer);

	if (r < 0)
		bench_die("sd_bus_call", r);
	sd_bus_message_unref(m);
	sd_bus_message_unref(answer);
}

static void send_message(const struct other_message *msg)
{
	sd_bus_message *m = method_call(msg);
	int r = sd_bus_message_set_expect_reply(m, 0);

	if (r >= 0)
		r = sd_bus_send(bus, m, NULL);
	if (r == -ENOBUFS) { /* its queue is long; let it drain */
		r = sd_bus_flush(bus);
		if (r >= 0)
			r = sd_bus_send(bus, m, NULL);
	}
	if (r < 0)
		bench_die("sd_bus_send", r);
	sd_bus_message_unref(m);
}

const struct other other = {
	.prepare = prepare,
	.open = open_end,
	.send = send_message,
	.call = call,
	.serve = serve,
};
