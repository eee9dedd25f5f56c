/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ring/shm-sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/syscalls.h"
#include "base/util.h"
#include "ring/shm-dir.h"

/* Most entries that a start examines, because any user can fill /dev/shm. */
#define ENTRIES_MAX 16384

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Is it a name that qbi_shm_dir_create() makes? Then returns the process in it. */
static bool name_parse(const char *name, int *ret_server)
{
	int client, number;
	char random[7], again[64];

	if (sscanf(name, QBI_SHM_PREFIX "%d-%d-%d-%6[a-zA-Z0-9]", ret_server, &client, &number,
		   random) != 4 ||
	    *ret_server <= 0)
		return false;
	snprintf(again, sizeof(again), QBI_SHM_PREFIX "%d-%d-%d-%s", *ret_server, client,
		 number, random);
	return strcmp(name, again) == 0 && strlen(random) == 6;
}

/*
 * Has @pid ended? From its line in /proc: a zombie has the state Z. The first thread of a
 * process may have ended before the others; then the number of threads decides.
 */
static bool proc_says_ended(pid_t pid)
{
	_cleanup_(qbi_closep) int fd = -1;
	char path[32], text[512];
	const char *rest;
	ssize_t n;
	long threads;
	char state;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	/* The name is in brackets, and the process can choose it. */
	rest = strrchr(text, ')');
	return rest &&
	       sscanf(rest,
		      ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		      "%*s %*s %*s %*s %ld",
		      &state, &threads) == 2 &&
	       (state == 'Z' || state == 'X') && threads <= 1;
}

/*
 * Is the server dead for certain? A process id that exists may still be the server's. Our
 * own id belongs to no other process, so a directory with it is old unless we made it. A
 * server in another pid namespace that shares our /dev/shm looks dead; at worst, a client
 * that is just connecting to it does not find its files.
 */
static bool server_is_dead(pid_t pid)
{
	_cleanup_(qbi_closep) int fd = -1;
	struct pollfd ended = { .events = POLLIN };

	if (pid == getpid())
		return !qbi_shm_dir_was_made();
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0 && errno == ESRCH)
		return true;
	/* Before Linux 5.3, or refused. */
	if (fd < 0)
		return (kill(pid, 0) < 0 && errno == ESRCH) || proc_says_ended(pid);
	/* It may be a zombie, for which its parent has not waited yet. */
	ended.fd = fd;
	return poll(&ended, 1, 0) == 1;
}

static void dir_sweep(int root, const char *name, const char *const *names, size_t n)
{
	_cleanup_(qbi_closep) int fd = qbi_shm_open_below(root, name, DIR_FLAGS);
	uid_t self = geteuid();
	struct stat st;
	bool ours;
	size_t i;

	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	/* Only the superuser could have given it to the client. */
	ours = st.st_uid == self;
	if (!ours && self != 0)
		return;
	for (i = 0; i < n; i++)
		ours |= unlinkat(fd, names[i], 0) == 0;
	if (ours)
		(void)unlinkat(root, name, AT_REMOVEDIR);
}

void qbi_shm_sweep(const char *const *names, size_t n)
{
	unsigned int entries = 0;
	DIR *root = opendir(QBI_SHM_ROOT);
	struct dirent *e;
	int server;

	if (!root)
		return;
	while (entries++ < ENTRIES_MAX && (e = readdir(root)))
		if (name_parse(e->d_name, &server) && server_is_dead(server))
			dir_sweep(dirfd(root), e->d_name, names, n);
	closedir(root);
}
