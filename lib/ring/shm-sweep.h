/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a server that was killed left in /dev/shm: its directories are known by name, and
 * whose they are by the process in that name and by the files in them.
 *
 * Trust: anybody may make such directories and change those that are his. Only
 * directories are opened, never through a link or into another file system; in them only
 * the names that a server of this service makes are removed, and a directory only when
 * nothing else is in it. The work is bounded whatever lies there.
 */
#ifndef QBI_RING_SHM_SWEEP_H
#define QBI_RING_SHM_SWEEP_H

#include <stddef.h>

/*
 * Remove the files called @names from the directories of servers that are dead, and those
 * directories that are empty then. No such server of the same service may be starting.
 */
void qbi_shm_sweep(const char *const *names, size_t n);

#endif
