/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A response or an event, compared with the one that was recorded. */
#ifndef TOOL_DIFFERENCE_H
#define TOOL_DIFFERENCE_H

#include <stdbool.h>
#include <stddef.h>

#include <qbipc/monitor.h>

enum { DIFFERENCE_ROOM = 192 };

/*
 * Is the message of @size bytes at @now different from the one that was recorded @then, in
 * error, id and size, or, unless @headers, in the bytes that the record has? Then @text says
 * how. Alignment leaves bytes between the fields of a header: these are not compared.
 */
bool difference_find(const struct qbipc_monitor_record *then, const void *now, size_t size,
		     bool headers, char text[DIFFERENCE_ROOM]);

#endif
