/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What /proc shows of other processes, which can choose all of it. */
#ifndef TOOL_PROCESS_H
#define TOOL_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

/*
 * The command line of @pid, with blanks between arguments, truncated to @size; for a process
 * without one, its name in brackets. It may contain any bytes except NUL. Returns the length;
 * 0 if there is nothing.
 */
size_t process_command(pid_t pid, char *buf, size_t size);

/* Call @fn for each socket that a process has open, as far as this user may see them. */
void process_each_socket(void (*fn)(pid_t pid, unsigned long inode, void *data), void *data);

#endif
