/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <qbipc/memory.h> */
#include <errno.h>
#include <qbipc/memory.h>

#include "base/memory.h"

int qbipc_memory_lock_set(enum qbipc_memory_lock mode)
{
	switch (mode) {
	case QBIPC_MEMORY_LOCK_OFF: qbi_memory_lock_set(QBI_MEMORY_LOCK_OFF); return 0;
	case QBIPC_MEMORY_LOCK_TRY: qbi_memory_lock_set(QBI_MEMORY_LOCK_TRY); return 0;
	case QBIPC_MEMORY_LOCK_MUST: qbi_memory_lock_set(QBI_MEMORY_LOCK_MUST); return 0;
	default: return -EINVAL;
	}
}
