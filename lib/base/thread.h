/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads of the library, for calls that may wait for as long as a peer likes.
 *
 * Nobody waits for such a thread, not even the end of the process: the library is never
 * unloaded (-z nodelete), so a thread that still runs does no harm.
 */
#ifndef QBI_BASE_THREAD_H
#define QBI_BASE_THREAD_H

/* Start @run(@data): detached, with a small stack, all signals blocked. 0 or -errno. */
int qbi_thread_start(void *(*run)(void *data), void *data);

#endif
