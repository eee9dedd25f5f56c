/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/inquiry.h"

#include <errno.h>
#include <qbipc/limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/socket.h"
#include "base/util.h"
#include "server/access.h"
#include "server/connection.h"
#include "server/selector.h"
#include "server/send.h"
#include "transport/registry.h"
#include "transport/trial.h"
#include "wire/description.h"
#include "wire/snapshot.h"

/* The answer to a watcher. The answer to a probe is its first part. */
struct inquiry_answer {
	struct qbi_welcome welcome;
	struct qbi_snapshot_head head;
	struct qbi_snapshot_record records[];
};

_Static_assert(offsetof(struct inquiry_answer, head) == sizeof(struct qbi_welcome) &&
		       offsetof(struct inquiry_answer, records) ==
			       sizeof(struct qbi_welcome) + sizeof(struct qbi_snapshot_head),
	       "nothing lies between the parts");

/* What does not fit in the socket is dropped: the client can ask again. */
static void answer_send(const qb_ipcs_connection_t *c, const void *answer, size_t size)
{
	while (send(c->stream.fd, answer, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
	       errno == EINTR)
		;
}

/*
 * The answer that a client with this size and version would get, without names. *@sample,
 * if it is not NULL, gets descriptors like those that would be passed, if any.
 */
static void inquiry_welcome_fill(const qb_ipcs_connection_t *c, struct qbi_welcome *welcome,
				 int32_t error, uint32_t question, struct qbi_trial *sample)
{
	bool unread;
	struct qbi_why why = qbi_connection_why_not(c, &unread);
	const struct qbi_transport *t;

	qbi_welcome_init(welcome, error);
	welcome->mark = QBI_WIRE_MARK;
	welcome->abilities = question;
	if (question == QBI_ABILITY_PROBE && !why.code)
		why = qbi_transport_trial_server(c->host->set.type, sample);
	t = qbi_transport_for_service(c->host->set.type, &c->hello, !why.code);
	if (error != 0 || !t)
		return;
	welcome->version = t->version;
	if (question == QBI_ABILITY_PROBE && c->hello.version > 0 && !t->version)
		qbi_welcome_decline(welcome, why);
	welcome->type = (int32_t)t->type;
	welcome->max_msg_size = c->max_msg_size;
}

static bool watcher_is_allowed(const qb_ipcs_connection_t *c)
{
	/* -1: the user of this process; a mode without rights for a group. */
	static const struct qbi_owner own = { (uid_t)-1, (gid_t)-1, 0600 };

	return qbi_access_granted(c->stream.fd, &c->peer, &own) ||
	       qbi_access_granted(c->stream.fd, &c->peer, &c->host->set.watchers);
}

/* The fields of struct qbipc_service_refusals behind its size, which are all counts. */
enum { REFUSALS_AT = offsetof(struct qbipc_service_refusals, handshakes) };
_Static_assert(sizeof(struct qbipc_service_refusals) - REFUSALS_AT <=
		       sizeof(((struct qbi_snapshot_head *)NULL)->refusals),
	       "all refusals have a place in the head");

static void refusals_fill(struct qbi_host *h, struct qbi_snapshot_head *head)
{
	struct qbipc_service_refusals r;

	qbi_refusals_read(&h->refusals, &r);
	memcpy(head->refusals, (const char *)&r + REFUSALS_AT, sizeof(r) - REFUSALS_AT);
}

static struct qbi_tally counted_sum(struct qbi_host *h)
{
	struct qbi_tally sum = qbi_counters_read(&h->ended, false);
	struct qbi_roster_entry *e = NULL;

	while ((e = qbi_roster_next(&h->connections, e))) {
		qb_ipcs_connection_t *c =
			qbi_container_of(e, struct qb_ipcs_connection, listed);
		struct qbi_tally n = qbi_counters_read(&c->count, false);

		/* Those without a stream have ended: they are in the sum already. */
		if (c->stream.fd >= 0)
			qbi_tally_add(&sum, &n);
	}
	return sum;
}

static void record_fill(qb_ipcs_connection_t *c, uint64_t now,
			struct qbi_snapshot_record *record)
{
	*record = (struct qbi_snapshot_record){
		.number = c->number,
		.pid = c->peer.pid,
		.uid = c->peer.uid,
		.gid = c->peer.gid,
		.native = c->transport->version,
		.max_msg_size = c->max_msg_size,
		.flow = c->flow,
		.events_queued = qbi_send_events_queued(c),
		.why = c->transport->version ? 0 : qbi_why_pack(c->why),
		.requests = c->count.requests,
		.responses = c->count.responses,
		.events = c->count.events,
		.send_retries = c->count.send_retries,
		.recv_retries = c->count.recv_retries,
		.flow_control_count = c->count.flow_control_count,
		.age_ns = now - c->quota.accepted_ns,
	};
}

/* One page of the connections with numbers below @below; 0: of all. */
static void snapshot_fill(struct qbi_host *h, uint64_t below, struct inquiry_answer *answer)
{
	struct qbi_roster_entry *e = NULL;
	uint64_t now = qbi_now_ns();
	struct qbi_tally sum = { 0 };
	uint32_t n = 0, more = 0;

	while ((e = qbi_roster_next(&h->connections, e))) {
		qb_ipcs_connection_t *c =
			qbi_container_of(e, struct qb_ipcs_connection, listed);

		if ((below && c->number >= below) || !qbi_connection_is_connected(c))
			continue;
		if (n == QBI_SNAPSHOT_RECORDS) {
			more = 1;
			break;
		}
		record_fill(c, now, &answer->records[n++]);
	}
	if (!below)
		sum = counted_sum(h);
	answer->head = (struct qbi_snapshot_head){
		.mark = QBI_SNAPSHOT_MARK,
		.head_size = sizeof(answer->head),
		.record_size = sizeof(answer->records[0]),
		.records = n,
		.connections = h->count.active,
		.service_id = h->set.id,
		.flow = h->set.flow,
		.more = more,
		.closed = h->count.closed,
		.time_ns = now,
		.requests = sum.requests,
		.responses = sum.responses,
		.events = sum.events,
		.send_retries = sum.send_retries,
		.recv_retries = sum.recv_retries,
		.flow_control_count = sum.flow_control_count,
	};
	refusals_fill(h, &answer->head);
	if (!h->timing)
		return;
	answer->head.timing = 1;
	answer->head.process = h->timing->process;
	answer->head.lateness = h->timing->lateness;
}

static void watcher_refuse(const qb_ipcs_connection_t *c, int32_t error, uint32_t question)
{
	struct qbi_welcome *welcome = c->host->welcome;

	inquiry_welcome_fill(c, welcome, error, question, NULL);
	answer_send(c, welcome, sizeof(*welcome));
}

/* Memory of @size bytes for the answer; NULL: the client has got a refusal. */
static void *watcher_admit(const qb_ipcs_connection_t *c, uint32_t question, size_t size)
{
	void *answer;

	if (!watcher_is_allowed(c)) {
		qbi_refusals_note(&c->host->refusals, QBI_REFUSED_WATCHING, &c->peer,
				  "may not watch");
		watcher_refuse(c, -EACCES, question);
		return NULL;
	}
	answer = malloc(size);
	if (!answer)
		watcher_refuse(c, -ENOMEM, question);
	return answer;
}

static void watcher_answer(qb_ipcs_connection_t *c)
{
	_cleanup_(qbi_freep) struct inquiry_answer *answer = watcher_admit(
		c, QBI_ABILITY_WATCH,
		sizeof(*answer) + QBI_SNAPSHOT_RECORDS * sizeof(answer->records[0]));
	struct qbi_host *h = c->host;

	if (!answer)
		return;
	inquiry_welcome_fill(c, &answer->welcome, 0, QBI_ABILITY_WATCH, NULL);
	snapshot_fill(h, qbi_hello_watch_below(&c->hello), answer);
	answer_send(c, answer,
		    sizeof(*answer) + answer->head.records * sizeof(answer->records[0]));
}

/* -- Handlers ------------------------------------------------------------------ */

/* The answer to who asks for the handlers. */
struct description_answer {
	struct qbi_welcome welcome;
	struct qbi_description_head head;
	struct qbi_description_record records[];
};

_Static_assert(offsetof(struct description_answer, records) ==
		       sizeof(struct qbi_welcome) + sizeof(struct qbi_description_head),
	       "nothing lies between the parts");

static void handler_fill(const struct qbipc_handler *h, struct qbi_description_record *record)
{
	*record = (struct qbi_description_record){
		.id = h->id,
		.flags = h->flags,
		.min_size = h->min_size,
	};
	/* The rest is zeroed, and so a terminator. */
	if (h->name)
		strncpy(record->name, h->name, sizeof(record->name) - 1);
}

/* One page of the handlers from that place on. */
static void description_fill(const struct qbi_host *h, uint32_t from,
			     struct description_answer *answer)
{
	const struct qbi_selector *sel = h->selector;
	size_t count = sel ? qbi_selector_count(sel) : 0;
	size_t i = sel ? qbi_selector_from(sel, qbi_description_id(from)) : 0;
	uint32_t n = 0;

	for (; i < count && n < QBI_DESCRIPTION_RECORDS; i++)
		handler_fill(qbi_selector_nth(sel, i), &answer->records[n++]);
	answer->head = (struct qbi_description_head){
		.mark = QBI_DESCRIPTION_MARK,
		.head_size = sizeof(answer->head),
		.record_size = sizeof(answer->records[0]),
		.records = n,
		.more = i < count,
		.service_id = h->set.id,
		.handlers = (uint32_t)count,
		.flags = (h->set.on.msg_process ? QBI_DESCRIPTION_OTHERS : 0) |
			 (sel && qbi_selector_picks(sel) ? QBI_DESCRIPTION_SELECTOR : 0),
	};
}

static void description_send(qb_ipcs_connection_t *c)
{
	_cleanup_(qbi_freep) struct description_answer *answer = watcher_admit(
		c, QBI_ABILITY_DESCRIBE,
		sizeof(*answer) + QBI_DESCRIPTION_RECORDS * sizeof(answer->records[0]));

	if (!answer)
		return;
	inquiry_welcome_fill(c, &answer->welcome, 0, QBI_ABILITY_DESCRIBE, NULL);
	description_fill(c->host, qbi_hello_describe_from(&c->hello), answer);
	answer_send(c, answer,
		    sizeof(*answer) + answer->head.records * sizeof(answer->records[0]));
}

/* -- Monitors ------------------------------------------------------------------ */

/* 0; -errno: refuse it. */
static int monitor_hand_over(qb_ipcs_connection_t *c, struct qbi_welcome *welcome)
{
	int fd = qbi_connection_stream_move(c);
	int r;

	if (fd < 0)
		return fd;
	r = qbi_monitors_add(&c->host->monitors, fd, c->peer.uid);
	if (r < 0) {
		(void)qbi_close(fd);
		return r;
	}
	inquiry_welcome_fill(c, welcome, 0, QBI_ABILITY_MONITOR, NULL);
	answer_send(c, welcome, sizeof(*welcome));
	return 0;
}

static void monitor_answer(qb_ipcs_connection_t *c)
{
	_cleanup_(qbi_freep) struct qbi_welcome *welcome =
		watcher_admit(c, QBI_ABILITY_MONITOR, sizeof(*welcome));
	int r;

	if (!welcome)
		return;
	r = qbi_monitors_admit(&c->host->monitors, c->peer.uid);
	if (r < 0)
		qbi_refusals_note(&c->host->refusals, QBI_REFUSED_WATCHING, &c->peer,
				  r == -EPERM ? "monitors are not allowed" :
						"too many monitors");
	else
		r = monitor_hand_over(c, welcome);
	if (r < 0)
		watcher_refuse(c, r, QBI_ABILITY_MONITOR);
}

/* -- Probes -------------------------------------------------------------------- */

/*
 * Descriptors like those of a connection go with the answer: a policy may keep the client
 * from receiving them. Until they are received, they count like those of a connection.
 */
static bool sample_pass(qb_ipcs_connection_t *c, const struct qbi_welcome *welcome,
			const struct qbi_trial *sample)
{
	if (sample->n == 0 || qbi_socket_pass(c->stream.fd, welcome, sizeof(*welcome),
					      sample->fds, sample->n) < 0)
		return false;
	qbi_unread_add(&c->host->unread, &c->unread, c->stream.fd, c->peer.uid);
	return true;
}

static void probe_answer(qb_ipcs_connection_t *c)
{
	struct qbi_welcome *welcome = c->host->welcome;
	struct qbi_trial sample = { .n = 0 };
	bool wants_sample = c->hello.abilities & QBI_ABILITY_SAMPLE;

	inquiry_welcome_fill(c, welcome, 0, QBI_ABILITY_PROBE, wants_sample ? &sample : NULL);
	if (!sample_pass(c, welcome, &sample))
		answer_send(c, welcome, sizeof(*welcome));
	qbi_trial_release(&sample);
}

bool qbi_inquiry_answer(qb_ipcs_connection_t *c)
{
	switch (qbi_hello_question(&c->hello)) {
	case QBI_ABILITY_MONITOR: monitor_answer(c); break;
	case QBI_ABILITY_DESCRIBE: description_send(c); break;
	case QBI_ABILITY_WATCH: watcher_answer(c); break;
	case QBI_ABILITY_PROBE: probe_answer(c); break;
	default: return false;
	}
	qbi_connection_abandon(c);
	return true;
}
