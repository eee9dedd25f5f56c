/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A service: a name, the application's callbacks and its poll loop, and the
 * connections made to it. It puts the parts together; host.h has what connections
 * need of it.
 *
 * Threads: a service belongs to the dispatching thread, which need not be the one that
 * created it; callbacks and poll handlers run there. Exception: connection_destroyed
 * runs with whoever drops the last reference. References may be counted by any thread.
 */
#ifndef QBI_SERVER_SERVICE_H
#define QBI_SERVER_SERVICE_H

#include <qb/qbipcs.h>
#include <stdint.h>

#include "server/host.h"
#include "server/listener.h"

struct qb_ipcs_service {
	struct qbi_host host; /* first: connections have a reference on it */
	struct qbi_listener listener;
};

qb_ipcs_service_t *qbi_service_new(const char *name, int32_t id, enum qb_ipc_type type,
				   const struct qb_ipcs_service_handlers *handlers);

qb_ipcs_service_t *qbi_service_ref(qb_ipcs_service_t *s);
void qbi_service_unref(qb_ipcs_service_t *s);

bool qbi_service_is_running(const qb_ipcs_service_t *s);

/*
 * Listen, when it does not run. 0; -EINVAL without handlers or for an unknown type;
 * -ENOTSUP for the message queues; -EADDRINUSE, another -errno. The service stays the caller's.
 */
int qbi_service_run(qb_ipcs_service_t *s);

/* Disconnect everybody, then stop listening. Keeps the caller's reference. */
void qbi_service_stop(qb_ipcs_service_t *s);

void qbi_service_rate_set(qb_ipcs_service_t *s, enum qb_ipcs_rate_limit rate);

/* Dispatching thread. Zeros in @limits become defaults. 0, -EINVAL. */
int qbi_service_limits_set(qb_ipcs_service_t *s, const struct qbipc_service_limits *limits);

#endif
