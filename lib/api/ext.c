/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The functions that only this library has. */
#include <errno.h>
#include <qb/qbipc_ext.h>

#include "base/log.h"
#include "base/busy-poll.h"
#include "transport/registry.h"

int qbipc_version(void)
{
	return QBIPC_VERSION;
}

int qbipc_log_hook_set(qbipc_log_fn fn, void *data)
{
	qbi_log_hook_set(fn, data);
	return 0;
}

int qbipc_native_set(int on)
{
	qbi_transport_native_set(on != 0);
	return 0;
}

int qbipc_busy_poll_set(unsigned int us)
{
	if (us > QBI_BUSY_POLL_MAX_US)
		return -EINVAL;
	qbi_busy_poll_longest_set((uint64_t)us * 1000);
	return 0;
}
