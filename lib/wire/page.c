/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/page.h"

#include <errno.h>

int64_t qbi_page_rest(const struct qbi_page *page, uint32_t mark, size_t head_size,
		      size_t record_size)
{
	uint64_t all = page->head_size + (uint64_t)page->records * page->record_size;

	if (page->mark != mark || page->head_size < head_size ||
	    page->record_size < record_size || all > QBI_PAGE_MAX)
		return -EBADMSG;
	return (int64_t)(all - sizeof(*page));
}
