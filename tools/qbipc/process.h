/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What /proc tells of other processes. All of it was chosen by them. */
#ifndef TOOL_PROCESS_H
#define TOOL_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

/*
 * The command line of @pid, arguments apart by blanks, cut to fit; for a process without
 * one its name in brackets. Any bytes but NUL. The length; 0 when there is nothing to
 * be found.
 */
size_t process_command(pid_t pid, char *buf, size_t size);

/* Call @fn for each socket that a process has open, as far as this user may see them. */
void process_each_socket(void (*fn)(pid_t pid, unsigned long inode, void *data), void *data);

#endif
