/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/compat/cell.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"

const struct cell cells[] = {
	{ "libqb", "shm", false, false },    { "libqb", "shm", false, true },
	{ "libqb", "socket", false, false }, { "libqb", "socket", false, true },
	{ "qbipc", "shm", false, false },    { "qbipc", "shm", false, true },
	{ "qbipc", "socket", false, false }, { "qbipc", "socket", false, true },
	{ "qbipc", "shm", true, false },     { "qbipc", "shm", true, true },
	{ "qbipc", "socket", true, false },  { "qbipc", "socket", true, true },
};
/* Where a service manager puts the first descriptor that it passes. */
enum { FIRST_PASSED_FD = 3 };

const int cell_count = sizeof(cells) / sizeof(cells[0]);

static char reply[4096];

bool cell_exists(int cell)
{
	return !cells[cell].native || !strcmp(client_library, "qbipc");
}

bool cell_is_shm(int cell)
{
	return !strcmp(cells[cell].transport, "shm");
}

/* Between two ends of ours, and only there, it would take the place of libqb's wire. */
static void set_native(const struct cell *cell)
{
	bool ours = !strcmp(client_library, "qbipc") && !strcmp(cell->server, "qbipc");

	setenv("QBIPC_NATIVE", ours && !cell->native ? "0" : "1", 1);
}

bool cell_is_privileged(void)
{
	static int known = -1;
	pid_t pid;
	int status;

	if (known >= 0)
		return known;
	if (geteuid() != 0)
		return (known = false);
	/* A container may keep namespaces from its root. */
	pid = fork();
	if (pid == 0)
		_exit(unshare(CLONE_NEWNS) < 0 ||
		      mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		      mount("tmpfs", "/etc", "tmpfs", 0, NULL) < 0);
	known = pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
	return known;
}

/* The loader's cache comes along: the server is executed in here. */
static void copy_loader_cache(int old_etc)
{
	int from = openat(old_etc, "ld.so.cache", O_RDONLY | O_CLOEXEC);
	int to = open("/etc/ld.so.cache", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	char buf[4096];
	ssize_t n;

	while (from >= 0 && (n = read(from, buf, sizeof(buf))) > 0)
		ck_assert_int_eq(write(to, buf, (size_t)n), n);
	close(from);
	close(to);
}

static void enter_namespace(void)
{
	int old_etc = open("/etc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd;

	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	ck_assert_int_eq(mount("tmpfs", "/etc", "tmpfs", 0, "mode=755"), 0);
	copy_loader_cache(old_etc);
	close(old_etc);
	ck_assert_int_eq(mkdir("/etc/libqb", 0755), 0);
	fd = open("/etc/libqb/force-filesystem-sockets", O_CREAT | O_CLOEXEC, 0644);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

/* compat-server of @library, next to this program. */
static void peer_path(const char *library, char *path, size_t size)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	ck_assert_int_gt(n, 0);
	self[n] = '\0';
	slash = strrchr(self, '/');
	ck_assert_ptr_nonnull(slash);
	*slash = '\0';
	ck_assert_int_lt(snprintf(path, size, "%s/compat-server-%s", self, library), (int)size);
}

/* As a service manager does it: wait for a client, then pass the socket as the third. */
static void listener_pass(int listener)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	char pid[16];

	if (poll(&p, 1, deadline_ms()) != 1)
		_exit(126);
	if (dup2(listener, FIRST_PASSED_FD) < 0 || fcntl(FIRST_PASSED_FD, F_SETFD, 0) < 0)
		_exit(125);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
}

static void peer_exec(struct peer *s, const struct peer_options *o)
{
	char path[4096], min_size[16], uid[16], gid[16], mode[16];
	char *argv[] = { path,
			 s->name,
			 (char *)(uintptr_t)s->cell->transport,
			 min_size,
			 o->auth ? uid : NULL,
			 gid,
			 mode,
			 NULL };

	peer_path(s->cell->server, path, sizeof(path));
	snprintf(min_size, sizeof(min_size), "%u", o->min_size);
	snprintf(uid, sizeof(uid), "%d", (int)o->uid);
	snprintf(gid, sizeof(gid), "%d", (int)o->gid);
	snprintf(mode, sizeof(mode), "%o", (unsigned int)o->mode);
	execv(path, argv);
	_exit(127);
}

static void peer_receive(struct peer *s)
{
	ssize_t n;

	ck_assert_msg(fd_readable_within(s->control, deadline_ms()),
		      "the server does not answer");
	n = recv(s->control, reply, sizeof(reply) - 1, 0);
	ck_assert_msg(n > 0, "the server went away");
	reply[n] = '\0';
}

/* @listener: -1, or what the server is started for by the first client of. */
static void peer_fork(struct peer *s, const struct peer_options *options, int listener)
{
	int sockets[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
	s->pid = fork();
	ck_assert_int_ge(s->pid, 0);
	if (s->pid == 0) {
		dup2(sockets[1], 0);
		if (listener >= 0)
			listener_pass(listener);
		peer_exec(s, options);
	}
	close(sockets[1]);
	s->control = sockets[0];
	census_adopt(s->pid);
}

void peer_await(struct peer *s)
{
	peer_receive(s);
	ck_assert_str_eq(reply, "0");
}

static void peer_spawn(struct peer *s, const struct peer_options *options)
{
	peer_fork(s, options, -1);
	peer_await(s);
}

static struct peer *peer_new(int cell)
{
	struct peer *s = calloc(1, sizeof(*s));

	ck_assert_ptr_nonnull(s);
	s->cell = &cells[cell];
	return s;
}

void cell_enter(int cell)
{
	set_native(&cells[cell]);
	if (cells[cell].filesystem)
		enter_namespace();
}

struct peer *peer_start(int cell, const struct peer_options *options)
{
	struct peer *s = peer_new(cell);

	unique_name(s->name, sizeof(s->name));
	cell_enter(cell);
	peer_spawn(s, options ? options : &(struct peer_options){ 0 });
	return s;
}

struct peer *peer_activate(int cell, const char *name, int listener)
{
	struct peer *s = peer_new(cell);

	snprintf(s->name, sizeof(s->name), "%s", name);
	peer_fork(s, &(struct peer_options){ 0 }, listener);
	return s;
}

static int peer_reap(struct peer *s)
{
	uint64_t end = now_ms() + (uint64_t)deadline_ms();
	int status;

	while (waitpid(s->pid, &status, WNOHANG) == 0) {
		if (now_ms() >= end) {
			kill(s->pid, SIGKILL);
			waitpid(s->pid, &status, 0);
			ck_abort_msg("the server does not end");
		}
		pause_briefly();
	}
	s->pid = -1;
	return status;
}

void peer_stop(struct peer *s)
{
	close(s->control);
	if (s->pid >= 0) {
		int status = peer_reap(s);

		ck_assert_msg(status == 0, "the server ended with status 0x%x", status);
	}
	/* Nobody else takes this name, so nobody else would remove what is left of it. */
	if (s->was_killed && s->cell->filesystem) {
		char path[256];

		snprintf(path, sizeof(path), "%s/%s", SOCKETDIR, s->name);
		unlink(path);
	}
	free(s);
}

void peer_kill(struct peer *s)
{
	ck_assert_int_eq(kill(s->pid, SIGKILL), 0);
	peer_reap(s);
	s->was_killed = true;
}

void peer_restart(struct peer *s)
{
	close(s->control);
	peer_spawn(s, &(struct peer_options){ 0 });
}

const char *peer_tell(struct peer *s, const char *format, ...)
{
	char command[256];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	ck_assert_int_eq(send(s->control, command, (size_t)n, MSG_NOSIGNAL), n);
	peer_receive(s);
	return reply;
}

void peer_expect(struct peer *s, const char *expected)
{
	uint64_t end = now_ms() + (uint64_t)deadline_ms();

	while (strcmp(peer_tell(s, "trace"), expected) != 0 && now_ms() < end)
		pause_briefly();
	ck_assert_str_eq(peer_tell(s, "trace"), expected);
}

static int files_walk(pid_t server, pid_t client, char *path, size_t size)
{
	DIR *d = opendir("/dev/shm");
	char prefix[64];
	struct dirent *e;
	int n = 0;

	ck_assert_ptr_nonnull(d);
	snprintf(prefix, sizeof(prefix), "qb-%d-%d-", (int)server, (int)client);
	while ((e = readdir(d))) {
		if (strncmp(e->d_name, prefix, strlen(prefix)) != 0)
			continue;
		n++;
		if (path)
			snprintf(path, size, "/dev/shm/%s", e->d_name);
	}
	closedir(d);
	return n;
}

int files_of(pid_t server, pid_t client)
{
	return files_walk(server, client, NULL, 0);
}

bool files_directory(pid_t server, pid_t client, char *path, size_t size)
{
	return files_walk(server, client, path, size) > 0;
}

void echo(qb_ipcc_connection_t *c, size_t size)
{
	client_send_patiently(c, COMPAT_ECHO, size);
	client_must_recv(c, COMPAT_ECHO, size);
}

qb_ipcc_connection_t *connect_to(struct peer *s, size_t max_msg_size)
{
	qb_ipcc_connection_t *c = client_connect(s->name, max_msg_size);

	echo(c, 64);
	return c;
}
