/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the library does with the application's poll loop. The adapters of tests/lib
 * check the contract in every suite (mod and del only of what is in the loop, del
 * before close, never "gone" of something still in); here is what only shows when
 * asked for.
 */
#include <errno.h>
#include <poll.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

enum { WANTED = POLLIN | POLLPRI | POLLNVAL, SLOT_LISTENER = 0 };

/* While there is no connection: remember which descriptor the listener is. */
static int64_t note_listener(struct server *sv, const int64_t *args)
{
	int64_t live = 0;

	for (struct registration *r = registration_first(); r; r = r->next) {
		if (!r->live)
			continue;
		live++;
		SERVER_REQUIRE_EQ(sv, r->events, WANTED);
		SERVER_REQUIRE_EQ(sv, r->priority, QB_LOOP_MED);
		atomic_store(&sv->shared->slot[SLOT_LISTENER], r->fd);
	}
	return live;
}

/* { priority }: how many have it, not counting the listener. */
static int64_t connections_with_priority(struct server *sv, const int64_t *args)
{
	int64_t matching = 0;

	for (struct registration *r = registration_first(); r; r = r->next) {
		if (!r->live || r->fd == atomic_load(&sv->shared->slot[SLOT_LISTENER]))
			continue;
		SERVER_REQUIRE_EQ(sv, r->events, WANTED);
		if (r->priority == (enum qb_loop_priority)args[0])
			matching++;
	}
	return matching;
}

static void check_priority(int i, enum qb_ipcs_rate_limit rate, enum qb_loop_priority p)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(i) });
	qb_ipcc_connection_t *c;

	ck_assert_int_eq(host_call(h, note_listener), 1);
	host_call(h, remote_rate, rate);
	c = client_connect(h->name, 0);
	client_echo(c, 64);
	ck_assert_int_ge(host_call(h, connections_with_priority, p), 1);
	qb_ipcc_disconnect(c);
	host_stop(h);
}

START_TEST(descriptors_are_added_for_input_with_the_default_priority)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c;

	ck_assert_int_eq(host_call(h, note_listener), 1);
	c = client_connect(h->name, 0);
	host_await_trace(h, "created:1");
	ck_assert_int_ge(host_call(h, connections_with_priority, QB_LOOP_MED), 1);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(fast_means_high_priority)
{
	check_priority(_i, QB_IPCS_RATE_FAST, QB_LOOP_HIGH);
}
END_TEST

START_TEST(normal_means_medium_priority)
{
	check_priority(_i, QB_IPCS_RATE_NORMAL, QB_LOOP_MED);
}
END_TEST

START_TEST(slow_means_low_priority)
{
	check_priority(_i, QB_IPCS_RATE_SLOW, QB_LOOP_LOW);
}
END_TEST

START_TEST(priority_of_connected_descriptors_follows_the_rate)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c;

	ck_assert_int_eq(host_call(h, note_listener), 1);
	c = client_connect(h->name, 0);
	client_echo(c, 64);
	host_call(h, remote_rate, QB_IPCS_RATE_SLOW);
	ck_assert_int_ge(host_call(h, connections_with_priority, QB_LOOP_LOW), 1);
	client_echo(c, 64);
	host_call(h, remote_rate, QB_IPCS_RATE_FAST);
	ck_assert_int_ge(host_call(h, connections_with_priority, QB_LOOP_HIGH), 1);
	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(only_the_listener_stays_in_the_loop_when_clients_are_gone)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });

	for (int n = 0; n < 5; n++) {
		qb_ipcc_connection_t *c = client_connect(h->name, 0);

		client_echo(c, 64);
		qb_ipcc_disconnect(c);
	}
	host_await_trace(h, "destroyed:5");
	ck_assert_int_eq(host_call(h, remote_adapter_counts), 1);
	host_stop(h);
}
END_TEST

START_TEST(nothing_stays_in_the_loop_after_destroy)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	host_await_trace(h, "created:1");
	host_call(h, remote_destroy);
	ck_assert_int_eq(host_call(h, remote_adapter_counts), 0);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(rate_change_before_any_client_touches_only_what_is_in_the_loop)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });

	for (int rate = QB_IPCS_RATE_FAST; rate <= QB_IPCS_RATE_OFF_2; rate++)
		host_call(h, remote_rate, rate);
	ck_assert_int_eq(host_call(h, remote_adapter_counts), 1);
	host_stop(h);
}
END_TEST

static void created_changes_rate(struct server *sv, qb_ipcs_connection_t *c)
{
	qb_ipcs_request_rate_limit(sv->service, QB_IPCS_RATE_FAST);
}

static int32_t accept_changes_rate(struct server *sv, qb_ipcs_connection_t *c, uid_t uid,
				   gid_t gid)
{
	qb_ipcs_request_rate_limit(sv->service, QB_IPCS_RATE_SLOW);
	return 0;
}

static int32_t closed_changes_rate(struct server *sv, qb_ipcs_connection_t *c)
{
	qb_ipcs_request_rate_limit(sv->service, QB_IPCS_RATE_NORMAL);
	return 0;
}

START_TEST(rate_can_be_changed_inside_accept_created_and_closed)
{
	struct host *h = host_start(&(struct server_spec){
		VARIANT_SPEC(_i), .accept = accept_changes_rate,
		.created = created_changes_rate, .closed = closed_changes_rate });

	for (int n = 0; n < 2; n++) {
		qb_ipcc_connection_t *c = client_connect(h->name, 0);

		client_echo(c, 64);
		qb_ipcc_disconnect(c);
		host_await_trace(h, n ? "destroyed:2" : "destroyed:1");
	}
	host_expect_trace(h, "accept:1 created:1 msg:1 closed:1 destroyed:1 "
			     "accept:2 created:2 msg:2 closed:2 destroyed:2");
	host_stop(h);
}
END_TEST

START_TEST(idle_connection_causes_no_dispatches)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	struct adapter_counts *counts = (void *)h->shared->blob;
	int dispatches;

	client_echo(c, 64);
	host_await_rest(h);
	host_call(h, remote_adapter_counts);
	dispatches = counts->dispatches;
	for (int n = 0; n < 50; n++)
		host_call(h, remote_adapter_counts);
	ck_assert_int_eq(counts->dispatches, dispatches);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static int64_t disconnect_first(struct server *sv, const int64_t *args)
{
	qb_ipcs_disconnect(server_connection(sv, 1));
	return 0;
}

/* The descriptor's number is used anew at once: by the next client's connection. */
START_TEST(descriptor_numbers_used_again_at_once_keep_their_new_registration)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });

	for (int n = 1; n <= 20; n++) {
		qb_ipcc_connection_t *c = client_connect(h->name, 0);
		qb_ipcc_connection_t *next;

		client_must_send(c, MSG_DISCONNECT_ME, 64);
		next = client_connect(h->name, 0);
		client_echo(next, 64);
		qb_ipcc_disconnect(c);
		client_echo(next, 64);
		qb_ipcc_disconnect(next);
	}
	host_await_trace(h, "destroyed:40");
	ck_assert_int_eq(host_call(h, remote_adapter_counts), 1);
	host_stop(h);
}
END_TEST

START_TEST(disconnect_from_outside_a_dispatch_removes_the_descriptor_at_once)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	/* Also a second stream of the client was dispatched then, and is no longer in the loop. */
	client_echo(c, 64);
	host_call(h, disconnect_first);
	ck_assert_int_eq(host_call(h, remote_adapter_counts), 1);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("poll contract");
	TCase *tc = tcase_new(s, "poll contract");

	add_variant_test(tc, descriptors_are_added_for_input_with_the_default_priority);
	add_variant_test(tc, fast_means_high_priority);
	add_variant_test(tc, normal_means_medium_priority);
	add_variant_test(tc, slow_means_low_priority);
	add_variant_test(tc, priority_of_connected_descriptors_follows_the_rate);
	add_variant_test(tc, only_the_listener_stays_in_the_loop_when_clients_are_gone);
	add_variant_test(tc, nothing_stays_in_the_loop_after_destroy);
	add_variant_test(tc, rate_change_before_any_client_touches_only_what_is_in_the_loop);
	add_variant_test(tc, rate_can_be_changed_inside_accept_created_and_closed);
	add_variant_test(tc, idle_connection_causes_no_dispatches);
	add_variant_test(tc, descriptor_numbers_used_again_at_once_keep_their_new_registration);
	add_variant_test(tc, disconnect_from_outside_a_dispatch_removes_the_descriptor_at_once);
	return suite_main(s);
}
