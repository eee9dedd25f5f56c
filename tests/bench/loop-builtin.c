/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The loop that both libraries have. */
#include "figures.h"
#include "loop.h"

#include <errno.h>
#include <poll.h>
#include <qb/qbloop.h>
#include <string.h>

static qb_loop_t *loop;

static int32_t job_add(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn)
{
	return qb_loop_job_add(loop, p, data, fn);
}

static int32_t dispatch_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			    qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_add(loop, p, fd, events, data, fn);
}

static int32_t dispatch_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			    qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_mod(loop, p, fd, events, data, fn);
}

static int32_t dispatch_del(int32_t fd)
{
	return qb_loop_poll_del(loop, fd);
}

static void loop_open(void)
{
	loop = qb_loop_create();
	if (!loop)
		bench_die("loop_create", errno);
}

static void loop_attach(qb_ipcs_service_t *service)
{
	struct qb_ipcs_poll_handlers handlers = {
		.job_add = job_add,
		.dispatch_add = dispatch_add,
		.dispatch_mod = dispatch_mod,
		.dispatch_del = dispatch_del,
	};

	qb_ipcs_poll_handlers_set(service, &handlers);
}

static void loop_watch(int fd, qb_ipcs_dispatch_fn_t fn)
{
	int r = qb_loop_poll_add(loop, QB_LOOP_HIGH, fd, POLLIN, NULL, fn);

	if (r < 0)
		bench_die("loop_poll_add", r);
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
	qb_loop_destroy(loop);
}

const struct bench_loop bench_loop_builtin = {
	loop_open, loop_attach, loop_watch, loop_run, loop_stop, loop_close,
};

const struct bench_loop *bench_loop_find(const char *name)
{
	if (!name || !strcmp(name, "builtin"))
		return &bench_loop_builtin;
	return strcmp(name, "poll") ? NULL : &bench_loop_poll;
}
