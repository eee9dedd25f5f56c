/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What response_send and event_send return, with one buffer and with vectors. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/session.h"
#include "tests/lib/variant.h"

enum {
	REQUEST_MORE = 8,	       /* the echo of n bytes has n + 8 */
	NEVER_FITS = 10 * 1024 * 1024, /* neither a ring of 16 KiB nor a socket */
	BLOCK = 16384,
};

static struct host *start(int i, qb_ipcc_connection_t **c)
{
	struct host *h = session_start(i, c);

	client_echo(*c, 64);
	return h;
}

START_TEST(response_send_returns_the_bytes_sent)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	ck_assert_int_eq(host_call(h, remote_response, 1, 16, 1), 24);
	ck_assert_int_eq(host_call(h, remote_response, 1, 1000, 2), 1008);
	client_must_recv(c, 1, 16);
	client_must_recv(c, 2, 1000);
	session_stop(h, c);
}
END_TEST

START_TEST(response_sent_before_any_request_arrives)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	host_await_trace(h, "created:1");
	ck_assert_int_eq(host_call(h, remote_response, 1, 1000, 2), 1008);
	client_must_recv(c, 2, 1000);
	client_echo(c, 64);
	session_stop(h, c);
}
END_TEST

START_TEST(event_send_returns_the_bytes_sent)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	ck_assert_int_eq(host_call(h, remote_event, 1, 16, 1), 24);
	ck_assert_int_eq(host_call(h, remote_event, 1, 1000, 2), 1008);
	client_must_recv_event(c, 1, 16);
	client_must_recv_event(c, 2, 1000);
	session_stop(h, c);
}
END_TEST

START_TEST(message_of_the_buffer_size_can_be_sent_both_ways)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);
	int64_t most = qb_ipcc_get_buffer_size(c);

	ck_assert_int_eq(host_call(h, remote_response, 1, most - REQUEST_MORE, 1), most);
	client_must_recv(c, 1, (size_t)most - REQUEST_MORE);
	ck_assert_int_eq(host_call(h, remote_event, 1, most - REQUEST_MORE, 2), most);
	client_must_recv_event(c, 2, (size_t)most - REQUEST_MORE);
	client_must_send(c, MSG_SILENT, (size_t)most);
	client_echo(c, 64);
	session_stop(h, c);
}
END_TEST

static int64_t send_nothing(struct server *sv, const int64_t *args)
{
	qb_ipcs_connection_t *c = server_connection(sv, 1);
	char byte = 0;

	return args[0] ? qb_ipcs_event_send(c, &byte, 0) : qb_ipcs_response_send(c, &byte, 0);
}

/* Before others, so that it is seen that nothing else was lost. */
START_TEST(messages_of_no_bytes_arrive)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);
	char buf[16] = "untouched";

	ck_assert_int_eq(host_call(h, send_nothing, 0), 0);
	ck_assert_int_eq(host_call(h, remote_response, 1, 100, 11), 108);
	ck_assert_int_eq(qb_ipcc_recv(c, buf, sizeof(buf), deadline_ms()), 0);
	client_must_recv(c, 11, 100);
	ck_assert_int_eq(host_call(h, send_nothing, 1), 0);
	ck_assert_int_eq(host_call(h, remote_event, 1, 100, 22), 108);
	ck_assert_int_eq(qb_ipcc_event_recv(c, buf, sizeof(buf), deadline_ms()), 0);
	client_must_recv_event(c, 22, 100);
	ck_assert(!fd_readable_within(client_fd(c), 0));
	ck_assert_str_eq(buf, "untouched");
	session_stop(h, c);
}
END_TEST

START_TEST(response_that_can_never_fit_is_emsgsize)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	ck_assert_int_eq(host_call(h, remote_response, 1, NEVER_FITS, 1), -EMSGSIZE);
	ck_assert_int_eq(host_call(h, remote_response, 1, 10 * NEVER_FITS, 1), -EMSGSIZE);
	client_echo(c, 64);
	session_stop(h, c);
}
END_TEST

START_TEST(event_above_the_buffer_size_is_emsgsize)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);
	int64_t most = qb_ipcc_get_buffer_size(c);

	ck_assert_int_eq(host_call(h, remote_event, 1, most - REQUEST_MORE + 1, 1), -EMSGSIZE);
	ck_assert_int_eq(host_call(h, remote_event, 1, 10 * most, 1), -EMSGSIZE);
	ck_assert(!fd_readable_within(client_fd(c), 0));
	client_echo(c, 64);
	session_stop(h, c);
}
END_TEST

/* Without a receiver until there is no room; then with one: what was accepted comes. */
static void check_no_room(int i, remote_fn send_one,
			  void (*receive)(qb_ipcc_connection_t *, int32_t, size_t))
{
	qb_ipcc_connection_t *c;
	struct host *h = start(i, &c);
	int32_t accepted = 0;
	int64_t n;

	while ((n = host_call(h, send_one, 1, 900, 1 + accepted)) == 908)
		accepted++;
	ck_assert_int_eq(n, -EAGAIN);
	ck_assert_int_ge(accepted, 1);
	ck_assert_int_eq(host_call(h, send_one, 1, 900, 1 + accepted), -EAGAIN);
	for (int32_t id = 1; id <= accepted; id++)
		receive(c, id, 900);
	ck_assert_int_eq(host_call(h, send_one, 1, 900, 7777), 908);
	receive(c, 7777, 900);
	session_stop(h, c);
}

START_TEST(response_without_room_is_eagain_and_nothing_accepted_is_lost)
{
	check_no_room(_i, remote_response, client_must_recv);
}
END_TEST

START_TEST(event_without_room_is_eagain_and_nothing_accepted_is_lost)
{
	check_no_room(_i, remote_event, client_must_recv_event);
}
END_TEST

/*
 * { response or event, entries }: one message with that many entries, empty ones
 * between those that hold something.
 */
static int64_t send_vector(struct server *sv, const int64_t *args)
{
	struct response *r = calloc(1, sizeof(*r) + 5000);
	struct iovec *iov = calloc((size_t)args[1], sizeof(*iov));
	ssize_t (*sendv)(qb_ipcs_connection_t *, const struct iovec *, size_t);
	size_t body = 0, n = (size_t)args[1];
	ssize_t result;

	SERVER_REQUIRE(sv, r && iov);
	sendv = args[0] ? qb_ipcs_event_sendv : qb_ipcs_response_sendv;
	iov[0] = (struct iovec){ r, sizeof(*r) };
	pattern_fill(r->body, 5000, 9);
	for (size_t k = 1; k < n; k++) {
		if (k % 3 == 1)
			continue;
		iov[k] = (struct iovec){ r->body + body, k % 7 };
		body += k % 7;
	}
	r->hdr = (struct qb_ipc_response_header){ .id = 9,
						  .size = (int32_t)(sizeof(*r) + body) };
	result = sendv(server_connection(sv, 1), iov, n);
	free(iov);
	free(r);
	return result;
}

static void check_vector(int i, int64_t entries)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(i, &c);
	int64_t n = host_call(h, send_vector, 0, entries);

	ck_assert_int_ge(n, 24);
	client_must_recv(c, 9, (size_t)n - REQUEST_MORE);
	ck_assert_int_eq(host_call(h, send_vector, 1, entries), n);
	client_must_recv_event(c, 9, (size_t)n - REQUEST_MORE);
	session_stop(h, c);
}

START_TEST(vector_may_hold_empty_entries)
{
	check_vector(_i, 12);
}
END_TEST

START_TEST(vector_may_have_as_many_entries_as_iov_max)
{
	check_vector(_i, IOV_MAX);
}
END_TEST

/* More than one system call takes. */
START_TEST(vector_may_have_more_entries_than_iov_max)
{
	check_vector(_i, IOV_MAX + 1);
	check_vector(_i, 2 * IOV_MAX);
}
END_TEST

static int64_t send_vector_too_long(struct server *sv, const int64_t *args)
{
	static char block[BLOCK];
	static struct iovec iov[1 + NEVER_FITS / BLOCK];
	int n = sizeof(iov) / sizeof(iov[0]);
	struct qb_ipc_response_header hdr = { .id = 1, .size = NEVER_FITS + sizeof(hdr) };
	qb_ipcs_connection_t *c = server_connection(sv, 1);

	iov[0] = (struct iovec){ &hdr, sizeof(hdr) };
	for (int k = 1; k < n; k++)
		iov[k] = (struct iovec){ block, sizeof(block) };
	SERVER_REQUIRE_EQ(sv, qb_ipcs_response_sendv(c, iov, n), -EMSGSIZE);
	SERVER_REQUIRE_EQ(sv, qb_ipcs_event_sendv(c, iov, n), -EMSGSIZE);
	return 0;
}

START_TEST(vector_whose_sum_can_never_fit_is_emsgsize)
{
	qb_ipcc_connection_t *c;
	struct host *h = start(_i, &c);

	host_call(h, send_vector_too_long);
	client_echo(c, 64);
	session_stop(h, c);
}
END_TEST

static int32_t closed_sends(struct server *sv, qb_ipcs_connection_t *c)
{
	const int64_t args[CALL_ARGS] = { server_number(sv, c), 64, 1 };

	SERVER_REQUIRE_EQ(sv, remote_response(sv, args), -ENOTCONN);
	SERVER_REQUIRE_EQ(sv, remote_event(sv, args), -ENOTCONN);
	return 0;
}

START_TEST(sending_inside_closed_is_enotconn)
{
	struct host *h =
		host_start(&(struct server_spec){ VARIANT_SPEC(_i), .closed = closed_sends });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	host_await_trace(h, "created:1");
	qb_ipcc_disconnect(c);
	host_expect_trace(h, "accept:1 created:1 closed:1 destroyed:1");
	host_stop(h);
}
END_TEST

START_TEST(every_connection_gets_only_its_own_messages)
{
	qb_ipcc_connection_t *a;
	struct host *h = start(_i, &a);
	qb_ipcc_connection_t *b = client_connect(h->name, 0);

	client_echo(b, 64);
	ck_assert_int_eq(host_call(h, remote_event, 2, 100, 22), 108);
	ck_assert_int_eq(host_call(h, remote_event, 1, 100, 11), 108);
	ck_assert_int_eq(host_call(h, remote_response, 2, 100, 222), 108);
	ck_assert_int_eq(host_call(h, remote_response, 1, 100, 111), 108);
	client_must_recv_event(a, 11, 100);
	client_must_recv(a, 111, 100);
	client_must_recv_event(b, 22, 100);
	client_must_recv(b, 222, 100);
	ck_assert(!fd_readable_within(client_fd(a), 0));
	ck_assert(!fd_readable_within(client_fd(b), 0));
	qb_ipcc_disconnect(b);
	session_stop(h, a);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("server send");
	TCase *tc = tcase_new(s, "results");

	add_variant_test(tc, response_send_returns_the_bytes_sent);
	add_variant_test(tc, response_sent_before_any_request_arrives);
	add_variant_test(tc, event_send_returns_the_bytes_sent);
	add_transport_test(tc, message_of_the_buffer_size_can_be_sent_both_ways);
	add_transport_test(tc, messages_of_no_bytes_arrive);
	add_transport_test(tc, response_that_can_never_fit_is_emsgsize);
	add_transport_test(tc, event_above_the_buffer_size_is_emsgsize);
	add_variant_test(tc, response_without_room_is_eagain_and_nothing_accepted_is_lost);
	add_variant_test(tc, event_without_room_is_eagain_and_nothing_accepted_is_lost);
	add_variant_test(tc, sending_inside_closed_is_enotconn);
	add_variant_test(tc, every_connection_gets_only_its_own_messages);

	tc = tcase_new(s, "vectors");
	add_transport_test(tc, vector_may_hold_empty_entries);
	add_transport_test(tc, vector_may_have_as_many_entries_as_iov_max);
	add_transport_test(tc, vector_may_have_more_entries_than_iov_max);
	add_transport_test(tc, vector_whose_sum_can_never_fit_is_emsgsize);
	return suite_main(s);
}
