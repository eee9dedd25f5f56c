/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Signal handlers that run while a client waits, and return. A loop of a program that waits
 * for events, or connects, looks at what its handler has set; who waits for a response wants
 * that.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/task.h"
#include "tests/lib/variant.h"

enum { WAIT_MS = 100 };

static volatile sig_atomic_t handled;
static char buffer[2000] __attribute__((aligned(8)));
static qb_ipcc_connection_t *connection;
static struct host *host;

static void on_signal(int sig)
{
	handled++;
}

static void connect_and_echo(void)
{
	connection = client_connect(host->name, 0);
	client_echo(connection, 64);
}

static void start(int i)
{
	/* Nobody restarts poll(2); if it were to be restarted, this says that it may. */
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	host = host_start(&(struct server_spec){ VARIANT_SPEC(i), .quiet = true });
	connect_and_echo();
	handled = 0;
	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
}

static void stop(void)
{
	qb_ipcc_disconnect(connection);
	host_stop(host);
}

/* Sends this process a signal each time that it is found asleep. */
static pid_t disturber_start(void)
{
	pid_t victim = getpid(), pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		if (task_sleeps(victim) && kill(victim, SIGUSR1) < 0)
			_exit(0);
		pause_briefly();
	}
}

static void disturber_stop(pid_t pid)
{
	pid_t ended;

	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	do
		ended = waitpid(pid, NULL, 0);
	while (ended < 0 && errno == EINTR);
	ck_assert_int_eq(ended, pid);
}

START_TEST(waiting_for_an_event_for_ever_ends_when_a_handler_has_run)
{
	pid_t disturber;

	start(_i);
	disturber = disturber_start();
	ck_assert_int_eq(qb_ipcc_event_recv(connection, buffer, sizeof(buffer), -1), -EAGAIN);
	disturber_stop(disturber);
	ck_assert_int_gt(handled, 0);
	/* Nothing is lost, and nothing is broken. */
	ck_assert_int_eq(host_call(host, remote_event, 1, 100, 1), 108);
	client_must_recv_event(connection, 1, 100);
	client_echo(connection, 64);
	stop();
}
END_TEST

START_TEST(waiting_for_an_event_for_a_time_ends_when_a_handler_has_run)
{
	uint64_t begin;
	pid_t disturber;

	start(_i);
	disturber = disturber_start();
	begin = now_ms();
	ck_assert_int_eq(
		qb_ipcc_event_recv(connection, buffer, sizeof(buffer), 100 * deadline_ms()),
		-EAGAIN);
	disturber_stop(disturber);
	ck_assert_uint_lt(now_ms() - begin, (uint64_t)deadline_ms());
	stop();
}
END_TEST

START_TEST(connecting_to_a_stopped_server_ends_when_a_handler_has_run)
{
	pid_t disturber;

	start(_i);
	host_freeze(host);
	disturber = disturber_start();
	errno = 0;
	ck_assert_ptr_null(qb_ipcc_connect(host->name, 0));
	ck_assert_int_eq(errno, EAGAIN);
	disturber_stop(disturber);
	host_thaw(host);
	qb_ipcc_disconnect(connection);
	connect_and_echo();
	stop();
}
END_TEST

/* Shared with the one below. */
static atomic_int *handled_there;

static void on_signal_tell(int sig)
{
	handled++;
	atomic_fetch_add(handled_there, 1);
}

/* The server goes on when the handler has run and this process sleeps again. */
static pid_t thawer_start(void)
{
	pid_t victim = getpid(), pid = fork();
	int before = atomic_load(handled_there);

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!task_sleeps(victim))
		pause_briefly();
	kill(victim, SIGUSR1);
	while (atomic_load(handled_there) == before || !task_sleeps(victim))
		pause_briefly();
	kill(host->pid, SIGCONT);
	_exit(0);
}

enum { ATTEMPTS = 10 };

/* Within two seconds; one of several times, where the machine is busy. */
START_TEST(connecting_to_a_server_that_answers_goes_on_when_a_handler_has_run)
{
	struct sigaction action = { .sa_handler = on_signal_tell };
	qb_ipcc_connection_t *c = NULL;

	start(_i);
	handled_there = mmap(NULL, sizeof(*handled_there), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(handled_there, MAP_FAILED);
	ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
	for (int i = 0; i < ATTEMPTS && !c; i++) {
		pid_t thawer;

		host_freeze(host);
		thawer = thawer_start();
		c = qb_ipcc_connect(host->name, 0);
		ck_assert(c || errno == EAGAIN);
		disturber_stop(thawer);
		host_thaw(host);
	}
	ck_assert_ptr_nonnull(c);
	ck_assert_int_gt(handled, 0);
	munmap(handled_there, sizeof(*handled_there));
	qb_ipcc_disconnect(c);
	client_echo(connection, 64);
	stop();
}
END_TEST

/* In between it has been cut short again and again. */
START_TEST(waiting_for_a_response_goes_on_when_handlers_run)
{
	uint64_t begin;
	pid_t disturber;

	start(_i);
	disturber = disturber_start();
	begin = now_ms();
	ck_assert_int_eq(qb_ipcc_recv(connection, buffer, sizeof(buffer), WAIT_MS), -ETIMEDOUT);
	ck_assert_uint_ge(now_ms() - begin, WAIT_MS - 1);
	while (handled == 0)
		(void)qb_ipcc_recv(connection, buffer, sizeof(buffer), WAIT_MS);
	disturber_stop(disturber);
	client_echo(connection, 64);
	stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("signals");
	TCase *tc = tcase_new(s, "handlers that return");

	add_transport_test(tc, waiting_for_an_event_for_ever_ends_when_a_handler_has_run);
	add_transport_test(tc, waiting_for_an_event_for_a_time_ends_when_a_handler_has_run);
	add_transport_test(tc, connecting_to_a_stopped_server_ends_when_a_handler_has_run);
	add_transport_test(tc,
			   connecting_to_a_server_that_answers_goes_on_when_a_handler_has_run);
	add_transport_test(tc, waiting_for_a_response_goes_on_when_handlers_run);
	return suite_main(s);
}
