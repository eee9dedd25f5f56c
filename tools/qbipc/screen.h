/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A table that fills a terminal, and is drawn anew when its size changes.
 *
 * If standard input is a terminal too, keys come one by one and are not echoed. That is
 * taken back when the process ends, by exit(), or stops or ends by a signal.
 */
#ifndef TOOL_SCREEN_H
#define TOOL_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

/* Once in a process. */
void screen_open(void);

/*
 * Show lines of ASCII: the first @head of @text, then as many of the others as fit, and
 * how many do not. Takes @text, of malloc(); NULL shows nothing.
 */
void screen_show(char *text, unsigned int head);

/* Until @until_ns on the monotonic clock; false: q was pressed. */
bool screen_wait(uint64_t until_ns);

#endif
