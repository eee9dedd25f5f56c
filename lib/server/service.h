/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A service: a name, the application's callbacks and poll loop, and the connections. This
 * file puts the parts together; host.h has the part that connections use.
 *
 * Threads: a service belongs to the dispatching thread, which need not be the one that
 * created it; callbacks and poll handlers run there. Exception: connection_destroyed runs
 * in the thread that drops the last reference. Any thread may take and drop references.
 */
#ifndef QBI_SERVER_SERVICE_H
#define QBI_SERVER_SERVICE_H

#include <qb/qbipcs.h>
#include <stdint.h>

#include "server/host.h"
#include "server/listener.h"

struct qb_ipcs_service {
	struct qbi_host host; /* connections hold references on it */
	struct qbi_listener listener;
};

qb_ipcs_service_t *qbi_service_new(const char *name, int32_t id, enum qb_ipc_type type,
				   const struct qb_ipcs_service_handlers *handlers);

qb_ipcs_service_t *qbi_service_ref(qb_ipcs_service_t *s);
void qbi_service_unref(qb_ipcs_service_t *s);

bool qbi_service_is_running(const qb_ipcs_service_t *s);

/*
 * Start to listen; the service must not run. 0; -EINVAL a poll handler is missing, or the
 * type or the name is invalid; -ENOTSUP message queues; -ENAMETOOLONG; -EADDRINUSE; another
 * -errno. The log says why. The caller keeps its reference.
 */
int qbi_service_run(qb_ipcs_service_t *s);

/* Disconnect all clients, then stop listening. The caller keeps its reference. */
void qbi_service_stop(qb_ipcs_service_t *s);

void qbi_service_rate_set(qb_ipcs_service_t *s, enum qb_ipcs_rate_limit rate);

/* Fields that are 0 get their default. 0, -EINVAL. Dispatching thread. */
int qbi_service_limits_set(qb_ipcs_service_t *s, const struct qbipc_service_limits *limits);

#endif
