/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The application's loop calls this for a connection: it takes requests and notices a
 * hang-up.
 *
 * Trust: a request is copied to private memory before its header is read. The batch of the
 * service bounds the work per call, whatever the client sends. Callbacks may do anything:
 * end this connection or the service, or run the loop. The caller's reference keeps the
 * memory valid; `end` is NULL if the connection was ended.
 */
#ifndef QBI_SERVER_DISPATCH_H
#define QBI_SERVER_DISPATCH_H

#include <stdint.h>

/* @data: the connection. */
int32_t qbi_dispatch_connection(int32_t fd, int32_t revents, void *data);

#endif
