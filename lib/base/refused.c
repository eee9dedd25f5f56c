/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/refused.h"

#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>

int qbi_status_get(int fd, struct stat *ret)
{
	struct statx st;

	if (fstat(fd, ret) == 0)
		return 0;
	if (!qbi_is_refused(errno))
		return -errno;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &st) < 0)
		return -errno;
	memset(ret, 0, sizeof(*ret));
	ret->st_dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	ret->st_ino = st.stx_ino;
	ret->st_mode = st.stx_mode;
	ret->st_nlink = st.stx_nlink;
	ret->st_uid = st.stx_uid;
	ret->st_gid = st.stx_gid;
	ret->st_size = (off_t)st.stx_size;
	return 0;
}
