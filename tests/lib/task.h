/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel says of a process, or of a thread by its tid. */
#ifndef TEST_TASK_H
#define TEST_TASK_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Does it sleep? One that is about to is seen a moment later: for WAIT_FOR(), once it can
 * sleep nowhere but in the call that is meant.
 */
bool task_sleeps(pid_t tid);

/* Has the process ended, so that all its descriptors are closed? It may not be reaped yet. */
bool task_has_ended(pid_t pid);

#endif
