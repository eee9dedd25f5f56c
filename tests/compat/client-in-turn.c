/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client's process forks, and parent and children use the connection in turn, between
 * the two libraries: nothing of what one has done is unknown to the next.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/compat/cell.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"

enum { CHILDREN = 3, CALLS = 25, TURNS = 40 };

static struct peer *peer;
static qb_ipcc_connection_t *connection;

static void start(int cell)
{
	peer = peer_start(cell, NULL);
	connection = connect_to(peer, 0);
}

/* The server has seen one client, which has left and of which nothing is left. */
static void stop(void)
{
	qb_ipcc_disconnect(connection);
	peer_expect(peer, "accept created closed destroyed");
	WAIT_FOR(files_of(peer->pid, getpid()) == 0);
	peer_stop(peer);
}

/* Of varied sizes, and enough of them that rings begin again. */
static void use(void)
{
	for (size_t i = 0; i < CALLS; i++) {
		size_t size = 64 + i * 311;

		echo(connection, size);
		client_send_patiently(connection, COMPAT_EVENT, size);
		client_must_recv_event(connection, COMPAT_EVENT, size);
	}
}

static pid_t child_start(void (*fn)(void))
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	return pid;
}

static void child_must_end(pid_t pid, int expected)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, expected);
}

START_TEST(parent_and_children_use_a_connection_in_turn)
{
	start(_i);
	use();
	for (int i = 0; i < CHILDREN; i++) {
		child_must_end(child_start(use), 0);
		use();
	}
	child_must_end(child_start(use), 0);
	child_must_end(child_start(use), 0);
	use();
	stop();
}
END_TEST

/* -- Both live, and pass the turn on --------------------------------------------------- */

static int turns[2][2]; /* pipes: to the child, to the parent */

static void turn_pass(int to)
{
	ck_assert_int_eq(write(turns[to][1], "x", 1), 1);
}

static void turn_await(int of)
{
	char x;

	ck_assert_int_eq(read(turns[of][0], &x, 1), 1);
}

static size_t turn_size(int turn)
{
	return 100 + (size_t)turn * 97;
}

/* A call of its own; then the response and the event to what the other one has sent. */
static void child_turns(void)
{
	for (int turn = 0; turn < TURNS; turn++) {
		turn_await(0);
		client_must_recv(connection, COMPAT_ECHO, turn_size(turn));
		echo(connection, turn_size(turn) / 2);
		client_must_recv_event(connection, COMPAT_EVENT, turn_size(turn));
		client_send_patiently(connection, COMPAT_EVENT, turn_size(turn) + 1);
		turn_pass(1);
	}
}

START_TEST(parent_and_child_pass_the_turn_on_between_request_and_response)
{
	pid_t pid;

	start(_i);
	ck_assert(pipe(turns[0]) == 0 && pipe(turns[1]) == 0);
	pid = child_start(child_turns);
	for (int turn = 0; turn < TURNS; turn++) {
		echo(connection, turn_size(turn));
		client_send_patiently(connection, COMPAT_EVENT, turn_size(turn));
		client_send_patiently(connection, COMPAT_ECHO, turn_size(turn));
		turn_pass(0);
		turn_await(1);
		client_must_recv_event(connection, COMPAT_EVENT, turn_size(turn) + 1);
	}
	child_must_end(pid, 0);
	use();
	for (int i = 0; i < 4; i++)
		close(turns[i / 2][i % 2]);
	stop();
}
END_TEST

static void use_and_be_killed(void)
{
	use();
	client_send_patiently(connection, COMPAT_ECHO, 500);
	raise(SIGKILL);
}

START_TEST(what_a_child_has_sent_before_it_was_killed_is_answered_to_the_parent)
{
	start(_i);
	child_must_end(child_start(use_and_be_killed), SIGKILL);
	client_must_recv(connection, COMPAT_ECHO, 500);
	use();
	stop();
}
END_TEST

#ifndef CLIENT_IS_LIBQB
static void use_and_disconnect(void)
{
	use();
	qb_ipcc_disconnect(connection);
}

/* In libqb a disconnect is the connection's end, whoever of those who have it calls. */
START_TEST(a_child_that_disconnects_takes_nothing_from_its_parent)
{
	start(_i);
	for (int i = 0; i < CHILDREN; i++) {
		child_must_end(child_start(use_and_disconnect), 0);
		use();
	}
	stop();
}
END_TEST
#endif

void add_turn_tests(TCase *tc, int cell)
{
	add_cell_test(tc, parent_and_children_use_a_connection_in_turn, cell);
	add_cell_test(tc, parent_and_child_pass_the_turn_on_between_request_and_response, cell);
	add_cell_test(tc, what_a_child_has_sent_before_it_was_killed_is_answered_to_the_parent,
		      cell);
#ifndef CLIENT_IS_LIBQB
	add_cell_test(tc, a_child_that_disconnects_takes_nothing_from_its_parent, cell);
#endif
}
