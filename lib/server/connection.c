/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/connection.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <qbipc/monitor.h>
#include <stdlib.h>

#include "base/again.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/util.h"
#include "server/end.h"
#include "transport/registry.h"

int qbi_connection_new(struct qbi_host *h, int fd, qb_ipcs_dispatch_fn_t dispatch,
		       qb_ipcs_connection_t **ret_c)
{
	socklen_t len = sizeof(struct ucred);
	qb_ipcs_connection_t *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->refs = 1;
	c->host = qbi_host_ref(h);
	c->dispatch = dispatch;
	qbi_roster_entry_init(&c->listed);
	qbi_limits_entry_init(&c->quota);
	qbi_retry_entry_init(&c->retry);
	qbi_unread_answer_init(&c->unread);
	qbi_bell_init(&c->bell);
	c->stream = (struct qbi_watch)QBI_WATCH_INIT;
	c->request = (struct qbi_watch)QBI_WATCH_INIT;
	qbi_mutex_init(&c->send);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c->peer, &len) < 0) {
		r = -errno;
		qbi_connection_unref(c);
		return r;
	}
	c->owner = (struct qbi_owner){ c->peer.uid, c->peer.gid, 0600 };
	c->stream.fd = fd;
	*ret_c = c;
	return 0;
}

qb_ipcs_connection_t *qbi_connection_ref(qb_ipcs_connection_t *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

static void connection_free(qb_ipcs_connection_t *c)
{
	struct qbi_host *h = c->host;

	/* Only the dispatching thread may change lists, and this may be another thread. */
	assert(!c->end && !c->ended && c->stream.fd < 0 && qbi_list_is_empty(&c->listed.link) &&
	       c->quota.counted == QBI_COUNTED_NOT);
	if (c->announced && h->set.on.connection_destroyed) {
		/* The callback may use the connection, and even take and drop references:
		 * do not let the count reach zero again. */
		c->refs = 1;
		h->set.on.connection_destroyed(c);
	}
	qbi_mutex_destroy(&c->send);
	free(c);
	qbi_host_unref(h);
}

void qbi_connection_unref(qb_ipcs_connection_t *c)
{
	/* Release: our writes come before the freeing. Acquire: by the thread that frees. */
	if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
		connection_free(c);
}

static void dispatch_undo(struct qbi_unfinished *u)
{
	qb_ipcs_connection_t *c =
		qbi_container_of(u, struct qb_ipcs_connection, dispatch_unfinished);

	(void)qbi_connection_request_done(c);
	qbi_memory_free(atomic_exchange(&c->lent, NULL));
	free(atomic_exchange(&c->body, NULL));
	qbi_unfinished_forget(u);
	qbi_connection_unref(c);
}

struct qbi_connection_hold qbi_connection_hold(qb_ipcs_connection_t *c)
{
	qbi_connection_ref(c);
	return (struct qbi_connection_hold){
		.c = c,
		.outermost = qbi_unfinished_begin(&c->dispatch_unfinished, dispatch_undo),
	};
}

void qbi_connection_let_go(struct qbi_connection_hold *hold)
{
	if (hold->outermost)
		qbi_unfinished_end(&hold->c->dispatch_unfinished);
	qbi_connection_unref(hold->c);
}

bool qbi_connection_is_connected(const qb_ipcs_connection_t *c)
{
	return c->state == QBI_CONNECTION_ESTABLISHED ||
	       (c->state == QBI_CONNECTION_CREATED && !c->disconnect_asked);
}

bool qbi_connection_is_known(const qb_ipcs_connection_t *c)
{
	return c->state >= QBI_CONNECTION_CREATED;
}

/* The header of a response or event has the same beginning as that of a request. */
void qbi_connection_show(qb_ipcs_connection_t *c, uint32_t kind, const struct qbi_msg *msg)
{
	struct qb_ipc_response_header header = { .id = 0 };
	size_t size = msg ? qbi_msg_begin_copy(msg, &header, sizeof(header)) : 0;
	struct qbi_monitor_note note = {
		.record = {
			.kind = kind,
			.pid = c->peer.pid,
			.number = c->number,
			.uid = c->peer.uid,
			.gid = c->peer.gid,
			.native = c->transport->version,
			.max_size = c->max_msg_size,
			.id = header.id,
		},
		.msg = msg,
	};

	if (size == sizeof(header) && kind != QBIPC_MONITOR_REQUEST)
		note.record.error = header.error;
	qbi_monitors_note(&c->host->monitors, &note);
}

int qbi_connection_stream_move(qb_ipcs_connection_t *c)
{
	int fd = fcntl(c->stream.fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	c->stream_moved = true;
	return fd;
}

/* Between these two the application may count the connection as active. */
static bool state_is_active(enum qbi_connection_state state)
{
	return state == QBI_CONNECTION_CREATED || state == QBI_CONNECTION_ESTABLISHED;
}

void qbi_connection_enter(qb_ipcs_connection_t *c, enum qbi_connection_state state)
{
	struct qbi_host_counters *count = &c->host->count;

	assert(state > c->state);
	if (state_is_active(state) && !state_is_active(c->state)) {
		atomic_fetch_add(&count->active, 1);
		qbi_connection_note(c, QBIPC_MONITOR_CONNECTED, NULL);
	}
	if (state_is_active(c->state) && !state_is_active(state)) {
		atomic_fetch_sub(&count->active, 1);
		atomic_fetch_add(&count->closed, 1);
		qbi_connection_note(c, QBIPC_MONITOR_ENDED, NULL);
	}
	c->state = state;
	if (state == QBI_CONNECTION_CLOSED)
		qbi_roster_remove(&c->listed);
}

int qbi_connection_watch_update(qb_ipcs_connection_t *c)
{
	/*
	 * While the flow is stopped, or the bell has not come, requests stay queued. A loop
	 * that still watched for them would spin. A hang-up must be noticed nevertheless.
	 */
	int32_t requests = c->flow || c->held ? POLLPRI | POLLNVAL | POLLHUP : QBI_POLL_EVENTS;
	int32_t stream = c->request.fd >= 0 ? QBI_POLL_EVENTS : requests;
	int r;

	r = qbi_watch_set(&c->host->set, &c->stream, stream, c, c->dispatch);
	if (r < 0)
		return r;
	return qbi_watch_set(&c->host->set, &c->request, requests, c, c->dispatch);
}

int qbi_connection_stream_take(qb_ipcs_connection_t *c)
{
	qbi_watch_drop(&c->host->set, &c->stream);
	return qbi_take_fd(&c->stream.fd);
}

static void stream_close(qb_ipcs_connection_t *c)
{
	int stream = c->stream.fd;
	/* Not the last descriptor of it. */
	bool copied = c->stream_moved || qbi_settings_are_copied(&c->host->set);
	bool keep;

	c->stream.fd = -1;
	if (stream >= 0 && !copied && !c->costly)
		(void)shutdown(stream, SHUT_RDWR);
	keep = qbi_unread_keep(&c->host->unread, &c->unread);
	if (keep && c->costly)
		(void)shutdown(stream, SHUT_RDWR);
	if (keep)
		return;
	if (copied || qbi_limits_is_exempt(c->peer.uid))
		(void)qbi_close(stream);
	else
		qbi_end_stream(stream, c->peer.uid, c->costly);
}

static void end_part(qb_ipcs_connection_t *c, void *end, enum qbi_parting how)
{
	/* A child lets go of a copy, which the client cannot hold up. */
	if (how == QBI_PART_COPY || qbi_limits_is_exempt(c->peer.uid))
		qbi_end_free(end, how);
	else
		qbi_end_hand_over(end, how, c->peer.uid, c->quota.memory);
}

struct qbi_loan *qbi_connection_loan(qb_ipcs_connection_t *c, enum qbi_channel channel)
{
	struct qbi_loan *loan = &c->loan[channel];

	return loan->place && loan->generation == qbi_generation() ? loan : NULL;
}

/* Under `send`: is a message built in memory of the end? */
static bool end_is_lent(qb_ipcs_connection_t *c)
{
	int channel;

	for (channel = 0; channel < QBI_CHANNELS; channel++) {
		struct qbi_loan *loan = qbi_connection_loan(c, (enum qbi_channel)channel);

		if (loan && loan->in_place)
			return true;
	}
	return false;
}

/* Places of the parent, whose threads are not in this process. The caller has a reference. */
static void loans_forget(qb_ipcs_connection_t *c)
{
	int channel;

	for (channel = 0; channel < QBI_CHANNELS; channel++) {
		struct qbi_loan *loan = &c->loan[channel];

		if (!loan->place || loan->generation == qbi_generation())
			continue;
		if (!loan->in_place)
			qbi_memory_free(loan->place);
		loan->place = NULL;
		qbi_connection_unref(c);
	}
}

/* What other threads must not do, although the end stays open for them. */
static void end_leave(qb_ipcs_connection_t *c, void *end, enum qbi_parting how)
{
	if (c->transport->server->leave)
		c->transport->server->leave(end, how);
}

/* Under `send`. */
static void end_close(qb_ipcs_connection_t *c, enum qbi_parting how)
{
	c->request.fd = -1; /* the transport's, closed by it */
	loans_forget(c);
	if (!c->in_use && !end_is_lent(c)) {
		end_part(c, QBI_TAKE(c->end), how);
		return;
	}
	c->ended = QBI_TAKE(c->end);
	c->part = how;
	if (c->ended && !c->in_use)
		end_leave(c, c->ended, how);
}

void qbi_connection_request_use(qb_ipcs_connection_t *c)
{
	c->in_use = true;
}

int qbi_connection_request_done(qb_ipcs_connection_t *c)
{
	void *end;
	int r;

	if (!c->in_use)
		return 0;
	qbi_mutex_lock(&c->send);
	end = c->ended ? c->ended : c->end;
	r = c->transport->server->done(end, !c->ended || c->part != QBI_PART_COPY);
	c->in_use = false;
	if (c->ended && end_is_lent(c))
		end_leave(c, c->ended, c->part);
	else if (c->ended)
		end_part(c, QBI_TAKE(c->ended), c->part);
	qbi_mutex_unlock(&c->send);
	return r;
}

void qbi_connection_loan_end(qb_ipcs_connection_t *c, struct qbi_loan *loan)
{
	void *place = loan->in_place ? NULL : loan->place;

	loan->place = NULL;
	if (c->ended && !c->in_use && !end_is_lent(c))
		end_part(c, QBI_TAKE(c->ended), c->part);
	qbi_mutex_unlock(&c->send);
	qbi_memory_free(place);
	qbi_connection_unref(c);
}

static void retry_let_go(qb_ipcs_connection_t *c)
{
	if (c->holds_retry)
		qbi_retry_release(&c->host->retry);
	c->holds_retry = false;
}

void qbi_connection_retract(qb_ipcs_connection_t *c)
{
	qbi_bell_remove(&c->bell);
	qbi_watch_drop(&c->host->set, &c->request);
	qbi_end_free(QBI_TAKE(c->end), QBI_PART_AT_ONCE);
	c->request.fd = -1;
	retry_let_go(c);
}

static void connection_uncount(qb_ipcs_connection_t *c)
{
	bool was_handshake = c->quota.counted == QBI_COUNTED_HANDSHAKE;

	qbi_limits_end(&c->host->limits, &c->quota);
	if (was_handshake)
		(void)qbi_host_handshakes_changed(c->host);
}

/* Release everything shared with the client; sends fail from now on. */
static void connection_release(qb_ipcs_connection_t *c)
{
	bool keep_queued = !c->hung_up && !c->broken && !c->misbehaved;
	struct qbi_tally counted;

	qbi_bell_remove(&c->bell);
	qbi_watch_drop(&c->host->set, &c->request);
	qbi_watch_drop(&c->host->set, &c->stream);
	qbi_mutex_lock(&c->send);
	c->sendable = false;
	qbi_retry_remove(&c->host->retry, &c->retry);
	/* The client should notice the end last. But the transport needs a descriptor to
	 * remove its files, and that of the stream may be the only one. */
	if (!keep_queued || (c->stream.fd >= 0 && !qbi_descriptor_is_free(c->stream.fd)))
		stream_close(c);
	end_close(c, qbi_settings_are_copied(&c->host->set) ? QBI_PART_COPY :
		     keep_queued			    ? QBI_PART_KEEPING :
							      QBI_PART_AT_ONCE);
	c->waiting = false;
	stream_close(c);
	counted = qbi_counters_read(&c->count, false);
	qbi_counters_account(&c->host->ended, &counted);
	qbi_mutex_unlock(&c->send);
	qbi_memory_free(QBI_TAKE(c->buffer));
	if (c->host->large == c)
		c->host->large = NULL;
	connection_uncount(c);
	retry_let_go(c);
}

static void connection_closed(void *data);

/* The application waits for something, so there is no use in calling it at once. */
static bool closed_later(qb_ipcs_connection_t *c)
{
	bool added;

	qbi_job_can_wait = true;
	added = qbi_app_loop_job(&c->host->set.loop, QB_LOOP_LOW, c, connection_closed);
	qbi_job_can_wait = false;
	return added;
}

/* Also the job that calls connection_closed again if it was not done. */
static void connection_closed(void *data)
{
	qb_ipcs_connection_t *c = data;
	const struct qbi_settings *set = &c->host->set;
	int32_t again = set->on.connection_closed ? set->on.connection_closed(c) : 0;

	if (again != 0 && closed_later(c))
		return;
	qbi_connection_enter(c, QBI_CONNECTION_CLOSED);
	qbi_connection_unref(c);
}

struct qbi_why qbi_connection_why_not(const qb_ipcs_connection_t *c, bool *ret_unread)
{
	struct qbi_why why = qbi_hello_why(&c->hello);

	*ret_unread = false;
	if (!why.code && !qbi_transport_version())
		why.code = qbi_transport_why_not_native(QBIPC_WHY_SERVER_OFF);
	if (!why.code)
		*ret_unread =
			!qbi_unread_allows(&c->host->unread, c->peer.uid, &c->host->limits.at);
	/* The errno of the kernel, where it has a limit of its own. */
	return *ret_unread ? qbi_why_server(QBI_CALL_SENDMSG, -ETOOMANYREFS) : why;
}

void qbi_connection_abandon(qb_ipcs_connection_t *c)
{
	if (c->state == QBI_CONNECTION_CLOSED)
		return;
	connection_release(c);
	qbi_connection_enter(c, QBI_CONNECTION_CLOSED);
	qbi_connection_unref(c);
}

/* Refuse sends from now on. */
static void sends_end(qb_ipcs_connection_t *c)
{
	qbi_mutex_lock(&c->send);
	c->sendable = false;
	qbi_mutex_unlock(&c->send);
}

void qbi_connection_disconnect(qb_ipcs_connection_t *c)
{
	switch ((enum qbi_connection_state)c->state) {
	case QBI_CONNECTION_HANDSHAKE: qbi_connection_abandon(c); break;
	case QBI_CONNECTION_CREATED:
		c->disconnect_asked = true;
		sends_end(c);
		break;
	case QBI_CONNECTION_ESTABLISHED:
		qbi_connection_enter(c, QBI_CONNECTION_CLOSING);
		connection_release(c);
		connection_closed(c);
		break;
	case QBI_CONNECTION_ACCEPTING: /* its return value decides */
	case QBI_CONNECTION_OPENING:
	case QBI_CONNECTION_CLOSING:
	case QBI_CONNECTION_CLOSED: break;
	}
}

void qbi_connection_flow_update(qb_ipcs_connection_t *c)
{
	uint32_t flow = c->host->set.flow;

	if (c->flow != flow) {
		c->transport->server->flow_set(c->end, flow);
		qbi_counter_add(&c->count.flow_control_count);
		c->flow = flow;
	}
	if (qbi_connection_watch_update(c) < 0)
		qbi_log(LOG_WARNING, "service %s: the poll loop refused a change of priority",
			c->host->set.name);
}

static qb_ipcs_connection_t *roster_connection(struct qbi_roster_entry *e)
{
	return qbi_container_of(e, struct qb_ipcs_connection, listed);
}

static qb_ipcs_connection_t *next_that(struct qbi_host *h, qb_ipcs_connection_t *current,
				       bool (*is)(const qb_ipcs_connection_t *c))
{
	struct qbi_roster_entry *e = current ? &current->listed : NULL;

	while ((e = qbi_roster_next(&h->connections, e)))
		if (is(roster_connection(e)))
			return qbi_connection_ref(roster_connection(e));
	return NULL;
}

qb_ipcs_connection_t *qbi_connection_next(struct qbi_host *h, qb_ipcs_connection_t *current)
{
	return next_that(h, current, qbi_connection_is_connected);
}

qb_ipcs_connection_t *qbi_connection_next_known(struct qbi_host *h,
						qb_ipcs_connection_t *current)
{
	return next_that(h, current, qbi_connection_is_known);
}
