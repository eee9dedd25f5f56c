/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A server that is stopped, or that stops in the middle of the handshake: no call of the
 * client that was given a time takes longer than that, and none of the others hangs.
 *
 * A machine may be slow, so that one call is late says nothing. Where a call that does
 * not keep to its time would take half a second, many of them together would take longer
 * than the deadline of the tests.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

enum { SHORT_MS = 60, TINY_MS = 10, MANY = 40, LARGE = 300 << 10, CLIENTS = 48, STEP = 3500 };

static char buffer[LARGE] __attribute__((aligned(8)));

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

/* -- Connecting ------------------------------------------------------------------------ */

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

static int backlog_fill(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(a.sun_path + 1, name);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

START_TEST(connect_to_a_full_queue_is_etimedout)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .prepare = prepare_small_backlog });
	qb_ipcc_connection_t *c;
	int first;

	host_freeze(h);
	first = backlog_fill(h->name);
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

START_TEST(connect_waits_for_a_place_and_an_answer_through_signals)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .prepare = prepare_small_backlog });
	qb_ipcc_connection_t *c;
	int first;

	for (int full = 0; full < 2; full++)
		for (int timed = 0; timed < 2; timed++) {
			host_freeze(h);
			first = full ? backlog_fill(h->name) : -1;
			alarms_start(h->pid);
			c = timed ? qbipc_connect_timeout(h->name, 0, deadline_ms())
				  : qb_ipcc_connect(h->name, 0);
			alarms_stop();
			ck_assert_msg(c, "full %d timed %d: %s", full, timed,
				      strerror(errno));
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
		ck_assert_int_eq(getsockopt(client_fd(c), SOL_SOCKET, SO_SNDTIMEO, &limit,
					    &size), 0);
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

/* -- Calls with a time ------------------------------------------------------------------ */

static struct host *start_frozen(int i, size_t size, qb_ipcc_connection_t **c)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(i), .quiet = true });

	*c = client_connect(h->name, size);
	client_echo(*c, 64);
	host_freeze(h);
	return h;
}

static void stop(struct host *h, qb_ipcc_connection_t *c)
{
	qb_ipcc_disconnect(c);
	host_thaw(h);
	host_stop(h);
}

START_TEST(receiving_from_a_stopped_server_ends_at_its_time)
{
	qb_ipcc_connection_t *c;
	struct host *h = start_frozen(_i, 0, &c);
	uint64_t begin = now_ms();

	ck_assert_int_eq(qb_ipcc_recv(c, buffer, sizeof(buffer), SHORT_MS), -ETIMEDOUT);
	ck_assert_uint_ge(now_ms() - begin + 1, SHORT_MS);
	begin = now_ms();
	ck_assert_int_eq(qb_ipcc_event_recv(c, buffer, sizeof(buffer), SHORT_MS), -EAGAIN);
	ck_assert_uint_ge(now_ms() - begin + 1, SHORT_MS);
	ck_assert_int_eq(qb_ipcc_recv(c, buffer, sizeof(buffer), 0), -ETIMEDOUT);
	ck_assert_int_eq(qb_ipcc_event_recv(c, buffer, sizeof(buffer), 0), -EAGAIN);
	stop(h, c);
}
END_TEST

/* Fill what there is until nothing more goes out. */
static void fill(qb_ipcc_connection_t *c, size_t size)
{
	ssize_t sent;

	while ((sent = client_send(c, MSG_SILENT, size)) >= 0)
		;
	ck_assert_int_eq(sent, -EAGAIN);
}

/* MANY times a little, which is much less than they may take together. */
static void check_calls(qb_ipcc_connection_t *c, size_t size)
{
	struct request *r = request_new(MSG_SILENT, size);
	struct iovec iov = { r, size };
	uint64_t begin = now_ms();

	for (int k = 0; k < MANY; k++) {
		ssize_t n = qb_ipcc_sendv_recv(c, &iov, 1, buffer, sizeof(buffer), TINY_MS);

		ck_assert_msg(n == -EAGAIN || n == -ETIMEDOUT, "%d", (int)n);
	}
	ck_assert_uint_le(now_ms() - begin, (uint64_t)deadline_ms());
	free(r);
}

START_TEST(calls_to_a_stopped_server_end_at_their_time_with_room_and_without)
{
	qb_ipcc_connection_t *c;
	struct host *h = start_frozen(_i, 0, &c);

	check_calls(c, 16);
	fill(c, 16);
	check_calls(c, 16);
	stop(h, c);
}
END_TEST

/* Until nothing more goes out; over sockets with most sizes a part is left before that. */
static void check_large_calls(qb_ipcc_connection_t *c, size_t size)
{
	struct request *r = request_new(MSG_SILENT, size);
	struct iovec iov = { r, size };
	ssize_t n;

	do
		n = qb_ipcc_sendv_recv(c, &iov, 1, buffer, sizeof(buffer), TINY_MS);
	while (n == -ETIMEDOUT);
	/* Datagrams are as large as the system lets them be. */
	ck_assert_msg(n == -EAGAIN || n == -EMSGSIZE, "%d", (int)n);
	free(r);
}

START_TEST(large_calls_to_a_stopped_server_end_at_their_time)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true });
	qb_ipcc_connection_t *c[CLIENTS];
	uint64_t begin;

	for (int k = 0; k < CLIENTS; k++)
		c[k] = client_connect(h->name, LARGE);
	host_freeze(h);
	begin = now_ms();
	for (int k = 0; k < CLIENTS; k++)
		check_large_calls(c[k], LARGE - (size_t)k * STEP);
	ck_assert_uint_le(now_ms() - begin, (uint64_t)deadline_ms());
	for (int k = 0; k < CLIENTS; k++)
		qb_ipcc_disconnect(c[k]);
	host_thaw(h);
	host_stop(h);
}
END_TEST

/* -- Turns of other threads ------------------------------------------------------------- */

struct other {
	qb_ipcc_connection_t *c;
	atomic_bool over;
	ssize_t result;
};

static void *recv_for_ever(void *data)
{
	static char own[20000] __attribute__((aligned(8)));
	struct other *o = data;

	o->result = qb_ipcc_recv(o->c, own, sizeof(own), -1);
	return NULL;
}

static void *event_recv_for_ever(void *data)
{
	static char own[20000] __attribute__((aligned(8)));
	struct other *o = data;

	o->result = qb_ipcc_event_recv(o->c, own, sizeof(own), -1);
	return NULL;
}

/* Whether a thread has its turn cannot be seen from outside. If it has none yet, the test
 * shows less, and does not fail. */
static void let_it_begin(void)
{
	for (int k = 0; k < 20; k++)
		pause_briefly();
}

START_TEST(turn_of_a_receiver_that_waits_for_ever_does_not_stretch_the_time)
{
	qb_ipcc_connection_t *c;
	struct host *h = start_frozen(_i, 0, &c);
	struct other response = { .c = c }, event = { .c = c };
	pthread_t threads[2];

	ck_assert_int_eq(pthread_create(&threads[0], NULL, recv_for_ever, &response), 0);
	ck_assert_int_eq(pthread_create(&threads[1], NULL, event_recv_for_ever, &event), 0);
	let_it_begin();
	ck_assert_int_eq(qb_ipcc_recv(c, buffer, sizeof(buffer), SHORT_MS), -ETIMEDOUT);
	ck_assert_int_eq(qb_ipcc_recv(c, buffer, sizeof(buffer), 0), -ETIMEDOUT);
	ck_assert_int_eq(qb_ipcc_event_recv(c, buffer, sizeof(buffer), SHORT_MS), -EAGAIN);
	ck_assert_int_eq(qb_ipcc_event_recv(c, buffer, sizeof(buffer), 0), -EAGAIN);
	check_calls(c, 16);
	host_kill(h);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	ck_assert_int_eq(response.result, -ENOTCONN);
	ck_assert_int_eq(event.result, -ENOTCONN);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static void *send_for_ever(void *data)
{
	static const struct qb_ipc_request_header m = { .id = MSG_SILENT, .size = sizeof(m) };
	struct other *o = data;

	while (!atomic_load(&o->over))
		if (qb_ipcc_send(o->c, &m, sizeof(m)) == -EAGAIN)
			pause_briefly();
	return NULL;
}

START_TEST(turn_of_a_sender_without_a_time_does_not_stretch_the_time)
{
	qb_ipcc_connection_t *c;
	struct host *h = start_frozen(_i, 0, &c);
	struct other sender = { .c = c };
	pthread_t thread;

	fill(c, 16);
	ck_assert_int_eq(pthread_create(&thread, NULL, send_for_ever, &sender), 0);
	let_it_begin();
	check_calls(c, 16);
	atomic_store(&sender.over, true);
	pthread_join(thread, NULL);
	stop(h, c);
}
END_TEST

/* -- Calls without a time --------------------------------------------------------------- */

START_TEST(disconnect_from_a_stopped_server_waits_for_nobody)
{
	qb_ipcc_connection_t *c;
	struct host *h = start_frozen(_i, 0, &c);

	fill(c, 3000);
	qb_ipcc_disconnect(c);
	host_thaw(h);
	host_await_trace(h, "destroyed:1");
	c = client_connect(h->name, 0);
	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(state_of_a_connection_to_a_stopped_server_is_told_at_once)
{
	qb_ipcc_connection_t *c;
	struct host *h = start_frozen(_i, 0, &c);
	struct qbipc_peer peer = { .struct_size = sizeof(peer) };

	fill(c, 16);
	ck_assert(qb_ipcc_is_connected(c));
	ck_assert(!fd_readable_within(client_fd(c), 0));
	ck_assert_int_eq(qbipc_client_peer_get(c, &peer), 0);
	ck_assert_int_eq(peer.pid, h->pid);
	qbipc_peer_free(&peer);
	stop(h, c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stopped server");
	TCase *tc = tcase_new(s, "connecting");

	add_transport_test(tc, connect_to_a_stopped_server_is_etimedout_and_leaves_nothing);
	add_transport_test(tc, connect_to_a_full_queue_is_etimedout);
	add_transport_test(tc, connect_waits_for_a_place_and_an_answer_through_signals);
	add_transport_test(tc, time_to_connect_leaves_no_trace_on_the_connection);
	tcase_add_loop_test(tc, server_that_stops_in_the_middle_of_its_answer_is_etimedout, 0,
			    STALLS);
	tcase_add_test(tc, half_an_answer_is_etimedout_without_a_time_too);
	add_transport_test(tc, refusal_keeps_its_errno);
	tcase_add_test(tc, other_errors_come_at_once);

	tc = tcase_new(s, "with a time");
	add_transport_test(tc, receiving_from_a_stopped_server_ends_at_its_time);
	add_transport_test(tc,
			   calls_to_a_stopped_server_end_at_their_time_with_room_and_without);
	add_transport_test(tc, large_calls_to_a_stopped_server_end_at_their_time);
	add_transport_test(tc, turn_of_a_receiver_that_waits_for_ever_does_not_stretch_the_time);
	add_transport_test(tc, turn_of_a_sender_without_a_time_does_not_stretch_the_time);

	tc = tcase_new(s, "without a time");
	add_transport_test(tc, disconnect_from_a_stopped_server_waits_for_nobody);
	add_transport_test(tc, state_of_a_connection_to_a_stopped_server_is_told_at_once);
	return suite_main(s);
}
