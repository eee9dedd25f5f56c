/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "ring/shm-dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/refused.h"
#include "base/syscalls.h"
#include "base/util.h"

/* Bytes allocated per step if signals interrupt, and the number of attempts per step. */
#define ALLOCATE_STEP ((off_t)1 << 20)
#define ALLOCATE_TRIES 100

/* The kernel returns errors as -1 to -4095. */
#define MAX_ERRNO 4095

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static _Atomic(bool) dir_was_made;

bool qbi_shm_dir_was_made(void)
{
	return dir_was_made;
}

/* AT_STATX_DONT_SYNC, because a network file system mounted there may never answer. */
static int device_of(int fd, dev_t *ret)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &st) < 0)
		return -1;
	*ret = makedev(st.stx_dev_major, st.stx_dev_minor);
	return 0;
}

/* In three steps: open the entry with O_PATH, check its file system, then reopen the same
 * inode through the descriptor, so that a mount made in between has no effect. */
static int open_below_in_steps(int root, const char *name, int flags)
{
	_cleanup_(qbi_closep) int place = openat(root, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	dev_t here, there;
	char path[32];
	int fd;

	if (place < 0 || device_of(root, &here) < 0 || device_of(place, &there) < 0)
		return -1;
	if (here != there) {
		errno = EXDEV;
		return -1;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", place);
	fd = openat(AT_FDCWD, path, flags & ~O_NOFOLLOW);
	/* /proc may not be mounted. */
	return fd < 0 && errno == ENOENT ? openat(root, name, flags) : fd;
}

int qbi_shm_open_below(int root, const char *name, int flags)
{
	struct qbi_open_how how = {
		.flags = (uint64_t)(unsigned int)flags,
		.resolve = QBI_RESOLVE_NO_XDEV | QBI_RESOLVE_NO_SYMLINKS | QBI_RESOLVE_BENEATH,
	};
	int fd = (int)syscall(SYS_openat2, root, name, &how, sizeof(how));

	/* Before Linux 5.6, or refused by a filter that does not know the call. */
	return fd < 0 && (qbi_is_refused(errno)) ? open_below_in_steps(root, name, flags) : fd;
}

/* mkdtemp(3) applies the umask; fchmod(2) on the descriptor does not. */
static int dir_open_new(struct qbi_shm_dir *d)
{
	uid_t self = geteuid();
	struct stat st;
	int r;

	d->fd = open(d->path, DIR_FLAGS);
	/* A umask may exclude the owner too. The parent is sticky, so the name is still ours. */
	if (d->fd < 0 && errno == EACCES && chmod(d->path, 0700) == 0)
		d->fd = open(d->path, DIR_FLAGS);
	if (d->fd < 0)
		return -errno;
	r = qbi_status_get(d->fd, &st);
	if (r < 0)
		return r;
	/* A negative errno: a sandbox refuses the check. We made the directory just now. */
	if (st.st_uid != self && self < (uid_t)-MAX_ERRNO)
		return -EACCES;
	if ((st.st_mode & 07777) != 0700 && fchmod(d->fd, 0700) < 0)
		return -errno;
	d->dev = st.st_dev;
	d->ino = st.st_ino;
	return 0;
}

int qbi_shm_dir_create(struct qbi_shm_dir *d, pid_t client_pid, int number)
{
	int r;

	*d = (struct qbi_shm_dir)QBI_SHM_DIR_INIT;
	snprintf(d->path, sizeof(d->path), QBI_SHM_ROOT "/" QBI_SHM_PREFIX "%d-%d-%d-XXXXXX",
		 (int)getpid(), (int)client_pid, number);
	dir_was_made = true;
	if (!mkdtemp(d->path)) {
		r = -errno;
		d->path[0] = '\0';
		return r;
	}
	r = dir_open_new(d);
	if (r < 0) {
		rmdir(d->path);
		d->fd = qbi_close(d->fd);
		d->path[0] = '\0';
	}
	return r;
}

static int fd_allocate_in_steps(int fd, off_t end)
{
	off_t at = 0, step;
	int tries = 0;
	int r;

	while (at < end) {
		step = end - at < ALLOCATE_STEP ? end - at : ALLOCATE_STEP;
		r = posix_fallocate(fd, at, step);
		if (r == EINTR && ++tries < ALLOCATE_TRIES)
			continue;
		if (r != 0)
			return -r;
		at += step;
		tries = 0;
	}
	return 0;
}

/* Allocate all at once: if there is too little memory, the kernel then refuses before it
 * allocates any. A signal undoes the allocation, so after that it is done in steps. */
static int fd_allocate(int fd, size_t size)
{
	off_t end = (off_t)size;
	int r;

	r = qbi_file_extend(fd, size);
	if (r < 0)
		return r;
	r = posix_fallocate(fd, 0, end);
	return r == EINTR ? fd_allocate_in_steps(fd, end) : -r;
}

/* No privilege; or no such user in our namespace, or in that of the file system. */
static bool owner_is_out_of_reach(int error)
{
	return qbi_is_refused(error) || error == EINVAL || error == EOVERFLOW;
}

static int fd_give(int fd, const struct qbi_owner *owner, mode_t mode)
{
	bool given = owner->uid != (uid_t)-1 || owner->gid != (gid_t)-1;

	/* If the owner cannot be changed, only the mode decides who can open the file. */
	if (given && fchown(fd, owner->uid, owner->gid) < 0 && !owner_is_out_of_reach(errno))
		return -errno;
	if (fchmod(fd, mode) < 0 && !qbi_is_refused(errno))
		return -errno;
	return 0;
}

static char **dir_free_name(struct qbi_shm_dir *d)
{
	size_t i;

	for (i = 0; i < QBI_SHM_DIR_FILES; i++)
		if (!d->files[i])
			return &d->files[i];
	return NULL;
}

int qbi_shm_dir_file(struct qbi_shm_dir *d, const char *name, size_t size,
		     const struct qbi_owner *owner, int *ret_fd)
{
	_cleanup_(qbi_closep) int fd = -1;
	_cleanup_(qbi_freep) char *copy = NULL;
	char **slot = dir_free_name(d);
	int r;

	if (d->fd < 0 || !slot || !name[0] || strchr(name, '/'))
		return -EINVAL;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	fd = openat(d->fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = fd_allocate(fd, size);
	if (r == 0)
		r = fd_give(fd, owner, owner->mode);
	if (r < 0) {
		unlinkat(d->fd, name, 0);
		return r;
	}
	*slot = QBI_TAKE(copy);
	*ret_fd = qbi_take_fd(&fd);
	return 0;
}

int qbi_shm_dir_hand_over(struct qbi_shm_dir *d, const struct qbi_owner *owner)
{
	int r;

	if (d->fd < 0)
		return -EINVAL;
	r = fd_give(d->fd, owner, 0770);
	if (r == 0)
		d->fd = qbi_close(d->fd);
	return r;
}

/*
 * Open the directory again, if the path still leads to it. The client may have mounted a
 * file system there that never answers: do not access it.
 */
static int dir_reopen(struct qbi_shm_dir *d)
{
	_cleanup_(qbi_closep) int fd = open(d->path, DIR_FLAGS | O_PATH);
	struct statx st;

	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &st) < 0)
		return -errno;
	if (makedev(st.stx_dev_major, st.stx_dev_minor) != d->dev || st.stx_ino != d->ino)
		return -ESTALE;
	d->fd = qbi_take_fd(&fd);
	return 0;
}

/* 0; QBI_AGAIN there is no descriptor for it now. */
static int dir_unlink(struct qbi_shm_dir *d)
{
	int r = d->fd < 0 ? dir_reopen(d) : 0;
	size_t i;

	if (r == -ENOENT)
		return 0; /* the client has removed it */
	if (r < 0) {
		qbi_log_rarely(LOG_WARNING, "cannot remove %s: %s", d->path, strerror(-r));
		return r == -EMFILE || r == -ENFILE ? QBI_AGAIN : 0;
	}
	for (i = 0; i < QBI_SHM_DIR_FILES; i++)
		if (d->files[i])
			unlinkat(d->fd, d->files[i], 0);
	/* Only if it is empty: other files in it belong to the client. */
	if (rmdir(d->path) < 0 && errno != ENOENT)
		qbi_log_rarely(LOG_INFO, "%s stays: %s", d->path, strerror(errno));
	return 0;
}

int qbi_shm_dir_remove(struct qbi_shm_dir *d)
{
	int r = d->path[0] ? dir_unlink(d) : 0;

	if (r == 0)
		qbi_shm_dir_forget(d);
	return r;
}

void qbi_shm_dir_forget(struct qbi_shm_dir *d)
{
	size_t i;

	if (!d->path[0])
		return;
	for (i = 0; i < QBI_SHM_DIR_FILES; i++)
		free(QBI_TAKE(d->files[i]));
	d->fd = qbi_close(d->fd);
	d->path[0] = '\0';
}
