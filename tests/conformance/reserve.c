/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <qbipc/reserve.h>: messages that are built where the other end reads them. */
#include <errno.h>
#include <pthread.h>
#include <qb/qbipc_ext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/session.h"
#include "tests/lib/variant.h"

enum { AGREED = 300000, LARGE = 100000, SMALL = 100, ID = 100 };

enum { SLOT_SHARED, SLOT_STEP };

/* Does another process see what is written here? */
static bool lies_in_shared_memory(const void *at)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long start, end;
	bool shared = false;
	char line[512], how;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx rw%*c%c", &start, &end, &how) == 3 &&
		    (unsigned long)at >= start && (unsigned long)at < end)
			shared = how == 's';
	if (f)
		fclose(f);
	return shared;
}

static bool is_native_shm(int i)
{
	return variants[i].type == QB_IPC_SHM && !variants[i].libqb_wire;
}

static void request_build(void *place, int32_t id, size_t size)
{
	struct request *r = request_new(id, size);

	memcpy(place, r, size);
	free(r);
}

/* A place for a request; tried again, because a server may free its room late. */
static void *reserve_patiently(qb_ipcc_connection_t *c, size_t size)
{
	void *place = NULL;
	int r;

	WAIT_FOR((r = qbipc_request_reserve(c, size, &place)) != -EAGAIN);
	ck_assert_int_eq(r, 0);
	return place;
}

/* A request of @size bytes, built in a place of @reserved. */
static void send_reserved(qb_ipcc_connection_t *c, int32_t id, size_t reserved, size_t size)
{
	ssize_t n;

	request_build(reserve_patiently(c, reserved), id, size);
	WAIT_FOR((n = qbipc_request_commit(c, size)) != -EAGAIN);
	ck_assert_int_eq(n, (ssize_t)size);
}

/* -- Requests ---------------------------------------------------------------------------- */

START_TEST(requests_of_all_sizes_arrive_whole)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start_spec(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = server_answer },
		&c);
	size_t max = (size_t)qb_ipcc_get_buffer_size(c), size, step = max / 90;

	for (size = max - sizeof(struct response); size > SMALL + step; size -= step) {
		send_reserved(c, ID, size, size);
		client_must_recv(c, ID, size);
		/* What is sent without a reservation comes in between as ever. */
		client_must_send(c, ID, SMALL);
		client_must_recv(c, ID, SMALL);
		send_reserved(c, ID, size, size - size % 7777 % SMALL);
		client_must_recv(c, ID, size - size % 7777 % SMALL);
	}
	session_stop(h, c);
}
END_TEST

static struct host *large_start_spec(const struct server_spec *spec,
				     qb_ipcc_connection_t **ret_c)
{
	struct host *h = host_start(spec);

	*ret_c = client_connect(h->name, AGREED);
	return h;
}

/* A server that agrees on large messages, and answers or is silent. */
static struct host *large_start(int i, qb_ipcc_connection_t **ret_c)
{
	return large_start_spec(&(struct server_spec){ VARIANT_SPEC(i), .quiet = true }, ret_c);
}

START_TEST(place_of_a_request_is_in_shared_memory_where_that_can_be)
{
	qb_ipcc_connection_t *c;
	struct host *h = large_start(_i, &c);
	int n;

	/* As often as it goes round the end of the ring. */
	for (n = 0; n < 10; n++) {
		void *place = reserve_patiently(c, LARGE);

		ck_assert_int_eq(lies_in_shared_memory(place), is_native_shm(_i));
		ck_assert_uint_eq((uintptr_t)place % 8, 0);
		ck_assert_int_eq(qbipc_request_abandon(c), 0);
		send_reserved(c, MSG_SILENT, LARGE, LARGE);
	}
	session_stop(h, c);
}
END_TEST

START_TEST(one_request_is_reserved_at_a_time_and_nothing_is_sent_meanwhile)
{
	qb_ipcc_connection_t *c;
	struct host *h = large_start(_i, &c);
	void *place = reserve_patiently(c, LARGE), *second = NULL;

	ck_assert_int_eq(qbipc_request_reserve(c, SMALL, &second), -EBUSY);
	ck_assert_ptr_null(second);
	ck_assert_int_eq(client_send(c, MSG_ECHO, SMALL), -EAGAIN);
	request_build(place, MSG_ECHO, LARGE);
	ck_assert_int_eq(qbipc_request_commit(c, LARGE), LARGE);
	client_must_recv(c, MSG_ECHO, LARGE);
	client_echo(c, SMALL);
	session_stop(h, c);
}
END_TEST

START_TEST(abandoned_request_leaves_no_trace)
{
	qb_ipcc_connection_t *c;
	struct host *h = large_start(_i, &c);
	int n;

	for (n = 0; n < 10; n++) {
		memset(reserve_patiently(c, LARGE), 0xff, LARGE);
		ck_assert_int_eq(qbipc_request_abandon(c), 0);
		client_echo(c, SMALL);
	}
	session_stop(h, c);
}
END_TEST

START_TEST(wrong_calls_of_a_client_are_refused_and_change_nothing)
{
	qb_ipcc_connection_t *c;
	struct host *h = large_start(_i, &c);
	size_t max = (size_t)qb_ipcc_get_buffer_size(c);
	void *place;

	ck_assert_int_eq(qbipc_request_commit(c, SMALL), -EINVAL);
	ck_assert_int_eq(qbipc_request_abandon(c), -EINVAL);
	ck_assert_int_eq(qbipc_request_reserve(c, max + 1, &place), -EMSGSIZE);
	ck_assert_int_eq(qbipc_request_reserve(c, SMALL, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_request_reserve(NULL, SMALL, &place), -EINVAL);
	ck_assert_int_eq(qbipc_request_commit(NULL, SMALL), -EINVAL);
	ck_assert_int_eq(qbipc_request_abandon(NULL), -EINVAL);
	place = reserve_patiently(c, SMALL);
	ck_assert_int_eq(qbipc_request_commit(c, SMALL + 1), -EMSGSIZE);
	request_build(place, MSG_ECHO, SMALL);
	ck_assert_int_eq(qbipc_request_commit(c, SMALL), SMALL);
	client_must_recv(c, MSG_ECHO, SMALL);
	ck_assert_int_eq(qbipc_request_commit(c, SMALL), -EINVAL);
	session_stop(h, c);
}
END_TEST

START_TEST(disconnect_ends_the_reservation_of_a_client)
{
	qb_ipcc_connection_t *c;
	struct host *h = large_start(_i, &c);

	memset(reserve_patiently(c, LARGE), 0xff, LARGE);
	qb_ipcc_disconnect(c);
	host_await_trace(h, "destroyed:1");
	host_stop(h);
}
END_TEST

START_TEST(commit_to_a_server_that_is_gone_says_so)
{
	qb_ipcc_connection_t *c;
	struct host *h = large_start(_i, &c);
	void *place = reserve_patiently(c, LARGE);

	host_kill(h);
	WAIT_FOR(!qb_ipcc_is_connected(c));
	request_build(place, MSG_ECHO, LARGE);
	ck_assert_int_eq(qbipc_request_commit(c, LARGE), -ENOTCONN);
	ck_assert_int_eq(qbipc_request_reserve(c, LARGE, &place), -ENOTCONN);
	session_stop(h, c);
}
END_TEST

START_TEST(no_room_for_a_request_is_told_at_once)
{
	qb_ipcc_connection_t *c;
	struct host *h = large_start(_i, &c);
	void *place;
	int r;

	if (variants[_i].type != QB_IPC_SHM) {
		session_stop(h, c);
		return;
	}
	host_freeze(h);
	while ((r = qbipc_request_reserve(c, LARGE, &place)) == 0) {
		request_build(place, MSG_SILENT, LARGE);
		ck_assert_int_eq(qbipc_request_commit(c, LARGE), LARGE);
	}
	ck_assert_int_eq(r, -EAGAIN);
	host_thaw(h);
	send_reserved(c, MSG_ECHO, LARGE, LARGE);
	client_must_recv(c, MSG_ECHO, LARGE);
	session_stop(h, c);
}
END_TEST

/* -- Responses and events ------------------------------------------------------------------ */

/* The response (or, with @event, the event) to a request, as server_answer() makes it. */
static void response_build(struct server *sv, qb_ipcs_connection_t *c, const struct request *q,
			   size_t size, bool event)
{
	size_t whole = sizeof(struct response) + size - sizeof(*q);
	struct response *r;
	void *place;
	ssize_t n;

	SERVER_REQUIRE_EQ(sv,
			  event ? qbipc_event_reserve(c, whole, &place) :
				  qbipc_response_reserve(c, whole, &place),
			  0);
	sv->shared->slot[SLOT_SHARED] += lies_in_shared_memory(place);
	r = place;
	r->hdr.id = q->hdr.id;
	r->hdr.size = (int32_t)whole;
	r->hdr.error = 0;
	memcpy(r->body, q->body, size - sizeof(*q));
	do
		n = event ? qbipc_event_commit(c, whole) : qbipc_response_commit(c, whole);
	while (n == -EAGAIN);
	SERVER_REQUIRE_EQ(sv, n, (ssize_t)whole);
}

static int32_t msg_builds(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	response_build(sv, c, data, size, false);
	response_build(sv, c, data, size, true);
	return 0;
}

START_TEST(responses_and_events_of_all_sizes_arrive_whole)
{
	qb_ipcc_connection_t *c;
	struct host *h = large_start_spec(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_builds },
		&c);
	size_t size;

	for (size = AGREED - sizeof(struct response); size > SMALL; size -= 5999) {
		client_must_send(c, ID, size);
		client_must_recv(c, ID, size);
		client_must_recv_event(c, ID, size);
	}
	if (is_native_shm(_i))
		ck_assert_int_gt(host_slot(h, SLOT_SHARED), 90);
	else
		ck_assert_int_eq(host_slot(h, SLOT_SHARED), 0);
	session_stop(h, c);
}
END_TEST

static int32_t msg_misuses(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	size_t max = (size_t)qb_ipcs_connection_get_buffer_size(c);
	struct qb_ipc_response_header header = { .id = ID, .size = sizeof(header) };
	void *place, *event, *second = NULL;

	SERVER_REQUIRE_EQ(sv, qbipc_response_commit(c, SMALL), -EINVAL);
	SERVER_REQUIRE_EQ(sv, qbipc_event_commit(c, SMALL), -EINVAL);
	SERVER_REQUIRE_EQ(sv, qbipc_response_abandon(c), -EINVAL);
	SERVER_REQUIRE_EQ(sv, qbipc_event_abandon(c), -EINVAL);
	SERVER_REQUIRE_EQ(sv, qbipc_response_reserve(c, max + 1, &place), -EMSGSIZE);
	SERVER_REQUIRE_EQ(sv, qbipc_event_reserve(c, max + 1, &place), -EMSGSIZE);
	SERVER_REQUIRE_EQ(sv, qbipc_event_reserve(c, max, NULL), -EINVAL);
	SERVER_REQUIRE_EQ(sv, qbipc_event_reserve(NULL, max, &place), -EINVAL);
	SERVER_REQUIRE_EQ(sv, qbipc_event_commit(NULL, max), -EINVAL);
	SERVER_REQUIRE_EQ(sv, qbipc_event_abandon(NULL), -EINVAL);
	/* The two channels know nothing of each other. */
	SERVER_REQUIRE_EQ(sv, qbipc_response_reserve(c, LARGE, &place), 0);
	SERVER_REQUIRE_EQ(sv, qbipc_event_reserve(c, LARGE, &event), 0);
	SERVER_REQUIRE_EQ(sv, qbipc_response_reserve(c, SMALL, &second), -EBUSY);
	SERVER_REQUIRE_EQ(sv, qbipc_event_reserve(c, SMALL, &second), -EBUSY);
	SERVER_REQUIRE(sv, second == NULL);
	SERVER_REQUIRE_EQ(sv, qb_ipcs_response_send(c, &header, sizeof(header)), -EAGAIN);
	SERVER_REQUIRE_EQ(sv, qb_ipcs_event_send(c, &header, sizeof(header)), -EAGAIN);
	SERVER_REQUIRE_EQ(sv, qbipc_response_commit(c, LARGE + 1), -EMSGSIZE);
	memset(place, 0xff, LARGE);
	memset(event, 0xff, LARGE);
	SERVER_REQUIRE_EQ(sv, qbipc_response_abandon(c), 0);
	SERVER_REQUIRE_EQ(sv, qbipc_event_abandon(c), 0);
	SERVER_REQUIRE_EQ(sv, qbipc_response_abandon(c), -EINVAL);
	return msg_builds(sv, c, data, size);
}

START_TEST(wrong_calls_of_a_server_are_refused_and_change_nothing)
{
	qb_ipcc_connection_t *c;
	struct host *h = large_start_spec(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_misuses },
		&c);

	client_must_send(c, ID, LARGE);
	client_must_recv(c, ID, LARGE);
	client_must_recv_event(c, ID, LARGE);
	session_stop(h, c);
}
END_TEST

/* As many as there is room for; then a reservation is refused as a send is. */
static int32_t msg_fills(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	void *place;
	int r, e;

	while ((r = qbipc_response_reserve(c, LARGE, &place)) == 0) {
		memset(place, 0, LARGE);
		SERVER_REQUIRE_EQ(sv, qbipc_response_commit(c, LARGE), LARGE);
	}
	while ((e = qbipc_event_reserve(c, LARGE, &place)) == 0) {
		memset(place, 0, LARGE);
		SERVER_REQUIRE_EQ(sv, qbipc_event_commit(c, LARGE), LARGE);
	}
	SERVER_REQUIRE_EQ(sv, r, -EAGAIN);
	SERVER_REQUIRE_EQ(sv, e, -EAGAIN);
	sv->shared->slot[SLOT_STEP] = 1;
	return 0;
}

START_TEST(no_room_for_a_message_is_told_at_once)
{
	qb_ipcc_connection_t *c;
	struct host *h = large_start_spec(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_fills }, &c);

	if (variants[_i].type == QB_IPC_SHM) {
		client_must_send(c, ID, SMALL);
		WAIT_FOR(host_slot(h, SLOT_STEP) == 1);
		host_check(h);
	}
	session_stop(h, c);
}
END_TEST

/* -- A server whose client leaves ------------------------------------------------------------ */

static struct {
	qb_ipcs_connection_t *c;
	void *response, *event;
} lent;

static int32_t msg_keeps(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	lent.c = c;
	SERVER_REQUIRE_EQ(sv, qbipc_response_reserve(c, LARGE, &lent.response), 0);
	SERVER_REQUIRE_EQ(sv, qbipc_event_reserve(c, LARGE, &lent.event), 0);
	sv->shared->slot[SLOT_STEP] = 1;
	return 0;
}

enum { COMMIT_RESPONSE, COMMIT_EVENT, ABANDON_EVENT };

/* args: which of them. */
static int64_t remote_give_back(struct server *sv, const int64_t *args)
{
	void *place;

	memset(lent.event, 1, LARGE);
	SERVER_REQUIRE_EQ(sv, qbipc_event_reserve(lent.c, SMALL, &place), -ENOTCONN);
	SERVER_REQUIRE_EQ(sv, qbipc_response_reserve(lent.c, SMALL, &place), -ENOTCONN);
	if (args[0] != COMMIT_RESPONSE)
		return args[0] == COMMIT_EVENT ? qbipc_event_commit(lent.c, LARGE) :
						 qbipc_event_abandon(lent.c);
	memset(lent.response, 1, LARGE);
	return qbipc_response_commit(lent.c, LARGE);
}

START_TEST(place_of_a_server_stays_when_the_client_has_left)
{
	qb_ipcc_connection_t *c;
	struct host *h = large_start_spec(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_keeps }, &c);

	client_must_send(c, ID, SMALL);
	WAIT_FOR(host_slot(h, SLOT_STEP) == 1);
	qb_ipcc_disconnect(c);
	host_await_trace(h, "closed:1");
	ck_assert_int_eq(host_call(h, remote_give_back, COMMIT_RESPONSE), -ENOTCONN);
	ck_assert_ptr_null(strstr(host_trace(h), "destroyed"));
	ck_assert_int_eq(host_call(h, remote_give_back, ABANDON_EVENT), 0);
	host_await_trace(h, "destroyed:1");
	host_stop(h);
}
END_TEST

/* Ended by the server, inside a handler whose request is in place too. */
static int32_t msg_keeps_and_ends(struct server *sv, qb_ipcs_connection_t *c, void *data,
				  size_t size)
{
	msg_keeps(sv, c, data, size);
	qb_ipcs_disconnect(c);
	memset(lent.response, 2, LARGE);
	memset(data, 2, size);
	return 0;
}

START_TEST(place_of_a_server_stays_when_it_ends_the_connection_itself)
{
	qb_ipcc_connection_t *c;
	struct host *h =
		large_start_spec(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true,
							.msg = msg_keeps_and_ends },
				 &c);

	client_must_send(c, ID, LARGE);
	WAIT_FOR(!qb_ipcc_is_connected(c));
	ck_assert_int_eq(host_call(h, remote_give_back, COMMIT_RESPONSE), -ENOTCONN);
	ck_assert_int_eq(host_call(h, remote_give_back, COMMIT_EVENT), -ENOTCONN);
	host_await_trace(h, "destroyed:1");
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* -- Processes --------------------------------------------------------------------------------- */

static int child_end(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Without Check: a child that only says where it stopped. */
static int child_tries(qb_ipcc_connection_t *c)
{
	struct request *r = request_new(MSG_SILENT, SMALL);
	void *place;

	if (qbipc_request_commit(c, SMALL) != -EINVAL)
		return 1;
	if (qbipc_request_abandon(c) != -EINVAL)
		return 2;
	if (qb_ipcc_send(c, r, SMALL) != -EAGAIN)
		return 3;
	if (qbipc_request_reserve(c, SMALL, &place) != -EAGAIN)
		return 4;
	free(r);
	return 0;
}

START_TEST(reservation_of_a_parent_is_none_of_its_child)
{
	qb_ipcc_connection_t *c;
	struct host *h = large_start(_i, &c);
	void *place = reserve_patiently(c, LARGE);
	pid_t pid = fork();

	if (pid == 0)
		_exit(child_tries(c));
	ck_assert_int_eq(child_end(pid), 0);
	request_build(place, MSG_ECHO, LARGE);
	ck_assert_int_eq(qbipc_request_commit(c, LARGE), LARGE);
	client_must_recv(c, MSG_ECHO, LARGE);
	session_stop(h, c);
}
END_TEST

/* It reserves, and its child goes on when it is dead. */
static int daemon_goes_on(const char *name)
{
	qb_ipcc_connection_t *c = qb_ipcc_connect(name, AGREED);
	struct request *r = request_new(MSG_ECHO, SMALL);
	char *buffer = malloc(AGREED);
	pid_t parent = getpid(), pid;
	void *place;
	bool ok = false;

	if (!c || !buffer || qbipc_request_reserve(c, LARGE, &place) != 0)
		return 1;
	memset(place, 0xff, LARGE);
	pid = fork();
	if (pid == 0) {
		alarm(60);
		/* Its parent's parent reaps it. */
		while (getppid() == parent)
			pause_briefly();
		while (qb_ipcc_send(c, r, SMALL) == -EAGAIN)
			pause_briefly();
		ok = qb_ipcc_recv(c, buffer, AGREED, deadline_ms()) > 0;
		if (ok && qbipc_request_reserve(c, LARGE, &place) == 0) {
			request_build(place, MSG_ECHO, LARGE);
			ok = qbipc_request_commit(c, LARGE) == LARGE &&
			     qb_ipcc_recv(c, buffer, AGREED, deadline_ms()) > LARGE - SMALL;
		} else {
			ok = false;
		}
		qb_ipcc_disconnect(c);
		_exit(!ok);
	}
	/* The child is no longer ours: the server tells the test what came of it. */
	_exit(0);
}

START_TEST(child_goes_on_when_its_parent_died_with_a_reservation)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	pid_t pid = fork();

	if (pid == 0)
		_exit(daemon_goes_on(h->name));
	ck_assert_int_eq(child_end(pid), 0);
	host_await_trace(h, "msg:1 msg:1 closed:1 destroyed:1");
	host_stop(h);
}
END_TEST

/* A daemon that reserves and then becomes its own child. */
static int32_t msg_reserves_and_forks(struct server *sv, qb_ipcs_connection_t *c, void *data,
				      size_t size)
{
	if (sv->shared->slot[SLOT_STEP]++ == 0) {
		pid_t pid;

		SERVER_REQUIRE_EQ(sv, qbipc_response_reserve(c, LARGE, &lent.response), 0);
		SERVER_REQUIRE_EQ(sv, qbipc_event_reserve(c, SMALL, &lent.event), 0);
		pid = fork();
		SERVER_REQUIRE(sv, pid >= 0);
		if (pid > 0) {
			int status;

			/* The test waits for this process; the other one serves. */
			while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
				;
			_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
		}
		SERVER_REQUIRE_EQ(sv, qbipc_event_commit(c, SMALL), -EINVAL);
		SERVER_REQUIRE_EQ(sv, qbipc_response_abandon(c), -EINVAL);
	}
	return msg_builds(sv, c, data, size);
}

START_TEST(server_that_goes_on_in_a_child_reserves_anew)
{
	qb_ipcc_connection_t *c;
	struct host *h =
		large_start_spec(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true,
							.msg = msg_reserves_and_forks },
				 &c);
	int n;

	for (n = 0; n < 5; n++) {
		client_must_send(c, ID, LARGE);
		client_must_recv(c, ID, LARGE);
		client_must_recv_event(c, ID, LARGE);
	}
	qb_ipcc_disconnect(c);
	host_await_trace(h, "destroyed:1");
	host_stop(h);
}
END_TEST

/* -- Threads, and calls ---------------------------------------------------------------------- */

enum { SENDERS = 3, EACH = 60 };

static void *sender(void *data)
{
	struct request *r = request_new(MSG_SILENT, SMALL);
	qb_ipcc_connection_t *c = data;
	int n;

	for (n = 0; n < EACH; n++)
		while (qb_ipcc_send(c, r, SMALL) == -EAGAIN)
			sched_yield();
	free(r);
	return NULL;
}

static void *reserver(void *data)
{
	qb_ipcc_connection_t *c = data;
	void *place;
	int n, r;

	for (n = 0; n < EACH; n++) {
		while ((r = qbipc_request_reserve(c, LARGE, &place)) == -EAGAIN || r == -EBUSY)
			sched_yield();
		ck_assert_int_eq(r, 0);
		request_build(place, MSG_SILENT, LARGE);
		while (qbipc_request_commit(c, LARGE) == -EAGAIN)
			sched_yield();
	}
	return NULL;
}

static int32_t msg_counts(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	const struct request *r = data;

	SERVER_REQUIRE(sv, pattern_matches(r->body, size - sizeof(*r), (uint32_t)r->hdr.id));
	SERVER_REQUIRE_EQ(sv, qbipc_request_number(c), sv->shared->slot[SLOT_STEP]);
	sv->shared->slot[SLOT_STEP]++;
	return 0;
}

START_TEST(threads_reserve_and_send_on_one_connection)
{
	qb_ipcc_connection_t *c;
	struct host *h = large_start_spec(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_counts },
		&c);
	pthread_t thread[2 * SENDERS];
	int i;

	for (i = 0; i < 2 * SENDERS; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, i % 2 ? sender : reserver, c),
				 0);
	for (i = 0; i < 2 * SENDERS; i++)
		ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
	WAIT_FOR(host_slot(h, SLOT_STEP) == 2 * SENDERS * EACH);
	session_stop(h, c);
}
END_TEST

static void *committer(void *data)
{
	ck_assert_int_eq(qbipc_request_commit(data, LARGE), LARGE);
	return NULL;
}

START_TEST(another_thread_commits_what_one_has_reserved)
{
	qb_ipcc_connection_t *c;
	struct host *h = large_start(_i, &c);
	pthread_t thread;

	request_build(reserve_patiently(c, LARGE), MSG_ECHO, LARGE);
	ck_assert_int_eq(pthread_create(&thread, NULL, committer, c), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	client_must_recv(c, MSG_ECHO, LARGE);
	session_stop(h, c);
}
END_TEST

static void *cancelled(void *data)
{
	void *place = reserve_patiently(data, LARGE);

	memset(place, 0xff, LARGE);
	pthread_cancel(pthread_self());
	pthread_testcancel();
	return NULL;
}

START_TEST(reservation_outlives_its_thread_and_can_be_abandoned)
{
	qb_ipcc_connection_t *c;
	struct host *h = large_start(_i, &c);
	pthread_t thread;
	void *place;

	ck_assert_int_eq(pthread_create(&thread, NULL, cancelled, c), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(qbipc_request_reserve(c, SMALL, &place), -EBUSY);
	ck_assert_int_eq(qbipc_request_abandon(c), 0);
	client_echo(c, SMALL);
	session_stop(h, c);
}
END_TEST

static void call_done(qb_ipcc_connection_t *c, int error, void *response, size_t size,
		      void *data)
{
	*(ssize_t *)data = error ? error : (ssize_t)size;
}

static int64_t call_send(qb_ipcc_connection_t *c, size_t size, ssize_t *ret_result)
{
	struct request *r = request_new(MSG_ECHO, size);
	struct iovec iov = { r, size };
	int64_t call = qbipc_call_send(c, &iov, 1, deadline_ms(), call_done, ret_result);

	free(r);
	return call;
}

START_TEST(calls_and_their_cancels_wait_for_the_commit)
{
	qb_ipcc_connection_t *c;
	struct host *h = large_start(_i, &c);
	ssize_t first = 0, second = 0, third = 0;
	int64_t call = call_send(c, SMALL, &first);
	void *place;

	ck_assert_int_gt(call, 0);
	place = reserve_patiently(c, LARGE);
	ck_assert_int_eq(call_send(c, SMALL, &second), -EAGAIN);
	ck_assert_int_eq(qbipc_call_cancel(c, call), 0);
	ck_assert_int_eq(first, -ECANCELED);
	request_build(place, MSG_SILENT, LARGE);
	ck_assert_int_eq(qbipc_request_commit(c, LARGE), LARGE);
	ck_assert_int_gt(call_send(c, SMALL, &third), 0);
	WAIT_FOR(qbipc_calls_dispatch(c) >= 0 && third != 0);
	ck_assert_int_eq(third, SMALL + (ssize_t)sizeof(struct response) -
					(ssize_t)sizeof(struct request));
	ck_assert_int_eq(second, 0);
	session_stop(h, c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("reserve");
	TCase *tc = tcase_new(s, "requests");

	add_transport_test(tc, requests_of_all_sizes_arrive_whole);
	add_transport_test(tc, place_of_a_request_is_in_shared_memory_where_that_can_be);
	add_transport_test(tc, one_request_is_reserved_at_a_time_and_nothing_is_sent_meanwhile);
	add_transport_test(tc, abandoned_request_leaves_no_trace);
	add_transport_test(tc, wrong_calls_of_a_client_are_refused_and_change_nothing);
	add_transport_test(tc, disconnect_ends_the_reservation_of_a_client);
	add_transport_test(tc, commit_to_a_server_that_is_gone_says_so);
	add_transport_test(tc, no_room_for_a_request_is_told_at_once);
	tc = tcase_new(s, "responses and events");
	add_transport_test(tc, responses_and_events_of_all_sizes_arrive_whole);
	add_transport_test(tc, no_room_for_a_message_is_told_at_once);
	add_transport_test(tc, wrong_calls_of_a_server_are_refused_and_change_nothing);
	add_transport_test(tc, place_of_a_server_stays_when_the_client_has_left);
	add_transport_test(tc, place_of_a_server_stays_when_it_ends_the_connection_itself);
	tc = tcase_new(s, "processes");
	add_transport_test(tc, reservation_of_a_parent_is_none_of_its_child);
	add_transport_test(tc, child_goes_on_when_its_parent_died_with_a_reservation);
	add_transport_test(tc, server_that_goes_on_in_a_child_reserves_anew);
	tc = tcase_new(s, "threads");
	add_transport_test(tc, threads_reserve_and_send_on_one_connection);
	add_transport_test(tc, another_thread_commits_what_one_has_reserved);
	add_transport_test(tc, calls_and_their_cancels_wait_for_the_commit);
	add_transport_test(tc, reservation_outlives_its_thread_and_can_be_abandoned);
	return suite_main(s);
}
