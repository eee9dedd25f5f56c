/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/adapter.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

static qb_loop_t *loop;

static int32_t loop_dispatch(int32_t fd, int32_t revents, void *data)
{
	struct registration *r = data;
	int32_t result = registration_dispatch(r, revents);

	if (result < 0 && r->live)
		registration_end(r);
	return result;
}

static int32_t loop_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			qb_ipcs_dispatch_fn_t fn)
{
	struct registration *r = registration_add(p, fd, events, data, fn);
	int32_t rc;

	adapter_counts.adds++;
	if (!r)
		return -EBADF;
	rc = qb_loop_poll_add(loop, p, fd, events, r, loop_dispatch);
	if (rc < 0)
		registration_end(r);
	return rc;
}

static int32_t loop_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			qb_ipcs_dispatch_fn_t fn)
{
	struct registration *r = registration_find(fd, "mod");

	adapter_counts.mods++;
	if (!r)
		return -EBADF;
	r->priority = p;
	r->events = events;
	r->data = data;
	r->fn = fn;
	return qb_loop_poll_mod(loop, p, fd, events, r, loop_dispatch);
}

static int32_t loop_del(int32_t fd)
{
	struct registration *r = registration_find(fd, "del");

	adapter_counts.dels++;
	if (!r)
		return -EBADF;
	registration_end(r);
	return qb_loop_poll_del(loop, fd);
}

static int32_t loop_job_add(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn)
{
	return qb_loop_job_add(loop, p, data, fn);
}

static void loop_open(void)
{
	loop = qb_loop_create();
	if (!loop)
		abort();
}

static void loop_run(void)
{
	qb_loop_run(loop);
}

static void loop_stop(void)
{
	qb_loop_stop(loop);
}

static void loop_close(void)
{
	registration_audit();
	registration_clear();
	qb_loop_destroy(loop);
	loop = NULL;
}

static void loop_watch(int fd, qb_ipcs_dispatch_fn_t fn, void *data)
{
	if (qb_loop_poll_add(loop, QB_LOOP_HIGH, fd, POLLIN, data, fn) < 0)
		abort();
}

static void loop_unwatch(int fd)
{
	qb_loop_poll_del(loop, fd);
}

const struct adapter adapter_qb_loop = {
	.name = "qb-loop",
	.handlers = {
		.job_add = loop_job_add,
		.dispatch_add = loop_add,
		.dispatch_mod = loop_mod,
		.dispatch_del = loop_del,
	},
	.open = loop_open,
	.run = loop_run,
	.stop = loop_stop,
	.close = loop_close,
	.watch = loop_watch,
	.unwatch = loop_unwatch,
};
