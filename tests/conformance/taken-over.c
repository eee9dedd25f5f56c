/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a server that goes into the background, as by daemon(3), takes over from the process
 * before it: that one serves on after the fork, while the other one waits, then ends.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <qbipc/events.h>

#include "tests/conformance/limits.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"

enum {
	ECHOES = 20,
	QUEUED = 5,
	SIZE = 1000,	 /* of the equivalent request of an event */
	LARGE = 1 << 20, /* more than goes into a packet */
	ROOM = LARGE + 4096,
	FIRST = 1000, /* id of an event */
	MANY = 20000, /* more events than a stream holds bytes */
	HANDSHAKE_MS = 2000,
};

enum { MSG_FORK = 100, MSG_HOLD };
enum { SLOT_REQUESTS = 1, SLOT_TOLD_FIRST, SLOT_TOLD_SECOND, SLOT_GO };

/* -- In the server ---------------------------------------------------------------------- */

static struct {
	pid_t pid; /* 0: this is it */
	int may_start;
} successor = { .pid = -1 };

/* Returns at once in the first process; in the other one when the first has ended. */
static int64_t fork_off(struct server *sv, const int64_t *args)
{
	int fds[2];
	char byte;

	SERVER_REQUIRE_EQ(sv, pipe(fds), 0);
	successor.pid = fork();
	SERVER_REQUIRE(sv, successor.pid >= 0);
	if (successor.pid == 0) {
		close(fds[1]);
		SERVER_REQUIRE_EQ(sv, read(fds[0], &byte, 1), 1);
	} else {
		successor.may_start = fds[1];
	}
	close(fds[0]);
	return 0;
}

/* The answer to this call is the other one's to fork_off(). */
static int64_t end_first(struct server *sv, const int64_t *args)
{
	int status;

	SERVER_REQUIRE_EQ(sv, write(successor.may_start, "s", 1), 1);
	SERVER_REQUIRE_EQ(sv, waitpid(successor.pid, &status, 0), successor.pid);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE);
}

static int32_t count_then_answer(struct server *sv, qb_ipcs_connection_t *c, void *data,
				 size_t size)
{
	sv->shared->slot[SLOT_REQUESTS]++;
	return server_default_msg(sv, c, data, size);
}

/* The fork is in the middle of a dispatch, which each process continues. */
static int32_t count_then_fork(struct server *sv, qb_ipcs_connection_t *c, void *data,
			       size_t size)
{
	const struct qb_ipc_request_header *h = data;
	int64_t answer;

	sv->shared->slot[SLOT_REQUESTS]++;
	while (h->id == MSG_HOLD && !sv->shared->slot[SLOT_GO])
		pause_briefly();
	if (h->id != MSG_FORK)
		return server_default_msg(sv, c, data, size);
	answer = fork_off(sv, NULL);
	if (successor.pid == 0)
		SERVER_REQUIRE_EQ(sv, send(sv->control, &answer, sizeof(answer), 0),
				  sizeof(answer));
	return 0;
}

static void on_room(qb_ipcs_connection_t *c, void *data)
{
	struct server *sv = data;

	sv->shared->slot[successor.pid == 0 ? SLOT_TOLD_SECOND : SLOT_TOLD_FIRST]++;
}

static void ask_to_be_told(struct server *sv)
{
	SERVER_REQUIRE_EQ(sv, qbipc_service_writable_set(sv->service, on_room, sv), 0);
}

/* -- In the client ---------------------------------------------------------------------- */

/* The other process serves, although this client does nothing. */
static void be_served_as_another(struct host *h)
{
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	client_echo(c, 64);
	qb_ipcc_disconnect(c);
}

/* Only when there is one, as by the application's loop. */
static ssize_t event_receive(qb_ipcc_connection_t *c, struct response *event)
{
	ck_assert_msg(fd_readable_within(client_fd(c), deadline_ms()), "no event");
	return qb_ipcc_event_recv(c, event, ROOM, deadline_ms());
}

static void nothing_is_left(qb_ipcc_connection_t *c)
{
	char buf[400];

	ck_assert_int_eq(qb_ipcc_recv(c, buf, sizeof(buf), 0), -ETIMEDOUT);
	ck_assert_int_eq(qb_ipcc_event_recv(c, buf, sizeof(buf), 0), -EAGAIN);
}

static void echo_many(qb_ipcc_connection_t *c)
{
	for (int k = 0; k < ECHOES; k++)
		client_echo(c, 64 + 8 * (size_t)k);
}

static uint32_t events_queued(struct host *h)
{
	struct qb_ipcs_connection_stats_2 stats;

	host_call(h, remote_connection_stats, 1, 0);
	memcpy(&stats, h->shared->blob, sizeof(stats));
	return stats.event_q_length;
}

START_TEST(messages_of_the_first_process_are_neither_lost_nor_repeated)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true,
							   .msg = count_then_answer });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	echo_many(c);
	host_call(h, fork_off);
	echo_many(c);
	ck_assert_int_eq(host_call(h, remote_events, 1, SIZE, FIRST, QUEUED), QUEUED);
	host_call(h, end_first);
	echo_many(c);
	ck_assert_int_eq(host_slot(h, SLOT_REQUESTS), 3 * ECHOES);
	ck_assert_uint_eq(events_queued(h), QUEUED);
	ck_assert_int_eq(host_call(h, remote_events, 1, SIZE, FIRST + QUEUED, QUEUED), QUEUED);
	for (int k = 0; k < 2 * QUEUED; k++)
		client_must_recv_event(c, FIRST + k, SIZE);
	nothing_is_left(c);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* Both wait before the server looks, and it takes one at a time. */
static void be_served_one_by_one(struct host *h, qb_ipcc_connection_t *c)
{
	qb_ipcc_connection_t *other = client_connect(h->name, 0);

	host_call(h, remote_rate, QB_IPCS_RATE_SLOW);
	client_must_send(other, MSG_HOLD, 64);
	client_must_send(c, MSG_ECHO, 64);
	client_must_send(c, MSG_ECHO, 72);
	h->shared->slot[SLOT_GO] = 1;
	client_must_recv(c, MSG_ECHO, 64);
	client_must_recv(c, MSG_ECHO, 72);
	client_must_recv(other, MSG_HOLD, 64);
	qb_ipcc_disconnect(other);
}

START_TEST(requests_behind_one_that_forks_are_served_once)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true,
							   .msg = count_then_fork });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	client_echo(c, 64);
	host_freeze(h);
	client_must_send(c, MSG_FORK, 64);
	for (int k = 0; k < QUEUED; k++)
		client_must_send(c, MSG_SILENT, 64);
	host_thaw(h);
	WAIT_FOR(host_slot(h, SLOT_REQUESTS) == 2 + QUEUED);
	host_call(h, end_first);
	be_served_one_by_one(h, c);
	ck_assert_int_eq(host_slot(h, SLOT_REQUESTS), 5 + QUEUED);
	echo_many(c);
	nothing_is_left(c);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* The client does nothing but read. */
static void fill_then_fork(int variant, int64_t size)
{
	struct host *h =
		host_start(&(struct server_spec){ VARIANT_SPEC(variant), .quiet = true });
	qb_ipcc_connection_t *c = client_connect(h->name, ROOM);
	struct response *event = malloc(ROOM);
	int64_t sent;

	ck_assert_ptr_nonnull(event);
	client_echo(c, 64);
	sent = host_call(h, remote_events, 1, size, FIRST, MANY);
	ck_assert_int_gt(sent, 0);
	ck_assert_int_eq(host_slot(h, 0), -EAGAIN);
	host_call(h, fork_off);
	host_call(h, end_first);
	be_served_as_another(h);
	for (int64_t k = 0; k < sent; k++) {
		ssize_t n = event_receive(c, event);

		response_check(event, n, (int32_t)(FIRST + k), (size_t)size);
	}
	nothing_is_left(c);
	client_echo(c, 64);
	free(event);
	qb_ipcc_disconnect(c);
	host_stop(h);
}

START_TEST(rest_of_a_message_that_waited_at_the_fork_is_sent)
{
	fill_then_fork(_i, LARGE);
}
END_TEST

START_TEST(events_that_were_not_announced_at_the_fork_are_announced)
{
	fill_then_fork(_i, SIZE);
}
END_TEST

static bool large_message_is_in_pieces(int variant)
{
	return variants[variant].type == QB_IPC_SOCKET && !variants[variant].libqb_wire;
}

/* Although nobody uses it any more. */
START_TEST(connection_in_the_middle_of_a_message_of_the_first_process_ends)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true });
	qb_ipcc_connection_t *c = client_connect(h->name, ROOM);
	struct response *event = malloc(ROOM);
	bool ends = large_message_is_in_pieces(_i);
	int64_t sent;
	ssize_t n;

	ck_assert_ptr_nonnull(event);
	client_echo(c, 64);
	host_call(h, fork_off);
	sent = host_call(h, remote_events, 1, LARGE, FIRST, MANY);
	ck_assert_int_gt(sent, 0);
	host_call(h, end_first);
	be_served_as_another(h);
	for (int64_t k = 0; k < sent - ends; k++) {
		n = qb_ipcc_event_recv(c, event, ROOM, deadline_ms());
		response_check(event, n, (int32_t)(FIRST + k), LARGE);
	}
	n = qb_ipcc_event_recv(c, event, ROOM, ends ? deadline_ms() : 0);
	ck_assert_int_eq(n, ends ? -ENOTCONN : -EAGAIN);
	free(event);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* The second, too, has a message that was refused. */
START_TEST(each_process_is_told_that_there_is_room)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true,
							   .prepare = ask_to_be_told });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	struct response *event = malloc(ROOM);
	int64_t sent;

	ck_assert_ptr_nonnull(event);
	client_echo(c, 64);
	sent = host_call(h, remote_events, 1, SIZE, FIRST, MANY);
	ck_assert_int_eq(host_slot(h, 0), -EAGAIN);
	host_call(h, fork_off);
	for (int64_t k = 0; k < sent; k++)
		response_check(event, event_receive(c, event), (int32_t)(FIRST + k), SIZE);
	WAIT_FOR(host_slot(h, SLOT_TOLD_FIRST) > 0);
	host_call(h, end_first);
	be_served_as_another(h);
	WAIT_FOR(host_slot(h, SLOT_TOLD_SECOND) > 0);
	free(event);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* The first process completes it; the other one knows nothing of that. */
START_TEST(handshake_that_had_begun_ends_in_time)
{
	struct qbipc_service_limits limits = { .handshake_ms = HANDSHAKE_MS * test_slowdown() };
	struct host *h = host_with_limits(_i, &limits);
	int fd = raw_connect(h, getuid());

	ck_assert(raw_is_open(h, fd));
	host_call(h, fork_off);
	raw_hello(fd, _i);
	ck_assert_int_eq(raw_answer(fd), 0);
	host_call(h, end_first);
	be_served_as_another(h);
	WAIT_FOR(host_refusals(h).handshakes_overdue == 1);
	close(fd);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("taken over");
	TCase *tc = tcase_new(s, "after the fork");

	add_transport_test(tc, messages_of_the_first_process_are_neither_lost_nor_repeated);
	add_transport_test(tc, requests_behind_one_that_forks_are_served_once);
	add_transport_test(tc, rest_of_a_message_that_waited_at_the_fork_is_sent);
	add_transport_test(tc, events_that_were_not_announced_at_the_fork_are_announced);
	add_transport_test(tc, connection_in_the_middle_of_a_message_of_the_first_process_ends);
	add_transport_test(tc, each_process_is_told_that_there_is_room);
	/* The same for all of them. */
	tcase_add_loop_test(tc, handshake_that_had_begun_ends_in_time, 0, 1);
	return suite_main(s);
}
