/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/qbipc/difference.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <qb/qbipcc.h>

#define HEADER sizeof(struct qb_ipc_response_header)

/* An error explains a different size, so it comes first. */
static bool in_header(const struct qbipc_monitor_record *then, const void *now, size_t size,
		      char text[DIFFERENCE_ROOM])
{
	bool has_header = size >= HEADER && then->message_size >= HEADER;
	struct qb_ipc_response_header h = { .id = 0 };
	char said[DIFFERENCE_ROOM];
	size_t n = 0;

	memcpy(&h, now, size < HEADER ? size : HEADER);
	if (has_header && h.error != then->error)
		n += (size_t)sprintf(said + n, ", error %d instead of %d", h.error,
				     then->error);
	if (has_header && h.id != then->id)
		n += (size_t)sprintf(said + n, ", id %d instead of %d", h.id, then->id);
	if (size != then->message_size)
		n += (size_t)sprintf(said + n, ", %zu bytes instead of %" PRIu64, size,
				     then->message_size);
	if (n)
		strcpy(text, said + strlen(", "));
	return n != 0;
}

/* Behind each field of a header are four bytes that mean nothing, and may never be set. */
static bool is_padding(size_t at)
{
	return at < HEADER && at % 8 >= sizeof(int32_t);
}

static bool in_bytes(const unsigned char *then, const unsigned char *now, size_t n,
		     char text[DIFFERENCE_ROOM])
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (now[i] == then[i] || is_padding(i))
			continue;
		sprintf(text, "byte %zu is %02x instead of %02x", i, now[i], then[i]);
		return true;
	}
	return false;
}

bool difference_find(const struct qbipc_monitor_record *then, const void *now, size_t size,
		     bool headers, char text[DIFFERENCE_ROOM])
{
	if (in_header(then, now, size, text))
		return true;
	return !headers &&
	       in_bytes(then->data, now, then->bytes < size ? then->bytes : size, text);
}
