/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Removes what killed servers left in /dev/shm. Their directories are recognized by name;
 * the process id in the name and the files in them show the server.
 *
 * Trust: any user can make such directories and change their own. Only directories are
 * opened, never through a link or on another file system. In them, only files with names
 * that a server of this service makes are removed, and a directory only if it is empty
 * then. The work is bounded, whatever is there.
 */
#ifndef QBI_RING_SHM_SWEEP_H
#define QBI_RING_SHM_SWEEP_H

#include <stddef.h>

/*
 * Remove the files called @names from the directories of dead servers, and those directories
 * that are empty then. No other server of the same service may start at the same time.
 */
void qbi_shm_sweep(const char *const *names, size_t n);

#endif
