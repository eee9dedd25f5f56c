/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/service.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/util.h"
#include "server/connection.h"
#include "server/selector.h"
#include "transport/transport.h"
#include "wire/names.h"

qb_ipcs_service_t *qbi_service_new(const char *name, int32_t id, enum qb_ipc_type type,
				   const struct qb_ipcs_service_handlers *handlers)
{
	qb_ipcs_service_t *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->name = strdup(name);
	if (!s->name) {
		free(s);
		return NULL;
	}
	s->refs = 1;
	s->id = id;
	s->type = type;
	s->on = *handlers;
	s->refusals.service = s->name;
	s->watchers = (struct qbi_owner){ (uid_t)-1, (gid_t)-1, 0600 };
	s->listener = (struct qbi_listener)QBI_LISTENER_INIT;
	s->deadlines = (struct qbi_deadlines)QBI_DEADLINES_INIT;
	qbi_limits_init(&s->limits);
	qbi_retry_init(&s->retry);
	qbi_list_init(&s->connections);
	qbi_list_init(&s->handshakes);
	qbi_service_rate_set(s, QB_IPCS_RATE_NORMAL);
	return s;
}

qb_ipcs_service_t *qbi_service_ref(qb_ipcs_service_t *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void qbi_service_unref(qb_ipcs_service_t *s)
{
	/* Release what this holder did to whoever frees; acquire it there. */
	if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	qbi_service_stop(s);
	qbi_retry_deinit(&s->retry);
	qbi_selector_free(s->selector);
	qbi_memory_free(s->scratch);
	free(s->name);
	free(s);
}

static int service_check(const qb_ipcs_service_t *s)
{
	if (s->type == QB_IPC_POSIX_MQ || s->type == QB_IPC_SYSV_MQ)
		return -ENOTSUP;
	if (!qbi_transport_has_type(s->type))
		return -EINVAL;
	if (!s->poll.dispatch_add || !s->poll.dispatch_mod || !s->poll.dispatch_del)
		return -EINVAL;
	return qbi_service_name_check(s->name);
}

/* Its type may have been another one when it was killed. */
static void leftovers_sweep(const qb_ipcs_service_t *s)
{
	const struct qbi_transport *t;
	size_t i;

	for (i = 0; (t = qbi_transport_nth(i)); i++)
		if (t->server->sweep)
			t->server->sweep(s->name);
}

bool qbi_service_is_running(const qb_ipcs_service_t *s)
{
	return s->listener.in_loop || s->listener.rests_until;
}

int qbi_service_run(qb_ipcs_service_t *s)
{
	int r = service_check(s);

	if (r < 0) {
		qbi_log(LOG_ERR, "service %s cannot run: %s", s->name, strerror(-r));
		return r;
	}
	qbi_look_init(&s->shared.look);
	r = qbi_listener_open(s);
	if (r < 0)
		return r;
	s->stopped = false;	/* who kept a reference may run it once more */
	leftovers_sweep(s);
	return 0;
}

/* Callbacks may end or drop any connection: look for the first one anew each time. */
static void service_drop_all(qb_ipcs_service_t *s)
{
	qb_ipcs_connection_t *c;

	while ((c = qbi_service_next(s, NULL))) {
		qbi_connection_disconnect(c);
		qbi_connection_unref(c);
	}
	while ((c = qbi_connection_first_handshake(s)))
		qbi_connection_disconnect(c);
}

void qbi_service_stop(qb_ipcs_service_t *s)
{
	s->stopped = true;
	service_drop_all(s);
	qbi_listener_close(s);
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
	qb_ipcs_connection_t *c, *next;

	if ((unsigned int)rate >= QBI_ARRAY_SIZE(rates))
		return;
	s->priority = rates[rate].priority;
	s->flow = rates[rate].flow;
	s->batch = rates[rate].batch;
	for (c = qbi_service_next(s, NULL); c; c = next) {
		qbi_connection_flow_update(c);
		next = qbi_service_next(s, c);
		qbi_connection_unref(c);
	}
}

/* Behind @current in the list, or behind where it was before it was disconnected. */
static struct qbi_list *place_after(qb_ipcs_service_t *s, const qb_ipcs_connection_t *current)
{
	struct qbi_list *pos;

	if (current->place && !qbi_list_is_empty(&current->link))
		return current->link.next;
	qbi_list_for_each(pos, &s->connections)
		if (qbi_list_entry(pos, struct qb_ipcs_connection, link)->place <
		    current->place)
			break;
	return pos;
}

static qb_ipcs_connection_t *next_that(qb_ipcs_service_t *s, qb_ipcs_connection_t *current,
				       bool (*is)(const qb_ipcs_connection_t *c))
{
	struct qbi_list *pos = current ? place_after(s, current) : s->connections.next;

	for (; pos != &s->connections; pos = pos->next) {
		qb_ipcs_connection_t *c =
			qbi_list_entry(pos, struct qb_ipcs_connection, link);

		if (is(c))
			return qbi_connection_ref(c);
	}
	return NULL;
}

qb_ipcs_connection_t *qbi_service_next(qb_ipcs_service_t *s, qb_ipcs_connection_t *current)
{
	return next_that(s, current, qbi_connection_is_connected);
}

qb_ipcs_connection_t *qbi_service_next_listed(qb_ipcs_service_t *s,
					      qb_ipcs_connection_t *current)
{
	return next_that(s, current, qbi_connection_is_known);
}

void *qbi_service_scratch_take(qb_ipcs_service_t *s, size_t size)
{
	if (s->scratch && qbi_memory_size(s->scratch) >= size)
		return QBI_TAKE(s->scratch);
	return qbi_memory_new(size);
}

void qbi_service_scratch_give(qb_ipcs_service_t *s, void *scratch)
{
	if (qbi_memory_size(s->scratch) < qbi_memory_size(scratch)) {
		void *smaller = s->scratch;

		s->scratch = scratch;
		scratch = smaller;
	}
	qbi_memory_free(scratch);
}
