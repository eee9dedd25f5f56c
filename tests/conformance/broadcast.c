/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One event for all connections of a service. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <qb/qbipc_ext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

/* Slots. 0 is that of remote_events(). */
enum {
	ACTION = 1, /* of the function that is told who missed it */
	MISSED,	    /* calls */
	ERROR,	    /* ERROR + n: what was said of connection n */
	LEAVE = 10, /* the client may go; it has gone */
};

enum { DO_NOTHING, DO_DISCONNECT, DO_DISCONNECT_ALL, DO_DESTROY };
enum { SIZE = 300, MANY = 100000, CLIENTS = 4 };

static void on_missed(qb_ipcs_connection_t *c, int error, void *data)
{
	struct server *sv = data;
	qb_ipcs_connection_t *other;

	SERVER_REQUIRE(sv, sv == the_server);
	atomic_fetch_add(&sv->shared->slot[MISSED], 1);
	atomic_store(&sv->shared->slot[ERROR + server_number(sv, c)], error);
	switch (atomic_load(&sv->shared->slot[ACTION])) {
	case DO_DISCONNECT: qb_ipcs_disconnect(c); break;
	case DO_DISCONNECT_ALL:
		while ((other = qb_ipcs_connection_first_get(sv->service))) {
			qb_ipcs_disconnect(other);
			qb_ipcs_connection_unref(other);
		}
		break;
	case DO_DESTROY: remote_destroy(sv, NULL); break;
	}
}

/* { size of the equivalent request, id }, in two pieces and an empty one */
static int64_t remote_broadcast(struct server *sv, const int64_t *args)
{
	size_t body = (size_t)args[0] - sizeof(struct qb_ipc_request_header);
	struct qb_ipc_response_header header = { .id = (int32_t)args[1],
						 .size = (int32_t)(sizeof(header) + body) };
	uint8_t *data = malloc(body);
	struct iovec iov[] = { { &header, sizeof(header) }, { NULL, 0 }, { data, body } };
	int32_t n;

	SERVER_REQUIRE(sv, data);
	pattern_fill(data, body, (uint32_t)args[1]);
	n = qbipc_service_broadcast(sv->service, iov, 3, on_missed, sv);
	free(data);
	return n;
}

static int64_t remote_slot(struct server *sv, const int64_t *args)
{
	atomic_store(&sv->shared->slot[args[0]], args[1]);
	return 0;
}

static struct host *start(int i, qb_ipcc_connection_t **c)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(i), .quiet = true });

	for (int k = 0; k < CLIENTS; k++) {
		c[k] = client_connect(h->name, 0);
		client_echo(c[k], 64);
	}
	return h;
}

static void stop(struct host *h, qb_ipcc_connection_t **c)
{
	for (int k = 0; k < CLIENTS; k++)
		qb_ipcc_disconnect(c[k]);
	host_stop(h);
}

static int32_t fill(struct host *h, int n)
{
	int64_t sent = host_call(h, remote_events, n, SIZE, 0, MANY);

	ck_assert_int_eq(host_slot(h, 0), -EAGAIN);
	return (int32_t)sent;
}

START_TEST(broadcast_reaches_every_connection)
{
	qb_ipcc_connection_t *c[CLIENTS];
	struct host *h = start(_i, c);

	for (int32_t id = 0; id < 50; id++) {
		ck_assert_int_eq(host_call(h, remote_broadcast, SIZE, id), CLIENTS);
		for (int k = 0; k < CLIENTS; k++)
			client_must_recv_event(c[k], id, SIZE);
	}
	ck_assert_int_eq(host_slot(h, MISSED), 0);
	stop(h, c);
}
END_TEST

START_TEST(broadcast_without_connections_reaches_nobody)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });

	ck_assert_int_eq(host_call(h, remote_broadcast, SIZE, 1), 0);
	ck_assert_int_eq(host_slot(h, MISSED), 0);
	host_stop(h);
}
END_TEST

START_TEST(full_client_is_reported_and_the_others_get_it)
{
	qb_ipcc_connection_t *c[CLIENTS];
	struct host *h = start(_i, c);
	int32_t sent = fill(h, 2);

	ck_assert_int_eq(host_call(h, remote_broadcast, SIZE, 7), CLIENTS - 1);
	ck_assert_int_eq(host_slot(h, MISSED), 1);
	ck_assert_int_eq(host_slot(h, ERROR + 2), -EAGAIN);
	for (int k = 0; k < CLIENTS; k++)
		if (k != 1)
			client_must_recv_event(c[k], 7, SIZE);
	for (int32_t id = 0; id < sent; id++)
		client_must_recv_event(c[1], id, SIZE);
	ck_assert(!fd_readable_within(client_fd(c[1]), 0));
	stop(h, c);
}
END_TEST

START_TEST(client_that_agreed_to_less_is_reported)
{
	enum { LARGE = 200000, LARGE_EVENT = 150000 };
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true });
	qb_ipcc_connection_t *small = client_connect(h->name, 0);
	qb_ipcc_connection_t *large = client_connect(h->name, LARGE);

	client_echo(small, 64);
	client_echo(large, 64);
	ck_assert_int_eq(host_call(h, remote_broadcast, LARGE_EVENT, 7), 1);
	ck_assert_int_eq(host_slot(h, ERROR + 1), -EMSGSIZE);
	client_must_recv_event(large, 7, LARGE_EVENT);
	ck_assert_int_eq(host_call(h, remote_broadcast, SIZE, 8), 2);
	client_must_recv_event(small, 8, SIZE);
	client_must_recv_event(large, 8, SIZE);
	qb_ipcc_disconnect(small);
	qb_ipcc_disconnect(large);
	host_stop(h);
}
END_TEST

/* { size, id }: broadcast when the client has gone, of which the loop cannot know. */
static int64_t remote_broadcast_when_left(struct server *sv, const int64_t *args)
{
	atomic_store(&sv->shared->slot[LEAVE], 1);
	while (atomic_load(&sv->shared->slot[LEAVE]) != 2)
		pause_briefly();
	return remote_broadcast(sv, args);
}

struct leaver {
	struct host *h;
	qb_ipcc_connection_t *c;
};

static void *leave(void *arg)
{
	struct leaver *l = arg;

	while (host_slot(l->h, LEAVE) != 1)
		pause_briefly();
	qb_ipcc_disconnect(l->c);
	atomic_store(&l->h->shared->slot[LEAVE], 2);
	return NULL;
}

START_TEST(client_that_just_left_is_reported)
{
	qb_ipcc_connection_t *c[CLIENTS];
	struct host *h = start(_i, c);
	struct leaver l = { h, c[0] };
	pthread_t thread;

	/* To a client that never had an event, socket mode cannot tell "not yet" from gone. */
	ck_assert_int_eq(host_call(h, remote_broadcast, SIZE, 6), CLIENTS);
	for (int k = 0; k < CLIENTS; k++)
		client_must_recv_event(c[k], 6, SIZE);
	ck_assert_int_eq(pthread_create(&thread, NULL, leave, &l), 0);
	ck_assert_int_eq(host_call(h, remote_broadcast_when_left, SIZE, 7), CLIENTS - 1);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(host_slot(h, ERROR + 1), -ENOTCONN);
	host_await_trace(h, "destroyed:1");
	for (int k = 1; k < CLIENTS; k++)
		client_must_recv_event(c[k], 7, SIZE);
	c[0] = NULL;
	stop(h, c);
}
END_TEST

START_TEST(function_may_disconnect_whom_it_is_told_of)
{
	qb_ipcc_connection_t *c[CLIENTS];
	struct host *h = start(_i, c);

	for (int k = 1; k <= CLIENTS; k += 2)
		fill(h, k);
	host_call(h, remote_slot, ACTION, DO_DISCONNECT);
	ck_assert_int_eq(host_call(h, remote_broadcast, SIZE, 7), CLIENTS / 2);
	ck_assert_int_eq(host_slot(h, MISSED), CLIENTS / 2);
	for (int k = 1; k < CLIENTS; k += 2)
		client_must_recv_event(c[k], 7, SIZE);
	ck_assert_int_eq(host_call(h, remote_broadcast, SIZE, 8), CLIENTS / 2);
	ck_assert_int_eq(host_slot(h, MISSED), CLIENTS / 2);
	stop(h, c);
}
END_TEST

/* Connection 3 is full; the walk goes from 4 to 1. */
static void end_all_in_the_middle(int i, int action)
{
	qb_ipcc_connection_t *c[CLIENTS];
	struct host *h = start(i, c);

	fill(h, 3);
	host_call(h, remote_slot, ACTION, action);
	ck_assert_int_eq(host_call(h, remote_broadcast, SIZE, 7), 1);
	ck_assert_int_eq(host_slot(h, MISSED), 1);
	for (int k = 1; k <= CLIENTS; k++) {
		char text[32];

		snprintf(text, sizeof(text), "destroyed:%d", k);
		host_await_trace(h, text);
	}
	stop(h, c);
}

START_TEST(function_may_disconnect_everybody)
{
	end_all_in_the_middle(_i, DO_DISCONNECT_ALL);
}
END_TEST

START_TEST(function_may_destroy_the_service)
{
	end_all_in_the_middle(_i, DO_DESTROY);
}
END_TEST

/* The newest state for everybody, as in the header: nobody keeps a queue. */
enum { STATE = 2, STALE = 3 };

static void send_state(qb_ipcs_connection_t *c, void *data)
{
	struct server *sv = data;
	int64_t args[CALL_ARGS] = { server_number(sv, c), SIZE,
				    atomic_load(&sv->shared->slot[STATE]) };

	if (remote_event(sv, args) > 0)
		atomic_fetch_sub(&sv->shared->slot[STALE], 1);
}

static void state_missed(qb_ipcs_connection_t *c, int error, void *data)
{
	struct server *sv = data;

	SERVER_REQUIRE_EQ(sv, error, -EAGAIN);
	atomic_fetch_add(&sv->shared->slot[STALE], 1);
}

static void prepare_state(struct server *sv)
{
	qbipc_service_writable_set(sv->service, send_state, sv);
}

/* { times }: a new state that often, until somebody has missed one. */
static int64_t remote_new_states(struct server *sv, const int64_t *args)
{
	struct response *r = calloc(1, SIZE + 8);
	struct iovec iov = { r, SIZE + 8 };

	SERVER_REQUIRE(sv, r);
	while (atomic_load(&sv->shared->slot[STALE]) == 0) {
		int64_t id = atomic_fetch_add(&sv->shared->slot[STATE], 1) + 1;

		*r = (struct response){ .hdr = { .id = (int32_t)id, .size = SIZE + 8 } };
		pattern_fill(r->body, SIZE - 16, (uint32_t)id);
		qbipc_service_broadcast(sv->service, &iov, 1, state_missed, sv);
	}
	free(r);
	return atomic_load(&sv->shared->slot[STATE]);
}

START_TEST(client_that_missed_the_newest_state_gets_it_when_it_reads)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true,
							   .prepare = prepare_state });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	int32_t last;

	client_echo(c, 64);
	last = (int32_t)host_call(h, remote_new_states);
	for (int32_t id = 1; id <= last; id++)
		client_must_recv_event(c, id, SIZE);
	WAIT_FOR(host_slot(h, STALE) == 0);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static int64_t remote_bad_arguments(struct server *sv, const int64_t *args)
{
	struct iovec iov[2] = { { NULL, 5 }, { NULL, SIZE_MAX } };
	char byte = 0;
	qb_ipcs_service_t *s = sv->service;

	SERVER_REQUIRE_EQ(sv, qbipc_service_broadcast(NULL, iov, 1, NULL, NULL), -EINVAL);
	SERVER_REQUIRE_EQ(sv, qbipc_service_broadcast(s, NULL, 1, NULL, NULL), -EINVAL);
	SERVER_REQUIRE_EQ(sv, qbipc_service_broadcast(s, iov, 0, NULL, NULL), -EINVAL);
	SERVER_REQUIRE_EQ(sv, qbipc_service_broadcast(s, iov, 1, NULL, NULL), -EINVAL);
	iov[0].iov_base = iov[1].iov_base = &byte;
	SERVER_REQUIRE_EQ(sv, qbipc_service_broadcast(s, iov, 2, NULL, NULL), -EMSGSIZE);
	return 0;
}

START_TEST(bad_arguments_are_refused)
{
	struct host *h = host_start(&(struct server_spec){ .type = QB_IPC_SHM });

	host_call(h, remote_bad_arguments);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("broadcast");
	TCase *tc = tcase_new(s, "broadcast");

	add_variant_test(tc, broadcast_reaches_every_connection);
	add_transport_test(tc, broadcast_without_connections_reaches_nobody);
	add_variant_test(tc, full_client_is_reported_and_the_others_get_it);
	add_transport_test(tc, client_that_agreed_to_less_is_reported);
	add_variant_test(tc, client_that_just_left_is_reported);
	add_variant_test(tc, function_may_disconnect_whom_it_is_told_of);
	add_variant_test(tc, function_may_disconnect_everybody);
	add_variant_test(tc, function_may_destroy_the_service);
	add_variant_test(tc, client_that_missed_the_newest_state_gets_it_when_it_reads);
	tcase_add_test(tc, bad_arguments_are_refused);
	return suite_main(s);
}
