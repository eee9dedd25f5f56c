/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The qb_ipcs_ functions: check the arguments, call inwards. */
#include <errno.h>
#include <pthread.h>
#include <qb/qbipcs.h>
#include <stdlib.h>
#include <string.h>

#include "api/errors.h"
#include "base/counter.h"
#include "base/log.h"
#include "base/util.h"
#include "server/connection.h"
#include "server/send.h"
#include "server/service.h"

/* -- Services ----------------------------------------------------------------- */

qb_ipcs_service_t *qb_ipcs_create(const char *name, int32_t service_id, enum qb_ipc_type type,
				  struct qb_ipcs_service_handlers *handlers)
{
	static const struct qb_ipcs_service_handlers none;

	if (!name) {
		errno = -qbi_misuse("the name is NULL");
		return NULL;
	}
	return qbi_service_new(name, service_id, type, handlers ? handlers : &none);
}

void qb_ipcs_ref(qb_ipcs_service_t *s)
{
	if (s)
		qbi_service_ref(s);
}

void qb_ipcs_unref(qb_ipcs_service_t *s)
{
	if (s)
		qbi_service_unref(s);
}

void qb_ipcs_poll_handlers_set(qb_ipcs_service_t *s, struct qb_ipcs_poll_handlers *handlers)
{
	if (!s)
		(void)qbi_misuse("the service is NULL");
	else if (!handlers)
		(void)qbi_misuse("the poll handlers are NULL");
	else
		qbi_app_loop_handlers_set(&s->host.set.loop, handlers);
}

void qb_ipcs_service_context_set(qb_ipcs_service_t *s, void *context)
{
	if (s)
		s->host.set.context = context;
}

void *qb_ipcs_service_context_get(qb_ipcs_service_t *s)
{
	return s ? s->host.set.context : NULL;
}

int32_t qb_ipcs_run(qb_ipcs_service_t *s)
{
	int r;

	if (!s)
		return qbi_misuse("the service is NULL");
	/* It has the name itself. The first run holds the reference, so keep it. */
	if (qbi_service_is_running(s)) {
		qbi_log(LOG_WARNING, "service %s runs already", s->host.set.name);
		return -EADDRINUSE;
	}
	r = qbi_service_run(s);
	if (r < 0)
		qbi_service_unref(s);
	return r;
}

void qb_ipcs_destroy(qb_ipcs_service_t *s)
{
	if (!s)
		return;
	qbi_service_stop(s);
	qbi_service_unref(s);
}

void qb_ipcs_request_rate_limit(qb_ipcs_service_t *s, enum qb_ipcs_rate_limit rl)
{
	if (s)
		qbi_service_rate_set(s, rl);
}

void qb_ipcs_enforce_buffer_size(qb_ipcs_service_t *s, uint32_t max_buf_size)
{
	if (s)
		s->host.set.min_msg_size =
			max_buf_size > QBI_MAX_MSG_SIZE ? QBI_MAX_MSG_SIZE : max_buf_size;
}

int32_t qb_ipcs_stats_get(qb_ipcs_service_t *s, struct qb_ipcs_stats *stats,
			  int32_t clear_after_read)
{
	struct qbi_host_counters *count;

	if (!s)
		return qbi_misuse("the service is NULL");
	if (!stats)
		return qbi_misuse("stats is NULL");
	count = &s->host.count;
	/* Active connections are not cleared, because each of them will be counted down. */
	*stats = (struct qb_ipcs_stats){
		.active_connections = count->active,
		.closed_connections =
			clear_after_read ? atomic_exchange(&count->closed, 0) : count->closed,
	};
	return 0;
}

qb_ipcs_connection_t *qb_ipcs_connection_first_get(qb_ipcs_service_t *s)
{
	return s ? qbi_connection_next_known(&s->host, NULL) : NULL;
}

qb_ipcs_connection_t *qb_ipcs_connection_next_get(qb_ipcs_service_t *s,
						  qb_ipcs_connection_t *current)
{
	return s && current ? qbi_connection_next_known(&s->host, current) : NULL;
}

/* -- Connections -------------------------------------------------------------- */

void qb_ipcs_connection_ref(qb_ipcs_connection_t *c)
{
	if (c)
		qbi_connection_ref(c);
}

void qb_ipcs_connection_unref(qb_ipcs_connection_t *c)
{
	if (c)
		qbi_connection_unref(c);
}

void qb_ipcs_disconnect(qb_ipcs_connection_t *c)
{
	if (c)
		qbi_connection_disconnect(c);
}

int32_t qb_ipcs_service_id_get(qb_ipcs_connection_t *c)
{
	return c ? c->host->set.id : qbi_misuse("the connection is NULL");
}

void qb_ipcs_context_set(qb_ipcs_connection_t *c, void *context)
{
	if (c)
		c->context = context;
}

void *qb_ipcs_context_get(qb_ipcs_connection_t *c)
{
	return c ? c->context : NULL;
}

void *qb_ipcs_connection_service_context_get(qb_ipcs_connection_t *c)
{
	return c ? c->host->set.context : NULL;
}

void qb_ipcs_connection_auth_set(qb_ipcs_connection_t *c, uid_t uid, gid_t gid, mode_t mode)
{
	if (!c || c->state != QBI_CONNECTION_ACCEPTING)
		return;
	c->owner = (struct qbi_owner){ uid, gid, mode };
}

int32_t qb_ipcs_connection_get_buffer_size(qb_ipcs_connection_t *c)
{
	return c ? (int32_t)c->max_msg_size : qbi_misuse("the connection is NULL");
}

/* -- Sending ------------------------------------------------------------------ */

typedef int (*send_fn)(qb_ipcs_connection_t *c, const struct qbi_msg *msg);

static ssize_t vectors_send(qb_ipcs_connection_t *c, send_fn fn, const struct iovec *iov,
			    size_t n)
{
	struct qbi_msg msg;
	int r;

	/* Here, before anything has happened: later the thread cannot be cancelled. */
	pthread_testcancel();
	if (!c)
		return qbi_misuse_of("sending of a server", "the connection is NULL");
	r = qbi_msg_init(&msg, iov, n);
	if (r == 0)
		r = fn(c, &msg);
	return qbi_result(QBI_CALL_SEND, r, msg.size);
}

ssize_t qb_ipcs_response_sendv(qb_ipcs_connection_t *c, const struct iovec *iov, size_t iov_len)
{
	return vectors_send(c, qbi_send_response, iov, iov_len);
}

ssize_t qb_ipcs_response_send(qb_ipcs_connection_t *c, const void *data, size_t size)
{
	struct iovec iov = { (void *)(uintptr_t)data, size };

	return vectors_send(c, qbi_send_response, &iov, 1);
}

ssize_t qb_ipcs_event_sendv(qb_ipcs_connection_t *c, const struct iovec *iov, size_t iov_len)
{
	return vectors_send(c, qbi_send_event, iov, iov_len);
}

ssize_t qb_ipcs_event_send(qb_ipcs_connection_t *c, const void *data, size_t size)
{
	struct iovec iov = { (void *)(uintptr_t)data, size };

	return vectors_send(c, qbi_send_event, &iov, 1);
}

/* -- Counters ----------------------------------------------------------------- */

static void counters_get(qb_ipcs_connection_t *c, struct qb_ipcs_connection_stats_2 *ret,
			 bool clear)
{
	struct qbi_tally n = qbi_counters_read(&c->count, clear);

	/* A connection that has ended was accounted for then. */
	if (clear && c->state < QBI_CONNECTION_CLOSING)
		qbi_counters_account(&c->host->ended, &n);
	*ret = (struct qb_ipcs_connection_stats_2){
		.client_pid = c->peer.pid,
		.requests = n.requests,
		.responses = n.responses,
		.events = n.events,
		.send_retries = n.send_retries,
		.recv_retries = n.recv_retries,
		.flow_control_state = (int32_t)c->flow,
		.flow_control_count = n.flow_control_count,
		.event_q_length = qbi_send_events_queued(c),
	};
}

int32_t qb_ipcs_connection_stats_get(qb_ipcs_connection_t *c,
				     struct qb_ipcs_connection_stats *stats,
				     int32_t clear_after_read)
{
	struct qb_ipcs_connection_stats_2 all;

	if (!c)
		return qbi_misuse("the connection is NULL");
	if (!stats)
		return qbi_misuse("stats is NULL");
	counters_get(c, &all, clear_after_read != 0);
	/* The older struct is the beginning of the newer one. */
	memset(stats, 0, sizeof(*stats));
	memcpy(stats, &all, sizeof(*stats));
	return 0;
}

struct qb_ipcs_connection_stats_2 *qb_ipcs_connection_stats_get_2(qb_ipcs_connection_t *c,
								  int32_t clear_after_read)
{
	struct qb_ipcs_connection_stats_2 *stats;

	if (!c)
		return NULL;
	stats = malloc(sizeof(*stats));
	if (stats)
		counters_get(c, stats, clear_after_read != 0);
	return stats;
}
