/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The control file of the socket transport on libqb's wire. For each of requests, responses
 * and events it has the number of messages in transit and the flow-control value.
 *
 * Trust: both ends write it. The counts are for statistics and for peers that read them; we
 * decide nothing by a count. A client that falsifies the flow-control value stops at worst
 * itself.
 *
 * Threads: any, at any time between open and close.
 */
#ifndef QBI_RING_QBCONTROL_H
#define QBI_RING_QBCONTROL_H

#include <stdint.h>

#include "ring/mapping.h"

#define QBI_QBCONTROL_SIZE 24

enum qbi_qbcontrol_channel {
	QBI_QBCONTROL_REQUEST,
	QBI_QBCONTROL_RESPONSE,
	QBI_QBCONTROL_EVENT,
};

struct qbi_qbcontrol {
	struct qbi_mapping map;
};

#define QBI_QBCONTROL_INIT                                                                     \
	{                                                                                      \
		QBI_MAPPING_INIT                                                               \
	}

/* Map @fd, a file of QBI_QBCONTROL_SIZE bytes; the caller keeps it. 0 or -errno. */
int qbi_qbcontrol_open(struct qbi_qbcontrol *c, int fd);

/* As qbi_mapping_probe(). */
int qbi_qbcontrol_probe(struct qbi_qbcontrol *c);

/* Idempotent. */
void qbi_qbcontrol_close(struct qbi_qbcontrol *c);

/* A message was sent (+1) or taken (-1). */
void qbi_qbcontrol_count(struct qbi_qbcontrol *c, enum qbi_qbcontrol_channel channel,
			 int32_t delta);

/* Messages in transit, if the peer counts correctly; never negative. */
uint32_t qbi_qbcontrol_queued(struct qbi_qbcontrol *c, enum qbi_qbcontrol_channel channel);

/* The value for requests; 0 after a fault. */
uint32_t qbi_qbcontrol_flow_get(struct qbi_qbcontrol *c);
void qbi_qbcontrol_flow_set(struct qbi_qbcontrol *c, uint32_t value);

#endif
