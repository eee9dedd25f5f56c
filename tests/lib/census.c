/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/census.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <check.h>

#include "tests/lib/deadline.h"
#include "tests/lib/loaded.h"

enum { ADOPTED_MAX = 64, SETTLE_MS = 2000 };

static pid_t adopted[ADOPTED_MAX];
static unsigned int adopted_count;
static struct census at_setup;
static time_t began;

void unique_name(char *buf, size_t size)
{
	static unsigned int counter;

	snprintf(buf, size, "qbt-%d-%u", (int)getpid(), ++counter);
}

void census_adopt(pid_t pid)
{
	if (adopted_count < ADOPTED_MAX)
		adopted[adopted_count++] = pid;
}

void census_forget(pid_t pid)
{
	for (unsigned int i = 0; i < adopted_count; i++)
		if (adopted[i] == pid)
			adopted[i] = adopted[--adopted_count];
}

void census_begin_anew(void)
{
	adopted_count = 0;
}

static bool pid_is_ours(int pid)
{
	if (pid == (int)getpid())
		return true;
	for (unsigned int i = 0; i < adopted_count; i++)
		if (pid == (int)adopted[i])
			return true;
	return false;
}

static int dir_count(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	if (!d)
		return -1;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* The directory stream itself is open while it counts, the same each time. */
static int fds_count(void)
{
	return dir_count("/proc/self/fd");
}

static int shared_mappings_count(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char *line = NULL;
	size_t size = 0;
	int n = 0;

	if (!f)
		return -1;
	while (getline(&line, &size, f) > 0) {
		char perms[8] = "";

		if (sscanf(line, "%*s %7s", perms) == 1 && perms[3] == 's')
			n++;
	}
	free(line);
	fclose(f);
	return n;
}

/*
 * Pids are used again: what lay there before this test is not its doing. When it was made
 * tells, where that is known: the start of any service sweeps what killed ones left, and so
 * changes it.
 */
static bool file_is_new(int dir, const char *name)
{
	struct statx st;

	if (statx(dir, name, AT_SYMLINK_NOFOLLOW, STATX_CTIME | STATX_BTIME, &st) < 0)
		return false;
	return (st.stx_mask & STATX_BTIME ? st.stx_btime : st.stx_ctime).tv_sec >= began;
}

/* qb-<server pid>-<client pid>-...: one of them is ours. */
static int shm_files_count(void)
{
	DIR *d = opendir("/dev/shm");
	struct dirent *e;
	int n = 0;

	if (!d)
		return 0;
	while ((e = readdir(d))) {
		int server, client;

		if (sscanf(e->d_name, "qb-%d-%d-", &server, &client) == 2 &&
		    (pid_is_ours(server) || pid_is_ours(client)) &&
		    file_is_new(dirfd(d), e->d_name))
			n++;
	}
	closedir(d);
	return n;
}

void census_take(struct census *c)
{
	c->fds = fds_count();
	c->shared_mappings = shared_mappings_count();
	c->threads = dir_count("/proc/self/task");
	c->shm_files = shm_files_count();
}

int census_compare(const struct census *before, char *text, size_t size)
{
	uint64_t end = now_ms() + SETTLE_MS * test_slowdown();
	struct census now;

	for (;;) {
		census_take(&now);
		if (now.fds == before->fds && now.threads == before->threads &&
		    now.shared_mappings == before->shared_mappings &&
		    now.shm_files == before->shm_files)
			return 0;
		if (now_ms() >= end)
			break;
		pause_briefly();
	}
	snprintf(text, size,
		 "left behind: descriptors %+d, shared mappings %+d, threads %+d, "
		 "files in /dev/shm %+d",
		 now.fds - before->fds, now.shared_mappings - before->shared_mappings,
		 now.threads - before->threads, now.shm_files - before->shm_files);
	return -1;
}

static void *thread_tell_tid(void *tid)
{
	*(pid_t *)tid = gettid();
	return NULL;
}

/*
 * A sanitizer starts a thread of its own together with the first one. The kernel
 * wakes who joins a thread before it takes the thread off the list in /proc: only
 * then is the process counted.
 */
static void start_hidden_threads(void)
{
	uint64_t end = now_ms() + SETTLE_MS * test_slowdown();
	char path[64];
	pthread_t thread;
	pid_t tid;

	if (pthread_create(&thread, NULL, thread_tell_tid, &tid) != 0)
		return;
	pthread_join(thread, NULL);
	snprintf(path, sizeof(path), "/proc/self/task/%d", (int)tid);
	while (access(path, F_OK) == 0 && now_ms() < end)
		pause_briefly();
}

void census_setup(void)
{
	loaded_verify();
	start_hidden_threads();
	adopted_count = 0;
	began = time(NULL) - 1;
	census_take(&at_setup);
}

void census_teardown(void)
{
	char text[256];
	int r;

	r = waitpid(-1, NULL, WNOHANG);
	ck_assert_msg(r == -1 && errno == ECHILD, "a child process was left behind");
	if (test_is_lenient())
		return;
	r = census_compare(&at_setup, text, sizeof(text));
	ck_assert_msg(r == 0, "%s", text);
}
