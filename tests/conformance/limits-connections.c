/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How many connections a service takes, how large, and what one that is up may cost; and
 * what a client learns that is refused.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/conformance/limits.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"

static void check_refused(struct host *h, uid_t uid, size_t max_msg_size, int expected)
{
	ck_assert_ptr_null(connect_as(h, uid, max_msg_size));
	ck_assert_int_eq(errno, expected);
}

static qb_ipcc_connection_t *must_connect(struct host *h, uid_t uid, size_t max_msg_size)
{
	qb_ipcc_connection_t *c = connect_as(h, uid, max_msg_size);

	ck_assert_msg(c, "connect as %d: %s", (int)uid, strerror(errno));
	client_echo(c, 100);
	return c;
}

/* -- How many ------------------------------------------------------------------------ */

START_TEST(connection_too_many_is_eusers_until_another_ends)
{
	struct host *h =
		host_with_limits(_i, &(struct qbipc_service_limits){ .connections = 2 });
	qb_ipcc_connection_t *c[2] = { must_connect(h, getuid(), 0),
				       must_connect(h, getuid(), 0) };

	check_refused(h, getuid(), 0, EUSERS);
	check_refused(h, getuid(), 0, EUSERS);
	ck_assert_uint_eq(host_refusals(h).connections, 2);
	/* The application was not asked. */
	ck_assert_ptr_null(strstr(host_trace(h), "accept:3"));
	client_echo(c[0], 100);
	qb_ipcc_disconnect(c[0]);
	host_await_trace(h, "destroyed:1");
	c[0] = must_connect(h, getuid(), 0);
	qb_ipcc_disconnect(c[0]);
	qb_ipcc_disconnect(c[1]);
	host_stop(h);
}
END_TEST

START_TEST(connection_too_many_of_a_user_is_edquot_for_that_user)
{
	struct host *h = host_with_limits(
		_i, &(struct qbipc_service_limits){ .connections_per_uid = 2 });
	qb_ipcc_connection_t *c[6] = { must_connect(h, SOMEBODY, 0),
				       must_connect(h, SOMEBODY, 0) };

	check_refused(h, SOMEBODY, 0, EDQUOT);
	c[2] = must_connect(h, ANOTHER, 0);
	for (int k = 3; k < 6; k++)
		c[k] = must_connect(h, ROOT, 0);
	check_refused(h, SOMEBODY, 0, EDQUOT);
	ck_assert_uint_eq(host_refusals(h).connections_per_uid, 2);
	qb_ipcc_disconnect(c[1]);
	host_await_trace(h, "destroyed:2");
	c[1] = must_connect(h, SOMEBODY, 0);
	for (int k = 0; k < 6; k++)
		qb_ipcc_disconnect(c[k]);
	host_stop(h);
}
END_TEST

START_TEST(the_servers_user_is_exempt)
{
	struct host *h = host_with(
		&(struct server_spec){ VARIANT_SPEC(_i), .prepare = prepare_as_somebody },
		&(struct qbipc_service_limits){ .connections_per_uid = 1,
						.memory_per_uid = 1 });
	qb_ipcc_connection_t *c[3];

	for (int k = 0; k < 3; k++)
		c[k] = must_connect(h, SOMEBODY, 0);
	check_refused(h, ANOTHER, 0, EDQUOT);
	for (int k = 0; k < 3; k++)
		qb_ipcc_disconnect(c[k]);
	host_stop(h);
}
END_TEST

static int32_t accept_refuses_once(struct server *sv, qb_ipcs_connection_t *c, uid_t uid,
				   gid_t gid)
{
	return server_number(sv, c) == 1 ? -EACCES : 0;
}

START_TEST(connection_that_the_application_refuses_is_not_counted)
{
	struct host *h = host_with(
		&(struct server_spec){ VARIANT_SPEC(_i), .accept = accept_refuses_once },
		&(struct qbipc_service_limits){ .connections = 1 });
	qb_ipcc_connection_t *c;

	check_refused(h, getuid(), 0, EACCES);
	c = must_connect(h, getuid(), 0);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* -- How large ----------------------------------------------------------------------- */

enum { SIZE = 100000 };

START_TEST(message_size_beyond_the_limit_is_emsgsize)
{
	struct host *h =
		host_with_limits(_i, &(struct qbipc_service_limits){ .message_size = SIZE });
	qb_ipcc_connection_t *c;

	check_refused(h, getuid(), SIZE + 1, EMSGSIZE);
	ck_assert_uint_eq(host_refusals(h).message_size, 1);
	c = must_connect(h, getuid(), SIZE);
	ck_assert_int_eq(qb_ipcc_get_buffer_size(c), SIZE);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(message_size_is_limited_to_32_mib_unless_it_is_raised)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	const size_t most = 32u << 20;

	check_refused(h, getuid(), most + 1, EMSGSIZE);
	host_limit(h, &(struct qbipc_service_limits){ .message_size = most + 1 });
	qb_ipcc_disconnect(must_connect(h, getuid(), most + 1));
	check_refused(h, getuid(), most + 2, EMSGSIZE);
	host_stop(h);
}
END_TEST

START_TEST(memory_beyond_that_of_a_user_is_edquot_for_that_user)
{
	struct host *h = host_with_limits(
		_i, &(struct qbipc_service_limits){ .memory_per_uid = 7 * SIZE * 3 });
	qb_ipcc_connection_t *c[4] = { must_connect(h, SOMEBODY, 3 * SIZE) };

	check_refused(h, SOMEBODY, 5 * SIZE, EDQUOT);
	ck_assert_uint_eq(host_refusals(h).memory_per_uid, 1);
	c[1] = must_connect(h, SOMEBODY, SIZE);
	c[2] = must_connect(h, ANOTHER, 5 * SIZE);
	c[3] = must_connect(h, ROOT, 10 * SIZE);
	qb_ipcc_disconnect(c[0]);
	host_await_trace(h, "destroyed:1");
	c[0] = must_connect(h, SOMEBODY, 3 * SIZE);
	/* One that could never fit, by a number that would overflow. */
	host_limit(h, &(struct qbipc_service_limits){ .memory_per_uid = 1 });
	check_refused(h, THIRD, 0, EDQUOT);
	for (int k = 0; k < 4; k++)
		qb_ipcc_disconnect(c[k]);
	host_stop(h);
}
END_TEST

/* -- Scarce descriptors -------------------------------------------------------------- */

static void prepare_few_descriptors(struct server *sv)
{
	struct rlimit few = { 96, 96 };

	prepare_limits(sv);
	SERVER_REQUIRE_EQ(sv, setrlimit(RLIMIT_NOFILE, &few), 0);
}

START_TEST(nobody_alone_takes_the_last_quarter_of_the_descriptors)
{
	struct host *h = host_with(
		&(struct server_spec){ VARIANT_SPEC(_i), .prepare = prepare_few_descriptors },
		&(struct qbipc_service_limits){ .connections_when_scarce = 2 });
	qb_ipcc_connection_t *c[96], *other[3];
	int n = 0;

	while ((c[n] = connect_as(h, SOMEBODY, 0)))
		n++;
	ck_assert_int_eq(errno, EDQUOT);
	ck_assert_int_gt(n, 2);
	ck_assert_uint_eq(host_refusals(h).connections_when_scarce, 1);
	other[0] = must_connect(h, ANOTHER, 0);
	other[1] = must_connect(h, ANOTHER, 0);
	check_refused(h, ANOTHER, 0, EDQUOT);
	other[2] = must_connect(h, ROOT, 0);
	for (int k = 0; k < n; k++)
		qb_ipcc_disconnect(c[k]);
	for (int k = 0; k < 3; k++)
		qb_ipcc_disconnect(other[k]);
	host_stop(h);
}
END_TEST

/* Whether the kernel tells how many descriptors there are: since Linux 6.2. */
static bool descriptors_are_counted(void)
{
	struct stat st;

	return stat("/proc/self/fd", &st) == 0 && st.st_size > 0;
}

/* Low numbers that have become free do not mean that there are many. */
START_TEST(holes_among_the_descriptors_are_not_filled_while_they_are_scarce)
{
	struct host *h;
	qb_ipcc_connection_t *early[4], *c[96], *late[4];
	int n = 0;

	if (!descriptors_are_counted()) {
		printf("# skip: the kernel does not count descriptors\n");
		return;
	}
	h = host_with(
		&(struct server_spec){ VARIANT_SPEC(_i), .prepare = prepare_few_descriptors },
		&(struct qbipc_service_limits){ .connections_when_scarce = 2 });
	for (int k = 0; k < 4; k++)
		early[k] = must_connect(h, ANOTHER, 0);
	while ((c[n] = connect_as(h, SOMEBODY, 0)))
		n++;
	ck_assert_int_eq(errno, EDQUOT);
	for (int k = 0; k < 4; k++)
		late[k] = must_connect(h, ROOT, 0);
	qb_ipcc_disconnect(early[0]);
	host_await_trace(h, "destroyed:1");
	check_refused(h, SOMEBODY, 0, EDQUOT);
	ck_assert_uint_eq(host_refusals(h).connections_when_scarce, 2);
	for (int k = 0; k < n; k++)
		qb_ipcc_disconnect(c[k]);
	for (int k = 0; k < 4; k++)
		qb_ipcc_disconnect(late[k]);
	for (int k = 1; k < 4; k++)
		qb_ipcc_disconnect(early[k]);
	host_stop(h);
}
END_TEST

/* -- What one that is up may cost ---------------------------------------------------- */

enum { SLOT_DISPATCH, SLOT_RUN, SLOT_LONGEST };

/* The longest run of requests within one dispatch. */
static int32_t count_run(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	_Atomic int64_t *slot = sv->shared->slot;

	if (slot[SLOT_DISPATCH] != adapter_counts.dispatches) {
		slot[SLOT_DISPATCH] = adapter_counts.dispatches;
		slot[SLOT_RUN] = 0;
	}
	if (++slot[SLOT_RUN] > slot[SLOT_LONGEST])
		slot[SLOT_LONGEST] = (int64_t)slot[SLOT_RUN];
	return 0;
}

/* Send @n requests that all wait at once, and see how they are taken. */
static int64_t longest_run(int variant, const struct qbipc_service_limits *limits, int n,
			   uint64_t *ret_cut)
{
	struct host *h = host_with(
		&(struct server_spec){ VARIANT_SPEC(variant), .msg = count_run, .quiet = true },
		limits);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	struct qb_ipcs_connection_stats_2 *stats = (void *)h->shared->blob;
	int64_t longest;

	host_call(h, remote_rate, QB_IPCS_RATE_FAST);
	host_freeze(h);
	for (int k = 0; k < n; k++)
		client_must_send(c, MSG_SILENT, 1000);
	host_thaw(h);
	do
		host_call(h, remote_connection_stats, 1, 0);
	while (stats->requests < (uint64_t)n);
	longest = host_slot(h, SLOT_LONGEST);
	*ret_cut = host_refusals(h).dispatches_cut;
	qb_ipcc_disconnect(c);
	host_stop(h);
	return longest;
}

START_TEST(requests_per_dispatch_are_limited_below_the_rate)
{
	uint64_t cut;

	ck_assert_int_eq(longest_run(_i, &(struct qbipc_service_limits){ 0 }, 6, &cut), 6);
	ck_assert_uint_eq(cut, 0);
	ck_assert_int_eq(longest_run(_i,
				     &(struct qbipc_service_limits){ .dispatch_messages = 2 },
				     6, &cut),
			 2);
	/* Sockets do not tell the server's end that more waits: they wake it again. */
	if (variants[_i].type == QB_IPC_SHM && !variants[_i].libqb_wire)
		ck_assert_uint_ge(cut, 2);
}
END_TEST

START_TEST(bytes_per_dispatch_are_limited_but_one_request_is_served)
{
	uint64_t cut;

	ck_assert_int_eq(longest_run(_i,
				     &(struct qbipc_service_limits){ .dispatch_bytes = 2500 },
				     6, &cut),
			 3);
	ck_assert_int_eq(
		longest_run(_i, &(struct qbipc_service_limits){ .dispatch_bytes = 1 }, 6, &cut),
		1);
}
END_TEST

/* Junk that is taken one by one: each byte a wake-up. False: the server closed it. */
static bool junk_send(int fd, int n)
{
	int left;

	while (n-- > 0) {
		uint64_t end = now_ms() + (uint64_t)deadline_ms();

		if (send(fd, "j", 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
			return false;
		while (ioctl(fd, SIOCOUTQ, &left) == 0 && left > 0) {
			ck_assert_uint_lt(now_ms(), end);
			pause_briefly();
		}
	}
	return true;
}

/* The stream of a client whose library we are: the only socket that both ends name. */
static int stream_of(qb_ipcc_connection_t *c)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);
	int first = -1;

	for (int fd = 3; fd < 64 && first < 0; fd++) {
		int type = 0, domain = 0;
		socklen_t len = sizeof(int);

		if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
		    domain == AF_UNIX &&
		    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
		    type == SOCK_STREAM &&
		    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0)
			first = fd;
	}
	ck_assert_int_ge(first, 0);
	return first;
}

START_TEST(wake_ups_for_nothing_beyond_the_limit_end_the_connection)
{
	struct host *h =
		host_with_limits(_i, &(struct qbipc_service_limits){ .junk_wakeups = 5 });
	qb_ipcc_connection_t *honest, *c = client_connect(h->name, 0);
	int stream = stream_of(c);

	honest = client_connect(h->name, 0);
	ck_assert(junk_send(stream, 5));
	client_echo(c, 100);
	ck_assert(!junk_send(stream, 100));
	host_await_trace(h, "destroyed:1");
	ck_assert_uint_eq(host_refusals(h).junk_wakeups, 1);
	ck_assert_uint_eq(host_refusals(h).nonsense, 0);
	client_echo(honest, 100);
	qb_ipcc_disconnect(honest);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(request_makes_up_for_a_wake_up_for_nothing)
{
	struct host *h =
		host_with_limits(_i, &(struct qbipc_service_limits){ .junk_wakeups = 3 });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	int stream = stream_of(c);

	for (int k = 0; k < 20; k++) {
		ck_assert(junk_send(stream, 1));
		client_echo(c, 100);
	}
	ck_assert_uint_eq(host_refusals(h).junk_wakeups, 0);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* However fast messages come and go, none is taken for a wake-up for nothing. */
START_TEST(honest_client_wakes_nobody_for_nothing)
{
	struct host *h =
		host_with_limits(_i, &(struct qbipc_service_limits){ .junk_wakeups = 1 });
	struct qb_ipcs_connection_stats_2 *stats = (void *)h->shared->blob;
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	for (int k = 0; k < 100; k++) {
		for (int burst = 0; burst < 1 + k % 7; burst++)
			client_send_patiently(c, MSG_SILENT, 100);
		client_echo(c, 100);
		client_must_send(c, MSG_EVENT, 100);
		client_must_recv_event(c, MSG_EVENT, 100);
	}
	host_call(h, remote_connection_stats, 1, 0);
	ck_assert_uint_eq(stats->recv_retries, 0);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static void client_send_nonsense(qb_ipcc_connection_t *c)
{
	struct qb_ipc_request_header lie = { .id = MSG_ECHO, .size = 1000 };

	ck_assert_int_eq(qb_ipcc_send(c, &lie, sizeof(lie)), sizeof(lie));
}

START_TEST(nonsense_is_counted_and_a_farewell_is_not)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	struct qb_ipc_request_header farewell = { .id = QB_IPC_MSG_DISCONNECT,
						  .size = sizeof(farewell) };
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	ck_assert_int_eq(qb_ipcc_send(c, &farewell, sizeof(farewell)), sizeof(farewell));
	host_await_trace(h, "destroyed:1");
	qb_ipcc_disconnect(c);
	ck_assert_uint_eq(host_refusals(h).nonsense, 0);
	c = client_connect(h->name, 0);
	client_send_nonsense(c);
	host_await_trace(h, "destroyed:2");
	qb_ipcc_disconnect(c);
	ck_assert_uint_eq(host_refusals(h).nonsense, 1);
	host_stop(h);
}
END_TEST

START_TEST(client_that_leaves_in_the_middle_is_not_counted)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });

	for (int k = 1; k <= 5; k++) {
		qb_ipcc_connection_t *c = client_connect(h->name, 0);
		char gone[32];

		/* Requests untaken, or responses and events unread. */
		if (k % 2)
			host_freeze(h);
		client_must_send(c, MSG_ECHO, 1000);
		client_must_send(c, MSG_EVENT, 1000);
		client_must_send(c, MSG_ECHO, 1000);
		qb_ipcc_disconnect(c);
		if (k % 2)
			host_thaw(h);
		snprintf(gone, sizeof(gone), "destroyed:%d", k);
		host_await_trace(h, gone);
	}
	ck_assert_uint_eq(host_refusals(h).nonsense, 0);
	ck_assert_uint_eq(host_refusals(h).junk_wakeups, 0);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("limits on connections");
	TCase *tc = tcase_new(s, "how many");

	add_transport_test(tc, connection_too_many_is_eusers_until_another_ends);
	add_test_of_users(tc, connection_too_many_of_a_user_is_edquot_for_that_user);
	add_test_of_users(tc, the_servers_user_is_exempt);
	add_transport_test(tc, connection_that_the_application_refuses_is_not_counted);
	add_test_of_users(tc, nobody_alone_takes_the_last_quarter_of_the_descriptors);
	add_test_of_users(tc, holes_among_the_descriptors_are_not_filled_while_they_are_scarce);

	tc = tcase_new(s, "how large");
	add_transport_test(tc, message_size_beyond_the_limit_is_emsgsize);
	add_transport_test(tc, message_size_is_limited_to_32_mib_unless_it_is_raised);
	add_test_of_users(tc, memory_beyond_that_of_a_user_is_edquot_for_that_user);

	tc = tcase_new(s, "at work");
	add_transport_test(tc, requests_per_dispatch_are_limited_below_the_rate);
	add_transport_test(tc, bytes_per_dispatch_are_limited_but_one_request_is_served);
	add_variant_test(tc, wake_ups_for_nothing_beyond_the_limit_end_the_connection);
	add_variant_test(tc, request_makes_up_for_a_wake_up_for_nothing);
	add_variant_test(tc, honest_client_wakes_nobody_for_nothing);
	add_transport_test(tc, nonsense_is_counted_and_a_farewell_is_not);
	add_variant_test(tc, client_that_leaves_in_the_middle_is_not_counted);
	return suite_main(s);
}
