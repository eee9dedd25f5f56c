/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the application's loop calls for a connection: requests in, hang-ups noticed.
 *
 * Trust: a request is copied to private memory before its header is looked at, and
 * the work per call is bounded by the service's batch whatever the client sends.
 * Callbacks may do anything, including to end this connection, the service, or to
 * run the loop; the caller's reference keeps the memory, `end` tells what is left.
 */
#ifndef QBI_SERVER_DISPATCH_H
#define QBI_SERVER_DISPATCH_H

#include <stdint.h>

/* @data: the connection. */
int32_t qbi_dispatch_connection(int32_t fd, int32_t revents, void *data);

#endif
