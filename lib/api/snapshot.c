/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The functions of <qbipc/snapshot.h>. */
#include <errno.h>
#include <qbipc/snapshot.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sized.h"
#include "base/unfinished.h"
#include "base/util.h"
#include "client/degraded.h"
#include "client/inquire.h"
#include "server/service.h"
#include "transport/registry.h"

struct qbipc_snapshot {
	struct qbi_unfinished reading;
	struct ucred server;
	struct qbi_snapshot all;
};

/* Why a connection of this process would not be on the native wire. */
static struct qbi_why probe_why(const char *name, const struct qbi_inquiry *q)
{
	const struct qbi_welcome *welcome = &q->welcome;
	struct qbi_why why = qbi_degraded_why(name);

	if (welcome->error != 0)
		return (struct qbi_why){ 0 };
	if (!qbi_transport_version())
		return (struct qbi_why){ qbi_transport_why_not_native(QBIPC_WHY_CLIENT_OFF) };
	if (!why.code) {
		why = qbi_welcome_why(welcome);
		return why.code ? why : q->obstacle;
	}
	why.code = QBIPC_WHY_REMEMBERED;
	return why;
}

int qbipc_probe(const char *name, size_t max_msg_size, int timeout_ms,
		struct qbipc_probe_info *info)
{
	_cleanup_(qbi_inquiry_freep) struct qbi_inquiry *q = NULL;
	struct qbipc_probe_info ours;
	struct qbi_hello question;
	struct qbi_why why;
	int r;

	if (!name)
		return qbi_misuse("the name is NULL");
	if (qbi_sized_check(info) < 0)
		return qbi_misuse("info is NULL or its size is too small");
	if (max_msg_size > QBI_MAX_MSG_SIZE)
		return -EMSGSIZE;
	q = qbi_inquiry_new();
	if (!q)
		return -ENOMEM;
	qbi_hello_ask(&question, max_msg_size,
		      qbi_degraded_why(name).code ? 0 : qbi_transport_version(),
		      QBI_ABILITY_PROBE | QBI_ABILITY_SAMPLE);
	r = qbi_inquire(q, name, &question, qbi_deadline_from_ms(timeout_ms));
	if (r < 0)
		return r;
	why = probe_why(name, q);
	ours = (struct qbipc_probe_info){
		.pid = q->server.pid,
		.uid = q->server.uid,
		.gid = q->server.gid,
		.error = q->welcome.error,
		.type = q->welcome.type,
		.native = why.code || q->welcome.mark != QBI_WIRE_MARK ? 0 : q->welcome.version,
		.max_msg_size = q->welcome.max_msg_size,
		.connected =
			q->welcome.error == 0 && !qbi_inquiry_is_answered(q, QBI_ABILITY_PROBE),
		.answer_ns = q->answer_ns,
		.why = why.code,
		.why_error = why.error,
		.why_text = qbi_why_text(why),
		.why_call = qbi_why_call_name(why),
	};
	return qbi_sized_give(info, &ours, sizeof(ours));
}

int qbipc_service_snapshot_allow(qb_ipcs_service_t *s, uid_t uid, gid_t gid)
{
	mode_t mode = gid == (gid_t)-1 ? 0600 : 0660;

	if (!s)
		return qbi_misuse("the service is NULL");
	s->host.set.watchers = (struct qbi_owner){ uid, gid, mode };
	return 0;
}

int qbipc_service_timing_set(qb_ipcs_service_t *s, int on)
{
	if (!s)
		return qbi_misuse("the service is NULL");
	return qbi_host_timing_set(&s->host, on != 0);
}

/* Read one page. 1: there are more. */
static int snapshot_page_read(qbipc_snapshot_t *s, const char *name, uint64_t deadline)
{
	_cleanup_(qbi_inquiry_freep) struct qbi_inquiry *q = qbi_inquiry_new();
	uint32_t n = s->all.count;
	struct qbi_hello question;
	int r;

	if (!q)
		return -ENOMEM;
	qbi_hello_ask_watch(&question, n ? s->all.records[n - 1].number : 0);
	r = qbi_inquire(q, name, &question, deadline);
	if (r < 0)
		return r;
	if (!qbi_inquiry_is_answered(q, QBI_ABILITY_WATCH))
		return -EOPNOTSUPP;
	if (q->welcome.error != 0)
		return q->welcome.error < 0 ? q->welcome.error : -EBADMSG;
	/* Another process has the name now; its connections have other numbers. */
	if (n && q->server.pid != s->server.pid)
		return -ECONNRESET;
	s->server = q->server;
	return qbi_inquiry_snapshot(q, deadline, &s->all);
}

static void reading_undo(struct qbi_unfinished *u)
{
	qbipc_snapshot_free(qbi_container_of(u, struct qbipc_snapshot, reading));
}

int qbipc_snapshot_get(const char *name, int timeout_ms, qbipc_snapshot_t **ret_snapshot)
{
	uint64_t deadline = qbi_deadline_from_ms(timeout_ms);
	qbipc_snapshot_t *snapshot;
	int r;

	if (!name)
		return qbi_misuse("the name is NULL");
	if (!ret_snapshot)
		return qbi_misuse("ret_snapshot is NULL");
	snapshot = calloc(1, sizeof(*snapshot));
	if (!snapshot)
		return -ENOMEM;
	(void)qbi_unfinished_begin(&snapshot->reading, reading_undo);
	do
		r = snapshot_page_read(snapshot, name, deadline);
	while (r > 0);
	qbi_unfinished_end(&snapshot->reading);
	if (r < 0) {
		qbipc_snapshot_free(snapshot);
		return r;
	}
	*ret_snapshot = snapshot;
	return 0;
}

int qbipc_snapshot_info_get(const qbipc_snapshot_t *snapshot, struct qbipc_snapshot_info *info)
{
	const struct qbi_snapshot_head *head;
	struct qbipc_snapshot_info ours;

	if (!snapshot)
		return -EINVAL;
	head = &snapshot->all.head;
	ours = (struct qbipc_snapshot_info){
		.pid = snapshot->server.pid,
		.uid = snapshot->server.uid,
		.gid = snapshot->server.gid,
		.service_id = head->service_id,
		.connections = head->connections,
		.listed = snapshot->all.count,
		.flow = head->flow,
		.closed = head->closed,
		.time_ns = head->time_ns,
		.requests = head->requests,
		.responses = head->responses,
		.events = head->events,
		.send_retries = head->send_retries,
		.recv_retries = head->recv_retries,
		.flow_control_count = head->flow_control_count,
	};
	return qbi_sized_give(info, &ours, sizeof(ours));
}

int qbipc_snapshot_refusals_get(const qbipc_snapshot_t *snapshot,
				struct qbipc_service_refusals *refusals)
{
	struct qbipc_service_refusals ours = { .size = sizeof(ours) };
	size_t counts = offsetof(struct qbipc_service_refusals, handshakes);

	if (!snapshot)
		return -EINVAL;
	memcpy((char *)&ours + counts, snapshot->all.head.refusals, sizeof(ours) - counts);
	return qbi_sized_give(refusals, &ours, sizeof(ours));
}

int qbipc_snapshot_timing_get(const qbipc_snapshot_t *snapshot, enum qbipc_timing which,
			      struct qbipc_timing_times *times)
{
	struct qbipc_timing_times ours = { .size = sizeof(ours) };
	const struct qbi_snapshot_times *from;
	unsigned int i;

	_Static_assert(QBIPC_TIMING_BUCKETS == QBI_SNAPSHOT_BUCKETS, "the same parts");
	if (!snapshot || (which != QBIPC_TIMING_PROCESS && which != QBIPC_TIMING_LATENESS) ||
	    qbi_sized_check(times) < 0)
		return -EINVAL;
	if (!snapshot->all.head.timing)
		return -ENODATA;
	from = which == QBIPC_TIMING_PROCESS ? &snapshot->all.head.process :
					       &snapshot->all.head.lateness;
	ours.sum_ns = from->sum_ns;
	for (i = 0; i < QBIPC_TIMING_BUCKETS; i++) {
		ours.bucket[i].up_to_ns = qbi_snapshot_bound(i);
		ours.bucket[i].count = from->count[i];
		ours.count += from->count[i];
	}
	return qbi_sized_give(times, &ours, sizeof(ours));
}

int qbipc_snapshot_connection_get(const qbipc_snapshot_t *snapshot, uint32_t index,
				  struct qbipc_snapshot_connection *connection)
{
	struct qbipc_snapshot_connection ours;
	const struct qbi_snapshot_record *r;
	struct qbi_why why;

	if (!snapshot || !connection)
		return -EINVAL;
	if (index >= snapshot->all.count)
		return -ENOENT;
	r = &snapshot->all.records[index];
	why = qbi_why_unpack(r->why);
	ours = (struct qbipc_snapshot_connection){
		.number = r->number,
		.pid = r->pid,
		.uid = r->uid,
		.gid = r->gid,
		.native = r->native,
		.max_msg_size = r->max_msg_size,
		.flow = r->flow,
		.event_q_length = r->events_queued,
		.requests = r->requests,
		.responses = r->responses,
		.events = r->events,
		.send_retries = r->send_retries,
		.recv_retries = r->recv_retries,
		.flow_control_count = r->flow_control_count,
		.age_ns = r->age_ns,
		.why = why.code,
		.why_error = why.error,
		.why_text = qbi_why_text(why),
		.why_call = qbi_why_call_name(why),
	};
	return qbi_sized_give(connection, &ours, sizeof(ours));
}

void qbipc_snapshot_free(qbipc_snapshot_t *snapshot)
{
	if (!snapshot)
		return;
	free(snapshot->all.records);
	free(snapshot);
}
