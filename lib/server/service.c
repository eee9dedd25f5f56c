/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "server/connection.h"
#include "server/handshake.h"
#include "server/takeover.h"
#include "transport/registry.h"
#include "transport/transport.h"
#include "wire/names.h"

static qb_ipcs_service_t *service_of(struct qbi_host *h)
{
	return qbi_container_of(h, struct qb_ipcs_service, host);
}

static void service_free(struct qbi_host *h)
{
	qb_ipcs_service_t *s = service_of(h);

	qbi_service_stop(s);
	qbi_host_deinit(h);
	free(s);
}

/* Called by the loop for the host's own descriptors. Callbacks may drop the service. */
static int32_t retry_dispatch(int32_t fd, int32_t revents, void *data)
{
	_cleanup_(qbi_host_unrefp) struct qbi_host *h = qbi_host_ref(data);

	if (qbi_settings_are_copied(&h->set)) {
		qbi_take_over(h); /* this was the parent's epoll */
		return 0;
	}
	return qbi_retry_run(&h->retry);
}

static int32_t deadlines_dispatch(int32_t fd, int32_t revents, void *data)
{
	_cleanup_(qbi_host_unrefp) struct qbi_host *h = qbi_host_ref(data);

	if (qbi_settings_are_copied(&h->set)) {
		qbi_take_over(h); /* this was the parent's timer */
		return 0;
	}
	return qbi_deadlines_run(&h->deadlines);
}

/* The same for a monitor. */
static int32_t monitor_dispatch(int32_t fd, int32_t revents, void *data)
{
	struct qbi_monitor *m = data;
	struct qbi_host *h = qbi_container_of(m->all, struct qbi_host, monitors);

	qbi_take_over(h);
	return qbi_monitor_dispatch(m, revents);
}

qb_ipcs_service_t *qbi_service_new(const char *name, int32_t id, enum qb_ipc_type type,
				   const struct qb_ipcs_service_handlers *handlers)
{
	qb_ipcs_service_t *s = calloc(1, sizeof(*s));
	struct qbi_settings *set;

	if (!s)
		return NULL;
	qbi_host_init(&s->host, service_free);
	qbi_listener_init(&s->listener, &s->host);
	set = &s->host.set;
	set->name = strdup(name);
	s->host.welcome = malloc(sizeof(*s->host.welcome));
	if (!set->name || !s->host.welcome) {
		qbi_service_unref(s);
		return NULL;
	}
	set->generation = qbi_generation();
	set->id = id;
	set->type = type;
	set->on = *handlers;
	set->watchers = (struct qbi_owner){ (uid_t)-1, (gid_t)-1, 0600 };
	s->host.refusals.service = set->name;
	s->host.overdue.fn = qbi_handshake_overdue;
	s->host.monitors.fn = monitor_dispatch;
	s->host.monitors.mode = qbi_monitor_mode_wanted();
	qbi_retry_place(&s->host.retry, set, retry_dispatch, &s->host);
	qbi_service_rate_set(s, QB_IPCS_RATE_NORMAL);
	if (qbi_timing_is_wanted())
		(void)qbi_host_timing_set(&s->host, true);
	return s;
}

qb_ipcs_service_t *qbi_service_ref(qb_ipcs_service_t *s)
{
	return service_of(qbi_host_ref(&s->host));
}

void qbi_service_unref(qb_ipcs_service_t *s)
{
	qbi_host_unref(&s->host);
}

/* 0 or -errno; then *@ret_why says what is wrong. */
static int service_check(const qb_ipcs_service_t *s, const char **ret_why)
{
	const struct qbi_settings *set = &s->host.set;

	if (set->type == QB_IPC_POSIX_MQ || set->type == QB_IPC_SYSV_MQ) {
		*ret_why = "message queues are not supported";
		return -ENOTSUP;
	}
	if (!qbi_transport_has_type(set->type)) {
		*ret_why = "the type is none of enum qb_ipc_type";
		return -EINVAL;
	}
	*ret_why = qbi_app_loop_lacks(&set->loop);
	if (*ret_why)
		return -EINVAL;
	return qbi_service_name_check(set->name, ret_why);
}

/* For all transports: a killed server of this name may have had another type. */
static void leftovers_sweep(const qb_ipcs_service_t *s)
{
	const struct qbi_transport *t;
	size_t i;

	for (i = 0; (t = qbi_transport_nth(i)); i++)
		if (t->server->sweep)
			t->server->sweep(s->host.set.name);
}

bool qbi_service_is_running(const qb_ipcs_service_t *s)
{
	return s->listener.in_loop || qbi_deadline_waits(&s->listener.rest);
}

static int service_open(qb_ipcs_service_t *s, const char **ret_why)
{
	struct qbi_host *h = &s->host;
	int r = service_check(s, ret_why);

	if (r < 0)
		return r;
	h->set.generation = qbi_generation(); /* nothing was shared before */
	qbi_busy_poll_init(&h->shared.busy_poll);
	r = qbi_deadlines_open(&h->deadlines, &h->set, deadlines_dispatch, h);
	if (r == 0)
		r = qbi_listener_open(&s->listener);
	if (r == 0 && h->timing && qbi_timing_begin(h->timing) < 0)
		qbi_log(LOG_WARNING, "service %s: how late its loop is cannot be measured",
			h->set.name);
	if (r < 0) {
		*ret_why = strerror(-r);
		qbi_deadlines_close(&h->deadlines);
	}
	return r;
}

int qbi_service_run(qb_ipcs_service_t *s)
{
	struct qbi_host *h = &s->host;
	const char *why;
	int r = service_open(s, &why);

	if (r < 0) {
		qbi_log(LOG_ERR, "service %.*s cannot run: %s", QBI_SERVICE_NAME_MAX,
			h->set.name, why);
		return r;
	}
	if (!h->set.on.msg_process && !h->selector)
		qbi_log(LOG_NOTICE, "service %s: msg_process is NULL, so requests are ignored",
			h->set.name);
	h->stopped = false; /* a holder of a reference may run it once more */
	leftovers_sweep(s);
	return 0;
}

/* Callbacks may end or drop any connection: search from the start each time. */
static void service_drop_all(qb_ipcs_service_t *s)
{
	qb_ipcs_connection_t *c;

	while ((c = qbi_connection_next(&s->host, NULL))) {
		qbi_connection_disconnect(c);
		qbi_connection_unref(c);
	}
	while ((c = qbi_handshake_oldest(&s->host)))
		qbi_connection_disconnect(c);
}

void qbi_service_stop(qb_ipcs_service_t *s)
{
	s->host.stopped = true;
	service_drop_all(s);
	qbi_listener_close(&s->listener);
	qbi_unread_close(&s->host.unread);
	qbi_monitors_close(&s->host.monitors);
	qbi_deadlines_close(&s->host.deadlines);
}

/* What each rate means: libqb's numbers. */
static const struct {
	enum qb_loop_priority priority;
	uint32_t flow;
	uint32_t batch;
} rates[] = {
	[QB_IPCS_RATE_FAST] = { QB_LOOP_HIGH, 0, 50 },
	[QB_IPCS_RATE_NORMAL] = { QB_LOOP_MED, 0, 5 },
	[QB_IPCS_RATE_SLOW] = { QB_LOOP_LOW, 0, 1 },
	[QB_IPCS_RATE_OFF] = { QB_LOOP_LOW, 1, 1 },
	[QB_IPCS_RATE_OFF_2] = { QB_LOOP_LOW, 2, 1 },
};

void qbi_service_rate_set(qb_ipcs_service_t *s, enum qb_ipcs_rate_limit rate)
{
	struct qbi_host *h = &s->host;
	qb_ipcs_connection_t *c, *next;

	if ((unsigned int)rate >= QBI_ARRAY_SIZE(rates))
		return;
	h->set.priority = rates[rate].priority;
	h->set.flow = rates[rate].flow;
	h->set.batch = rates[rate].batch;
	for (c = qbi_connection_next(h, NULL); c; c = next) {
		qbi_connection_flow_update(c);
		next = qbi_connection_next(h, c);
		qbi_connection_unref(c);
	}
}

int qbi_service_limits_set(qb_ipcs_service_t *s, const struct qbipc_service_limits *limits)
{
	int r = qbi_limits_set(&s->host.limits, limits);

	if (r == 0)
		(void)qbi_host_handshakes_changed(&s->host);
	return r;
}
