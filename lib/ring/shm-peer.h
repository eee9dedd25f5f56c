/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files that a server names in its answer, as the client opens them.
 *
 * Trust: the server can send any name. A file is opened only in the directory of such
 * files, component by component, without following links or entering a mounted file system,
 * which could make us wait for ever. It is used only if it is a regular file with the
 * expected owner and size. It is never resized, and removed only while it is still the file
 * that was verified.
 *
 * Threads: one at a time per file.
 */
#ifndef QBI_RING_SHM_PEER_H
#define QBI_RING_SHM_PEER_H

#include <stddef.h>
#include <sys/types.h>

/* The other process, from the kernel. */
struct qbi_peer_cred {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

struct qbi_shm_peer_file {
	int fd; /* read-write; -1: closed by its user already */
	size_t size;
	dev_t dev, dir_dev;
	ino_t ino, dir_ino;
	char *dir;  /* below QBI_SHM_ROOT; NULL: the file is directly there */
	char *name; /* NULL: nothing was opened */
};

#define QBI_SHM_PEER_FILE_INIT                                                                 \
	{                                                                                      \
		.fd = -1                                                                       \
	}

/**
 * Open a file that the server named.
 *
 * Absolute names must be /dev/shm/qb-<...>/qb-<...>; a name without a slash is the
 * file /dev/shm/qb-<name>. The owner must be the server. If the server is root, it
 * may be any user. It may be us if the name of the directory says that this server made it
 * for this process.
 *
 * @param path    NUL-terminated
 * @param suffix  appended to @path: "-header", "-data" or ""
 * @param sizes   the allowed sizes, terminated by 0
 * @param server  its credentials
 * @param f       QBI_SHM_PEER_FILE_INIT or closed; filled on success only
 * @return        0; -EINVAL a name that no server should give; -EACCES wrong kind,
 *                owner or place; -EBADMSG wrong size; another -errno of openat(2).
 *                Refusals are logged with their reason.
 */
int qbi_shm_peer_open(struct qbi_shm_peer_file *f, const char *path, const char *suffix,
		      const size_t *sizes, const struct qbi_peer_cred *server);

/* Remove the file if the name still leads to it, and its directory if that is then empty,
 * because the server was killed. Idempotent. */
void qbi_shm_peer_remove(struct qbi_shm_peer_file *f);

/* Close the descriptor and forget the names. Idempotent. */
void qbi_shm_peer_close(struct qbi_shm_peer_file *f);

#endif
