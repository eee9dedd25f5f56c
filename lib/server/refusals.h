/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a service refused, and why. Every refusal is counted, but not every one is logged,
 * because an attacker decides how many there are. The log gets one line per reason and
 * interval, with the number of lines that were suppressed before.
 *
 * Threads: noted by the dispatching thread; counts are read by any.
 */
#ifndef QBI_SERVER_REFUSALS_H
#define QBI_SERVER_REFUSALS_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/counter.h"
#include "base/log.h"

struct qbipc_service_refusals;

enum qbi_refusal {
	QBI_REFUSED_HANDSHAKES,
	QBI_REFUSED_HANDSHAKES_PER_UID,
	QBI_REFUSED_OVERDUE,
	QBI_REFUSED_BAD_HANDSHAKE,
	QBI_REFUSED_CONNECTIONS,
	QBI_REFUSED_CONNECTIONS_PER_UID,
	QBI_REFUSED_SCARCE,
	QBI_REFUSED_MEMORY,
	QBI_REFUSED_MESSAGE_SIZE,
	QBI_REFUSED_DESCRIPTORS,
	QBI_REFUSED_FOR_A_WHILE,
	QBI_REFUSED_WATCHING,
	QBI_REFUSED_FAILED,
	QBI_REFUSED_JUNK,
	QBI_REFUSED_NONSENSE,
	QBI_REFUSED_COSTLY,
	QBI_REFUSED_UNLOCKED,
	QBI_REFUSED_UNREAD,
	QBI_REFUSED_LEFT,
	QBI_REFUSALS,
};

struct qbi_refusal_record {
	qbi_counter count;
	struct qbi_pace pace; /* of its log lines */
};

struct qbi_refusals {
	const char *service; /* its name; borrowed */
	struct qbi_refusal_record by[QBI_REFUSALS];
	qbi_counter dispatches_cut;
};

/*
 * Count one refusal, and log it if the pace allows: "service X: pid 1, uid 2: <format>".
 *
 * @peer  the client; NULL: not known
 */
void qbi_refusals_note(struct qbi_refusals *r, enum qbi_refusal why, const struct ucred *peer,
		       const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Count one more refusal that was logged already and persists. */
void qbi_refusals_count(struct qbi_refusals *r, enum qbi_refusal why);

/* Fill in all counts; the caller sets the size. */
void qbi_refusals_read(struct qbi_refusals *r, struct qbipc_service_refusals *ret);

#endif
