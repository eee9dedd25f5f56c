/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client whose calls are dispatched by hand, and what their functions were given. */
#ifndef TEST_CALLS_H
#define TEST_CALLS_H

#include <stddef.h>
#include <stdint.h>

#include <qb/qbipcc.h>

#include "tests/lib/server.h"

enum { CALLS_MAX = 4096 };

/* One call: how often it was done, and how. */
struct called {
	int32_t id;
	size_t size; /* of the request */
	int64_t handle;
	int times;
	int error;
	int order; /* among all that were done, from 0 */
	void (*act)(struct called *call);
};

extern struct called called[CALLS_MAX];
extern int n_called; /* that were sent */
extern int n_done;
extern qb_ipcc_connection_t *client;
extern struct host *host;

/* A service of that variant, which answers all but MSG_SILENT, and a client. */
void calls_start(int variant);
void calls_start_sized(int variant, size_t max_msg_size);
void calls_stop(void);

/* What the service does with a request: for room for its response it waits. */
int32_t answer_or_not(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size);

/* The record of the next call; and the function, which checks a response. */
struct called *called_next(int32_t id, size_t size);
void called_done(qb_ipcc_connection_t *c, int error, void *response, size_t size, void *data);

/* What qbipc_call_send() returns. */
int64_t call_try(int32_t id, size_t size, int timeout_ms);
/* Sent for certain. */
struct called *call_must(int32_t id, size_t size, int timeout_ms);

/* Poll and dispatch until so many are done. */
void calls_run(int until);
/* Dispatch what can be; then the descriptor has to be quiet. */
void calls_settle(void);

/* Each of the first @n was done once, in order, with @error. */
void calls_check(int n, int error);

#endif
