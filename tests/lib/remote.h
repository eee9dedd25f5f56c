/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tests commonly have a server do: functions for host_call(). */
#ifndef TEST_REMOTE_H
#define TEST_REMOTE_H

#include "tests/lib/server.h"

/* { enum qb_ipcs_rate_limit } */
int64_t remote_rate(struct server *sv, const int64_t *args);

/* { connection } */
int64_t remote_disconnect(struct server *sv, const int64_t *args);
int64_t remote_ref(struct server *sv, const int64_t *args);
int64_t remote_unref(struct server *sv, const int64_t *args);
int64_t remote_buffer_size(struct server *sv, const int64_t *args);

/* Destroy the service. */
int64_t remote_destroy(struct server *sv, const int64_t *args);

/*
 * { connection, size of the equivalent request, first id }: one event or response as
 * the default server would echo it. What the library returned.
 */
int64_t remote_event(struct server *sv, const int64_t *args);
int64_t remote_response(struct server *sv, const int64_t *args);

/*
 * { connection, size of the equivalent request, first id, count }: events with
 * consecutive ids until one is not accepted. The number accepted; the last result
 * is in slot 0.
 */
int64_t remote_events(struct server *sv, const int64_t *args);

/* { connection, clear }: struct qb_ipcs_connection_stats_2 into the blob. */
int64_t remote_connection_stats(struct server *sv, const int64_t *args);

/* { clear }: struct qb_ipcs_stats into the blob. */
int64_t remote_stats(struct server *sv, const int64_t *args);

/* The numbers of the connections that a walk meets, as decimal digits: 321. */
int64_t remote_walk(struct server *sv, const int64_t *args);

/* struct adapter_counts into the blob; the number of live registrations. */
int64_t remote_adapter_counts(struct server *sv, const int64_t *args);

/*
 * The host's side: wait until the loop comes round and round with nothing to dispatch. After a
 * request, a server may look for more for a while, each time that it does.
 */
void host_await_rest(struct host *h);

/* Nothing: returns after the loop has come round. */
int64_t remote_nothing(struct server *sv, const int64_t *args);

#endif
