/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The server's process: started, stopped; and figures that /proc knows. */
#include "config.h"
#include "peer.h"
#include "place.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SERVER_DEADLINE_MS 10000

void bench_raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void exec_server(const struct bench_run *run, pid_t parent, int out)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	if (run->row->placement == BENCH_ONE_CPU)
		bench_pin(0);
	dup2(out, STDOUT_FILENO);
	execl(run->opts->server, run->opts->server, "serve", run->name, run->opts->type, NULL);
	_exit(127);
}

void bench_server_start(struct bench_run *run)
{
	struct pollfd pfd = { .events = POLLIN };
	pid_t self = getpid();
	char line[8];
	int fds[2];

	snprintf(run->name, sizeof(run->name), "bench-%d", (int)self);
	if (pipe(fds) < 0)
		bench_die("pipe", errno);
	run->server = fork();
	if (run->server < 0)
		bench_die("fork", errno);
	if (run->server == 0)
		exec_server(run, self, fds[1]);
	close(fds[1]);
	pfd.fd = fds[0];
	if (poll(&pfd, 1, SERVER_DEADLINE_MS) != 1 || read(fds[0], line, sizeof(line)) <= 0)
		bench_die("the server did not start", ETIMEDOUT);
	close(fds[0]);
}

void bench_server_stop(struct bench_run *run)
{
	uint64_t deadline = bench_now_ns() + SERVER_DEADLINE_MS * 1000000ULL;
	struct timespec pause = { .tv_nsec = 1000000 };
	int status;

	kill(run->server, SIGTERM);
	while (waitpid(run->server, &status, WNOHANG) == 0) {
		if (bench_now_ns() > deadline)
			bench_die("the server did not stop", ETIMEDOUT);
		nanosleep(&pause, NULL);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		bench_die("the server crashed", ECHILD);
}

uint64_t bench_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint64_t n = 0;

	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

uint64_t bench_proc_bytes(const char *path, const char *key)
{
	FILE *f = fopen(path, "re");
	size_t len = strlen(key);
	uint64_t bytes = 0;
	char line[256];

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, len) && line[len] == ':')
			bytes = strtoull(line + len + 1, NULL, 10) * 1024;
	fclose(f);
	return bytes;
}
