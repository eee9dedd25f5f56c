/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The server's directory of one connection, and its files:
 * /dev/shm/qb-<server pid>-<client pid>-<n>-XXXXXX/<file>.
 *
 * Idea: until it is handed over the directory is 0700 and ours, so the files in it
 * are made before anybody can interfere. Afterwards it belongs to the client, who
 * may rename, replace and add what it likes: removal trusts nothing but the
 * directory's inode and the names that we made.
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
	char *files[QBI_SHM_DIR_FILES]; /* names we made, allocated */
};

#define QBI_SHM_DIR_INIT                                                                       \
	{                                                                                      \
		.fd = -1                                                                       \
	}

/**
 * Make the directory.
 *
 * @param d       QBI_SHM_DIR_INIT or removed
 * @param number  tells connections of one client apart, for people who look
 * @return        0 or -errno
 */
int qbi_shm_dir_create(struct qbi_shm_dir *d, pid_t client_pid, int number);

/*
 * openat(2) of what lies in @root itself: through no link, and not in a file system that
 * somebody mounted there and that may never answer (EXDEV). @flags have O_NOFOLLOW.
 */
int qbi_shm_open_below(int root, const char *name, int flags);

/* Has this process, or one that it was forked from, ever made one? For any thread. */
bool qbi_shm_dir_was_made(void);

/**
 * Make a file of @size bytes, all zero, all allocated, owned as @owner says. That
 * an unprivileged server cannot give files away is not an error.
 *
 * @param name     no slash
 * @param ret_fd   read-write descriptor, the caller's
 * @return         0; -EINVAL bad name; -ENOSPC; another -errno. On failure no
 *                 file is left.
 */
int qbi_shm_dir_file(struct qbi_shm_dir *d, const char *name, size_t size,
		     const struct qbi_owner *owner, int *ret_fd);

/* Last step of setting up: the directory becomes the client's, mode 0770, and its
 * descriptor is closed. 0 or -errno. */
int qbi_shm_dir_hand_over(struct qbi_shm_dir *d, const struct qbi_owner *owner);

/* Unlink those of our files, and the directory, that are still the ones we made.
 * Idempotent; works on a half-built directory. */
void qbi_shm_dir_remove(struct qbi_shm_dir *d);

/* Give up the directory: somebody else removes it. Idempotent. */
void qbi_shm_dir_forget(struct qbi_shm_dir *d);

#endif
