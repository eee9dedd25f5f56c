/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the name of a service, or a path, to a stream with somebody at the other end. */
#ifndef QBI_CLIENT_REACH_H
#define QBI_CLIENT_REACH_H

#include <stdint.h>

/*
 * A stream connected to the service, or to the socket at the path @name if it has a slash,
 * which receives the credentials of who answers. Waits for a place in its queue until
 * @deadline, at least for a tick of the kernel's clock. 0; -ETIMEDOUT, -ECONNREFUSED
 * nobody listens there, -ENOENT neither (filesystem sockets), -EINVAL or -ENAMETOOLONG
 * the name; another -errno.
 */
int qbi_reach(const char *name, uint64_t deadline, int *ret_stream);

#endif
