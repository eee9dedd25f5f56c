/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A service and one client of it: what most suites begin and end with. */
#ifndef TEST_SESSION_H
#define TEST_SESSION_H

#include <qb/qbipcc.h>

#include "tests/lib/server.h"

/* Of that variant, quiet; @ret_c: a client, which the service has called created. */
struct host *session_start(int variant, qb_ipcc_connection_t **ret_c);

/* The same with more in the spec. */
struct host *session_start_spec(const struct server_spec *spec, qb_ipcc_connection_t **ret_c);

/* The client leaves, then the service ends. */
void session_stop(struct host *h, qb_ipcc_connection_t *c);

#endif
