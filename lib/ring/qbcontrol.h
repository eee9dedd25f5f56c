/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The control file of the socket transport on libqb's wire: for requests, responses
 * and events each, how many messages are on their way and the flow-control value.
 *
 * Trust: both ends write it, so it is for people and for peers that look: nothing of
 * ours is decided by a count in it. The flow-control value can at worst stop the
 * client that falsified it.
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

/* Map @fd, a file of QBI_QBCONTROL_SIZE bytes; it stays the caller's. 0 or -errno. */
int qbi_qbcontrol_open(struct qbi_qbcontrol *c, int fd);

/* Idempotent. */
void qbi_qbcontrol_close(struct qbi_qbcontrol *c);

/* A message was sent (+1) or taken (-1). */
void qbi_qbcontrol_count(struct qbi_qbcontrol *c, enum qbi_qbcontrol_channel channel,
			 int32_t delta);

/* Messages on their way, as the peer lets it appear; never negative. */
uint32_t qbi_qbcontrol_queued(struct qbi_qbcontrol *c, enum qbi_qbcontrol_channel channel);

/* The value for requests; 0 after a fault. */
uint32_t qbi_qbcontrol_flow_get(struct qbi_qbcontrol *c);
void qbi_qbcontrol_flow_set(struct qbi_qbcontrol *c, uint32_t value);

#endif
