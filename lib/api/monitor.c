/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The functions of <qbipc/monitor.h>. */
#include <errno.h>
#include <qbipc/monitor.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sized.h"
#include "base/util.h"
#include "client/inquire.h"
#include "client/monitoring.h"
#include "server/service.h"

int qbipc_service_monitor_set(qb_ipcs_service_t *s, enum qbipc_monitor_mode mode)
{
	if (!s)
		return qbi_misuse("the service is NULL");
	if ((uint32_t)mode > QBIPC_MONITOR_PAYLOAD)
		return qbi_misuse("the mode is none of enum qbipc_monitor_mode");
	qbi_monitors_mode_set(&s->host.monitors, mode);
	return 0;
}

/* 0, -EINVAL, -E2BIG. */
static int monitor_wish(const struct qbipc_monitor_options *options,
			struct qbi_monitor_wish *wish)
{
	struct qbipc_monitor_options ours = { .size = sizeof(ours) };
	int r = 0;

	if (options)
		r = qbi_sized_take(&ours, sizeof(ours), options, QBI_SIZED_LEAST);
	if (r < 0)
		return r;
	*wish = (struct qbi_monitor_wish){
		.mark = QBI_MONITOR_MARK,
		.size = sizeof(*wish),
		.kinds = ours.kinds,
		.bytes = ours.bytes,
		.number = ours.number,
		.pid = ours.pid,
		.by_id = ours.by_id != 0,
		.id = ours.id,
	};
	return 0;
}

int qbipc_monitor_open(const char *name, const struct qbipc_monitor_options *options,
		       int timeout_ms, qbipc_monitor_t **ret_monitor)
{
	uint64_t deadline = qbi_deadline_from_ms(timeout_ms);
	_cleanup_(qbi_inquiry_freep) struct qbi_inquiry *q = NULL;
	struct qbi_monitoring *m;
	struct qbi_monitor_wish wish;
	struct qbi_hello question;
	int r;

	if (!name)
		return qbi_misuse("the name is NULL");
	if (!ret_monitor)
		return qbi_misuse("ret_monitor is NULL");
	r = monitor_wish(options, &wish);
	if (r < 0)
		return r;
	q = qbi_inquiry_new();
	if (!q)
		return -ENOMEM;
	qbi_hello_ask(&question, 0, 0, QBI_ABILITY_MONITOR);
	r = qbi_inquire(q, name, &question, deadline);
	if (r < 0)
		return r;
	if (!qbi_inquiry_is_answered(q, QBI_ABILITY_MONITOR))
		return -EOPNOTSUPP;
	if (q->welcome.error != 0)
		return q->welcome.error < 0 ? q->welcome.error : -EBADMSG;
	r = qbi_monitoring_new(q, &wish, deadline, &m);
	if (r == 0)
		*ret_monitor = (qbipc_monitor_t *)m;
	return r;
}

static const struct qbi_monitoring *monitoring_of(const qbipc_monitor_t *monitor)
{
	return (const struct qbi_monitoring *)monitor;
}

int qbipc_monitor_info_get(const qbipc_monitor_t *monitor, struct qbipc_monitor_info *info)
{
	const struct qbi_monitoring *m = monitoring_of(monitor);
	struct qbipc_monitor_info ours;

	if (!m)
		return -EINVAL;
	ours = (struct qbipc_monitor_info){
		.pid = m->server.pid,
		.uid = m->server.uid,
		.gid = m->server.gid,
		.service_id = m->head.service_id,
		.mode = (int)m->head.mode,
		.time_ns = m->head.time_ns,
		.realtime_ns = m->head.realtime_ns,
	};
	return qbi_sized_give(info, &ours, sizeof(ours));
}

int qbipc_monitor_fd(const qbipc_monitor_t *monitor)
{
	return monitor ? monitoring_of(monitor)->stream : -EINVAL;
}

int qbipc_monitor_next(qbipc_monitor_t *monitor, int timeout_ms,
		       struct qbipc_monitor_record *record)
{
	struct qbipc_monitor_record ours;
	struct qbi_monitor_record r;
	const char *data;
	int error;

	if (!monitor || qbi_sized_check(record) < 0)
		return -EINVAL;
	error = qbi_monitoring_next((struct qbi_monitoring *)monitor,
				    qbi_deadline_from_ms(timeout_ms), &r, &data);
	if (error < 0)
		return error;
	ours = (struct qbipc_monitor_record){
		.kind = r.kind,
		.id = r.id,
		.number = r.number,
		.time_ns = r.time_ns,
		.message_size = r.msg_size,
		.lost = r.lost,
		.pid = r.pid,
		.uid = r.uid,
		.gid = r.gid,
		.error = r.error,
		.native = r.native,
		.max_msg_size = r.max_size,
		.bytes = r.bytes,
		.data = r.bytes ? data : NULL,
	};
	return qbi_sized_give(record, &ours, sizeof(ours));
}

void qbipc_monitor_close(qbipc_monitor_t *monitor)
{
	qbi_monitoring_free((struct qbi_monitoring *)monitor);
}
