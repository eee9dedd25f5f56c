/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "ring/shm-peer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/refused.h"
#include "base/util.h"
#include "ring/shm-dir.h"

#define DIR_FLAGS (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Opening a FIFO or a device must not block or have an effect before it is checked. */
#define FILE_FLAGS (O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

static bool name_is_ours(const char *name)
{
	return strncmp(name, QBI_SHM_PREFIX, strlen(QBI_SHM_PREFIX)) == 0 && !strchr(name, '/');
}

static char *name_join(const char *a, const char *b, const char *c)
{
	char *joined;

	if (asprintf(&joined, "%s%s%s", a, b, c) < 0)
		return NULL;
	return joined;
}

/* Split the name of the server into at most one directory and one file. */
static int name_split(const char *path, const char *suffix, char **ret_dir, char **ret_name)
{
	static const char root[] = QBI_SHM_ROOT "/";
	const char *slash;

	if (!path[0] || strlen(path) >= PATH_MAX)
		return -EINVAL;
	if (!strchr(path, '/')) {
		*ret_name = name_join(QBI_SHM_PREFIX, path, suffix);
		return *ret_name ? 0 : -ENOMEM;
	}
	if (strncmp(path, root, strlen(root)) != 0)
		return -EINVAL;
	path += strlen(root);
	slash = strchr(path, '/');
	if (!slash || !name_is_ours(slash + 1))
		return -EINVAL;
	*ret_dir = strndup(path, (size_t)(slash - path));
	*ret_name = name_join("", slash + 1, suffix);
	if (!*ret_dir || !*ret_name)
		return -ENOMEM;
	return name_is_ours(*ret_dir) ? 0 : -EINVAL;
}

/* Does the name of the directory say that @server made it for this process? */
static bool dir_is_for_us(const char *dir, const struct qbi_peer_cred *server)
{
	char expected[64];

	snprintf(expected, sizeof(expected), QBI_SHM_PREFIX "%d-%d-", (int)server->pid,
		 (int)getpid());
	return dir && strncmp(dir, expected, strlen(expected)) == 0;
}

static int owner_check(uid_t uid, const char *dir, const struct qbi_peer_cred *server)
{
	if (uid == server->uid || server->uid == 0)
		return 0;
	if (uid == geteuid() && dir_is_for_us(dir, server))
		return 0;
	return -EACCES;
}

static int file_check(int fd, const char *dir, const size_t *sizes,
		      const struct qbi_peer_cred *server, struct stat *st)
{
	int r = qbi_status_get(fd, st);

	if (r < 0)
		return r;
	/* It has a second name (hard link), so it was not made for this. */
	if (!S_ISREG(st->st_mode) || st->st_nlink > 1)
		return -EACCES;
	if (owner_check(st->st_uid, dir, server) < 0)
		return -EACCES;
	for (; *sizes; sizes++)
		if (st->st_size == (off_t)*sizes)
			return 0;
	return -EBADMSG;
}

static int dir_open(const char *dir, int *ret_fd)
{
	_cleanup_(qbi_closep) int root = open(QBI_SHM_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return -errno;
	if (!dir) {
		*ret_fd = qbi_take_fd(&root);
		return 0;
	}
	*ret_fd = qbi_shm_open_below(root, dir, DIR_FLAGS);
	return *ret_fd < 0 ? -errno : 0;
}

static int peer_open(struct qbi_shm_peer_file *f, const char *path, const char *suffix,
		     const size_t *sizes, const struct qbi_peer_cred *server)
{
	_cleanup_(qbi_freep) char *dir = NULL;
	_cleanup_(qbi_freep) char *name = NULL;
	_cleanup_(qbi_closep) int dir_fd = -1;
	_cleanup_(qbi_closep) int fd = -1;
	struct stat dir_st, st;
	int r;

	r = name_split(path, suffix, &dir, &name);
	if (r < 0)
		return r;
	r = dir_open(dir, &dir_fd);
	if (r < 0)
		return r;
	r = qbi_status_get(dir_fd, &dir_st);
	if (r < 0)
		return r;
	fd = qbi_shm_open_below(dir_fd, name, FILE_FLAGS);
	if (fd < 0)
		return -errno;
	r = file_check(fd, dir, sizes, server, &st);
	if (r < 0)
		return r;
	*f = (struct qbi_shm_peer_file){
		.fd = qbi_take_fd(&fd),
		.size = (size_t)st.st_size,
		.dev = st.st_dev,
		.ino = st.st_ino,
		.dir_dev = dir_st.st_dev,
		.dir_ino = dir_st.st_ino,
		.dir = QBI_TAKE(dir),
		.name = QBI_TAKE(name),
	};
	return 0;
}

static const char *refusal_reason(int r)
{
	switch (r) {
	case -EINVAL: return "not a place for such files";
	case -EACCES: return "wrong kind or owner, or not allowed";
	case -EBADMSG: return "wrong size";
	case -ELOOP:
	case -ENOTDIR:
	case -EXDEV: return "a link, a mount or not a directory on the way";
	default: return strerror(-r);
	}
}

int qbi_shm_peer_open(struct qbi_shm_peer_file *f, const char *path, const char *suffix,
		      const size_t *sizes, const struct qbi_peer_cred *server)
{
	int r = peer_open(f, path, suffix, sizes, server);

	if (r < 0)
		qbi_log(LOG_ERR, "refusing %.200s%s of server %d: %s", path, suffix,
			(int)server->pid, refusal_reason(r));
	/* A link, a FIFO without a reader, a socket: one errno for all wrong kinds. */
	if (r == -ELOOP || r == -ENOTDIR || r == -ENXIO || r == -EISDIR || r == -ENODEV ||
	    r == -EXDEV)
		r = -EACCES;
	return r;
}

static bool inode_is(const struct stat *st, dev_t dev, ino_t ino)
{
	return st->st_dev == dev && st->st_ino == ino;
}

void qbi_shm_peer_remove(struct qbi_shm_peer_file *f)
{
	_cleanup_(qbi_closep) int root = -1;
	_cleanup_(qbi_closep) int dir_fd = -1;
	struct stat st;

	if (!f->name || dir_open(NULL, &root) < 0 || dir_open(f->dir, &dir_fd) < 0)
		return;
	if (qbi_status_get(dir_fd, &st) < 0 || !inode_is(&st, f->dir_dev, f->dir_ino))
		return;
	if (fstatat(dir_fd, f->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    inode_is(&st, f->dev, f->ino))
		unlinkat(dir_fd, f->name, 0);
	/* Fails while there are files in it: the removal of the last one succeeds. */
	if (f->dir)
		unlinkat(root, f->dir, AT_REMOVEDIR);
}

void qbi_shm_peer_close(struct qbi_shm_peer_file *f)
{
	f->fd = qbi_close(f->fd);
	free(QBI_TAKE(f->dir));
	free(QBI_TAKE(f->name));
}
