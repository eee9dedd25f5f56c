/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <qbipc/memory.h> */
#include <errno.h>
#include <qbipc/memory.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/util.h"
#include "server/service.h"

int qbipc_memory_lock_set(enum qbipc_memory_lock mode)
{
	switch (mode) {
	case QBIPC_MEMORY_LOCK_OFF: qbi_memory_lock_set(QBI_MEMORY_LOCK_OFF); return 0;
	case QBIPC_MEMORY_LOCK_TRY: qbi_memory_lock_set(QBI_MEMORY_LOCK_TRY); return 0;
	case QBIPC_MEMORY_LOCK_MUST: qbi_memory_lock_set(QBI_MEMORY_LOCK_MUST); return 0;
	default: return -EINVAL;
	}
}

int qbipc_service_memory_lock_set(qb_ipcs_service_t *s, enum qbipc_memory_lock mode)
{
	static const enum qbi_memory_lock modes[] = {
		[QBIPC_MEMORY_LOCK_OFF] = QBI_MEMORY_LOCK_OFF,
		[QBIPC_MEMORY_LOCK_TRY] = QBI_MEMORY_LOCK_TRY,
		[QBIPC_MEMORY_LOCK_MUST] = QBI_MEMORY_LOCK_MUST,
		[QBIPC_MEMORY_LOCK_PROCESS] = QBI_MEMORY_LOCK_PROCESS,
	};

	if (!s)
		return qbi_misuse("the service is NULL");
	if ((unsigned int)mode >= QBI_ARRAY_SIZE(modes))
		return qbi_misuse("the mode is none of enum qbipc_memory_lock");
	s->host.locking.mode = modes[mode];
	return 0;
}
