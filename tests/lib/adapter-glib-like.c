/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/adapter.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { SOURCES_MAX = 1024 };

static atomic_bool stopped;
static struct {
	int fd;
	qb_ipcs_dispatch_fn_t fn;
	void *data;
} own;

static int32_t source_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			  qb_ipcs_dispatch_fn_t fn)
{
	adapter_counts.adds++;
	return registration_add(p, fd, events, data, fn) ? 0 : -EBADF;
}

/* A new source in place of the old one, as an adapter for GLib has to. */
static int32_t source_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			  qb_ipcs_dispatch_fn_t fn)
{
	struct registration *r = registration_find(fd, "mod");

	adapter_counts.mods++;
	if (!r)
		return -EBADF;
	registration_end(r);
	return registration_add(p, fd, events, data, fn) ? 0 : -EBADF;
}

static int32_t source_del(int32_t fd)
{
	struct registration *r = registration_find(fd, "del");

	adapter_counts.dels++;
	if (!r)
		return -EBADF;
	registration_end(r);
	return 0;
}

static void sources_open(void)
{
	own.fd = -1;
	atomic_store(&stopped, false);
}

static void source_dispatch(struct registration *r, int32_t revents)
{
	if (registration_dispatch(r, revents) != 0 && r->live)
		registration_end(r);
}

static void sources_run(void)
{
	struct registration *sources[SOURCES_MAX];
	struct pollfd fds[SOURCES_MAX + 1];

	while (!atomic_load(&stopped)) {
		nfds_t n = 0;

		registration_audit();
		for (struct registration *r = registration_first(); r && n < SOURCES_MAX;
		     r = r->next) {
			sources[n] = r;
			fds[n++] = (struct pollfd){ .fd = r->fd, .events = (short)r->events };
		}
		fds[n] = (struct pollfd){ .fd = own.fd, .events = POLLIN };
		if (poll(fds, n + 1, -1) < 0)
			continue;
		/* A source that an earlier one removed in this turn is not called. */
		for (nfds_t i = 0; i < n; i++)
			if (fds[i].revents && sources[i]->live)
				source_dispatch(sources[i], fds[i].revents);
		if (fds[n].revents && own.fd >= 0)
			own.fn(own.fd, fds[n].revents, own.data);
	}
}

static void sources_stop(void)
{
	atomic_store(&stopped, true);
}

static void sources_close(void)
{
	registration_audit();
	registration_clear();
}

static void sources_watch(int fd, qb_ipcs_dispatch_fn_t fn, void *data)
{
	own.fd = fd;
	own.fn = fn;
	own.data = data;
}

static void sources_unwatch(int fd)
{
	if (own.fd == fd)
		own.fd = -1;
}

const struct adapter adapter_glib_like = {
	.name = "glib-like",
	.own_thread = true,
	.handlers = {
		.dispatch_add = source_add,
		.dispatch_mod = source_mod,
		.dispatch_del = source_del,
	},
	.open = sources_open,
	.run = sources_run,
	.stop = sources_stop,
	.close = sources_close,
	.watch = sources_watch,
	.unwatch = sources_unwatch,
};
