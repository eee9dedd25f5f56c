/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The loop of a server, whichever library it is built against, and its service in it. */
#ifndef COMPAT_APP_LOOP_H
#define COMPAT_APP_LOOP_H

#include <qb/qbipcs.h>
#include <qb/qbloop.h>

static qb_loop_t *loop;

static int32_t loop_fd_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			   qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_add(loop, p, fd, events, data, fn);
}

static int32_t loop_fd_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			   qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_mod(loop, p, fd, events, data, fn);
}

static int32_t loop_fd_del(int32_t fd)
{
	return qb_loop_poll_del(loop, fd);
}

static int32_t loop_job_add(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn)
{
	return qb_loop_job_add(loop, p, data, fn);
}

static struct qb_ipcs_poll_handlers loop_handlers = {
	.job_add = loop_job_add,
	.dispatch_add = loop_fd_add,
	.dispatch_mod = loop_fd_mod,
	.dispatch_del = loop_fd_del,
};

#endif
