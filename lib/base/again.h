/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A hint from a dispatch function to the built-in loop that called it: there is more to do,
 * call the function again. It saves the loop a system call that would only confirm this.
 * Other loops ignore the hint; they find the descriptor readable.
 *
 * Threads: one flag per thread. A dispatch function sets it last before it returns; the
 * loop reads and clears it.
 */
#ifndef QBI_BASE_AGAIN_H
#define QBI_BASE_AGAIN_H

#include <stdbool.h>

extern __thread bool qbi_dispatch_again __attribute__((tls_model("initial-exec")));

/*
 * A hint to the built-in loop from a function that adds a job: the job waits for something
 * to happen, so the loop need not run it at once; it treats it like a job added by a job.
 * Set while the job is added.
 */
extern __thread bool qbi_job_can_wait __attribute__((tls_model("initial-exec")));

#endif
