/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System calls that a policy or a sandbox refuses. libqb does without some that this
 * library likes to have; where one is refused there is an older way round.
 */
#ifndef QBI_BASE_REFUSED_H
#define QBI_BASE_REFUSED_H

#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>

/* Does @error, an errno, say that the call itself may not be made, or does not exist? */
static inline bool qbi_is_refused(int error)
{
	return error == EPERM || error == EACCES || error == ENOSYS;
}

/* fstat(2), else the same by statx(2). 0 or -errno. */
int qbi_status_get(int fd, struct stat *ret);

#endif
