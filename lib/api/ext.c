/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The functions that only this library has. */
#include <qb/qbipc_ext.h>

#include "base/log.h"

int qbipc_version(void)
{
	return QBIPC_VERSION;
}

void qbipc_log_hook_set(void (*fn)(int priority, const char *text, void *data),
			void *data)
{
	qbi_log_hook_set(fn, data);
}
