/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The server's process: started, stopped; and figures that /proc knows. */
#include "config.h"
#include "peer.h"
#include "place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SERVER_DEADLINE_MS 60000

void bench_raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void exec_server(const struct bench_run *run, pid_t parent, int in, int out)
{
	enum bench_placement placement = run->row->placement;
	const char *loop = run->row->loop ? run->row->loop : "builtin";
	char *program;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	if (placement == BENCH_ONE_CPU)
		bench_pin(BENCH_CLIENT_CPU);
	if (placement == BENCH_PINNED)
		bench_pin(BENCH_SERVER_CPU);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	/* Loops of other libraries have programs of their own. */
	if (asprintf(&program, "%s-%s", run->opts->server, loop) < 0)
		_exit(1);
	if (!strcmp(loop, "builtin") || !strcmp(loop, "poll"))
		execl(run->opts->server, run->opts->server, "serve", run->name, run->opts->type,
		      loop, NULL);
	else
		execl(program, program, run->name, run->opts->type, NULL);
	_exit(errno == ENOENT ? BENCH_NOT_BUILT : 127);
}

static void server_missing(const struct bench_run *run)
{
	int status;

	if (waitpid(run->server, &status, 0) == run->server && WIFEXITED(status) &&
	    WEXITSTATUS(status) == BENCH_NOT_BUILT)
		exit(BENCH_NOT_BUILT);
	bench_die("the server did not start", ECHILD);
}

void bench_server_start(struct bench_run *run)
{
	struct pollfd pfd = { .events = POLLIN };
	int in[2], out[2];
	pid_t self = getpid();
	char line[8];

	snprintf(run->name, sizeof(run->name), "bench-%d", (int)self);
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		bench_die("pipe", errno);
	run->server = fork();
	if (run->server < 0)
		bench_die("fork", errno);
	if (run->server == 0)
		exec_server(run, self, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	run->server_life = in[1];
	pfd.fd = out[0];
	if (poll(&pfd, 1, SERVER_DEADLINE_MS) != 1)
		bench_die("the server did not start", ETIMEDOUT);
	if (read(out[0], line, sizeof(line)) <= 0)
		server_missing(run);
	close(out[0]);
}

void bench_server_stop(struct bench_run *run)
{
	uint64_t deadline = bench_now_ns() + SERVER_DEADLINE_MS * 1000000ULL;
	struct timespec pause = { .tv_nsec = 1000000 };
	int status;

	close(run->server_life);
	while (waitpid(run->server, &status, WNOHANG) == 0) {
		if (bench_now_ns() > deadline)
			bench_die("the server did not stop", ETIMEDOUT);
		nanosleep(&pause, NULL);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		bench_die("the server crashed", ECHILD);
}

static pid_t busy_process(void)
{
	pid_t pid = fork();
	volatile unsigned int n = 0;

	if (pid < 0)
		bench_die("fork", errno);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		n++;
}

void bench_busy_start(struct bench_run *run)
{
	cpu_set_t usable;

	if (run->row->company == BENCH_ALONE)
		return;
	if (sched_getaffinity(0, sizeof(usable), &usable) < 0)
		bench_die("sched_getaffinity", errno);
	run->n_busy = run->row->company == BENCH_BUSY_ONE ? 1 : CPU_COUNT(&usable);
	for (int i = 0; i < run->n_busy; i++) {
		run->busy[i] = busy_process();
		if (run->row->company == BENCH_BUSY_EACH)
			bench_pin_process(run->busy[i], i);
	}
}

void bench_busy_stop(struct bench_run *run)
{
	for (int i = 0; i < run->n_busy; i++) {
		kill(run->busy[i], SIGKILL);
		waitpid(run->busy[i], NULL, 0);
	}
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

/* The number after @key in a line "key:	number". */
static uint64_t number_after(const char *line, const char *key)
{
	size_t len = strlen(key);

	return strncmp(line, key, len) ? 0 : strtoull(line + len, NULL, 10);
}

static uint64_t thread_switches(int task_dir, const char *thread)
{
	char path[300], line[256];
	uint64_t n = 0;
	FILE *f;
	int fd;

	snprintf(path, sizeof(path), "%s/status", thread);
	fd = openat(task_dir, path, O_RDONLY | O_CLOEXEC);
	f = fd < 0 ? NULL : fdopen(fd, "r");
	if (!f)
		bench_die("the threads of a process", errno);
	while (fgets(line, sizeof(line), f))
		n += number_after(line, "voluntary_ctxt_switches:") +
		     number_after(line, "nonvoluntary_ctxt_switches:");
	fclose(f);
	return n;
}

uint64_t bench_proc_switches(pid_t pid)
{
	struct dirent *e;
	uint64_t n = 0;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (!dir)
		bench_die(path, errno);
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			n += thread_switches(dirfd(dir), e->d_name);
	closedir(dir);
	return n;
}
