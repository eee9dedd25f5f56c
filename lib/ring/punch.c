/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ring/punch.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"

/* More than the pages of a large ring take; when there are none left, it is microseconds. */
#define QUICK_NS (2 * QBI_NS_PER_MS)

int qbi_punch(void *memory, uint64_t size, uint64_t from, uint64_t to)
{
	unsigned char *base = memory;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t began = qbi_now_ns();

	from = (from + page - 1) / page * page;
	if (to < size)
		to = to / page * page;
	else
		to = size;
	if (from >= to)
		return 0;
	/* Refused for pages that this process has locked; locks of others have no effect. */
	if (madvise(base + from, to - from, MADV_REMOVE) < 0) {
		(void)munlock(base + from, to - from);
		(void)madvise(base + from, to - from, MADV_REMOVE);
	}
	return qbi_now_ns() - began > QUICK_NS ? QBI_AGAIN : 0;
}
