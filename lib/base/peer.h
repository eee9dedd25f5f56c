/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel tells about the process at the other end of a connected unix socket,
 * as of its connect(2), or for a client as of the server's listen(2).
 */
#ifndef QBI_BASE_PEER_H
#define QBI_BASE_PEER_H

#include <stddef.h>
#include <sys/types.h>

/* Supplementary groups; *@ret is the caller's, NULL for none. 0 or -errno. */
int qbi_peer_groups(int fd, gid_t **ret, size_t *ret_n);

/* Security label, "" when the kernel has none; *@ret is the caller's. 0 or -errno. */
int qbi_peer_label(int fd, char **ret);

/*
 * A descriptor of the process, never of another one that has its number now: -1 in *@ret
 * when the kernel cannot give one. 0 or -errno: we are short of descriptors.
 */
int qbi_peer_pidfd(int fd, int *ret);

#endif
