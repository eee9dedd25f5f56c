/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SIGPIPE kills who does not ask otherwise, and nobody here does: whatever the library
 * sends to a peer that has gone, it is an error of the call and no signal. connect(2) and
 * send(2) are this program's, so that the peer goes at the very moment.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <qb/qbipc_ext.h>

#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/task.h"
#include "tests/lib/variant.h"

enum { SMALL = 64, LARGE = 200 * 1000, MANY = 3000, MSG_KILL_ME = 40 };

/* -- The peer goes right after the connect ------------------------------------------ */

static void (*connected)(int fd);
static void (*sent)(int fd);

/* The library's, too. */
#pragma GCC visibility push(default)
int connect(int fd, const struct sockaddr *address, socklen_t size)
{
	int r = (int)syscall(SYS_connect, fd, address, size);

	if (r == 0 && connected)
		connected(fd);
	return r;
}

ssize_t send(int fd, const void *message, size_t size, int flags)
{
	ssize_t n = syscall(SYS_sendto, fd, message, size, flags, NULL, 0);

	if (n >= 0 && sent)
		sent(fd);
	return n;
}
#pragma GCC visibility pop

static int listener;

/* A server that takes a client and is gone. */
static void server_goes(int fd)
{
	int accepted = accept(listener, NULL, NULL);

	ck_assert_int_ge(accepted, 0);
	close(accepted);
}

static void listen_at(char *name, size_t size)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	unique_name(name, size);
	strcpy(address.sun_path + 1, name);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(listener, 0);
	ck_assert_int_eq(bind(listener, (void *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(listener, 5), 0);
}

START_TEST(asking_a_server_that_goes_is_no_signal)
{
	struct qbipc_probe_info info = { .size = sizeof(info) };
	qbipc_snapshot_t *snapshot;
	qbipc_description_t *description;
	char name[64];
	int fd;

	listen_at(name, sizeof(name));
	connected = server_goes;
	ck_assert_ptr_null(qb_ipcc_connect(name, 0));
	ck_assert_ptr_null(qb_ipcc_connect_async(name, 0, &fd));
	ck_assert_int_lt(qbipc_probe(name, 0, deadline_ms(), &info), 0);
	ck_assert_int_lt(qbipc_snapshot_get(name, deadline_ms(), &snapshot), 0);
	ck_assert_int_lt(qbipc_describe(name, deadline_ms(), &description), 0);
	connected = NULL;
	close(listener);
}
END_TEST

/* Who does not read any more what the server answers. */
static void stop_reading(int fd)
{
	ck_assert_int_eq(shutdown(fd, SHUT_RD), 0);
}

static pid_t server;

/* It has taken what was sent, and waits for more, or has ended. */
static bool server_is_done(int fd)
{
	int left;

	return ioctl(fd, SIOCOUTQ, &left) == 0 && left == 0 &&
	       (task_sleeps(server) || task_has_ended(server));
}

/* Who leaves before is not answered. */
static void stay_until_answered(int fd)
{
	WAIT_FOR(server_is_done(fd));
}

static int32_t accept_as_told(struct server *sv, qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	return (int32_t)atomic_load(&sv->shared->slot[1]);
}

START_TEST(answering_who_does_not_read_is_no_signal)
{
	struct qbipc_probe_info info = { .size = sizeof(info) };
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .untraced = true,
							   .accept = accept_as_told });
	qb_ipcc_connection_t *c;
	qbipc_snapshot_t *snapshot;
	qbipc_description_t *description;

	server = h->pid;
	connected = stop_reading;
	sent = stay_until_answered;
	ck_assert_ptr_null(qb_ipcc_connect(h->name, 0));
	atomic_store(&h->shared->slot[1], -EACCES);
	ck_assert_ptr_null(qb_ipcc_connect(h->name, 0));
	ck_assert_int_lt(qbipc_probe(h->name, 0, deadline_ms(), &info), 0);
	ck_assert_int_lt(qbipc_snapshot_get(h->name, deadline_ms(), &snapshot), 0);
	ck_assert_int_lt(qbipc_describe(h->name, deadline_ms(), &description), 0);
	connected = NULL;
	sent = NULL;
	atomic_store(&h->shared->slot[1], 0);
	c = client_connect(h->name, 0);
	client_echo(c, SMALL);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* -- A server, whose client is killed ------------------------------------------------- */

static char buffer[LARGE];

static const void *message_of(size_t size)
{
	struct qb_ipc_response_header *h = (void *)buffer;

	*h = (struct qb_ipc_response_header){ .id = 1, .size = (int32_t)size };
	return buffer;
}

/* Its loop does not know yet, and it sends all it can. */
static int32_t kill_and_send(struct server *sv, qb_ipcs_connection_t *c, void *data,
			     size_t size)
{
	static const size_t sizes[] = { SMALL, LARGE };
	struct qb_ipcs_connection_stats stats;

	if (((struct qb_ipc_request_header *)data)->id != MSG_KILL_ME)
		return server_default_msg(sv, c, data, size);
	SERVER_REQUIRE_EQ(sv, qb_ipcs_connection_stats_get(c, &stats, 0), 0);
	SERVER_REQUIRE_EQ(sv, kill(stats.client_pid, SIGKILL), 0);
	while (!task_has_ended(stats.client_pid))
		pause_briefly();
	for (int k = 0; k < MANY; k++) {
		size_t n = sizes[k % 2];

		(void)qb_ipcs_event_send(c, message_of(n), n);
		(void)qb_ipcs_response_send(c, message_of(n), n);
	}
	return 0;
}

static void be_killed(const char *name)
{
	qb_ipcc_connection_t *c = qb_ipcc_connect(name, LARGE);
	struct qb_ipc_request_header h = { .id = MSG_KILL_ME, .size = sizeof(h) };

	if (!c || qb_ipcc_send(c, &h, sizeof(h)) != sizeof(h))
		_exit(EXIT_FAILURE);
	for (;;)
		pause();
}

START_TEST(sending_to_a_client_that_was_killed_is_no_signal)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .untraced = true,
							   .msg = kill_and_send });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		be_killed(h->name);
	census_adopt(pid);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	client_echo(c, SMALL);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* -- A client, whose server is killed -------------------------------------------------- */

START_TEST(sending_to_a_server_that_was_killed_is_no_signal)
{
	static const size_t sizes[] = { SMALL, LARGE };
	struct host *h =
		host_start(&(struct server_spec){ VARIANT_SPEC(_i), .untraced = true });
	qb_ipcc_connection_t *c[2];
	char answer[SMALL];

	for (int k = 0; k < 2; k++)
		c[k] = client_connect(h->name, LARGE);
	client_echo(c[0], SMALL);
	/* With room for requests: none is taken any more. */
	host_freeze(h);
	host_kill(h);
	for (int n = 0; n < 2 * 2; n++) {
		size_t size = sizes[n / 2];
		struct iovec iov = { buffer, size };

		(void)message_of(size);
		ck_assert_int_lt(qb_ipcc_sendv_recv(c[n % 2], &iov, 1, answer, sizeof(answer),
						    deadline_ms()),
				 0);
		ck_assert_int_lt(qb_ipcc_send(c[n % 2], buffer, size), 0);
	}
	for (int k = 0; k < 2; k++)
		qb_ipcc_disconnect(c[k]);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("broken-pipe");
	TCase *tc = tcase_new(s, "handshakes");

	tcase_add_test(tc, asking_a_server_that_goes_is_no_signal);
	add_transport_test(tc, answering_who_does_not_read_is_no_signal);
	tc = tcase_new(s, "connections");
	add_transport_test(tc, sending_to_a_client_that_was_killed_is_no_signal);
	add_transport_test(tc, sending_to_a_server_that_was_killed_is_no_signal);
	return suite_main(s);
}
