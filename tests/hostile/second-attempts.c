/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client that cannot take the descriptors of the native wire connects once more, and the
 * service is another one by then: it is silent, stops in the middle of its answer, hangs up,
 * refuses, is gone, or offers the native wire again. Each way to connect ends by itself,
 * with an errno of its manual, and leaves nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>
#include <qb/qbipc_ext.h>
#include <qb/qbipcc.h>

#include "tests/hostile/raw-wires.h"
#include "tests/hostile/wire.h"
#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/variant.h"

/* What the service does the second time. */
enum second { SILENT, HALF_AN_ANSWER, HANGS_UP, REFUSES, IS_GONE, NATIVE_AGAIN, SECONDS };

/* How a client connects. */
enum way { WITH_TIMEOUT, IN_STEPS, WITHOUT, WAYS };

enum {
	TIMEOUT_MS = 300,
	REFUSAL = -EPERM,
	PASSED = 3,
	/* Without the stream too few for what is passed: the last is enough for a second
	 * stream beside the first one. */
	LEFT_MAX = 3,
	/* The service may be without a CPU for as long as a client in steps waits for it. */
	TRIES = 20,
};

static const int expected[SECONDS] = {
	[SILENT] = ETIMEDOUT, [HALF_AN_ANSWER] = ETIMEDOUT, [HANGS_UP] = ECONNRESET,
	[REFUSES] = EPERM,    [IS_GONE] = ECONNREFUSED,	    [NATIVE_AGAIN] = EMFILE,
};

/* -- The service, a process of its own -------------------------------------------------- */

static void must(bool holds)
{
	if (!holds)
		_exit(1);
}

/* A client, whose hello has come. */
static int client_accept(int listener)
{
	struct wire_hello hello;
	int fd = accept(listener, NULL, NULL);

	must(fd >= 0);
	must(recv(fd, &hello, sizeof(hello), MSG_WAITALL) == sizeof(hello));
	return fd;
}

static void client_left(int fd)
{
	char byte;

	while (recv(fd, &byte, 1, 0) > 0)
		;
}

static void native_offer(int fd)
{
	struct wire_welcome welcome = {
		.id = WIRE_AUTHENTICATE,
		.mark = WIRE_MARK,
		.size = sizeof(welcome),
		.version = WIRE_VERSION,
		.type = WIRE_MEMORY,
		.max_msg_size = WIRE_SMALLEST,
	};
	int passed[PASSED] = { fd, fd, fd };

	must(raw_pass(fd, passed, PASSED, &welcome, sizeof(welcome)) == 0);
}

static void answer_begin(int fd, int error, size_t size)
{
	struct wire_welcome welcome = { .id = WIRE_AUTHENTICATE,
					.size = sizeof(welcome),
					.error = error };

	must(send(fd, &welcome, size, MSG_NOSIGNAL) == (ssize_t)size);
}

static void service(int listener, enum second second)
{
	int fd = client_accept(listener);
	int again;

	if (second == IS_GONE)
		close(listener);
	native_offer(fd);
	if (second == IS_GONE) {
		client_left(fd);
		return;
	}
	again = client_accept(listener);
	if (second == HALF_AN_ANSWER)
		answer_begin(again, 0, sizeof(struct wire_welcome) / 2);
	else if (second == REFUSES)
		answer_begin(again, REFUSAL, sizeof(struct wire_welcome));
	else if (second == NATIVE_AGAIN)
		native_offer(again);
	if (second == HANGS_UP)
		close(again);
	else
		client_left(again);
	client_left(fd);
}

static pid_t service_start(char *name, size_t size, enum second second)
{
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	pid_t pid;

	unique_name(name, size);
	raw_address(&address, name);
	ck_assert_int_ge(listener, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(listener, 5), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		service(listener, second);
		_exit(0);
	}
	close(listener);
	return pid;
}

/* -- The client -------------------------------------------------------------------------- */

/* Leave @n descriptors. */
static void descriptors_leave(int n)
{
	struct rlimit limit;
	int last = dup(0);

	ck_assert_int_ge(last, 0);
	close(last);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = (rlim_t)(last + n);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static bool is_waited_for(enum second second)
{
	return second == SILENT || second == HALF_AN_ANSWER;
}

static qb_ipcc_connection_t *client_come(const char *name, enum way way, enum second second)
{
	int timeout_ms = is_waited_for(second) ? TIMEOUT_MS : deadline_ms();
	qb_ipcc_connection_t *c;
	int fd, r;

	if (way == WITHOUT)
		return qb_ipcc_connect(name, 0);
	if (way == WITH_TIMEOUT)
		return qbipc_connect_timeout(name, 0, timeout_ms);
	c = qb_ipcc_connect_async(name, 0, &fd);
	ck_assert_ptr_nonnull(c);
	ck_assert(fd_readable_within(fd, deadline_ms()));
	r = qb_ipcc_connect_continue(c);
	ck_assert(r == 0 || errno == -r);
	return r == 0 ? c : NULL;
}

/* What the client is told. */
static int attempt(enum second second, enum way way, int left)
{
	struct rlimit before;
	char name[108];
	int status, error;
	qb_ipcc_connection_t *c;
	pid_t pid = service_start(name, sizeof(name), second);

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	descriptors_leave(left);
	errno = 0;
	c = client_come(name, way, second);
	error = errno;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert_ptr_null(c);
	/* The time may have been over before a second attempt. */
	if (is_waited_for(second) && way == WITH_TIMEOUT)
		kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	/* It ended by itself, so the client has left each of its streams. */
	ck_assert(WIFSIGNALED(status) ? is_waited_for(second) : status == 0);
	return error;
}

/* _i: what the service does the second time. Where that takes time, once is enough. */
START_TEST(service_that_is_another_one_the_second_time)
{
	enum second second = (enum second)_i;

	for (int left = is_waited_for(second) ? LEFT_MAX : 1; left <= LEFT_MAX; left++)
		for (enum way way = 0; way < WAYS; way++) {
			int tries = TRIES, error;

			/* Without a time, a silent server is waited for. */
			if (second == SILENT && way == WITHOUT)
				continue;
			do
				error = attempt(second, way, left);
			while (error == ETIMEDOUT && way == IN_STEPS &&
			       !is_waited_for(second) && --tries > 0);
			ck_assert_msg(error == expected[second],
				      "way %d, %d left: %s instead of %s", way, left,
				      strerror(error), strerror(expected[second]));
		}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile: a service that is another one the second time");
	TCase *tc = tcase_new(s, "second attempts");

	tcase_add_loop_test(tc, service_that_is_another_one_the_second_time, 0, SECONDS);
	return suite_main(s);
}
