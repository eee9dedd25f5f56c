/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/compat/listen.h"

#include <errno.h>
#include <qb/qbipc_ext.h>

int compat_listen(qb_ipcs_service_t *s)
{
	int fd = qbipc_listen_fd(NULL);

	if (fd == -ENOENT)
		return 0;
	return fd < 0 ? fd : qbipc_service_listen_fd_set(s, fd);
}
