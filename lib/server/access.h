/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Access check for the resources of a connection. For files the kernel checks owner and
 * mode (qb_ipcs_connection_auth_set()). A passed descriptor is usable without a check, so
 * the same check is made here before any is passed.
 */
#ifndef QBI_SERVER_ACCESS_H
#define QBI_SERVER_ACCESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/owner.h"

/*
 * Could the peer of @stream, with credentials @peer, open files of that owner and mode for
 * reading and writing, in a directory that only the owner and the group may enter?
 */
bool qbi_access_granted(int stream, const struct ucred *peer, const struct qbi_owner *owner);

/*
 * Does memory that the peer shares protect nothing from it? It is root or the user of this
 * process, and in its user namespace: it may trace the process. If this cannot be found out
 * (no procfs, or the process may not be looked at), it is not trusted.
 */
bool qbi_access_is_trusted(int stream, const struct ucred *peer);

#endif
