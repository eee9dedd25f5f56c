/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/monitor.h"

#include <errno.h>

int qbi_monitor_wish_check(const struct qbi_monitor_wish *wish)
{
	return wish->mark == QBI_MONITOR_MARK && wish->size == sizeof(*wish) &&
			       wish->by_id <= 1 && !wish->zero ?
		       0 :
		       -EBADMSG;
}

int qbi_monitor_head_check(const struct qbi_monitor_head *head)
{
	return head->mark == QBI_MONITOR_MARK && head->head_size >= sizeof(*head) &&
			       head->head_size <= QBI_MONITOR_HEAD_MAX ?
		       0 :
		       -EBADMSG;
}

int64_t qbi_monitor_record_size(const struct qbi_monitor_record *record)
{
	if (record->size < sizeof(*record) || record->size > QBI_MONITOR_HEAD_MAX ||
	    record->bytes > QBI_MONITOR_BYTES)
		return -EBADMSG;
	return (int64_t)record->size + record->bytes;
}
