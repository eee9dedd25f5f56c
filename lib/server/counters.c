/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server/counters.h"

struct qbi_tally qbi_counters_read(struct qbi_counters *c, bool clear)
{
	return (struct qbi_tally){
		.requests = qbi_counter_read(&c->requests, clear),
		.responses = qbi_counter_read(&c->responses, clear),
		.events = qbi_counter_read(&c->events, clear),
		.send_retries = qbi_counter_read(&c->send_retries, clear),
		.recv_retries = qbi_counter_read(&c->recv_retries, clear),
		.flow_control_count = qbi_counter_read(&c->flow_control_count, clear),
	};
}

void qbi_counters_account(struct qbi_counters *sum, const struct qbi_tally *n)
{
	atomic_fetch_add(&sum->requests, n->requests);
	atomic_fetch_add(&sum->responses, n->responses);
	atomic_fetch_add(&sum->events, n->events);
	atomic_fetch_add(&sum->send_retries, n->send_retries);
	atomic_fetch_add(&sum->recv_retries, n->recv_retries);
	atomic_fetch_add(&sum->flow_control_count, n->flow_control_count);
}

void qbi_tally_add(struct qbi_tally *sum, const struct qbi_tally *n)
{
	sum->requests += n->requests;
	sum->responses += n->responses;
	sum->events += n->events;
	sum->send_retries += n->send_retries;
	sum->recv_retries += n->recv_retries;
	sum->flow_control_count += n->flow_control_count;
}
