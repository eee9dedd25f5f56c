/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Going on with an end of a native ring in a child, where its parent has stopped.
 */
#ifndef QBI_RING_RING_RESUME_H
#define QBI_RING_RING_RESUME_H

#include <stdbool.h>

#include "ring/ring-end.h"

/*
 * In a child of the process that had this end, instead of which it goes on: where that one
 * has got to. Within the bounds of the ring and not behind what was known, or -EBADMSG; 0.
 * Nothing else at the same time. Producer: *@ret_ring is set when something was put whose
 * byte may not have been sent: one more does no harm. Consumer: no byte is owed; those
 * that come all the same are for nothing.
 */
int qbi_ring_resume_producer(struct qbi_ring *r, bool *ret_ring);
int qbi_ring_resume_consumer(struct qbi_ring *r);

#endif
