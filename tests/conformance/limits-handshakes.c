/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Clients that connect and do not say what they want: how many there may be, for how
 * long, and whose goes when there are too many.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/conformance/limits.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"

static void close_all(const int *fds, int n)
{
	while (n-- > 0)
		close(fds[n]);
}

/* -- How many ------------------------------------------------------------------------ */

START_TEST(handshake_too_many_costs_the_oldest)
{
	struct host *h =
		host_with_limits(_i, &(struct qbipc_service_limits){ .handshakes = 3 });
	int fd[4];

	for (int k = 0; k < 4; k++)
		fd[k] = raw_connect(h, getuid());
	ck_assert(raw_is_closed(fd[0]));
	for (int k = 1; k < 4; k++) {
		ck_assert(raw_is_open(h, fd[k]));
		raw_hello(fd[k], _i);
		ck_assert_int_eq(raw_answer(fd[k]), 0);
	}
	ck_assert_uint_eq(host_refusals(h).handshakes, 1);
	close_all(fd, 4);
	host_stop(h);
}
END_TEST

START_TEST(handshakes_that_are_complete_make_room)
{
	struct host *h =
		host_with_limits(_i, &(struct qbipc_service_limits){ .handshakes = 2 });
	int fd[5];

	for (int k = 0; k < 5; k++) {
		fd[k] = raw_connect(h, getuid());
		raw_hello(fd[k], _i);
		ck_assert_int_eq(raw_answer(fd[k]), 0);
	}
	ck_assert_uint_eq(host_refusals(h).handshakes, 0);
	close_all(fd, 5);
	host_stop(h);
}
END_TEST

START_TEST(handshakes_that_are_given_up_make_room)
{
	struct host *h =
		host_with_limits(_i, &(struct qbipc_service_limits){ .handshakes = 2 });
	int fd = raw_connect(h, getuid());

	for (int k = 0; k < 5; k++) {
		close(raw_connect(h, getuid()));
		ck_assert(raw_is_open(h, fd));
		WAIT_FOR(host_call(h, remote_adapter_counts) == 3);
	}
	ck_assert_uint_eq(host_refusals(h).handshakes, 0);
	close(fd);
	host_stop(h);
}
END_TEST

START_TEST(handshake_too_many_of_a_user_costs_that_users_oldest)
{
	struct host *h =
		host_with_limits(_i, &(struct qbipc_service_limits){ .handshakes_per_uid = 2 });
	int fd[5] = {
		raw_connect(h, ANOTHER), raw_connect(h, SOMEBODY), raw_connect(h, SOMEBODY),
		raw_connect(h, ANOTHER), raw_connect(h, SOMEBODY),
	};

	ck_assert(raw_is_closed(fd[1]));
	ck_assert(raw_is_open(h, fd[0]) && raw_is_open(h, fd[2]));
	ck_assert(raw_is_open(h, fd[3]) && raw_is_open(h, fd[4]));
	ck_assert_uint_eq(host_refusals(h).handshakes_per_uid, 1);
	close_all(fd, 5);
	host_stop(h);
}
END_TEST

START_TEST(root_may_have_any_number_of_handshakes)
{
	struct host *h =
		host_with_limits(_i, &(struct qbipc_service_limits){ .handshakes_per_uid = 1 });
	int fd[4];

	for (int k = 0; k < 4; k++)
		fd[k] = raw_connect(h, ROOT);
	for (int k = 0; k < 4; k++)
		ck_assert(raw_is_open(h, fd[k]));
	close_all(fd, 4);
	host_stop(h);
}
END_TEST

START_TEST(the_servers_user_may_have_any_number_of_handshakes)
{
	struct host *h = host_with(
		&(struct server_spec){ VARIANT_SPEC(_i), .prepare = prepare_as_somebody },
		&(struct qbipc_service_limits){ .handshakes_per_uid = 1 });
	int fd[4] = { raw_connect(h, SOMEBODY), raw_connect(h, ANOTHER),
		      raw_connect(h, SOMEBODY), raw_connect(h, ANOTHER) };

	ck_assert(raw_is_closed(fd[1]));
	ck_assert(raw_is_open(h, fd[0]) && raw_is_open(h, fd[2]) && raw_is_open(h, fd[3]));
	close_all(fd, 4);
	host_stop(h);
}
END_TEST

START_TEST(who_has_most_handshakes_loses_one)
{
	struct host *h =
		host_with_limits(_i, &(struct qbipc_service_limits){ .handshakes = 4 });
	int fd[5] = { raw_connect(h, ANOTHER), raw_connect(h, SOMEBODY),
		      raw_connect(h, SOMEBODY), raw_connect(h, SOMEBODY),
		      raw_connect(h, THIRD) };

	ck_assert(raw_is_closed(fd[1]));
	ck_assert(raw_is_open(h, fd[0]) && raw_is_open(h, fd[2]));
	ck_assert(raw_is_open(h, fd[3]) && raw_is_open(h, fd[4]));
	close_all(fd, 5);
	host_stop(h);
}
END_TEST

START_TEST(root_loses_a_handshake_only_if_nobody_else_has_one)
{
	struct host *h =
		host_with_limits(_i, &(struct qbipc_service_limits){ .handshakes = 3 });
	int fd[5] = { raw_connect(h, ROOT), raw_connect(h, ROOT), raw_connect(h, SOMEBODY),
		      raw_connect(h, ROOT) };

	ck_assert(raw_is_closed(fd[2]));
	ck_assert(raw_is_open(h, fd[0]) && raw_is_open(h, fd[1]) && raw_is_open(h, fd[3]));
	fd[4] = raw_connect(h, ROOT);
	ck_assert(raw_is_closed(fd[0]));
	ck_assert(raw_is_open(h, fd[1]) && raw_is_open(h, fd[3]) && raw_is_open(h, fd[4]));
	close_all(fd, 5);
	host_stop(h);
}
END_TEST

enum { MANY = 400 };

/* Nothing is set: these are the defaults. */
START_TEST(new_client_gets_in_among_hundreds_who_say_nothing)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	static int fd[MANY];

	for (int k = 0; k < MANY; k++) {
		fd[k] = raw_connect(h, SOMEBODY);
		if (k % 40 == 0) {
			uid_t uid = k % 80 ? SOMEBODY : ANOTHER;
			qb_ipcc_connection_t *c = connect_as(h, uid, 0);

			ck_assert_ptr_nonnull(c);
			client_echo(c, 100);
			qb_ipcc_disconnect(c);
		}
	}
	ck_assert(raw_is_closed(fd[0]));
	WAIT_FOR(host_refusals(h).handshakes_per_uid == MANY - 256);
	ck_assert(raw_is_open(h, fd[MANY - 1]));
	close_all(fd, MANY);
	host_stop(h);
}
END_TEST

/* -- For how long -------------------------------------------------------------------- */

START_TEST(handshake_that_takes_too_long_is_closed)
{
	struct host *h =
		host_with_limits(_i, &(struct qbipc_service_limits){ .handshake_ms = 50 });
	uint64_t begin = now_ms();
	int fd[3];

	for (int k = 0; k < 3; k++)
		fd[k] = raw_connect(h, getuid());
	for (int k = 0; k < 3; k++)
		ck_assert(raw_is_closed(fd[k]));
	ck_assert_uint_ge(now_ms() - begin, 50);
	ck_assert_uint_eq(host_refusals(h).handshakes_overdue, 3);
	/* Nothing waits, and nothing but the listener is in the loop. */
	ck_assert_int_eq(host_call(h, remote_adapter_counts), 1);
	close_all(fd, 3);
	host_stop(h);
}
END_TEST

START_TEST(handshake_in_small_bits_has_no_longer)
{
	struct host *h =
		host_with_limits(_i, &(struct qbipc_service_limits){ .handshake_ms = 100 });
	int fd = raw_connect(h, getuid());
	int32_t begin_of_hello = -1;

	for (int k = 0; k < 4; k++) {
		ck_assert_int_le(send(fd, (char *)&begin_of_hello + k, 1, MSG_NOSIGNAL), 1);
		(void)fd_readable_within(fd, 40);
	}
	ck_assert(raw_is_closed(fd));
	ck_assert_uint_eq(host_refusals(h).handshakes_overdue, 1);
	close(fd);
	host_stop(h);
}
END_TEST

START_TEST(handshake_within_the_time_is_served_for_ever)
{
	struct host *h =
		host_with_limits(_i, &(struct qbipc_service_limits){ .handshake_ms = 200 });
	int slow = raw_connect(h, getuid());
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	/* When it is this one's turn to be closed, it is nearly the other's. */
	ck_assert(raw_is_closed(slow));
	client_echo(c, 100);
	ck_assert(!fd_readable_within(client_fd(c), 250));
	client_echo(c, 100);
	ck_assert_uint_eq(host_refusals(h).handshakes_overdue, 1);
	qb_ipcc_disconnect(c);
	close(slow);
	host_stop(h);
}
END_TEST

START_TEST(timer_is_in_the_loop_only_while_a_handshake_is_unfinished)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	int fd[2];

	ck_assert_int_eq(host_call(h, remote_adapter_counts), 1);
	for (int round = 0; round < 3; round++) {
		fd[0] = raw_connect(h, getuid());
		WAIT_FOR(host_call(h, remote_adapter_counts) == 3);
		fd[1] = raw_connect(h, getuid());
		WAIT_FOR(host_call(h, remote_adapter_counts) == 4);
		close(fd[0]);
		WAIT_FOR(host_call(h, remote_adapter_counts) == 3);
		close(fd[1]);
		WAIT_FOR(host_call(h, remote_adapter_counts) == 1);
	}
	host_stop(h);
}
END_TEST

START_TEST(shorter_time_holds_for_those_who_are_waited_for)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	int fd = raw_connect(h, getuid());

	ck_assert(raw_is_open(h, fd));
	host_limit(h, &(struct qbipc_service_limits){ .handshake_ms = 10 });
	ck_assert(raw_is_closed(fd));
	close(fd);
	host_stop(h);
}
END_TEST

START_TEST(no_limit_is_no_timer)
{
	struct host *h = host_with_limits(
		_i, &(struct qbipc_service_limits){ .handshake_ms = QBIPC_NO_LIMIT });
	int fd = raw_connect(h, getuid());

	WAIT_FOR(host_call(h, remote_adapter_counts) == 2);
	raw_hello(fd, _i);
	ck_assert_int_eq(raw_answer(fd), 0);
	close(fd);
	host_stop(h);
}
END_TEST

START_TEST(destroy_with_unfinished_handshakes_leaves_nothing)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	int fd[2] = { raw_connect(h, getuid()), raw_connect(h, getuid()) };

	WAIT_FOR(host_call(h, remote_adapter_counts) == 4);
	host_call(h, remote_destroy);
	ck_assert_int_eq(host_call(h, remote_adapter_counts), 0);
	ck_assert(raw_is_closed(fd[0]) && raw_is_closed(fd[1]));
	close_all(fd, 2);
	host_stop(h);
}
END_TEST

START_TEST(what_is_no_handshake_is_counted)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	int32_t nonsense[6] = { 7, 7, 7, 7, 7, 7 };

	for (int k = 0; k < 3; k++) {
		int fd = raw_connect(h, getuid());

		ck_assert_int_gt(send(fd, nonsense, sizeof(nonsense), MSG_NOSIGNAL), 0);
		ck_assert(raw_is_closed(fd));
		close(fd);
	}
	ck_assert_uint_eq(host_refusals(h).handshakes_bad, 3);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("limits on handshakes");
	TCase *tc = tcase_new(s, "how many");

	add_transport_test(tc, handshake_too_many_costs_the_oldest);
	add_transport_test(tc, handshakes_that_are_complete_make_room);
	add_transport_test(tc, handshakes_that_are_given_up_make_room);
	add_test_of_users(tc, handshake_too_many_of_a_user_costs_that_users_oldest);
	add_test_of_users(tc, root_may_have_any_number_of_handshakes);
	add_test_of_users(tc, the_servers_user_may_have_any_number_of_handshakes);
	add_test_of_users(tc, who_has_most_handshakes_loses_one);
	add_test_of_users(tc, root_loses_a_handshake_only_if_nobody_else_has_one);
	add_test_of_users(tc, new_client_gets_in_among_hundreds_who_say_nothing);
	add_transport_test(tc, what_is_no_handshake_is_counted);

	tc = tcase_new(s, "for how long");
	add_variant_test(tc, handshake_that_takes_too_long_is_closed);
	add_variant_test(tc, handshake_in_small_bits_has_no_longer);
	add_variant_test(tc, handshake_within_the_time_is_served_for_ever);
	add_variant_test(tc, timer_is_in_the_loop_only_while_a_handshake_is_unfinished);
	add_variant_test(tc, shorter_time_holds_for_those_who_are_waited_for);
	add_variant_test(tc, no_limit_is_no_timer);
	add_variant_test(tc, destroy_with_unfinished_handshakes_leaves_nothing);
	return suite_main(s);
}
