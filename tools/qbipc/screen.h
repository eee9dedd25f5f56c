/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A table that fills a terminal, and is redrawn when the size of the terminal changes.
 *
 * If standard input is a terminal too, keys are read one by one and not echoed. The mode of
 * the terminal is restored when the process calls exit(), or a signal stops or ends it.
 */
#ifndef TOOL_SCREEN_H
#define TOOL_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

/* Call once in a process. */
void screen_open(void);

/*
 * Show lines of ASCII: the first @head of @text, then as many of the others as fit, and the
 * number of those that do not. Takes ownership of @text, from malloc(); NULL shows nothing.
 */
void screen_show(char *text, unsigned int head);

/* Wait until @until_ns on the monotonic clock. False: q was pressed. */
bool screen_wait(uint64_t until_ns);

#endif
