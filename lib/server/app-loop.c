/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/app-loop.h"

#include <errno.h>

#include "base/log.h"
#include "base/sized.h"

static int handlers_add(void *loop, enum qb_loop_priority p, int fd, int events, void *data,
			qb_ipcs_dispatch_fn_t fn)
{
	return ((struct qb_ipcs_poll_handlers *)loop)->dispatch_add(p, fd, events, data, fn);
}

static int handlers_mod(void *loop, enum qb_loop_priority p, int fd, int events, void *data,
			qb_ipcs_dispatch_fn_t fn)
{
	return ((struct qb_ipcs_poll_handlers *)loop)->dispatch_mod(p, fd, events, data, fn);
}

static int handlers_del(void *loop, int fd)
{
	return ((struct qb_ipcs_poll_handlers *)loop)->dispatch_del(fd);
}

static int handlers_job(void *loop, enum qb_loop_priority p, void *data,
			qb_loop_job_dispatch_fn fn)
{
	return ((struct qb_ipcs_poll_handlers *)loop)->job_add(p, data, fn);
}

const char *qbi_app_loop_lacks(const struct qbi_app_loop *l)
{
	const struct qbipc_loop_ops *ops = &l->ops;

	if (!ops->add && !ops->mod && !ops->del)
		return "it has no poll handlers";
	return !ops->add ? "its poll handlers lack dispatch_add" :
	       !ops->mod ? "its poll handlers lack dispatch_mod" :
	       !ops->del ? "its poll handlers lack dispatch_del" :
			   NULL;
}

void qbi_app_loop_deinit(struct qbi_app_loop *l)
{
	if (l->ops.release)
		l->ops.release(l->loop);
	*l = (struct qbi_app_loop){ .loop = NULL };
}

int qbi_app_loop_set(struct qbi_app_loop *l, const struct qbipc_loop_ops *ops, void *loop)
{
	struct qbi_app_loop wanted = { .loop = loop };
	int r = qbi_sized_take(&wanted.ops, sizeof(wanted.ops), ops,
			       QBI_SIZED_THROUGH(struct qbipc_loop_ops, del));

	if (r < 0) {
		qbi_log_rarely(LOG_ERR, "struct qbipc_loop_ops: %s", qbi_sized_why(ops, r));
		return r;
	}
	if (!ops->add || !ops->mod || !ops->del) {
		qbi_log_rarely(LOG_ERR, "struct qbipc_loop_ops: %s is NULL",
			       !ops->add ? "add" :
			       !ops->mod ? "mod" :
					   "del");
		return -EINVAL;
	}
	qbi_app_loop_deinit(l);
	*l = wanted;
	return 0;
}

void qbi_app_loop_handlers_set(struct qbi_app_loop *l,
			       const struct qb_ipcs_poll_handlers *handlers)
{
	qbi_app_loop_deinit(l);
	l->handlers = *handlers;
	l->loop = &l->handlers;
	l->ops.add = handlers->dispatch_add ? handlers_add : NULL;
	l->ops.mod = handlers->dispatch_mod ? handlers_mod : NULL;
	l->ops.del = handlers->dispatch_del ? handlers_del : NULL;
	l->ops.job = handlers->job_add ? handlers_job : NULL;
}
