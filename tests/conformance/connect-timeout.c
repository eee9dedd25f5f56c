/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connecting within a time to a server that is stopped, has no place in its queue, or
 * stops in the middle of the handshake.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <qb/qbipc_ext.h>

#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

enum { SHORT_MS = 60 };

/* Connecting fails like that, and not before the time is over. */
static void check_connect(const char *name, int32_t ms, int expected)
{
	uint64_t begin = now_ms();

	errno = 0;
	ck_assert_ptr_null(qbipc_connect_timeout(name, 0, ms));
	ck_assert_int_eq(errno, expected);
	if (expected == ETIMEDOUT)
		ck_assert_uint_ge(now_ms() - begin + 1, (uint64_t)ms);
	ck_assert_uint_le(now_ms() - begin, (uint64_t)deadline_ms());
}

START_TEST(connect_to_a_stopped_server_is_etimedout_and_leaves_nothing)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c;

	host_freeze(h);
	check_connect(h->name, SHORT_MS, ETIMEDOUT);
	check_connect(h->name, 0, ETIMEDOUT);
	host_thaw(h);
	c = qbipc_connect_timeout(h->name, 0, deadline_ms());
	ck_assert_ptr_nonnull(c);
	client_echo(c, 3000);
	qb_ipcc_disconnect(c);
	c = qbipc_connect_timeout(h->name, 0, -1);
	ck_assert_ptr_nonnull(c);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* How often this thread gave up its CPU because it waited. */
static unsigned int sleeps(void)
{
	struct rusage usage;

	ck_assert_int_eq(getrusage(RUSAGE_THREAD, &usage), 0);
	return (unsigned int)usage.ru_nvcsw;
}

/* A listener of the service's with room for one client. */
static void prepare_small_backlog(struct server *sv)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path + 1, sv->name);
	SERVER_REQUIRE_EQ(sv, bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	SERVER_REQUIRE_EQ(sv, listen(fd, 0), 0);
	SERVER_REQUIRE_EQ(sv, qbipc_service_listen_fd_set(sv->service, fd), 0);
}

/* A server that has stopped, and whose queue is full. What came before is to be accepted. */
static int freeze_with_full_backlog(struct host *h)
{
	uint64_t end = now_ms() + (uint64_t)deadline_ms();
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(a.sun_path + 1, h->name);
	for (;;) {
		host_freeze(h);
		if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
			return fd;
		ck_assert_int_eq(errno, EAGAIN);
		ck_assert_uint_lt(now_ms(), end);
		host_thaw(h);
		pause_briefly();
	}
}

START_TEST(connect_to_a_full_queue_is_etimedout)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .prepare = prepare_small_backlog });
	qb_ipcc_connection_t *c;
	int first;

	first = freeze_with_full_backlog(h);
	check_connect(h->name, SHORT_MS, ETIMEDOUT);
	check_connect(h->name, 0, ETIMEDOUT);
	host_thaw(h);
	close(first);
	c = qbipc_connect_timeout(h->name, 0, deadline_ms());
	ck_assert_ptr_nonnull(c);
	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* It is what a loop calls, and does not wait for a tick of the clock either. */
START_TEST(connect_async_to_a_full_queue_is_eagain_at_once)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .prepare = prepare_small_backlog });
	qb_ipcc_connection_t *c;
	int first, fd = -1;
	unsigned int slept;

	first = freeze_with_full_backlog(h);
	slept = sleeps();
	for (int i = 0; i < 20; i++) {
		errno = 0;
		ck_assert_ptr_null(qb_ipcc_connect_async(h->name, 0, &fd));
		ck_assert_int_eq(errno, EAGAIN);
	}
	ck_assert_uint_lt(sleeps() - slept, 20);
	host_thaw(h);
	close(first);
	WAIT_FOR((c = qb_ipcc_connect_async(h->name, 0, &fd)));
	ck_assert(fd_readable_within(fd, deadline_ms()));
	ck_assert_int_eq(qb_ipcc_connect_continue(c), 0);
	/* And what it has connected waits again where it is to. */
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static pid_t to_thaw;
static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
	if (++alarms == 10)
		kill(to_thaw, SIGCONT);
}

/* Signals come all the time, and one of them lets the server go on. */
static void alarms_start(pid_t pid)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval every = { { 0, 5000 }, { 0, 5000 } };

	to_thaw = pid;
	alarms = 0;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
}

static void alarms_stop(void)
{
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 0 } }, NULL);
	/* One may be on its way still. */
	signal(SIGALRM, SIG_IGN);
}

/* That qb_ipcc_connect() does not is tested in signals.c. */
START_TEST(connect_waits_for_a_place_and_an_answer_through_signals)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .prepare = prepare_small_backlog });
	qb_ipcc_connection_t *c;
	int first;

	for (int full = 0; full < 2; full++)
		for (int timed = 0; timed < 2; timed++) {
			first = -1;
			if (full)
				first = freeze_with_full_backlog(h);
			else
				host_freeze(h);
			alarms_start(h->pid);
			c = qbipc_connect_timeout(h->name, 0, timed ? deadline_ms() : -1);
			alarms_stop();
			ck_assert_msg(c, "full %d timed %d: %s", full, timed, strerror(errno));
			if (first >= 0)
				close(first);
			client_echo(c, 64);
			qb_ipcc_disconnect(c);
		}
	host_stop(h);
}
END_TEST

START_TEST(time_to_connect_leaves_no_trace_on_the_connection)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = qbipc_connect_timeout(h->name, 0, deadline_ms());
	struct timeval limit = { 1, 1 };
	socklen_t size = sizeof(limit);

	ck_assert_ptr_nonnull(c);
	if (variants[_i].type == QB_IPC_SHM) {
		ck_assert_int_eq(
			getsockopt(client_fd(c), SOL_SOCKET, SO_SNDTIMEO, &limit, &size), 0);
		ck_assert_int_eq(limit.tv_sec + limit.tv_usec, 0);
	}
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* What a false server sends of its answer, and how fast. */
enum stall { STALL_SILENT, STALL_HALF, STALL_BYTES, STALLS };

static void stall_serve(int listener, enum stall how)
{
	static const char zeros[100];
	int fd = accept(listener, NULL, NULL);

	close(listener);
	if (how == STALL_HALF)
		(void)send(fd, zeros, sizeof(zeros), MSG_NOSIGNAL);
	while (how == STALL_BYTES && send(fd, zeros, 1, MSG_NOSIGNAL) == 1)
		pause_briefly();
	for (;;)
		pause();
}

static pid_t stall_start(const char *name, enum stall how)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	strcpy(a.sun_path + 1, name);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		stall_serve(fd, how);
	close(fd);
	return pid;
}

static void stall_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(server_that_stops_in_the_middle_of_its_answer_is_etimedout)
{
	char name[64];
	pid_t pid;

	unique_name(name, sizeof(name));
	pid = stall_start(name, (enum stall)_i);
	check_connect(name, SHORT_MS, ETIMEDOUT);
	stall_stop(pid);
}
END_TEST

/* Two seconds, see protocol.md. */
START_TEST(half_an_answer_is_etimedout_without_a_time_too)
{
	char name[64];
	pid_t pid;

	unique_name(name, sizeof(name));
	pid = stall_start(name, STALL_HALF);
	errno = 0;
	ck_assert_ptr_null(qb_ipcc_connect(name, 0));
	ck_assert_int_eq(errno, ETIMEDOUT);
	stall_stop(pid);
}
END_TEST

static int32_t accept_says_eagain(struct server *sv, qb_ipcs_connection_t *c, uid_t uid,
				  gid_t gid)
{
	return -EAGAIN;
}

START_TEST(refusal_keeps_its_errno)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .accept = accept_says_eagain });

	check_connect(h->name, deadline_ms(), EAGAIN);
	host_stop(h);
}
END_TEST

START_TEST(other_errors_come_at_once)
{
	char name[64], longest[200];

	unique_name(name, sizeof(name));
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (int32_t ms = -1; ms < 2; ms++) {
		check_connect(name, ms, ECONNREFUSED);
		check_connect(NULL, ms, EINVAL);
		check_connect("", ms, EINVAL);
		check_connect("a/b", ms, EINVAL);
		check_connect(longest, ms, ENAMETOOLONG);
		errno = 0;
		ck_assert_ptr_null(qbipc_connect_timeout(name, SIZE_MAX, ms));
		ck_assert_int_eq(errno, EMSGSIZE);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("connecting within a time");
	TCase *tc = tcase_new(s, "connecting");

	add_transport_test(tc, connect_to_a_stopped_server_is_etimedout_and_leaves_nothing);
	add_transport_test(tc, connect_to_a_full_queue_is_etimedout);
	add_transport_test(tc, connect_async_to_a_full_queue_is_eagain_at_once);
	add_transport_test(tc, connect_waits_for_a_place_and_an_answer_through_signals);
	add_transport_test(tc, time_to_connect_leaves_no_trace_on_the_connection);
	tcase_add_loop_test(tc, server_that_stops_in_the_middle_of_its_answer_is_etimedout, 0,
			    STALLS);
	tcase_add_test(tc, half_an_answer_is_etimedout_without_a_time_too);
	add_transport_test(tc, refusal_keeps_its_errno);
	tcase_add_test(tc, other_errors_come_at_once);
	return suite_main(s);
}
