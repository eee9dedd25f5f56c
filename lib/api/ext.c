/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The functions that only this library has. */
#include <errno.h>
#include <qb/qbipc_ext.h>

#include "base/log.h"
#include "base/look.h"
#include "transport/transport.h"

int qbipc_version(void)
{
	return QBIPC_VERSION;
}

void qbipc_log_hook_set(void (*fn)(int priority, const char *text, void *data),
			void *data)
{
	qbi_log_hook_set(fn, data);
}

void qbipc_native_set(int on)
{
	qbi_transport_native_set(on != 0);
}

int qbipc_look_set(unsigned int us)
{
	if (us > QBI_LOOK_MAX_US)
		return -EINVAL;
	qbi_look_longest_set((uint64_t)us * 1000);
	return 0;
}
