/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/watch.h"

int qbi_watch_set(const struct qbi_settings *set, struct qbi_watch *w, int32_t events,
		  void *data, qb_ipcs_dispatch_fn_t dispatch)
{
	enum qb_loop_priority priority = set->priority;
	int r;

	if (w->fd < 0 || (w->events == events && w->priority == priority))
		return 0;
	if (w->events)
		r = qbi_app_loop_mod(&set->loop, priority, w->fd, events, data, dispatch);
	else
		r = qbi_app_loop_add(&set->loop, priority, w->fd, events, data, dispatch);
	if (r < 0)
		return r;
	w->events = events;
	w->priority = priority;
	return 0;
}

void qbi_watch_drop(const struct qbi_settings *set, struct qbi_watch *w)
{
	if (w->fd >= 0 && w->events)
		qbi_app_loop_del(&set->loop, w->fd);
	w->events = 0;
}
