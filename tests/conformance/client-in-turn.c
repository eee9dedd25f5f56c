/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One connection used in turn by the process that made it and by its children, as libsam's
 * clients do: each finds what the others left, and a child's end is not the connection's.
 */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/session.h"
#include "tests/lib/task.h"
#include "tests/lib/variant.h"

enum { CHILDREN = 3, CALLS = 20, SIZE = 700 };

static qb_ipcc_connection_t *connection;
static struct host *host;

static void start(int i)
{
	host = session_start(i, &connection);
}

static void stop(void)
{
	session_stop(host, connection);
}

/* Calls, and events that come one by one. */
static void use(int body)
{
	char buf[2000] __attribute__((aligned(8)));

	for (int i = 0; i < CALLS; i++) {
		client_echo(connection, SIZE);
		ck_assert_int_eq(host_call(host, remote_event, 1, body, i), body + 8);
		ck_assert_int_eq(
			qb_ipcc_event_recv(connection, buf, sizeof(buf), deadline_ms()),
			body + 8);
	}
	ck_assert_int_eq(qb_ipcc_event_recv(connection, buf, sizeof(buf), 0), -EAGAIN);
}

/* @fn in a child, until it has ended well. */
static void in_child(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

static void use_it(void)
{
	use(64);
}

static void use_it_and_disconnect(void)
{
	use(64);
	qb_ipcc_disconnect(connection);
}

START_TEST(parent_and_children_use_it_in_turn)
{
	start(_i);
	use(64);
	for (int i = 0; i < CHILDREN; i++) {
		in_child(use_it);
		use(200);
	}
	/* Children after each other, with nothing in between. */
	in_child(use_it);
	in_child(use_it);
	use(64);
	stop();
}
END_TEST

START_TEST(children_that_never_saw_it_used_come_first)
{
	start(_i);
	in_child(use_it);
	in_child(use_it);
	use(64);
	stop();
}
END_TEST

START_TEST(child_that_disconnects_takes_nothing_from_its_parent)
{
	start(_i);
	in_child(use_it_and_disconnect);
	ck_assert(qb_ipcc_is_connected(connection));
	use(64);
	in_child(use_it_and_disconnect);
	use(64);
	stop();
}
END_TEST

START_TEST(one_that_waits_while_another_process_uses_it_gets_ebusy)
{
	char buf[2000] __attribute__((aligned(8)));
	int ready[2];
	pid_t pid;
	int status;

	start(_i);
	use(64);
	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		ssize_t n;

		ck_assert_int_eq(write(ready[1], "x", 1), 1);
		n = qb_ipcc_recv(connection, buf, sizeof(buf), deadline_ms());
		_exit(n == -EBUSY ? 0 : 1);
	}
	ck_assert_int_eq(read(ready[0], buf, 1), 1);
	/* It sleeps when the kernel says so, and then the parent does all by itself. */
	WAIT_FOR(task_sleeps(pid));
	client_must_send(connection, MSG_SILENT, 64);
	ck_assert_int_eq(qb_ipcc_recv(connection, buf, sizeof(buf), 20), -ETIMEDOUT);
	ck_assert_int_eq(host_call(host, remote_response, 1, 64, 5), 72);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(qb_ipcc_recv(connection, buf, sizeof(buf), deadline_ms()), 72);
	use(64);
	close(ready[0]);
	close(ready[1]);
	stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("a connection used in turn");
	TCase *tc = tcase_new(s, "processes");

	add_transport_test(tc, parent_and_children_use_it_in_turn);
	add_transport_test(tc, children_that_never_saw_it_used_come_first);
	add_transport_test(tc, child_that_disconnects_takes_nothing_from_its_parent);
	add_transport_test(tc, one_that_waits_while_another_process_uses_it_gets_ebusy);
	return suite_main(s);
}
