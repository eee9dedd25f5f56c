/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a connection counts, and the sum for its service, which has the connections that
 * have ended as well.
 *
 * Threads: the counters of a connection are written by the dispatching thread or by the
 * holder of its `send`. Any thread adds to a sum. Any thread reads both.
 */
#ifndef QBI_SERVER_COUNTERS_H
#define QBI_SERVER_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/counter.h"

struct qbi_counters {
	qbi_counter requests;
	qbi_counter responses;
	qbi_counter events;
	qbi_counter send_retries;	/* sends that found no room */
	qbi_counter recv_retries;	/* wake-ups without a request */
	qbi_counter flow_control_count; /* changes of the flow */
};

/* Their values at one moment. */
struct qbi_tally {
	uint64_t requests;
	uint64_t responses;
	uint64_t events;
	uint64_t send_retries;
	uint64_t recv_retries;
	uint64_t flow_control_count;
};

/* With @clear they are zero from then on. */
struct qbi_tally qbi_counters_read(struct qbi_counters *c, bool clear);

/* Add to a sum that several threads add to. */
void qbi_counters_account(struct qbi_counters *sum, const struct qbi_tally *n);

void qbi_tally_add(struct qbi_tally *sum, const struct qbi_tally *n);

#endif
