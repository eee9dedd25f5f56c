/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <qbipc/bodies.h>: messages beyond the agreed size. */
#include <errno.h>
#include <pthread.h>
#include <qb/qbipc_ext.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/limits.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/session.h"
#include "tests/lib/task.h"
#include "tests/lib/variant.h"

enum {
	AGREED = 12328, /* the least that there is */
	LIMIT = 3 << 20,
	BODY = 1000003, /* more than any buffer on its way holds */
	ID = 100,
	/* What a request and its echo differ by. */
	GROWTH = sizeof(struct qb_ipc_response_header) - sizeof(struct qb_ipc_request_header),
};

enum { SLOT_RESULT, SLOT_SPOILT, SLOT_TAKEN, SLOT_ROOM };

static bool is_native(int i)
{
	return !variants[i].libqb_wire;
}

static int64_t remote_limit(struct server *sv, const int64_t *args)
{
	return qbipc_service_body_limit_set(sv->service, (size_t)args[0]);
}

static int64_t remote_most(struct server *sv, const int64_t *args)
{
	return qbipc_connection_body_limit_get(server_connection(sv, (int)args[0]));
}

/* A handler gets a request in one piece, with a zero behind it, where it may write. */
static int32_t msg_looks(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	struct request *r = data;
	_Atomic int64_t *slot = sv->shared->slot;

	slot[SLOT_SPOILT] +=
		(uintptr_t)data % 8 || r->hdr.size != (int32_t)size || ((char *)data)[size] ||
		!pattern_matches(r->body, size - sizeof(r->hdr), (uint32_t)r->hdr.id);
	slot[SLOT_TAKEN]++;
	return server_default_msg(sv, c, data, size);
}

static struct host *bodies_start_spec(const struct server_spec *spec, size_t limit,
				      qb_ipcc_connection_t **ret_c)
{
	struct host *h = host_start(spec);

	ck_assert_int_eq(host_call(h, remote_limit, (int64_t)limit), 0);
	*ret_c = client_connect(h->name, 0);
	host_await_trace(h, "created:1");
	return h;
}

static struct host *bodies_start(int i, size_t limit, qb_ipcc_connection_t **ret_c)
{
	return bodies_start_spec(
		&(struct server_spec){ VARIANT_SPEC(i), .quiet = true, .msg = msg_looks },
		limit, ret_c);
}

/* Both ends take bodies. */
static struct host *both_start(int i, qb_ipcc_connection_t **ret_c)
{
	struct host *h = bodies_start(i, LIMIT, ret_c);

	ck_assert_int_eq(qbipc_body_limit_set(*ret_c, LIMIT), 0);
	return h;
}

static void both_stop(struct host *h, qb_ipcc_connection_t *c)
{
	ck_assert_int_eq(host_slot(h, SLOT_SPOILT), 0);
	session_stop(h, c);
}

/* -- Sizes -------------------------------------------------------------- */

START_TEST(bodies_go_both_ways_and_as_events)
{
	static const size_t sizes[] = { AGREED, AGREED + 1, AGREED + 9, 20000,	       65536,
					81920,	100001,	    BODY,	LIMIT - GROWTH };
	qb_ipcc_connection_t *c;
	struct host *h = both_start(_i, &c);
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		client_must_send(c, MSG_ECHO, sizes[i]);
		client_must_recv(c, MSG_ECHO, sizes[i]);
		client_must_send(c, MSG_EVENT, sizes[i]);
		client_must_recv_event(c, MSG_EVENT, sizes[i]);
		client_echo(c, 100);
	}
	both_stop(h, c);
}
END_TEST

START_TEST(limit_is_exact_for_requests)
{
	qb_ipcc_connection_t *c;
	struct host *h = both_start(_i, &c);

	ck_assert_int_eq(qbipc_body_limit_get(c), LIMIT);
	client_must_send(c, MSG_SILENT, LIMIT);
	ck_assert_int_eq(client_send(c, MSG_SILENT, LIMIT + 1), -EMSGSIZE);
	client_echo(c, 100);
	both_stop(h, c);
}
END_TEST

START_TEST(limit_is_exact_for_responses_and_events)
{
	qb_ipcc_connection_t *c;
	struct host *h = both_start(_i, &c);

	client_echo(c, 100);
	ck_assert_int_eq(host_call(h, remote_most, 1), LIMIT);
	ck_assert_int_eq(host_call(h, remote_event, 1, LIMIT - GROWTH + 1, ID), -EMSGSIZE);
	ck_assert_int_eq(host_call(h, remote_response, 1, LIMIT - GROWTH + 1, ID), -EMSGSIZE);
	ck_assert_int_eq(host_call(h, remote_event, 1, LIMIT - GROWTH, ID), LIMIT);
	client_must_recv_event(c, ID, LIMIT - GROWTH);
	ck_assert_int_eq(host_call(h, remote_response, 1, LIMIT - GROWTH, ID), LIMIT);
	client_must_recv(c, ID, LIMIT - GROWTH);
	both_stop(h, c);
}
END_TEST

START_TEST(lesser_limit_of_the_two_holds_for_what_a_client_gets)
{
	qb_ipcc_connection_t *c;
	struct host *h = bodies_start(_i, LIMIT, &c);

	ck_assert_int_eq(qbipc_body_limit_set(c, 100000), 0);
	client_echo(c, 100);
	ck_assert_int_eq(host_call(h, remote_most, 1), 100000);
	ck_assert_int_eq(host_call(h, remote_event, 1, 100001 - GROWTH, ID), -EMSGSIZE);
	ck_assert_int_eq(host_call(h, remote_event, 1, 100000 - GROWTH, ID), 100000);
	client_must_recv_event(c, ID, 100000 - GROWTH);
	ck_assert_int_eq(qbipc_body_limit_set(c, 1u << 30), 0);
	client_echo(c, 100);
	ck_assert_int_eq(host_call(h, remote_most, 1), LIMIT);
	both_stop(h, c);
}
END_TEST

/* -- Who does not take them ------------------------------------------------- */

START_TEST(service_takes_and_sends_none_unless_it_says_so)
{
	qb_ipcc_connection_t *c;
	struct host *h = bodies_start(_i, 0, &c);

	ck_assert_int_eq(qbipc_body_limit_set(c, LIMIT), 0);
	ck_assert_int_eq(qbipc_body_limit_get(c), AGREED);
	ck_assert_int_eq(client_send(c, MSG_ECHO, AGREED + 1), -EMSGSIZE);
	client_echo(c, 100);
	ck_assert_int_eq(host_call(h, remote_most, 1), AGREED);
	ck_assert_int_eq(host_call(h, remote_event, 1, AGREED, ID), -EMSGSIZE);
	session_stop(h, c);
}
END_TEST

START_TEST(client_gets_none_unless_it_says_so)
{
	qb_ipcc_connection_t *c;
	struct host *h = bodies_start(_i, LIMIT, &c);

	client_must_send(c, MSG_SILENT, BODY);
	client_echo(c, 100);
	ck_assert_int_eq(host_call(h, remote_most, 1), AGREED);
	ck_assert_int_eq(host_call(h, remote_event, 1, BODY, ID), -EMSGSIZE);
	ck_assert_int_eq(host_call(h, remote_response, 1, BODY, ID), -EMSGSIZE);
	client_echo(c, 100);
	both_stop(h, c);
}
END_TEST

START_TEST(client_can_stop_taking_them)
{
	qb_ipcc_connection_t *c;
	struct host *h = both_start(_i, &c);

	client_echo(c, 100);
	ck_assert_int_eq(host_call(h, remote_event, 1, BODY, ID), BODY + GROWTH);
	ck_assert_int_eq(qbipc_body_limit_set(c, 0), 0);
	/* It has begun before that. */
	client_must_recv_event(c, ID, BODY);
	client_echo(c, 100);
	ck_assert_int_eq(host_call(h, remote_event, 1, BODY, ID), -EMSGSIZE);
	both_stop(h, c);
}
END_TEST

START_TEST(wire_of_libqb_has_none)
{
	qb_ipcc_connection_t *c;
	struct host *h = bodies_start(_i, LIMIT, &c);

	if (is_native(_i)) {
		session_stop(h, c);
		return;
	}
	ck_assert_int_eq(qbipc_body_limit_set(c, LIMIT), 0);
	ck_assert_int_eq(qbipc_body_limit_get(c), AGREED);
	ck_assert_int_eq(client_send(c, MSG_ECHO, AGREED + 1), -EMSGSIZE);
	client_echo(c, 100);
	ck_assert_int_eq(host_call(h, remote_most, 1), AGREED);
	ck_assert_int_eq(host_call(h, remote_event, 1, BODY, ID), -EMSGSIZE);
	session_stop(h, c);
}
END_TEST

START_TEST(arguments_are_checked)
{
	qb_ipcc_connection_t *c;
	struct host *h = bodies_start(_i, LIMIT, &c);

	ck_assert_int_eq(qbipc_service_body_limit_set(NULL, 1), -EINVAL);
	ck_assert_int_eq(host_call(h, remote_limit, (1 << 30) + 1), -EINVAL);
	ck_assert_int_eq(host_call(h, remote_limit, 1 << 30), 0);
	ck_assert_int_eq(qbipc_connection_body_limit_get(NULL), -EINVAL);
	ck_assert_int_eq(qbipc_body_limit_get(NULL), -EINVAL);
	ck_assert_int_eq(qbipc_body_limit_set(NULL, 1), -EINVAL);
	ck_assert_int_eq(qbipc_body_limit_set(c, (1u << 30) + 1), -EINVAL);
	session_stop(h, c);
}
END_TEST

START_TEST(gone_connection_takes_none)
{
	qb_ipcc_connection_t *c;
	struct host *h = both_start(_i, &c);

	ck_assert_int_eq(host_call(h, remote_ref, 1), 0);
	ck_assert_int_eq(host_call(h, remote_disconnect, 1), 0);
	ck_assert_int_eq(host_call(h, remote_most, 1), -ENOTCONN);
	ck_assert_int_eq(host_call(h, remote_unref, 1), 0);
	WAIT_FOR(!qb_ipcc_is_connected(c));
	ck_assert_int_eq(qbipc_body_limit_set(c, 1), -ENOTCONN);
	both_stop(h, c);
}
END_TEST

/* -- Room ---------------------------------------------------------------------- */

START_TEST(body_waits_for_a_buffer_that_is_large_enough)
{
	static char small[AGREED];
	qb_ipcc_connection_t *c;
	struct host *h = both_start(_i, &c);
	int fd = client_fd(c);

	client_must_send(c, MSG_ECHO, BODY);
	ck_assert_int_eq(qb_ipcc_recv(c, small, sizeof(small), deadline_ms()), -ENOBUFS);
	client_must_recv(c, MSG_ECHO, BODY);
	client_must_send(c, MSG_EVENT, BODY);
	ck_assert_int_eq(qb_ipcc_event_recv(c, small, sizeof(small), deadline_ms()), -ENOBUFS);
	ck_assert(fd_readable_within(fd, deadline_ms()));
	client_must_recv_event(c, MSG_EVENT, BODY);
	ck_assert(!fd_readable_within(fd, 0));
	both_stop(h, c);
}
END_TEST

START_TEST(event_that_has_come_in_part_stays_readable)
{
	static char small[AGREED];
	struct response *r = malloc(LIMIT);
	qb_ipcc_connection_t *c;
	struct host *h = both_start(_i, &c);
	int fd = client_fd(c);

	ck_assert_ptr_nonnull(r);
	client_echo(c, 100);
	ck_assert_int_eq(host_call(h, remote_event, 1, BODY, ID), BODY + GROWTH);
	host_freeze(h);
	ck_assert_int_eq(qb_ipcc_event_recv(c, r, LIMIT, 0), -EAGAIN);
	host_thaw(h);
	/* As soon as there is more of it. */
	WAIT_FOR(qb_ipcc_event_recv(c, small, sizeof(small), 0) == -ENOBUFS);
	ck_assert(fd_readable_within(fd, deadline_ms()));
	client_must_recv_event(c, ID, BODY);
	ck_assert(!fd_readable_within(fd, 0));
	free(r);
	both_stop(h, c);
}
END_TEST

/* Events until there are none for now. How many; their ids count up from @id. */
static int events_receive(qb_ipcc_connection_t *c, struct response *r, size_t size, int32_t id)
{
	int n = 0;
	ssize_t got;

	while ((got = qb_ipcc_event_recv(c, r, size, 0)) >= 0)
		response_check(r, got, id + n++, (size_t)got - GROWTH);
	ck_assert_int_eq(got, -EAGAIN);
	return n;
}

START_TEST(service_never_waits_for_who_does_not_read)
{
	struct response *r = malloc(LIMIT);
	qb_ipcc_connection_t *c;
	struct host *h = both_start(_i, &c);
	int n = 0;

	ck_assert_ptr_nonnull(r);
	client_echo(c, 100);
	ck_assert_int_eq(host_call(h, remote_event, 1, BODY, ID), BODY + GROWTH);
	/* Not before the first one is out, neither a body nor anything else. */
	ck_assert_int_eq(host_call(h, remote_event, 1, BODY, ID + 1), -EAGAIN);
	ck_assert_int_eq(host_call(h, remote_event, 1, 100, ID + 1), -EAGAIN);
	/* Responses have a way of their own. */
	client_echo(c, BODY);
	client_must_recv_event(c, ID, BODY);
	WAIT_FOR(host_call(h, remote_event, 1, 100, ID + 1) > 0);
	WAIT_FOR((n += events_receive(c, r, LIMIT, ID + 1 + n)) == 1);
	free(r);
	both_stop(h, c);
}
END_TEST

static void told_of_room(qb_ipcs_connection_t *c, void *data)
{
	struct server *sv = data;
	int64_t args[CALL_ARGS] = { server_number(sv, c), BODY, ID + 1 };

	sv->shared->slot[SLOT_RESULT] = remote_event(sv, args);
	sv->shared->slot[SLOT_ROOM]++;
}

static int64_t remote_writable(struct server *sv, const int64_t *args)
{
	return qbipc_service_writable_set(sv->service, told_of_room, sv);
}

START_TEST(service_is_told_of_room_for_the_next_body)
{
	qb_ipcc_connection_t *c;
	struct host *h = both_start(_i, &c);

	client_echo(c, 100);
	ck_assert_int_eq(host_call(h, remote_writable), 0);
	ck_assert_int_eq(host_call(h, remote_event, 1, BODY, ID), BODY + GROWTH);
	ck_assert_int_eq(host_call(h, remote_event, 1, BODY, ID + 1), -EAGAIN);
	client_must_recv_event(c, ID, BODY);
	WAIT_FOR(host_slot(h, SLOT_ROOM) == 1);
	ck_assert_int_eq(host_slot(h, SLOT_RESULT), BODY + GROWTH);
	client_must_recv_event(c, ID + 1, BODY);
	both_stop(h, c);
}
END_TEST

START_TEST(client_goes_on_when_the_server_takes_nothing)
{
	qb_ipcc_connection_t *c;
	struct host *h = both_start(_i, &c);
	uint64_t begin = now_ms();

	host_freeze(h);
	client_must_send(c, MSG_ECHO, BODY);
	ck_assert_uint_ge(now_ms() - begin, 400);
	ck_assert_int_eq(client_send(c, MSG_ECHO, 100), -EAGAIN);
	if (variants[_i].type == QB_IPC_SOCKET)
		ck_assert_int_eq(qbipc_body_limit_set(c, LIMIT), -EAGAIN);
	host_thaw(h);
	/* Who waits for the response sends the rest. */
	client_must_recv(c, MSG_ECHO, BODY);
	client_echo(c, 100);
	host_freeze(h);
	client_must_send(c, MSG_EVENT, BODY);
	host_thaw(h);
	client_must_recv_event(c, MSG_EVENT, BODY);
	client_echo(c, BODY);
	both_stop(h, c);
}
END_TEST

/* -- The quota of another user ---------------------------------------------------------------- */

/* For two connections and one body, and not for one connection and two bodies. */
static const struct qbipc_service_limits quota = { .memory_per_uid = 2 * BODY };

static qb_ipcc_connection_t *somebody_connect(struct host *h)
{
	qb_ipcc_connection_t *c = connect_as(h, SOMEBODY, 0);

	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(qbipc_body_limit_set(c, LIMIT), 0);
	client_echo(c, 100);
	return c;
}

static void body_send_patiently(struct server *sv, remote_fn send, int number, int32_t id)
{
	uint64_t end = now_ms() + (uint64_t)deadline_ms();
	int64_t r;

	while ((r = send(sv, (int64_t[CALL_ARGS]){ number, BODY, id })) < 0) {
		SERVER_REQUIRE(sv, r == -EAGAIN || r == -ENOBUFS);
		SERVER_REQUIRE(sv, now_ms() < end);
		pause_briefly();
	}
}

/* Two bodies, without a turn of the loop. */
static int32_t msg_insists(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	const struct request *r = data;
	int number = server_number(sv, c);
	remote_fn send = r->hdr.id == ID ? remote_event : remote_response;

	if (r->hdr.id != ID && r->hdr.id != ID + 1)
		return server_default_msg(sv, c, data, size);
	body_send_patiently(sv, send, number, ID);
	body_send_patiently(sv, send, number, ID + 1);
	return 0;
}

START_TEST(handler_that_insists_gets_on_within_the_quota)
{
	struct host *h = host_with(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_insists },
		&quota);
	qb_ipcc_connection_t *c;

	ck_assert_int_eq(host_call(h, remote_limit, LIMIT), 0);
	c = somebody_connect(h);
	client_must_send(c, ID, 100);
	client_must_recv_event(c, ID, BODY);
	client_must_recv_event(c, ID + 1, BODY);
	client_must_send(c, ID + 1, 100);
	client_must_recv(c, ID, BODY);
	client_must_recv(c, ID + 1, BODY);
	session_stop(h, c);
}
END_TEST

START_TEST(service_is_told_of_room_in_the_quota)
{
	struct host *h =
		host_with(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true }, &quota);
	qb_ipcc_connection_t *c, *other;

	ck_assert_int_eq(host_call(h, remote_limit, LIMIT), 0);
	ck_assert_int_eq(host_call(h, remote_writable), 0);
	other = somebody_connect(h);
	c = somebody_connect(h);
	ck_assert_int_eq(host_call(h, remote_event, 1, BODY, ID), BODY + GROWTH);
	ck_assert_int_eq(host_call(h, remote_event, 2, BODY, ID), -ENOBUFS);
	ck_assert_int_eq(host_call(h, remote_event, 2, LIMIT - GROWTH, ID), -ENOBUFS);
	host_await_rest(h);
	ck_assert_int_eq(host_slot(h, SLOT_ROOM), 0);
	client_must_recv_event(other, ID, BODY);
	client_must_recv_event(c, ID + 1, BODY);
	WAIT_FOR(host_slot(h, SLOT_ROOM) == 1);
	ck_assert_int_eq(host_slot(h, SLOT_RESULT), BODY + GROWTH);
	qb_ipcc_disconnect(other);
	session_stop(h, c);
}
END_TEST

/* Requests have ascending ids, and are of sizes that alternate. */
static int32_t msg_in_order(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	const struct request *r = data;
	_Atomic int64_t *slot = sv->shared->slot;

	slot[SLOT_SPOILT] += r->hdr.id != ID + slot[SLOT_TAKEN];
	slot[SLOT_TAKEN]++;
	return 0;
}

static size_t size_of(int32_t id)
{
	return 100 + (size_t)(id % 3) * 60000;
}

START_TEST(messages_keep_their_order)
{
	enum { MESSAGES = 60 };
	qb_ipcc_connection_t *c;
	struct host *h = bodies_start_spec(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_in_order },
		LIMIT, &c);
	int32_t id, next = ID;

	ck_assert_int_eq(qbipc_body_limit_set(c, LIMIT), 0);
	for (id = ID; id < ID + MESSAGES; id++)
		client_send_patiently(c, id, size_of(id));
	WAIT_FOR(host_slot(h, SLOT_TAKEN) == MESSAGES);
	for (id = ID; id < ID + MESSAGES; id++) {
		if (host_call(h, remote_event, 1, (int64_t)size_of(id), id) > 0)
			continue;
		/* The one before it is under way. */
		for (; next < id; next++)
			client_must_recv_event(c, next, size_of(next));
		id--;
	}
	for (; next < id; next++)
		client_must_recv_event(c, next, size_of(next));
	both_stop(h, c);
}
END_TEST

START_TEST(body_in_many_pieces_of_memory_arrives_whole)
{
	struct request *r = request_new(MSG_ECHO, BODY);
	struct iovec iov[300];
	const size_t step = BODY / 299;
	qb_ipcc_connection_t *c;
	struct host *h = both_start(_i, &c);
	size_t i;

	for (i = 0; i < 300; i++)
		iov[i] = (struct iovec){ (char *)r + i * step,
					 i < 299 ? step : BODY - 299 * step };
	iov[299].iov_len = BODY - 299 * step;
	ck_assert_int_eq(qb_ipcc_sendv(c, iov, 300), BODY);
	client_must_recv(c, MSG_ECHO, BODY);
	free(r);
	both_stop(h, c);
}
END_TEST

/* In this process the kernel has no memory for wake-ups: the library's send(2) comes here. */
static atomic_bool is_scarce;
static atomic_int refused;

__attribute__((visibility("default"))) ssize_t send(int fd, const void *buf, size_t n,
						    int flags)
{
	if (is_scarce) {
		refused++;
		errno = ENOBUFS;
		return -1;
	}
	return sendto(fd, buf, n, flags, NULL, 0);
}

START_TEST(wake_up_that_could_not_be_sent_follows)
{
	/* One that is beyond all room, and one that the ring has room for. */
	static const size_t sizes[] = { BODY, AGREED + 1 };
	qb_ipcc_connection_t *c;
	struct host *h = both_start(_i, &c);
	size_t i;

	client_echo(c, 100);
	for (i = 0; i < 2; i++) {
		WAIT_FOR(task_sleeps(h->pid));
		is_scarce = true;
		client_must_send(c, MSG_ECHO, sizes[i]);
		is_scarce = false;
		client_must_recv(c, MSG_ECHO, sizes[i]);
	}
	/* Who receives an event does it, too. */
	WAIT_FOR(task_sleeps(h->pid));
	is_scarce = true;
	client_must_send(c, MSG_EVENT, BODY);
	is_scarce = false;
	client_must_recv_event(c, MSG_EVENT, BODY);
	if (variants[_i].type == QB_IPC_SHM)
		ck_assert_int_gt(refused, 0);
	both_stop(h, c);
}
END_TEST

/* -- Processes that use a connection in turn ------------------------------------ */

/* What the send of @size bytes says in a child; not 0. */
static int sent_by_child(qb_ipcc_connection_t *c, size_t size)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		ssize_t n = client_send(c, MSG_SILENT, size);

		_exit(n == (ssize_t)size ? 0 : n < 0 ? (int)-n : 255);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(child_does_not_send_into_the_body_of_its_parent)
{
	qb_ipcc_connection_t *c;
	struct host *h = both_start(_i, &c);

	client_echo(c, 100);
	host_freeze(h);
	client_must_send(c, MSG_ECHO, BODY);
	host_thaw(h);
	/* It takes what has come, and then there is room. */
	ck_assert_int_eq(host_call(h, remote_most, 1), LIMIT);
	WAIT_FOR(task_sleeps(h->pid));
	ck_assert_int_eq(sent_by_child(c, 100), EAGAIN);
	ck_assert_int_eq(sent_by_child(c, BODY), EAGAIN);
	client_must_recv(c, MSG_ECHO, BODY);
	ck_assert_int_eq(sent_by_child(c, 100), 0);
	client_echo(c, 100);
	ck_assert_int_eq(sent_by_child(c, AGREED + 1), 0);
	client_echo(c, BODY);
	ck_assert_int_eq(host_slot(h, SLOT_TAKEN), 6);
	both_stop(h, c);
}
END_TEST

/* A child has sent a part of a body; then it disconnects, or ends. */
static void child_loses_body(int variant, bool disconnects)
{
	qb_ipcc_connection_t *c;
	struct host *h = both_start(variant, &c);
	int go[2], done[2];
	char byte;
	pid_t pid;

	ck_assert(pipe(go) == 0 && pipe(done) == 0);
	client_echo(c, 100);
	host_freeze(h);
	pid = fork();
	if (pid == 0) {
		bool sent = client_send(c, MSG_SILENT, BODY) == BODY;

		close(go[1]);
		if (!sent || write(done[1], "x", 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(1);
		if (disconnects)
			qb_ipcc_disconnect(c);
		if (disconnects && write(done[1], "x", 1) == 1)
			(void)!read(go[0], &byte, 1);
		_exit(0);
	}
	ck_assert_int_eq(read(done[0], &byte, 1), 1);
	ck_assert_int_eq(client_send(c, MSG_ECHO, 100), -EAGAIN);
	host_thaw(h);
	ck_assert_int_eq(client_send(c, MSG_ECHO, 100), -EAGAIN);
	ck_assert_int_eq(client_send(c, MSG_ECHO, BODY), -EAGAIN);
	ck_assert_int_eq(write(go[1], "x", 1), 1);
	if (disconnects)
		ck_assert_int_eq(read(done[0], &byte, 1), 1);
	else
		WAIT_FOR(task_has_ended(pid));
	ck_assert_int_eq(client_send(c, MSG_ECHO, 100), -ENOTCONN);
	close(go[1]);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	close(go[0]);
	close(done[0]);
	close(done[1]);
	/* Nothing of it has come. */
	ck_assert_int_eq(host_slot(h, SLOT_TAKEN), 1);
	both_stop(h, c);
}

START_TEST(body_of_a_child_that_ended_ends_the_connection)
{
	child_loses_body(_i, false);
}
END_TEST

START_TEST(body_of_a_child_that_disconnected_ends_the_connection)
{
	child_loses_body(_i, true);
}
END_TEST

/* -- Ends that leave ------------------------------------------------------------ */

START_TEST(client_that_dies_in_the_middle_is_gone)
{
	qb_ipcc_connection_t *c, *other;
	struct host *h = both_start(_i, &c);
	int status;
	pid_t pid;

	host_freeze(h);
	pid = fork();
	if (pid == 0) {
		_exit(client_send(c, MSG_SILENT, BODY) == BODY ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	qb_ipcc_disconnect(c);
	host_thaw(h);
	host_await_trace(h, "destroyed:1");
	other = client_connect(h->name, 0);
	client_echo(other, BODY / 100);
	client_must_send(other, MSG_SILENT, BODY);
	client_echo(other, 100);
	both_stop(h, other);
}
END_TEST

START_TEST(server_that_dies_in_the_middle_is_gone)
{
	struct response *r = malloc(LIMIT);
	qb_ipcc_connection_t *c;
	struct host *h = both_start(_i, &c);

	ck_assert_ptr_nonnull(r);
	client_echo(c, 100);
	ck_assert_int_eq(host_call(h, remote_event, 1, BODY, ID), BODY + GROWTH);
	ck_assert_int_eq(host_call(h, remote_response, 1, BODY, ID), BODY + GROWTH);
	host_kill(h);
	ck_assert_int_eq(qb_ipcc_event_recv(c, r, LIMIT, deadline_ms()), -ENOTCONN);
	ck_assert_int_eq(qb_ipcc_recv(c, r, LIMIT, deadline_ms()), -ENOTCONN);
	ck_assert_int_eq(client_send(c, MSG_ECHO, BODY), -ENOTCONN);
	qb_ipcc_disconnect(c);
	host_stop(h);
	free(r);
}
END_TEST

START_TEST(handler_of_a_body_may_end_the_connection)
{
	qb_ipcc_connection_t *c;
	struct host *h = both_start(_i, &c);

	client_must_send(c, MSG_DISCONNECT_ME, BODY);
	host_await_trace(h, "destroyed:1");
	both_stop(h, c);
}
END_TEST

/* -- With the rest of the library --------------------------------------------------- */

START_TEST(body_counts_as_one_message)
{
	struct qb_ipcs_connection_stats_2 *stats;
	qb_ipcc_connection_t *c;
	struct host *h = both_start(_i, &c);

	client_echo(c, BODY);
	client_must_send(c, MSG_EVENT, BODY);
	client_must_recv_event(c, MSG_EVENT, BODY);
	ck_assert_int_eq(host_call(h, remote_connection_stats, 1, 0), 0);
	stats = (void *)h->shared->blob;
	ck_assert_uint_eq(stats->requests, 2);
	ck_assert_uint_eq(stats->responses, 1);
	ck_assert_uint_eq(stats->events, 1);
	ck_assert_uint_eq(stats->event_q_length, 0);
	both_stop(h, c);
}
END_TEST

static void call_done(qb_ipcc_connection_t *c, int error, void *response, size_t size,
		      void *data)
{
	ck_assert_int_eq(error, 0);
	response_check(response, (ssize_t)size, MSG_ECHO, BODY);
	++*(int *)data;
}

START_TEST(calls_of_a_loop_carry_bodies)
{
	struct request *r = request_new(MSG_ECHO, BODY);
	struct iovec iov = { r, BODY };
	qb_ipcc_connection_t *c;
	struct host *h = both_start(_i, &c);
	int fd = qbipc_calls_fd(c);
	int done = 0, n;

	ck_assert_int_ge(fd, 0);
	for (n = 1; n <= 3; n++) {
		ck_assert_int_gt(qbipc_call_send(c, &iov, 1, deadline_ms(), call_done, &done),
				 0);
		while (done < n) {
			ck_assert(fd_readable_within(fd, deadline_ms()));
			ck_assert_int_ge(qbipc_calls_dispatch(c), 0);
		}
	}
	free(r);
	both_stop(h, c);
}
END_TEST

/* To ID with a body, to all others with an echo, as soon as there is room. */
static int32_t msg_answers_large(struct server *sv, qb_ipcs_connection_t *c, void *data,
				 size_t size)
{
	struct request *r = data;
	struct request *large;

	sv->shared->slot[SLOT_TAKEN]++;
	if (r->hdr.id != ID)
		return server_answer(sv, c, data, size);
	large = request_new(ID, BODY);
	(void)server_answer(sv, c, large, BODY);
	free(large);
	return 0;
}

static void call_ended(qb_ipcc_connection_t *c, int error, void *response, size_t size,
		       void *data)
{
	(void)c;
	(void)response;
	(void)size;
	*(int *)data = error;
}

START_TEST(late_responses_do_not_keep_a_body_back)
{
	struct request *r = request_new(ID, 100), *q = request_new(MSG_ECHO, BODY);
	struct iovec ask = { r, 100 }, iov = { q, BODY };
	qb_ipcc_connection_t *c;
	struct host *h =
		bodies_start_spec(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true,
							 .msg = msg_answers_large },
				  LIMIT, &c);
	int64_t call[3];
	int error[3] = { 0 }, last = 1, i;
	int fd = qbipc_calls_fd(c);

	ck_assert_int_eq(qbipc_body_limit_set(c, LIMIT), 0);
	/* The handler of the second one waits until the first response has been read. */
	for (i = 0; i < 2; i++)
		call[i] = qbipc_call_send(c, &ask, 1, deadline_ms(), call_ended, &error[i]);
	WAIT_FOR(host_slot(h, SLOT_TAKEN) == 2);
	call[2] = qbipc_call_send(c, &iov, 1, deadline_ms(), call_ended, &error[2]);
	for (i = 0; i < 3; i++) {
		ck_assert_int_gt(call[i], 0);
		ck_assert_int_eq(qbipc_call_cancel(c, call[i]), 0);
		ck_assert_int_eq(error[i], -ECANCELED);
	}
	r->hdr.id = MSG_ECHO;
	WAIT_FOR(qbipc_calls_dispatch(c) == 0 &&
		 (call[0] = qbipc_call_send(c, &ask, 1, deadline_ms(), call_ended, &last)) !=
			 -EAGAIN);
	ck_assert_int_gt(call[0], 0);
	while (last == 1) {
		ck_assert(fd_readable_within(fd, deadline_ms()));
		ck_assert_int_ge(qbipc_calls_dispatch(c), 0);
	}
	ck_assert_int_eq(last, 0);
	free(r);
	free(q);
	both_stop(h, c);
}
END_TEST

START_TEST(bodies_are_viewed)
{
	const void *message;
	qb_ipcc_connection_t *c;
	struct host *h = both_start(_i, &c);
	ssize_t n;

	client_must_send(c, MSG_ECHO, BODY);
	n = qbipc_response_view(c, &message, deadline_ms());
	ck_assert_int_gt(n, 0);
	response_check(message, n, MSG_ECHO, BODY);
	ck_assert_int_eq(qbipc_response_release(c), 0);
	client_must_send(c, MSG_EVENT, BODY);
	n = qbipc_event_view(c, &message, deadline_ms());
	ck_assert_int_gt(n, 0);
	response_check(message, n, MSG_EVENT, BODY);
	ck_assert_int_eq(qbipc_event_release(c), 0);
	client_echo(c, BODY);
	both_stop(h, c);
}
END_TEST

struct talker {
	qb_ipcc_connection_t *c;
	size_t size;
};

static void *talker_run(void *data)
{
	const struct talker *t = data;
	struct request *q = request_new(ID, t->size);
	struct response *r = malloc(LIMIT);
	struct iovec iov = { q, t->size };
	int i;

	for (i = 0; i < 5; i++) {
		ssize_t n;

		WAIT_FOR((n = qb_ipcc_sendv_recv(t->c, &iov, 1, r, LIMIT, deadline_ms())) !=
			 -EAGAIN);
		response_check(r, n, ID, t->size);
	}
	free(q);
	free(r);
	return NULL;
}

START_TEST(threads_share_a_connection)
{
	struct talker talker[3];
	pthread_t thread[3];
	qb_ipcc_connection_t *c;
	struct host *h = bodies_start_spec(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = server_answer },
		LIMIT, &c);
	int i;

	ck_assert_int_eq(qbipc_body_limit_set(c, LIMIT), 0);
	/* From now on responses go to who has sent the request. */
	ck_assert_int_ge(qbipc_calls_fd(c), 0);
	for (i = 0; i < 3; i++) {
		talker[i] = (struct talker){ c, i == 0 ? 100 : BODY / (size_t)i };
		ck_assert_int_eq(pthread_create(&thread[i], NULL, talker_run, &talker[i]), 0);
	}
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
	both_stop(h, c);
}
END_TEST

/* On every transport of the native wire, which has bodies; or on the other one too. */
#define add_native_test(tcase, test)                                                           \
	do {                                                                                   \
		int i_;                                                                        \
		for (i_ = 0; i_ < transport_count; i_++)                                       \
			if (is_native(i_))                                                     \
				tcase_add_loop_test(tcase, test, i_, i_ + 1);                  \
	} while (0)

int main(void)
{
	Suite *s = suite_create("bodies");
	TCase *tc = tcase_new(s, "sizes");

	add_native_test(tc, bodies_go_both_ways_and_as_events);
	add_native_test(tc, limit_is_exact_for_requests);
	add_native_test(tc, limit_is_exact_for_responses_and_events);
	add_native_test(tc, lesser_limit_of_the_two_holds_for_what_a_client_gets);
	tc = tcase_new(s, "without");
	add_transport_test(tc, service_takes_and_sends_none_unless_it_says_so);
	add_native_test(tc, client_gets_none_unless_it_says_so);
	add_native_test(tc, client_can_stop_taking_them);
	add_transport_test(tc, wire_of_libqb_has_none);
	add_transport_test(tc, arguments_are_checked);
	add_native_test(tc, gone_connection_takes_none);
	tc = tcase_new(s, "room");
	add_native_test(tc, body_waits_for_a_buffer_that_is_large_enough);
	add_native_test(tc, event_that_has_come_in_part_stays_readable);
	add_native_test(tc, service_never_waits_for_who_does_not_read);
	add_native_test(tc, service_is_told_of_room_for_the_next_body);
	add_native_test(tc, client_goes_on_when_the_server_takes_nothing);
	if (users_can_be_changed("handler_that_insists_gets_on_within_the_quota"))
		add_native_test(tc, handler_that_insists_gets_on_within_the_quota);
	if (users_can_be_changed("service_is_told_of_room_in_the_quota"))
		add_native_test(tc, service_is_told_of_room_in_the_quota);
	add_native_test(tc, messages_keep_their_order);
	add_native_test(tc, body_in_many_pieces_of_memory_arrives_whole);
	add_native_test(tc, wake_up_that_could_not_be_sent_follows);
	tc = tcase_new(s, "in turn");
	add_native_test(tc, child_does_not_send_into_the_body_of_its_parent);
	add_native_test(tc, body_of_a_child_that_ended_ends_the_connection);
	add_native_test(tc, body_of_a_child_that_disconnected_ends_the_connection);
	tc = tcase_new(s, "leaving");
	add_native_test(tc, client_that_dies_in_the_middle_is_gone);
	add_native_test(tc, server_that_dies_in_the_middle_is_gone);
	add_native_test(tc, handler_of_a_body_may_end_the_connection);
	tc = tcase_new(s, "library");
	add_native_test(tc, body_counts_as_one_message);
	add_native_test(tc, calls_of_a_loop_carry_bodies);
	add_native_test(tc, late_responses_do_not_keep_a_body_back);
	add_native_test(tc, bodies_are_viewed);
	add_native_test(tc, threads_share_a_connection);
	return suite_main(s);
}
