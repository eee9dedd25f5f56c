/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel knows about the process at the other end of a connected unix socket: a
 * server sees the client as it was at its connect(2), a client sees the server as it was
 * at its listen(2).
 */
#ifndef QBI_BASE_PEER_H
#define QBI_BASE_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Supplementary groups; the caller frees *@ret, NULL: none. 0 or -errno. */
int qbi_peer_groups(int fd, gid_t **ret, size_t *ret_n);

/* Security label, "" if the kernel has none; the caller frees *@ret. 0 or -errno. */
int qbi_peer_label(int fd, char **ret);

/*
 * A descriptor of that process (never of a later process with the same id); -1 in *@ret if
 * the kernel does not provide one. 0; -errno this process is short of descriptors.
 */
int qbi_peer_pidfd(int fd, int *ret);

/*
 * Is the peer of @fd, process @pid as of its connect, in the user namespace of this process?
 * Without Linux 6.5, which tells whether that process is still there, a process that has got
 * its id since could be looked at instead. False: no, or this cannot be found out.
 */
bool qbi_peer_is_in_our_namespace(int fd, pid_t pid);

#endif
