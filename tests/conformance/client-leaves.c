/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads of a client that leave a call for ever: cancelled, by siglongjmp, or in the parent
 * of a process that goes on with the connection. The connection goes on working.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/session.h"
#include "tests/lib/task.h"
#include "tests/lib/variant.h"

static qb_ipcc_connection_t *connection;
static struct host *host;
static pthread_t thread;
static _Atomic(pid_t) waiter; /* about to wait; 0: not yet */
static sigjmp_buf out;

static void start(int i)
{
	host = session_start(i, &connection);
	client_echo(connection, 64);
}

static void stop(void)
{
	session_stop(host, connection);
}

static void *response_awaited(void *arg)
{
	char buf[2000] __attribute__((aligned(8)));

	waiter = gettid();
	(void)qb_ipcc_recv(connection, buf, sizeof(buf), -1);
	return arg;
}

static void *event_awaited(void *arg)
{
	char buf[2000] __attribute__((aligned(8)));

	waiter = gettid();
	(void)qb_ipcc_event_recv(connection, buf, sizeof(buf), -1);
	return arg;
}

/* It is inside the call when it sleeps. */
static bool waiter_waits(void)
{
	return waiter && task_sleeps(waiter);
}

static void waiter_start(void *(*fn)(void *))
{
	waiter = 0;
	ck_assert_int_eq(pthread_create(&thread, NULL, fn, NULL), 0);
	WAIT_FOR(waiter_waits());
}

/* Responses and events come, whoever waited for them before. */
static void connection_works(void)
{
	char buf[2000] __attribute__((aligned(8)));

	client_echo(connection, 64);
	client_must_send(connection, MSG_SILENT, 64);
	ck_assert_int_eq(host_call(host, remote_response, 1, 64, 5), 72);
	response_check((void *)buf, qb_ipcc_recv(connection, buf, sizeof(buf), deadline_ms()),
		       5, 64);
	ck_assert_int_eq(host_call(host, remote_event, 1, 64, 6), 72);
	response_check((void *)buf,
		       qb_ipcc_event_recv(connection, buf, sizeof(buf), deadline_ms()), 6, 64);
	ck_assert_int_eq(qb_ipcc_event_recv(connection, buf, sizeof(buf), 0), -EAGAIN);
}

static void check_cancel(int i, void *(*fn)(void *))
{
	void *result;

	start(i);
	waiter_start(fn);
	pthread_cancel(thread);
	pthread_join(thread, &result);
	ck_assert_ptr_eq(result, PTHREAD_CANCELED);
	connection_works();
	stop();
}

START_TEST(waiting_for_a_response_may_be_cancelled)
{
	check_cancel(_i, response_awaited);
}
END_TEST

START_TEST(waiting_for_an_event_may_be_cancelled)
{
	check_cancel(_i, event_awaited);
}
END_TEST

static void jump(int number)
{
	siglongjmp(out, number);
}

static pthread_t main_thread;

static void *waiter_interrupted(void *arg)
{
	while (!waiter_waits())
		pause_briefly();
	pthread_kill(main_thread, SIGUSR1);
	return arg;
}

static void check_jump(int i, void *(*fn)(void *))
{
	start(i);
	waiter = 0;
	main_thread = pthread_self();
	signal(SIGUSR1, jump);
	ck_assert_int_eq(pthread_create(&thread, NULL, waiter_interrupted, NULL), 0);
	if (sigsetjmp(out, 1) == 0)
		(void)fn(NULL);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	connection_works();
	stop();
}

START_TEST(waiting_for_a_response_may_be_left_by_siglongjmp)
{
	check_jump(_i, response_awaited);
}
END_TEST

START_TEST(waiting_for_an_event_may_be_left_by_siglongjmp)
{
	check_jump(_i, event_awaited);
}
END_TEST

static int child_waited_for(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

/* As daemon(3), with a thread that waits: the child goes on, its parent ends at once. */
static void check_daemon(int i, void *(*fn)(void *))
{
	int done[2];
	char byte = 'n';
	pid_t pid;

	start(i);
	ck_assert_int_eq(pipe(done), 0);
	pid = fork();
	if (pid == 0) {
		pid_t parent = getpid();

		waiter_start(fn);
		if (fork())
			_exit(0);
		alarm((unsigned int)deadline_ms() / 1000 + 1);
		/* Until then its thread may take what comes. */
		WAIT_FOR(getppid() != parent);
		connection_works();
		(void)!write(done[1], "y", 1);
		_exit(0);
	}
	close(done[1]);
	ck_assert_int_eq(child_waited_for(pid), 0);
	ck_assert_int_eq(read(done[0], &byte, 1), 1);
	ck_assert_int_eq(byte, 'y');
	close(done[0]);
	stop();
}

START_TEST(a_child_goes_on_though_a_thread_of_its_parent_waits_for_a_response)
{
	check_daemon(_i, response_awaited);
}
END_TEST

START_TEST(a_child_goes_on_though_a_thread_of_its_parent_waits_for_an_event)
{
	check_daemon(_i, event_awaited);
}
END_TEST

/* -- Several that wait at once ---------------------------------------------------------- */

enum { RECEIVERS = 3, EVENTS = 60 };

static _Atomic(unsigned int) seen[EVENTS];
static _Atomic(int) wrong;

static void *events_received(void *arg)
{
	char buf[2000] __attribute__((aligned(8)));

	for (;;) {
		ssize_t n = qb_ipcc_event_recv(connection, buf, sizeof(buf), -1);
		const struct qb_ipc_response_header *h = (const void *)buf;

		if (n < 0)
			return arg;
		if (h->id < 0 || h->id >= EVENTS)
			wrong = 1;
		else
			seen[h->id]++;
	}
}

START_TEST(each_event_goes_to_one_of_those_that_wait)
{
	pthread_t threads[RECEIVERS];

	start(_i);
	for (int i = 0; i < RECEIVERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, events_received, NULL), 0);
	for (int i = 0; i < EVENTS; i++) {
		ck_assert_int_eq(host_call(host, remote_event, 1, 64, i), 72);
		if (i % 3 == 0)
			WAIT_FOR(seen[i]);
	}
	for (int i = 0; i < EVENTS; i++)
		WAIT_FOR(seen[i]);
	for (int i = 0; i < RECEIVERS; i++) {
		pthread_cancel(threads[i]);
		pthread_join(threads[i], NULL);
	}
	for (int i = 0; i < EVENTS; i++)
		ck_assert_uint_eq(seen[i], 1);
	ck_assert(!wrong);
	connection_works();
	stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("leaving a call");
	TCase *tc = tcase_new(s, "threads");

	add_transport_test(tc, waiting_for_a_response_may_be_cancelled);
	add_transport_test(tc, waiting_for_an_event_may_be_cancelled);
	add_transport_test(tc, waiting_for_a_response_may_be_left_by_siglongjmp);
	add_transport_test(tc, waiting_for_an_event_may_be_left_by_siglongjmp);
	add_transport_test(tc, each_event_goes_to_one_of_those_that_wait);
	tc = tcase_new(s, "processes");
	add_transport_test(tc,
			   a_child_goes_on_though_a_thread_of_its_parent_waits_for_a_response);
	add_transport_test(tc,
			   a_child_goes_on_though_a_thread_of_its_parent_waits_for_an_event);
	return suite_main(s);
}
