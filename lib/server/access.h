/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may use what a connection is made of. With files the kernel decides, by their
 * owner and mode (qb_ipcs_connection_auth_set()); passed descriptors ask nobody, so the
 * same question is answered here before any is passed.
 */
#ifndef QBI_SERVER_ACCESS_H
#define QBI_SERVER_ACCESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/owner.h"

/*
 * Could the peer of @stream, with credentials @peer, open files of that owner and mode
 * for reading and writing, in a directory that is the owner's and the group's alone?
 */
bool qbi_access_granted(int stream, const struct ucred *peer, const struct qbi_owner *owner);

#endif
