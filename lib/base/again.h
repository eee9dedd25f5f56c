/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A word from a dispatch function to the built-in loop that called it: there is more to
 * do, call me again. The loop then need not ask the kernel to learn what is known. With
 * any other loop nobody listens; the descriptor is readable all the same.
 *
 * Threads: of the thread that dispatches. Set last before returning; the loop reads and
 * clears it.
 */
#ifndef QBI_BASE_AGAIN_H
#define QBI_BASE_AGAIN_H

#include <stdbool.h>

extern __thread bool qbi_dispatch_again __attribute__((tls_model("initial-exec")));

/*
 * To the built-in loop from a function that adds a job: it is one that waits for something
 * to happen, like a job that a job adds, and not to be run at once. Set around the adding.
 */
extern __thread bool qbi_job_can_wait __attribute__((tls_model("initial-exec")));

#endif
