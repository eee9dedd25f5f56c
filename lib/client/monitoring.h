/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The end of a monitor: reads the records that a service sends.
 *
 * Trust: any process may answer. What it sends is read to memory of bounded size and checked,
 * descriptors are refused.
 * Threads: one at a time.
 */
#ifndef QBI_CLIENT_MONITORING_H
#define QBI_CLIENT_MONITORING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "client/inquire.h"
#include "wire/monitor.h"

struct qbi_monitoring {
	struct ucred server;
	struct qbi_monitor_head head;
	int stream;
	size_t begin; /* of what was read and not taken yet */
	size_t end;
	char bytes[2 * (QBI_MONITOR_HEAD_MAX + QBI_MONITOR_BYTES)];
};

/*
 * After the answer to QBI_ABILITY_MONITOR: say what is wanted, and read the head. Takes the
 * stream of @q. 0, -ENOMEM, -EBADMSG, -ETIMEDOUT, -ECONNRESET, another -errno.
 */
int qbi_monitoring_new(struct qbi_inquiry *q, const struct qbi_monitor_wish *wish,
		       uint64_t deadline, struct qbi_monitoring **ret_m);
void qbi_monitoring_free(struct qbi_monitoring *m);

/*
 * The known part of the next record; its message is at *@ret_data until the next call. 0,
 * -ETIMEDOUT, -ENOTCONN, -EBADMSG, another -errno.
 */
int qbi_monitoring_next(struct qbi_monitoring *m, uint64_t deadline,
			struct qbi_monitor_record *record, const char **ret_data);

#endif
