/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors whose close(2) takes long, for a false server to pass:
 *
 *   lingering  a TCP socket that lingers for a minute over data which nobody reads;
 *   queued     a unix socket in whose queue such a one lies;
 *   user       a file of a file system in user space (FUSE), which never answers.
 *
 * The last one needs root and /dev/fuse. Whoever closes it waits until the file system ends, and
 * so does the end of a process that has it: the file system is ended before the others.
 */
#ifndef HOSTILE_SLOW_H
#define HOSTILE_SLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum slow_kind { SLOW_LINGERING, SLOW_QUEUED, SLOW_USER, SLOW_KINDS };
extern const char *const slow_names[SLOW_KINDS];

/* In the test's process, before the server is started: what follows is of that kind. False:
 * it is not to be had here, and the test is skipped. */
bool slow_begin(enum slow_kind kind);
/* Before the server is killed. */
void slow_end(void);

/*
 * In the server's process: pass @n of them along with @size bytes. They are closed here as
 * soon as they are under way, so that the receiver has the last ones; but for files.
 */
void slow_pass(int socket, unsigned int n, const void *bytes, size_t size, int flags);

/* A file system in user space, in a process of its own: in slow-files.c. The descriptor of a
 * file in it, and its process; -1: not to be had here. */
int slow_file_begin(pid_t *ret_pid);

#endif
