/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/snapshot.h"

#include <errno.h>

int64_t qbi_snapshot_rest(const struct qbi_snapshot_head *head)
{
	uint64_t all = head->head_size + (uint64_t)head->records * head->record_size;

	if (head->mark != QBI_SNAPSHOT_MARK || head->head_size < sizeof(*head) ||
	    head->record_size < sizeof(struct qbi_snapshot_record) || all > QBI_SNAPSHOT_MAX)
		return -EBADMSG;
	return (int64_t)(all - offsetof(struct qbi_snapshot_head, connections));
}
