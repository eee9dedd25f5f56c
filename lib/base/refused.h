/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System calls that a policy or a sandbox refuses. This library uses some calls that libqb
 * does not need; where such a call is refused, it falls back to an older one.
 */
#ifndef QBI_BASE_REFUSED_H
#define QBI_BASE_REFUSED_H

#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>

/* Does errno @error mean that the call itself is not allowed or does not exist? */
static inline bool qbi_is_refused(int error)
{
	return error == EPERM || error == EACCES || error == ENOSYS;
}

/* fstat(2), else the same by statx(2). 0 or -errno. */
int qbi_status_get(int fd, struct stat *ret);

#endif
