/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/refusals.h"

#include <errno.h>
#include <qbipc/limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/trace.h"
#include "base/util.h"

/* An administrator should know if a service runs short of something. */
static const int priorities[QBI_REFUSALS] = {
	[QBI_REFUSED_HANDSHAKES] = LOG_WARNING,
	[QBI_REFUSED_HANDSHAKES_PER_UID] = LOG_NOTICE,
	[QBI_REFUSED_OVERDUE] = LOG_NOTICE,
	[QBI_REFUSED_BAD_HANDSHAKE] = LOG_INFO,
	[QBI_REFUSED_CONNECTIONS] = LOG_WARNING,
	[QBI_REFUSED_CONNECTIONS_PER_UID] = LOG_WARNING,
	[QBI_REFUSED_SCARCE] = LOG_WARNING,
	[QBI_REFUSED_MEMORY] = LOG_WARNING,
	[QBI_REFUSED_MESSAGE_SIZE] = LOG_NOTICE,
	[QBI_REFUSED_DESCRIPTORS] = LOG_WARNING,
	[QBI_REFUSED_FOR_A_WHILE] = LOG_WARNING,
	[QBI_REFUSED_WATCHING] = LOG_INFO,
	[QBI_REFUSED_FAILED] = LOG_WARNING,
	[QBI_REFUSED_JUNK] = LOG_NOTICE,
	[QBI_REFUSED_NONSENSE] = LOG_INFO,
	[QBI_REFUSED_COSTLY] = LOG_NOTICE,
	[QBI_REFUSED_UNLOCKED] = LOG_WARNING,
	[QBI_REFUSED_UNREAD] = LOG_NOTICE,
	[QBI_REFUSED_LEFT] = LOG_NOTICE,
};

void qbi_refusals_note(struct qbi_refusals *r, enum qbi_refusal why, const struct ucred *peer,
		       const char *format, ...)
{
	struct qbi_refusal_record *record = &r->by[why];
	int saved = errno;
	char whom[64] = "", text[256], more[64] = "";
	uint64_t quiet;
	va_list ap;

	QBI_TRACE(refusal, r->service, why, peer ? peer->pid : 0, peer ? peer->uid : (uid_t)-1);
	qbi_counter_add(&record->count);
	if (!qbi_pace_allows(&record->pace, qbi_now_ns(), &quiet))
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (peer)
		snprintf(whom, sizeof(whom), "pid %d, uid %u: ", (int)peer->pid,
			 (unsigned int)peer->uid);
	if (quiet)
		snprintf(more, sizeof(more), QBI_LOG_MORE, (unsigned long long)quiet);
	qbi_log(priorities[why], "service %s: %s%s%s", r->service, whom, text, more);
	errno = saved;
}

void qbi_refusals_count(struct qbi_refusals *r, enum qbi_refusal why)
{
	QBI_TRACE(refusal, r->service, why, 0, (uid_t)-1);
	qbi_counter_add(&r->by[why].count);
}

static uint64_t refusal_count(struct qbi_refusals *r, enum qbi_refusal why)
{
	return qbi_counter_read(&r->by[why].count, false);
}

void qbi_refusals_read(struct qbi_refusals *r, struct qbipc_service_refusals *ret)
{
	*ret = (struct qbipc_service_refusals){
		.handshakes = refusal_count(r, QBI_REFUSED_HANDSHAKES),
		.handshakes_per_uid = refusal_count(r, QBI_REFUSED_HANDSHAKES_PER_UID),
		.handshakes_overdue = refusal_count(r, QBI_REFUSED_OVERDUE),
		.handshakes_bad = refusal_count(r, QBI_REFUSED_BAD_HANDSHAKE),
		.connections = refusal_count(r, QBI_REFUSED_CONNECTIONS),
		.connections_per_uid = refusal_count(r, QBI_REFUSED_CONNECTIONS_PER_UID),
		.connections_when_scarce = refusal_count(r, QBI_REFUSED_SCARCE),
		.memory_per_uid = refusal_count(r, QBI_REFUSED_MEMORY),
		.message_size = refusal_count(r, QBI_REFUSED_MESSAGE_SIZE),
		.descriptors = refusal_count(r, QBI_REFUSED_DESCRIPTORS),
		.listener_rests = refusal_count(r, QBI_REFUSED_FOR_A_WHILE),
		.watchers = refusal_count(r, QBI_REFUSED_WATCHING),
		.failed = refusal_count(r, QBI_REFUSED_FAILED),
		.junk_wakeups = refusal_count(r, QBI_REFUSED_JUNK),
		.nonsense = refusal_count(r, QBI_REFUSED_NONSENSE),
		.costly = refusal_count(r, QBI_REFUSED_COSTLY),
		.unlocked = refusal_count(r, QBI_REFUSED_UNLOCKED),
		.unread_answers = refusal_count(r, QBI_REFUSED_UNREAD),
		.requests_left = refusal_count(r, QBI_REFUSED_LEFT),
		.dispatches_cut = qbi_counter_read(&r->dispatches_cut, false),
	};
}
