/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* References, walking the connections, contexts, and what survives a destroy. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

static qb_ipcc_connection_t *clients[3];

static void connect_three(struct host *h)
{
	for (int i = 0; i < 3; i++)
		clients[i] = client_connect(h->name, 0);
	host_await_trace(h, "created:3");
}

static void disconnect_three(void)
{
	for (int i = 0; i < 3; i++)
		qb_ipcc_disconnect(clients[i]);
}

START_TEST(walk_meets_connections_newest_first)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });

	ck_assert_int_eq(host_call(h, remote_walk), 0);
	connect_three(h);
	ck_assert_int_eq(host_call(h, remote_walk), 321);
	disconnect_three();
	host_stop(h);
}
END_TEST

enum { SLOT_CREATED, SLOT_LEFT, SLOT_CLOSED, SLOT_CLOSED_AGAIN, SLOT_DESTROYED };

static void note_walk(struct server *sv, int slot)
{
	static const int64_t none[CALL_ARGS];

	sv->shared->slot[slot] = remote_walk(sv, none);
}

static void walk_in_created(struct server *sv, qb_ipcs_connection_t *c)
{
	note_walk(sv, SLOT_CREATED);
	if (server_number(sv, c) == 2) {
		qb_ipcs_disconnect(c);
		note_walk(sv, SLOT_LEFT);
	}
}

static int32_t walk_in_closed(struct server *sv, qb_ipcs_connection_t *c)
{
	bool again = sv->shared->slot[SLOT_CLOSED] != 0;

	note_walk(sv, again ? SLOT_CLOSED_AGAIN : SLOT_CLOSED);
	/* It is going already, and no sender is led to believe otherwise. */
	qb_ipcs_disconnect(c);
	return again ? 0 : -1;
}

static void walk_in_destroyed(struct server *sv, qb_ipcs_connection_t *c)
{
	note_walk(sv, SLOT_DESTROYED);
}

START_TEST(walk_meets_a_connection_until_closed_is_done)
{
	struct host *h = host_start(&(struct server_spec){
		VARIANT_SPEC(_i), .created = walk_in_created, .closed = walk_in_closed,
		.destroyed = walk_in_destroyed });
	qb_ipcc_connection_t *c = client_connect(h->name, 0), *other;

	client_echo(c, 100);
	ck_assert_int_eq(host_slot(h, SLOT_CREATED), 1);
	other = qb_ipcc_connect(h->name, 0);
	host_await_trace(h, "destroyed:2");
	ck_assert_int_eq(host_slot(h, SLOT_LEFT), 21);
	ck_assert_int_eq(host_slot(h, SLOT_DESTROYED), 1);
	if (other)
		qb_ipcc_disconnect(other);
	qb_ipcc_disconnect(c);
	host_await_trace(h, "destroyed:1");
	ck_assert_int_eq(host_slot(h, SLOT_CLOSED), 1);
	ck_assert_int_eq(host_slot(h, SLOT_CLOSED_AGAIN), 1);
	ck_assert_int_eq(host_slot(h, SLOT_DESTROYED), 0);
	host_stop(h);
}
END_TEST

/* Drops its reference on the one it stands on before it asks for the next. */
static int64_t walk_disconnecting_each(struct server *sv, const int64_t *args)
{
	qb_ipcs_connection_t *c = qb_ipcs_connection_first_get(sv->service);
	int64_t met = 0;

	while (c) {
		qb_ipcs_connection_t *next = qb_ipcs_connection_next_get(sv->service, c);

		met = met * 10 + server_number(sv, c);
		qb_ipcs_disconnect(c);
		qb_ipcs_connection_unref(c);
		c = next;
	}
	return met;
}

START_TEST(walk_survives_disconnecting_each_connection_it_meets)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });

	connect_three(h);
	ck_assert_int_eq(host_call(h, walk_disconnecting_each), 321);
	ck_assert_int_eq(host_call(h, remote_walk), 0);
	for (int n = 1; n <= 3; n++) {
		char part[32];

		snprintf(part, sizeof(part), "destroyed:%d", n);
		host_await_trace(h, part);
	}
	disconnect_three();
	host_stop(h);
}
END_TEST

START_TEST(walk_does_not_find_a_disconnected_connection_that_is_still_referenced)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });

	connect_three(h);
	host_call(h, remote_ref, 2);
	host_call(h, remote_disconnect, 2);
	ck_assert_int_eq(host_call(h, remote_walk), 31);
	ck_assert_ptr_null(strstr(host_trace(h), "destroyed:2"));
	host_call(h, remote_unref, 2);
	host_await_trace(h, "destroyed:2");
	disconnect_three();
	host_stop(h);
}
END_TEST

static int64_t first_get_keeps(struct server *sv, const int64_t *args)
{
	qb_ipcs_connection_t *c = qb_ipcs_connection_first_get(sv->service);

	qb_ipcs_disconnect(c);
	SERVER_REQUIRE(sv, !strstr(sv->shared->trace, "destroyed"));
	SERVER_REQUIRE_EQ(sv, server_number(sv, c), 1);
	qb_ipcs_connection_unref(c);
	return 0;
}

START_TEST(first_get_returns_a_reference_that_keeps_the_connection)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	host_await_trace(h, "created:1");
	host_call(h, first_get_keeps);
	host_expect_trace(h, "accept:1 created:1 closed:1 destroyed:1");
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static int64_t send_on_disconnected(struct server *sv, const int64_t *args)
{
	const int64_t send[CALL_ARGS] = { 1, 64, 1 };

	SERVER_REQUIRE_EQ(sv, remote_response(sv, send), -ENOTCONN);
	SERVER_REQUIRE_EQ(sv, remote_event(sv, send), -ENOTCONN);
	return 0;
}

START_TEST(sending_on_a_disconnected_connection_is_enotconn)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	host_await_trace(h, "created:1");
	host_call(h, remote_ref, 1);
	host_call(h, remote_disconnect, 1);
	host_call(h, send_on_disconnected);
	host_call(h, remote_unref, 1);
	host_await_trace(h, "destroyed:1");
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static int64_t shared_mappings(struct server *sv, const int64_t *args)
{
	struct census c;

	census_take(&c);
	return c.shared_mappings + c.fds * 1000;
}

START_TEST(transport_memory_and_descriptors_go_at_disconnect_not_at_the_last_reference)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	int64_t before = host_call(h, shared_mappings);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	host_await_trace(h, "created:1");
	ck_assert_int_ne(host_call(h, shared_mappings), before);
	host_call(h, remote_ref, 1);
	qb_ipcc_disconnect(c);
	host_await_trace(h, "closed:1");
	WAIT_FOR(host_call(h, shared_mappings) == before);
	ck_assert_ptr_null(strstr(host_trace(h), "destroyed"));
	host_call(h, remote_unref, 1);
	host_await_trace(h, "destroyed:1");
	host_stop(h);
}
END_TEST

static void prepare_contexts(struct server *sv)
{
	qb_ipcs_service_context_set(sv->service, sv);
	SERVER_REQUIRE(sv, qb_ipcs_service_context_get(sv->service) == sv);
}

static void created_uses_contexts(struct server *sv, qb_ipcs_connection_t *c)
{
	SERVER_REQUIRE(sv, qb_ipcs_connection_service_context_get(c) == sv);
	SERVER_REQUIRE_EQ(sv, qb_ipcs_service_id_get(c), 4711);
	SERVER_REQUIRE(sv, qb_ipcs_context_get(c) == NULL);
	qb_ipcs_context_set(c, &sv->accepted);
}

static void destroyed_uses_contexts(struct server *sv, qb_ipcs_connection_t *c)
{
	SERVER_REQUIRE(sv, qb_ipcs_context_get(c) == &sv->accepted);
	SERVER_REQUIRE(sv, qb_ipcs_connection_service_context_get(c) == sv);
	SERVER_REQUIRE_EQ(sv, qb_ipcs_service_id_get(c), 4711);
}

START_TEST(contexts_and_service_id_are_there_from_accept_to_destroyed)
{
	struct host *h = host_start(&(struct server_spec){
		VARIANT_SPEC(_i), .service_id = 4711, .prepare = prepare_contexts,
		.created = created_uses_contexts, .destroyed = destroyed_uses_contexts });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	host_await_trace(h, "destroyed:1");
	host_stop(h);
}
END_TEST

static qb_ipcs_connection_t *kept;

static int64_t destroy_keeping_a_connection(struct server *sv, const int64_t *args)
{
	qb_ipcs_service_context_set(sv->service, sv);
	kept = server_connection(sv, 1);
	qb_ipcs_connection_ref(kept);
	qb_ipcs_destroy(sv->service);
	sv->service = NULL;
	return 0;
}

static int64_t use_and_drop_kept(struct server *sv, const int64_t *args)
{
	SERVER_REQUIRE(sv, qb_ipcs_connection_service_context_get(kept) == sv);
	SERVER_REQUIRE_EQ(sv, qb_ipcs_service_id_get(kept), 17);
	qb_ipcs_connection_unref(kept);
	return 0;
}

START_TEST(service_lives_as_long_as_a_connection_of_it_is_referenced)
{
	struct host *h =
		host_start(&(struct server_spec){ VARIANT_SPEC(_i), .service_id = 17 });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	host_await_trace(h, "created:1");
	host_call(h, destroy_keeping_a_connection);
	host_expect_trace(h, "accept:1 created:1 closed:1");
	host_call(h, use_and_drop_kept);
	host_expect_trace(h, "accept:1 created:1 closed:1 destroyed:1");
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static int64_t destroy_keeping_the_service(struct server *sv, const int64_t *args)
{
	qb_ipcs_service_t *s = sv->service;

	qb_ipcs_service_context_set(s, sv);
	qb_ipcs_ref(s);
	qb_ipcs_destroy(s);
	sv->service = NULL;
	SERVER_REQUIRE(sv, qb_ipcs_service_context_get(s) == sv);
	SERVER_REQUIRE(sv, !qb_ipcs_connection_first_get(s));
	qb_ipcs_unref(s);
	return 0;
}

START_TEST(service_reference_outlives_destroy)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	host_await_trace(h, "created:1");
	host_call(h, destroy_keeping_the_service);
	host_expect_trace(h, "accept:1 created:1 closed:1 destroyed:1");
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(nobody_answers_after_destroy)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });

	host_call(h, remote_destroy);
	errno = 0;
	ck_assert_ptr_null(qb_ipcc_connect(h->name, 0));
	ck_assert_int_eq(errno, ECONNREFUSED);
	host_stop(h);
}
END_TEST

START_TEST(name_is_free_again_after_destroy)
{
	struct host *first = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	struct host *second;
	qb_ipcc_connection_t *c;

	host_call(first, remote_destroy);
	second = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .name = first->name });
	c = client_connect(second->name, 0);
	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	host_stop(second);
	host_stop(first);
}
END_TEST

START_TEST(service_end_with_connected_clients_leaves_nothing_behind)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });

	connect_three(h);
	client_echo(clients[1], 1000);
	host_stop(h);
	disconnect_three();
}
END_TEST

START_TEST(clients_that_come_and_go_leave_nothing_behind)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });

	for (int i = 0; i < 40; i++) {
		qb_ipcc_connection_t *c = client_connect(h->name, 0);

		client_echo(c, 64 + (size_t)i);
		qb_ipcc_disconnect(c);
	}
	host_await_trace(h, "destroyed:40");
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("server lifetime");
	TCase *tc = tcase_new(s, "walk");

	add_variant_test(tc, walk_meets_connections_newest_first);
	add_transport_test(tc, walk_meets_a_connection_until_closed_is_done);
	add_variant_test(tc, walk_survives_disconnecting_each_connection_it_meets);
	add_variant_test(tc,
			 walk_does_not_find_a_disconnected_connection_that_is_still_referenced);
	add_variant_test(tc, first_get_returns_a_reference_that_keeps_the_connection);

	tc = tcase_new(s, "references");
	add_variant_test(tc, sending_on_a_disconnected_connection_is_enotconn);
	add_variant_test(
		tc,
		transport_memory_and_descriptors_go_at_disconnect_not_at_the_last_reference);
	add_variant_test(tc, contexts_and_service_id_are_there_from_accept_to_destroyed);
	add_variant_test(tc, service_lives_as_long_as_a_connection_of_it_is_referenced);
	add_variant_test(tc, service_reference_outlives_destroy);

	tc = tcase_new(s, "end");
	add_variant_test(tc, nobody_answers_after_destroy);
	add_variant_test(tc, name_is_free_again_after_destroy);
	add_variant_test(tc, service_end_with_connected_clients_leaves_nothing_behind);
	add_variant_test(tc, clients_that_come_and_go_leave_nothing_behind);
	return suite_main(s);
}
