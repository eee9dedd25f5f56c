/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Killed at a random point, over and over: the client, the server, both. A thousand times
 * over all transports, scaled by QBIPC_HOSTILE_EFFORT. What the dead leave in /dev/shm is
 * gone at the latest when the service starts again.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/hostile/tools.h"
#include "tests/lib/census.h"

enum { LIFE_US = 2000, CLIENTS_KILLED = 150, SERVERS_KILLED = 50, BOTH_KILLED = 50 };

/* An honest client that never stops. */
static void client_live(const char *name)
{
	for (;;) {
		qb_ipcc_connection_t *c = qb_ipcc_connect(name, 0);
		struct request r = { { .id = MSG_EVENT, .size = sizeof(r) } };
		char buf[WIRE_SMALLEST];

		if (!c)
			continue;
		for (int i = 0; i < 5; i++) {
			r.hdr.id = i % 2 ? MSG_ECHO : MSG_EVENT;
			(void)qb_ipcc_send(c, &r, sizeof(r));
			if (i % 2)
				(void)qb_ipcc_recv(c, buf, sizeof(buf), 100);
			else
				(void)qb_ipcc_event_recv(c, buf, sizeof(buf), 100);
		}
		qb_ipcc_disconnect(c);
	}
}

static void die_somewhere(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = (long)(chance() % LIFE_US) * 1000 }, NULL);
}

ATTACK(clients_killed_at_random_points)
{
	for (unsigned int i = effort(CLIENTS_KILLED); i > 0; i--) {
		pid_t pid = fork();

		REQUIRE(pid >= 0);
		if (pid == 0)
			client_live(a->wish.service);
		die_somewhere();
		kill(pid, SIGKILL);
		REQUIRE_EQ(waitpid(pid, NULL, 0), pid);
	}
	arena_honest_goes_on(a);
}

/* Has it a file of this service, or nothing at all, and is no older than the test? */
static bool is_ours(const char *dir, const char *service, time_t began)
{
	bool empty = true, named = false;
	DIR *d = opendir(dir);
	struct dirent *e;
	struct stat st;

	if (!d)
		return false;
	while ((e = readdir(d))) {
		empty = empty && e->d_name[0] == '.';
		named = named || strstr(e->d_name, service);
	}
	if (fstat(dirfd(d), &st) < 0)
		st.st_ctime = 0;
	closedir(d);
	return named || (empty && st.st_ctime >= began);
}

/* Directories in /dev/shm that this service left; numbers of the dead are used again. */
static int left_by(const char *service, const pid_t *dead, size_t n, time_t began)
{
	DIR *d = opendir("/dev/shm");
	int pid, client, left = 0;
	struct dirent *e;
	char path[300];

	while (d && (e = readdir(d))) {
		if (sscanf(e->d_name, "qb-%d-%d-", &pid, &client) != 2)
			continue;
		snprintf(path, sizeof(path), "/dev/shm/%s", e->d_name);
		for (size_t i = 0; i < n; i++)
			left += dead[i] == pid && kill(pid, 0) < 0 &&
				is_ours(path, service, began);
	}
	if (d)
		closedir(d);
	return left;
}

static pid_t client_start(const char *name)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		client_live(name);
	return pid;
}

static void kill_and_reap(pid_t pid)
{
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

/* One service after the other, of one name; each is killed, and the last one is not. */
static void servers_killed(int variant, unsigned int times, bool client_first)
{
	char name[64];
	struct server_spec spec = { VARIANT_SPEC(variant), .name = name, .untraced = true };
	time_t began = time(NULL) - 1;
	pid_t dead[64];
	struct host *h;
	size_t n = 0;

	unique_name(name, sizeof(name));
	while (times-- > 0) {
		pid_t client;

		h = host_start(&spec);
		client = client_start(name);
		dead[n++ % COUNT(dead)] = h->pid;
		die_somewhere();
		if (client_first)
			kill_and_reap(client);
		host_kill(h);
		if (!client_first)
			kill_and_reap(client);
		host_stop(h);
	}
	h = host_start(&spec);
	WAIT_FOR(left_by(name, dead, n < COUNT(dead) ? n : COUNT(dead), began) == 0);
	host_stop(h);
}

START_TEST(servers_killed_at_random_points_leave_nothing_after_the_next_start)
{
	servers_killed(_i, effort(SERVERS_KILLED), false);
}
END_TEST

START_TEST(both_killed_at_random_points_leave_nothing_after_the_next_start)
{
	servers_killed(_i, effort(BOTH_KILLED), true);
}
END_TEST

/* It ends by itself: whatever it is doing when the server dies returns. */
static void client_until_gone(const char *name)
{
	qb_ipcc_connection_t *c = qb_ipcc_connect(name, 0);
	struct request r = { { .id = MSG_ECHO, .size = sizeof(r) } };
	struct iovec iov = { &r, sizeof(r) };
	char buf[WIRE_SMALLEST];
	ssize_t n = 0;

	while (c && n != -ENOTCONN) {
		n = qb_ipcc_sendv_recv(c, &iov, 1, buf, sizeof(buf), -1);
		if (n == -ENOTCONN)
			break;
		r.hdr.id = MSG_EVENT;
		n = qb_ipcc_send(c, &r, sizeof(r));
		if (n >= 0)
			n = qb_ipcc_event_recv(c, buf, sizeof(buf), -1);
		r.hdr.id = MSG_ECHO;
	}
	if (c)
		qb_ipcc_disconnect(c);
	_exit(0);
}

START_TEST(clients_of_a_killed_server_come_back_from_every_wait)
{
	char name[64];
	struct server_spec spec = { VARIANT_SPEC(_i), .name = name, .untraced = true };

	unique_name(name, sizeof(name));
	for (unsigned int i = effort(SERVERS_KILLED); i > 0; i--) {
		struct host *h = host_start(&spec);
		pid_t pid = fork();
		int status = 0;

		ck_assert_int_ge(pid, 0);
		if (pid == 0)
			client_until_gone(name);
		die_somewhere();
		host_kill(h);
		WAIT_FOR(waitpid(pid, &status, WNOHANG) == pid);
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		host_stop(h);
	}
	/* What clients did not know of is removed now. */
	host_stop(host_start(&spec));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile: kills");
	TCase *tc = tcase_new(s, "kills");

	add_attack(tc, clients_killed_at_random_points, ON_ALL);
	add_transport_test(tc,
			   servers_killed_at_random_points_leave_nothing_after_the_next_start);
	add_transport_test(tc, both_killed_at_random_points_leave_nothing_after_the_next_start);
	add_transport_test(tc, clients_of_a_killed_server_come_back_from_every_wait);
	return arena_main(s);
}
