/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a connection ends, from either side, between the two libraries. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/compat/cell.h"
#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"

static char buffer[20000] __attribute__((aligned(8)));

START_TEST(connecting_to_nobody_fails_as_the_address_says)
{
	struct peer *s = peer_start(_i, NULL);

	errno = 0;
	ck_assert_ptr_null(qb_ipcc_connect("qbt-nobody-of-this-name", 0));
	ck_assert_int_eq(errno, s->cell->filesystem ? ENOENT : ECONNREFUSED);
	peer_stop(s);
}
END_TEST

/*
 * A killed server cannot remove its files; a client of this library does it for it, and
 * for a client of libqb we do.
 */
static void remove_files_of_the_killed(pid_t server)
{
	uint64_t end = now_ms() + (uint64_t)deadline_ms();
	char dir[512], command[600];

	if (strcmp(client_library, "libqb"))
		return;
	/* A server of this library that has started since does it too, and may be faster. */
	while (files_directory(server, getpid(), dir, sizeof(dir))) {
		ck_assert_msg(now_ms() < end, "%s stays", dir);
		snprintf(command, sizeof(command), "rm -rf %s", dir);
		(void)!system(command);
	}
}

START_TEST(client_that_disconnects_is_closed_and_leaves_nothing)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);

	qb_ipcc_disconnect(c);
	peer_expect(s, "accept created closed destroyed");
	WAIT_FOR(files_of(s->pid, getpid()) == 0);
	peer_stop(s);
}
END_TEST

START_TEST(server_that_disconnects_is_noticed_and_nothing_is_left)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);

	ck_assert_int_eq(qb_ipcc_is_connected(c), 1);
	peer_tell(s, "disconnect");
	WAIT_FOR(!qb_ipcc_is_connected(c));
	WAIT_FOR(client_send(c, COMPAT_ECHO, 64) < 0);
	ck_assert_int_lt(qb_ipcc_event_recv(c, buffer, sizeof(buffer), 100), 0);
	qb_ipcc_disconnect(c);
	peer_expect(s, "accept created closed destroyed");
	WAIT_FOR(files_of(s->pid, getpid()) == 0);
	peer_stop(s);
}
END_TEST

START_TEST(server_that_is_stopped_disconnects_its_clients)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);

	peer_stop(s);
	ck_assert_int_eq(qb_ipcc_is_connected(c), 0);
	ck_assert_int_lt(client_send(c, COMPAT_ECHO, 64), 0);
	qb_ipcc_disconnect(c);
}
END_TEST

START_TEST(server_that_is_killed_is_noticed_and_nothing_is_left)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);
	pid_t pid = s->pid;

	peer_kill(s);
	WAIT_FOR(!qb_ipcc_is_connected(c));
	ck_assert_int_lt(client_send(c, COMPAT_ECHO, 64), 0);
	ck_assert_int_lt(qb_ipcc_recv(c, buffer, sizeof(buffer), 100), 0);
	ck_assert_int_lt(qb_ipcc_event_recv(c, buffer, sizeof(buffer), 100), 0);
	qb_ipcc_disconnect(c);
	remove_files_of_the_killed(pid);
	peer_stop(s);
}
END_TEST

START_TEST(wait_for_an_answer_ends_when_the_server_is_killed)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);
	struct request *r = request_new(COMPAT_SILENT, 64);
	struct iovec iov = { r, 64 };
	pid_t killer, pid = s->pid;

	killer = fork();
	ck_assert_int_ge(killer, 0);
	if (killer == 0) {
		/* Once the request has been taken the caller is waiting, or about to. */
		int requests = 0;

		while (requests < 2)
			sscanf(peer_tell(s, "connection"), "%*d %*d %d", &requests);
		kill(s->pid, SIGKILL);
		_exit(0);
	}
	ck_assert_int_lt(qb_ipcc_sendv_recv(c, &iov, 1, buffer, sizeof(buffer), -1), 0);
	ck_assert_int_eq(waitpid(killer, NULL, 0), killer);
	free(r);
	qb_ipcc_disconnect(c);
	peer_kill(s);
	remove_files_of_the_killed(pid);
	peer_stop(s);
}
END_TEST

/* A second process of this library that connects, says so, and waits to be killed. */
static pid_t client_fork(struct peer *s)
{
	int ready[2];
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		close(ready[0]);
		connect_to(s, 0);
		if (write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	census_adopt(pid);
	ck_assert(fd_readable_within(ready[0], deadline_ms()));
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

START_TEST(client_that_is_killed_is_closed_and_leaves_nothing)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);
	pid_t victim = client_fork(s);

	ck_assert_int_eq(kill(victim, SIGKILL), 0);
	ck_assert_int_eq(waitpid(victim, NULL, 0), victim);
	peer_expect(s, "accept created accept created closed destroyed");
	echo(c, 64);
	qb_ipcc_disconnect(c);
	peer_expect(s, "accept created accept created closed destroyed closed destroyed");
	WAIT_FOR(files_of(s->pid, victim) == 0);
	peer_stop(s);
}
END_TEST

START_TEST(clients_that_come_and_go_leave_nothing)
{
	struct peer *s = peer_start(_i, NULL);

	for (int n = 0; n < 50; n++)
		qb_ipcc_disconnect(connect_to(s, 0));
	WAIT_FOR(files_of(s->pid, getpid()) == 0);
	peer_stop(s);
}
END_TEST

START_TEST(server_name_can_be_taken_again_after_a_kill)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);
	pid_t pid = s->pid;

	peer_kill(s);
	qb_ipcc_disconnect(c);
	remove_files_of_the_killed(pid);
	errno = 0;
	ck_assert_ptr_null(qb_ipcc_connect(s->name, 0));
	/* The path of a filesystem socket stays until the next server takes it. */
	ck_assert_int_eq(errno, ECONNREFUSED);
	peer_restart(s);
	c = connect_to(s, 0);
	qb_ipcc_disconnect(c);
	peer_stop(s);
}
END_TEST

void add_ending_tests(TCase *tc, int cell)
{
	add_cell_test(tc, connecting_to_nobody_fails_as_the_address_says, cell);
	add_cell_test(tc, client_that_disconnects_is_closed_and_leaves_nothing, cell);
	add_cell_test(tc, server_that_disconnects_is_noticed_and_nothing_is_left, cell);
	add_cell_test(tc, server_that_is_stopped_disconnects_its_clients, cell);
	add_cell_test(tc, server_that_is_killed_is_noticed_and_nothing_is_left, cell);
	add_cell_test(tc, wait_for_an_answer_ends_when_the_server_is_killed, cell);
	add_cell_test(tc, client_that_is_killed_is_closed_and_leaves_nothing, cell);
	add_cell_test(tc, clients_that_come_and_go_leave_nothing, cell);
	add_cell_test(tc, server_name_can_be_taken_again_after_a_kill, cell);
}
