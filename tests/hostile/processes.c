/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Clients that fork, stop, change who they are, or come from another namespace; and a
 * server that forks and executes with connections open.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/hostile/tools.h"

/* -- Children ------------------------------------------------------------------------- */

struct pipes {
	struct arena *arena;
	struct raw *peer;
	int release;
};

/* Holds what it inherited until it is told to go. */
static void child_hold(void *data)
{
	struct pipes *p = data;
	char byte;

	REQUIRE_EQ(read(p->release, &byte, 1), 1);
}

/* The connection lives as long as anybody has it: then it ends. */
ATTACK(socket_kept_by_a_child)
{
	int fds[2];
	struct raw p;
	struct pipes pipes = { a, &p, -1 };
	pid_t pid;

	REQUIRE_EQ(pipe(fds), 0);
	pipes.release = fds[0];
	working_connect(a, &p);
	pid = child_start(0, child_hold, &pipes);
	raw_close(&p);
	arena_honest_goes_on(a);
	REQUIRE_EQ(write(fds[1], "", 1), 1);
	child_end(pid);
	close(fds[0]);
	close(fds[1]);
}

static void child_use(void *data)
{
	struct pipes *p = data;
	struct request r = { { .id = MSG_SILENT, .size = sizeof(r) } };

	for (int i = 0; i < 500; i++)
		(void)raw_send(p->peer, &r, sizeof(r));
}

/* Two at once who do not take turns: the server sees nonsense, or messages. */
ATTACK(connection_used_by_two_processes)
{
	for (int i = 0; i < 10; i++) {
		struct raw p;
		struct pipes pipes = { a, &p, -1 };
		pid_t pid;

		working_connect(a, &p);
		pid = child_start(0, child_use, &pipes);
		child_use(&pipes);
		child_end(pid);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

static void child_stop(void *data)
{
	struct pipes *p = data;
	struct request *r = request_make(MSG_ECHO, 4000, 4000);
	struct raw raw;

	raw_connect(&raw, &p->arena->wish);
	while (raw_send(&raw, r, 4000) == 0)
		;
	raise(SIGSTOP);
	raw_close(&raw);
}

/* In the middle of the handshake, of a request, and with everything full. */
ATTACK(client_stopped_in_the_middle)
{
	struct wire_hello hello = raw_hello(a->wish.native, WIRE_SMALLEST);
	struct pipes pipes = { a, NULL, -1 };
	pid_t pids[5];
	int status;

	for (size_t i = 0; i < COUNT(pids); i++) {
		pids[i] = child_start(0, child_stop, &pipes);
		REQUIRE_EQ(waitpid(pids[i], &status, WUNTRACED), pids[i]);
		REQUIRE(WIFSTOPPED(status));
	}
	status = raw_dial(a->wish.service);
	REQUIRE(status >= 0);
	(void)send(status, &hello, 10, MSG_NOSIGNAL);
	arena_honest_goes_on(a);
	for (size_t i = 0; i < COUNT(pids); i++) {
		kill(pids[i], SIGKILL);
		REQUIRE_EQ(waitpid(pids[i], NULL, 0), pids[i]);
	}
	close(status);
}

/* -- Who they are ------------------------------------------------------------------------- */

/* The kernel told who connected; what it becomes is of no account. */
ATTACK(user_changed_after_connect, .as_root = true, .needs = "root: several users")
{
	struct raw p;

	working_connect(a, &p);
	become(ATTACKER_UID);
	for (int i = 0; i < 50; i++)
		raw_call(&p, 5 + i, 1000);
	arena_honest_goes_on(a);
	raw_close(&p);
}

static void child_in_namespace(void *data)
{
	struct pipes *p = data;
	struct raw raw;

	/* Not every kernel lets anybody have one. */
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC) < 0)
		return;
	working_connect(p->arena, &raw);
	for (int i = 0; i < 10; i++)
		raw_call(&raw, 5 + i, 1000);
	arena_honest_goes_on(p->arena);
	raw_close(&raw);
}

ATTACK(client_in_a_user_namespace)
{
	struct pipes pipes = { a, NULL, -1 };

	child_end(child_start(0, child_in_namespace, &pipes));
}

/* A process with exactly that id, which somebody had a moment ago; -1 with errno. */
static pid_t process_with_id(pid_t pid)
{
	struct clone_args args = { .exit_signal = SIGCHLD,
				   .set_tid = (uint64_t)(uintptr_t)&pid,
				   .set_tid_size = 1 };

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

struct heir {
	struct arena *arena;
	int sockets[2];
};

/* Connects, leaves its descriptors to the parent, and is gone. */
static void child_bequeath(void *data)
{
	struct heir *h = data;
	struct wire_hello hello = raw_hello(h->arena->wish.native, WIRE_SMALLEST);
	int stream = raw_dial(h->arena->wish.service);

	REQUIRE(stream >= 0);
	REQUIRE_EQ(send(stream, &hello, sizeof(hello), MSG_NOSIGNAL), sizeof(hello));
	REQUIRE_EQ(raw_pass(h->sockets[1], &stream, 1, "", 1), 0);
}

/* Its successor by number, of another user, goes on with what it left. */
ATTACK(number_of_a_process_used_again, .as_root = true, .needs = "root: ids of processes")
{
	for (int i = 0; i < 10; i++) {
		struct heir heir = { .arena = a };
		struct raw p;
		pid_t pid;

		REQUIRE_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, heir.sockets), 0);
		pid = child_start(ATTACKER_UID, child_bequeath, &heir);
		child_end(pid);
		pid = process_with_id(pid);
		if (pid == 0) {
			become(ACCOMPLICE_UID);
			close(heir.sockets[1]);
			raw_begin(&p, heir.sockets[0]);
			(void)raw_welcome(&p); /* brings the stream, and ends there */
			arena_honest_goes_on(a);
			_exit(0);
		}
		close(heir.sockets[0]);
		close(heir.sockets[1]);
		if (pid > 0)
			child_end(pid);
	}
}

/* -- The server's children ------------------------------------------------------------------- */

/* Descriptors, besides the three, that a program has which the server executes. */
static int64_t remote_fds_after_exec(struct server *sv, const int64_t *args)
{
	char text[64] = "";
	int fds[2];
	ssize_t n;
	pid_t pid;

	SERVER_REQUIRE(sv, pipe(fds) == 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], 1);
		close(fds[0]);
		close(fds[1]);
		execl("/bin/sh", "sh", "-c",
		      "n=0; for f in /proc/self/fd/*; do "
		      "case ${f##*/} in 0|1|2) ;; *) [ -e $f ] && n=$((n + 1)) ;; esac; "
		      "done; echo $n",
		      (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	n = read(fds[0], text, sizeof(text) - 1);
	close(fds[0]);
	SERVER_REQUIRE(sv, waitpid(pid, NULL, 0) == pid && n > 0);
	return strtoll(text, NULL, 10);
}

/* A child that keeps all the server has. Its pid. */
static int64_t remote_fork(struct server *sv, const int64_t *args)
{
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGTERM, SIG_DFL);
		for (;;)
			pause();
	}
	return pid;
}

static int64_t remote_end_child(struct server *sv, const int64_t *args)
{
	kill((pid_t)args[0], SIGKILL);
	return waitpid((pid_t)args[0], NULL, 0);
}

START_TEST(executed_programs_get_no_descriptor_of_the_server)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	int64_t without;

	client_echo(c, 100);
	without = host_call(h, remote_fds_after_exec);
	qb_ipcc_disconnect(c);
	/* What the shell and the test have anyway is there without a connection, too. */
	host_await_trace(h, "destroyed:1");
	ck_assert_int_eq(without, host_call(h, remote_fds_after_exec));
	ck_assert_int_eq(without, 0);
	host_stop(h);
}
END_TEST

/* Who has a copy of the descriptors does not keep the client. */
START_TEST(disconnected_clients_learn_of_it_although_the_server_has_forked)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	char buf[200];
	int64_t pid;

	client_echo(c, 100);
	pid = host_call(h, remote_fork);
	client_must_send(c, MSG_DISCONNECT_ME, 16);
	ck_assert_int_eq(qb_ipcc_recv(c, buf, sizeof(buf), -1), -ENOTCONN);
	qb_ipcc_disconnect(c);
	ck_assert_int_eq(host_call(h, remote_end_child, pid), pid);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile: processes");
	TCase *tc = tcase_new(s, "clients");

	add_attack(tc, socket_kept_by_a_child, ON_ALL);
	add_attack(tc, connection_used_by_two_processes, ON_ALL);
	add_attack(tc, client_stopped_in_the_middle, ON_ALL);
	add_attack(tc, user_changed_after_connect, ON_ALL);
	add_attack(tc, client_in_a_user_namespace, ON_ALL);
	add_attack(tc, number_of_a_process_used_again, ON_ALL);

	tc = tcase_new(s, "servers");
	add_transport_test(tc, executed_programs_get_no_descriptor_of_the_server);
	add_transport_test(tc, disconnected_clients_learn_of_it_although_the_server_has_forked);
	return arena_main(s);
}
