/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The server's directory of one connection, and its files:
 * /dev/shm/qb-<server pid>-<client pid>-<n>-XXXXXX/<file>.
 *
 * Idea: until the directory is handed over, it is ours and has mode 0700, so no other user
 * can interfere while the files in it are made. Afterwards it belongs to the client, which
 * may rename, replace and add files. Removal relies only on the inode of the directory and
 * on the names that we made.
 *
 * Owner: the connection. Between hand-over and removal no descriptor is held.
 * Threads: one at a time.
 */
#ifndef QBI_RING_SHM_DIR_H
#define QBI_RING_SHM_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/owner.h"

#define QBI_SHM_ROOT "/dev/shm"
#define QBI_SHM_PREFIX "qb-"

/* Two files for each of three rings. */
#define QBI_SHM_DIR_FILES 6

struct qbi_shm_dir {
	char path[64]; /* absolute; empty: there is none */
	int fd;	       /* -1 once handed over */
	dev_t dev;
	ino_t ino;
	char *files[QBI_SHM_DIR_FILES]; /* names that we made, allocated */
};

#define QBI_SHM_DIR_INIT                                                                       \
	{                                                                                      \
		.fd = -1                                                                       \
	}

/**
 * Make the directory.
 *
 * @param d       QBI_SHM_DIR_INIT or removed
 * @param number  distinguishes connections of one client, for debugging
 * @return        0 or -errno
 */
int qbi_shm_dir_create(struct qbi_shm_dir *d, pid_t client_pid, int number);

/*
 * openat(2) of an entry of @root. It follows no link, and does not enter a file system that
 * is mounted there (EXDEV), which might never answer. @flags contain O_NOFOLLOW.
 */
int qbi_shm_open_below(int root, const char *name, int flags);

/* Has this process, or a parent, ever made one? Threads: any. */
bool qbi_shm_dir_was_made(void);

/**
 * Make a file of @size bytes, all zero and allocated, with @owner. If the server is
 * unprivileged and cannot change the owner, this is not an error.
 *
 * @param name     no slash
 * @param ret_fd   read-write descriptor; the caller closes it
 * @return         0; -EINVAL bad name; -ENOSPC; another -errno. On failure no
 *                 file is left.
 */
int qbi_shm_dir_file(struct qbi_shm_dir *d, const char *name, size_t size,
		     const struct qbi_owner *owner, int *ret_fd);

/* Last step: hand the directory over to the client, with mode 0770, and close its
 * descriptor. 0 or -errno. */
int qbi_shm_dir_hand_over(struct qbi_shm_dir *d, const struct qbi_owner *owner);

/*
 * Remove our files and the directory, as far as they are still the ones that we made. Waits
 * for any process that has the lock of one of them. Idempotent; works on a half-built
 * directory. 0; QBI_AGAIN there is no free descriptor: nothing has happened.
 */
int qbi_shm_dir_remove(struct qbi_shm_dir *d);

/* Forget the directory: another process removes it. Idempotent. */
void qbi_shm_dir_forget(struct qbi_shm_dir *d);

#endif
