/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connecting, in one step and in two, and what both say when it does not work. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

static void check_connect_fails(const char *name, int expected)
{
	errno = 0;
	ck_assert_ptr_null(qb_ipcc_connect(name, 0));
	ck_assert_int_eq(errno, expected);
}

static void check_async_fails(const char *name, int expected)
{
	int fd = -1;

	errno = 0;
	ck_assert_ptr_null(qb_ipcc_connect_async(name, 0, &fd));
	ck_assert_int_eq(errno, expected);
}

START_TEST(connect_to_nobody_is_econnrefused)
{
	char name[64];

	unique_name(name, sizeof(name));
	check_connect_fails(name, ECONNREFUSED);
}
END_TEST

START_TEST(connect_async_to_nobody_is_econnrefused)
{
	char name[64];

	unique_name(name, sizeof(name));
	check_async_fails(name, ECONNREFUSED);
}
END_TEST

START_TEST(connect_without_a_name_is_einval)
{
	check_connect_fails(NULL, EINVAL);
	check_async_fails(NULL, EINVAL);
}
END_TEST

START_TEST(connect_with_an_empty_name_is_einval)
{
	check_connect_fails("", EINVAL);
	check_async_fails("", EINVAL);
}
END_TEST

START_TEST(connect_async_without_a_place_for_the_descriptor_is_einval)
{
	char name[64];

	unique_name(name, sizeof(name));
	errno = 0;
	ck_assert_ptr_null(qb_ipcc_connect_async(name, 0, NULL));
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(connect_continue_without_a_connection_is_einval)
{
	ck_assert_int_eq(qb_ipcc_connect_continue(NULL), -EINVAL);
}
END_TEST

START_TEST(connect_in_two_steps_works_like_connect)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c;
	int fd = -1;

	c = qb_ipcc_connect_async(h->name, 0, &fd);
	ck_assert_ptr_nonnull(c);
	ck_assert_int_ge(fd, 0);
	ck_assert(fd_readable_within(fd, deadline_ms()));
	ck_assert_int_eq(qb_ipcc_connect_continue(c), 0);
	client_echo(c, 3000);
	client_must_send(c, MSG_EVENT, 64);
	client_must_recv_event(c, MSG_EVENT, 64);
	qb_ipcc_disconnect(c);
	host_await_trace(h, "destroyed:1");
	host_stop(h);
}
END_TEST

static int32_t accept_refuses(struct server *sv, qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	return -EACCES;
}

START_TEST(refusal_shows_in_connect_continue_and_frees_everything)
{
	struct host *h =
		host_start(&(struct server_spec){ VARIANT_SPEC(_i), .accept = accept_refuses });
	qb_ipcc_connection_t *c;
	int fd = -1;

	c = qb_ipcc_connect_async(h->name, 0, &fd);
	ck_assert_ptr_nonnull(c);
	ck_assert(fd_readable_within(fd, deadline_ms()));
	errno = 0;
	ck_assert_int_eq(qb_ipcc_connect_continue(c), -EACCES);
	ck_assert_int_eq(errno, EACCES);
	host_expect_trace(h, "accept:1 destroyed:1");
	host_stop(h);
}
END_TEST

START_TEST(connect_continue_before_the_answer_is_eagain_and_frees_everything)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c;
	int fd = -1;

	host_freeze(h);
	c = qb_ipcc_connect_async(h->name, 0, &fd);
	ck_assert_ptr_nonnull(c);
	ck_assert(!fd_readable_within(fd, 0));
	errno = 0;
	ck_assert_int_eq(qb_ipcc_connect_continue(c), -EAGAIN);
	ck_assert_int_eq(errno, EAGAIN);
	host_thaw(h);
	host_stop(h);
}
END_TEST

START_TEST(disconnect_between_the_two_steps_frees_everything)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c;
	int fd = -1;

	c = qb_ipcc_connect_async(h->name, 0, &fd);
	ck_assert_ptr_nonnull(c);
	qb_ipcc_disconnect(c);
	c = client_connect(h->name, 0);
	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* A listener that takes the connection and closes it without an answer. */
static int listener_open(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "%s", name);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	return fd;
}

START_TEST(server_that_hangs_up_before_answering_is_an_error_and_frees_everything)
{
	qb_ipcc_connection_t *c;
	int fd = -1, listener, peer;
	char name[64];

	unique_name(name, sizeof(name));
	listener = listener_open(name);
	c = qb_ipcc_connect_async(name, 0, &fd);
	ck_assert_ptr_nonnull(c);
	peer = accept(listener, NULL, NULL);
	ck_assert_int_ge(peer, 0);
	close(peer);
	ck_assert(fd_readable_within(fd, deadline_ms()));
	ck_assert_int_lt(qb_ipcc_connect_continue(c), 0);
	ck_assert_int_ne(errno, 0);
	close(listener);
}
END_TEST

START_TEST(server_killed_during_the_handshake_ends_connect_with_an_error)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c;
	int fd = -1;

	host_freeze(h);
	c = qb_ipcc_connect_async(h->name, 0, &fd);
	ck_assert_ptr_nonnull(c);
	host_kill(h);
	ck_assert(fd_readable_within(fd, deadline_ms()));
	ck_assert_int_lt(qb_ipcc_connect_continue(c), 0);
	host_stop(h);
}
END_TEST

START_TEST(both_sides_agree_on_the_larger_buffer_size)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	static const struct {
		size_t asked;
		int32_t agreed;
	} rows[] = { { 0, 12328 },
		     { 1, 12328 },
		     { 12328, 12328 },
		     { 12329, 12329 },
		     { 131072, 131072 } };

	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		qb_ipcc_connection_t *c = client_connect(h->name, rows[k].asked);

		client_echo(c, 64);
		ck_assert_int_eq(qb_ipcc_get_buffer_size(c), rows[k].agreed);
		ck_assert_int_eq(host_call(h, remote_buffer_size, (int64_t)k + 1),
				 rows[k].agreed);
		qb_ipcc_disconnect(c);
	}
	host_stop(h);
}
END_TEST

static void prepare_enforce(struct server *sv)
{
	qb_ipcs_enforce_buffer_size(sv->service, 131072);
}

START_TEST(enforced_buffer_size_is_a_minimum)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .prepare = prepare_enforce });
	static const size_t asked[] = { 0, 50000, 131072, 200000 };
	static const int32_t agreed[] = { 131072, 131072, 131072, 200000 };

	for (int k = 0; k < 4; k++) {
		qb_ipcc_connection_t *c = client_connect(h->name, asked[k]);

		ck_assert_int_eq(qb_ipcc_get_buffer_size(c), agreed[k]);
		client_echo(c, 100000);
		ck_assert_int_eq(host_call(h, remote_buffer_size, k + 1), agreed[k]);
		qb_ipcc_disconnect(c);
	}
	host_stop(h);
}
END_TEST

START_TEST(many_clients_at_once_are_all_served)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true });
	qb_ipcc_connection_t *c[30];

	for (int k = 0; k < 30; k++)
		c[k] = client_connect(h->name, 0);
	for (int round = 0; round < 3; round++)
		for (int k = 0; k < 30; k++)
			client_echo(c[k], 100 + (size_t)k);
	for (int k = 0; k < 30; k++)
		qb_ipcc_disconnect(c[k]);
	host_await_trace(h, "destroyed:30");
	host_stop(h);
}
END_TEST

START_TEST(dgram_size_check_finds_what_the_kernel_can_carry)
{
	ck_assert_int_eq(qb_ipcc_verify_dgram_max_msg_size(4096), 4096);
	ck_assert_int_eq(qb_ipcc_verify_dgram_max_msg_size(5001), 5001);
	ck_assert_int_eq(qb_ipcc_verify_dgram_max_msg_size(100 * 1024), 100 * 1024);
}
END_TEST

START_TEST(dgram_size_check_rounds_down_to_1k_when_the_kernel_carries_less)
{
	int32_t most = qb_ipcc_verify_dgram_max_msg_size(512 * 1024 * 1024);

	ck_assert_int_gt(most, 0);
	ck_assert_int_lt(most, 512 * 1024 * 1024);
	ck_assert_int_eq(most % 1024, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("client connect");
	TCase *tc = tcase_new(s, "errors");

	tcase_add_test(tc, connect_to_nobody_is_econnrefused);
	tcase_add_test(tc, connect_async_to_nobody_is_econnrefused);
	tcase_add_test(tc, connect_without_a_name_is_einval);
	tcase_add_test(tc, connect_with_an_empty_name_is_einval);
	tcase_add_test(tc, connect_async_without_a_place_for_the_descriptor_is_einval);
	tcase_add_test(tc, connect_continue_without_a_connection_is_einval);
	tcase_add_test(tc,
		       server_that_hangs_up_before_answering_is_an_error_and_frees_everything);
	add_transport_test(tc, server_killed_during_the_handshake_ends_connect_with_an_error);

	tc = tcase_new(s, "two steps");
	add_variant_test(tc, connect_in_two_steps_works_like_connect);
	add_transport_test(tc, refusal_shows_in_connect_continue_and_frees_everything);
	add_transport_test(tc,
			   connect_continue_before_the_answer_is_eagain_and_frees_everything);
	add_transport_test(tc, disconnect_between_the_two_steps_frees_everything);

	tc = tcase_new(s, "sizes");
	add_transport_test(tc, both_sides_agree_on_the_larger_buffer_size);
	add_transport_test(tc, enforced_buffer_size_is_a_minimum);
	add_variant_test(tc, many_clients_at_once_are_all_served);
	tcase_add_test(tc, dgram_size_check_finds_what_the_kernel_can_carry);
	tcase_add_test(tc, dgram_size_check_rounds_down_to_1k_when_the_kernel_carries_less);
	return suite_main(s);
}
