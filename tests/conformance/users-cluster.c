/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ways in which the daemons and tools of a cluster are known to use the interface. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

enum {
	CLUSTER_SIZE = 128 * 1024,
	MIB = 1024 * 1024,
	DAEMON_UID = 54321,
	CLUSTER_GID = 54322,
};

static sigjmp_buf after_fault;

static void on_fault(int sig)
{
	siglongjmp(after_fault, 1);
}

/* Does a fault of our own, in a file that became shorter, reach our own handler? */
static bool own_fault_is_ours(void)
{
	char path[] = "/tmp/qbt-fault-XXXXXX";
	int fd = mkstemp(path);
	volatile char *p;
	volatile bool caught = false;

	if (fd < 0 || unlink(path) < 0 || ftruncate(fd, 4096) < 0)
		return false;
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED || ftruncate(fd, 0) < 0)
		return false;
	if (sigsetjmp(after_fault, 1))
		caught = true;
	else
		(void)*p;
	munmap((void *)(uintptr_t)p, 4096);
	close(fd);
	return caught;
}

static void handler_set(void)
{
	struct sigaction sa = { .sa_handler = on_fault };

	sigaction(SIGBUS, &sa, NULL);
}

static void prepare_fault_handler(struct server *sv)
{
	handler_set();
}

static int64_t check_own_fault(struct server *sv, const int64_t *args)
{
	SERVER_REQUIRE(sv, own_fault_is_ours());
	return 0;
}

START_TEST(sigbus_handler_of_the_server_application_keeps_working)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .prepare = prepare_fault_handler });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	client_echo(c, 64);
	host_call(h, check_own_fault);
	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	host_await_trace(h, "destroyed:1");
	host_call(h, check_own_fault);
	host_stop(h);
}
END_TEST

START_TEST(sigbus_handler_of_the_client_application_keeps_working)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c;

	handler_set();
	c = client_connect(h->name, 0);
	client_echo(c, 64);
	ck_assert(own_fault_is_ours());
	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	ck_assert(own_fault_is_ours());
	host_stop(h);
}
END_TEST

static void prepare_cluster_size(struct server *sv)
{
	qb_ipcs_enforce_buffer_size(sv->service, CLUSTER_SIZE);
}

START_TEST(large_answers_fit_a_client_that_asked_for_nothing_of_a_server_that_enforces)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .prepare = prepare_cluster_size });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	for (int n = 0; n < 20; n++)
		client_echo(c, CLUSTER_SIZE - 8);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(ten_events_per_wake_up_then_eagain)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .prepare = prepare_cluster_size });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	char buf[200] __attribute__((aligned(8)));
	int32_t read = 0;

	client_echo(c, 64);
	/* No more than a datagram queue holds by default. */
	ck_assert_int_eq(host_call(h, remote_events, 1, 100, 0, 10), 10);
	while (read < 10) {
		ck_assert(fd_readable_within(client_fd(c), deadline_ms()));
		for (int k = 0; k < 4; k++) {
			ssize_t n = qb_ipcc_event_recv(c, buf, sizeof(buf), 0);

			if (read < 10)
				response_check((void *)buf, n, read++, 100);
			else
				ck_assert_int_eq(n, -EAGAIN);
		}
	}
	ck_assert_int_eq(qb_ipcc_event_recv(c, buf, sizeof(buf), 0), -EAGAIN);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static int32_t msg_disconnects_and_forgets(struct server *sv, qb_ipcs_connection_t *c,
					   void *data, size_t size)
{
	qb_ipcs_disconnect(c);
	return -1;
}

START_TEST(disconnect_without_a_reference_inside_msg_process_leaves_other_clients_alone)
{
	struct host *h =
		host_start(&(struct server_spec){ .type = variants[_i].type,
						  .libqb_wire = variants[_i].libqb_wire,
						  .adapter = &adapter_glib_like,
						  .msg = msg_disconnects_and_forgets });

	for (int n = 1; n <= 20; n++) {
		qb_ipcc_connection_t *c = client_connect(h->name, 0);
		qb_ipcc_connection_t *other = client_connect(h->name, 0);
		char part[32];

		client_must_send(c, MSG_ECHO, 64);
		snprintf(part, sizeof(part), "destroyed:%d", 2 * n - 1);
		host_await_trace(h, part);
		ck_assert_int_eq(qb_ipcc_is_connected(other), 1);
		qb_ipcc_disconnect(c);
		qb_ipcc_disconnect(other);
		snprintf(part, sizeof(part), "destroyed:%d", 2 * n);
		host_await_trace(h, part);
	}
	host_stop(h);
}
END_TEST

static void prepare_unprivileged(struct server *sv)
{
	SERVER_REQUIRE(sv, !setgroups(0, NULL));
	SERVER_REQUIRE(sv, !setgid(CLUSTER_GID) && !setuid(DAEMON_UID));
}

static int32_t accept_for_the_group(struct server *sv, qb_ipcs_connection_t *c, uid_t uid,
				    gid_t gid)
{
	SERVER_REQUIRE_EQ(sv, uid, 0);
	qb_ipcs_connection_auth_set(c, (uid_t)-1, CLUSTER_GID, 0660);
	return 0;
}

START_TEST(root_is_served_by_a_daemon_of_another_user)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i),
							   .prepare = prepare_unprivileged,
							   .accept = accept_for_the_group });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	uid_t uid = 0;

	client_echo(c, 5000);
	client_must_send(c, MSG_EVENT, 64);
	client_must_recv_event(c, MSG_EVENT, 64);
	ck_assert_int_eq(qb_ipcc_auth_get(c, NULL, &uid, NULL), 0);
	ck_assert_int_eq((int)uid, DAEMON_UID);
	qb_ipcc_disconnect(c);
	host_await_trace(h, "destroyed:1");
	host_stop(h);
}
END_TEST

static int32_t accept_not_yet(struct server *sv, qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	return sv->accepted < 4 ? -EAGAIN : 0;
}

START_TEST(client_that_is_told_to_try_again_gets_in_later)
{
	struct host *h =
		host_start(&(struct server_spec){ VARIANT_SPEC(_i), .accept = accept_not_yet });
	qb_ipcc_connection_t *c;
	int refused = 0;

	while (!(c = qb_ipcc_connect(h->name, MIB))) {
		ck_assert_int_eq(errno, EAGAIN);
		ck_assert_int_lt(refused++, 3);
	}
	ck_assert_int_eq(refused, 3);
	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static void prepare_locked(struct server *sv)
{
	/* Where memory may not be locked, the rest of the test still counts. */
	(void)mlockall(MCL_CURRENT | MCL_FUTURE);
}

START_TEST(locked_memory_and_buffers_of_a_mebibyte_work)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .prepare = prepare_locked });
	bool socket = variants[_i].type == QB_IPC_SOCKET;
	qb_ipcc_connection_t *c = client_connect(h->name, socket ? 100000 : MIB);

	for (int n = 0; n < 3; n++)
		client_echo(c, socket ? 99000 : MIB - 8);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(vector_of_65_entries_between_two_changes_of_the_maximum)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	struct request *r = request_new(300, 16 + 64 * 10);
	struct iovec iov[65] = { { r, 16 } };
	char buf[2000] __attribute__((aligned(8)));

	for (int k = 1; k < 65; k++)
		iov[k] = (struct iovec){ r->body + (k - 1) * 10, 10 };
	ck_assert_int_eq(qb_ipcc_fc_enable_max_set(c, 2), 0);
	response_check((void *)buf, qb_ipcc_sendv_recv(c, iov, 65, buf, sizeof(buf), -1), 300,
		       16 + 64 * 10);
	ck_assert_int_eq(qb_ipcc_fc_enable_max_set(c, 1), 0);
	client_echo(c, 64);
	free(r);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* Every 50th message switches the rate; off is left by the next call from outside. */
static int32_t msg_switches(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	static const enum qb_ipcs_rate_limit rates[] = { QB_IPCS_RATE_FAST, QB_IPCS_RATE_SLOW,
							 QB_IPCS_RATE_NORMAL };
	int64_t n = ++sv->shared->slot[0];

	if (n % 50 == 0)
		qb_ipcs_request_rate_limit(sv->service, rates[n / 50 % 3]);
	return server_default_msg(sv, c, data, size);
}

START_TEST(rates_that_change_under_load_lose_nothing)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_switches });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	for (int32_t id = 100; id < 1600; id += 3) {
		for (int k = 0; k < 3; k++)
			client_must_send(c, id + k, 100);
		for (int k = 0; k < 3; k++)
			client_must_recv(c, id + k, 100);
		if (id % 100 == 0) {
			host_call(h, remote_rate, QB_IPCS_RATE_OFF);
			ck_assert_int_eq(client_send(c, id, 100), -EAGAIN);
			host_call(h, remote_rate, QB_IPCS_RATE_FAST);
		}
	}
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static uint64_t thread_cpu_ms(void)
{
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

START_TEST(waiting_for_an_answer_does_not_spin)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	char buf[200];
	uint64_t begin;

	client_echo(c, 64);
	begin = thread_cpu_ms();
	ck_assert_int_eq(qb_ipcc_recv(c, buf, sizeof(buf), 400), -ETIMEDOUT);
	ck_assert_int_eq(qb_ipcc_event_recv(c, buf, sizeof(buf), 400), -EAGAIN);
	ck_assert_uint_lt(thread_cpu_ms() - begin, 200);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* The request of the first client, where msg_process was given it. */
static const struct request *kept_request;

static int32_t msg_keeps(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	if (server_number(sv, c) == 1 && ((struct request *)data)->hdr.id == 77)
		kept_request = data;
	return server_default_msg(sv, c, data, size);
}

/* { size }: is it as it was? */
static int64_t kept_matches(struct server *sv, const int64_t *args)
{
	size_t size = (size_t)args[0];

	return kept_request->hdr.id == 77 && kept_request->hdr.size == (int32_t)size &&
	       pattern_matches(kept_request->body, size - sizeof(kept_request->hdr), 77);
}

/* corosync's iterators look at their prefix in the request that made them. */
START_TEST(request_stays_as_it_was_until_the_next_of_its_client)
{
	static const size_t sizes[] = { 40, 280, 4000, 12000 };
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_keeps });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	qb_ipcc_connection_t *other = client_connect(h->name, 0);

	for (int k = 0; k < 4; k++) {
		client_must_send(c, 77, sizes[k]);
		client_must_recv(c, 77, sizes[k]);
		for (size_t size = 16; size < 12300; size += 3000)
			client_echo(other, size);
		ck_assert_int_eq(host_call(h, kept_matches, (int64_t)sizes[k]), 1);
	}
	qb_ipcc_disconnect(other);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* An iterator is made by one request and goes on with many short ones. */
START_TEST(request_stays_as_it_was_while_short_ones_of_its_client_follow)
{
	static const size_t sizes[] = { 64, 65, 72, 280, 281, 1000, 3500 };
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_keeps });
	qb_ipcc_connection_t *c = client_connect(h->name, MIB);

	for (int round = 0; round < 70; round++) {
		size_t size = sizes[round % 7];

		client_must_send(c, 77, size);
		client_must_recv(c, 77, size);
		for (size_t k = 0; k < 24; k++)
			client_echo(c, 16 + 2 * k);
		ck_assert_int_eq(host_call(h, kept_matches, (int64_t)size), 1);
	}
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("users: the cluster");
	TCase *tc = tcase_new(s, "pacemaker");

	add_variant_test(tc, sigbus_handler_of_the_server_application_keeps_working);
	add_transport_test(tc, sigbus_handler_of_the_client_application_keeps_working);
	add_variant_test(
		tc,
		large_answers_fit_a_client_that_asked_for_nothing_of_a_server_that_enforces);
	add_variant_test(tc, ten_events_per_wake_up_then_eagain);
	add_transport_test(
		tc,
		disconnect_without_a_reference_inside_msg_process_leaves_other_clients_alone);
	if (geteuid() == 0)
		add_transport_test(tc, root_is_served_by_a_daemon_of_another_user);

	tc = tcase_new(s, "corosync");
	add_transport_test(tc, client_that_is_told_to_try_again_gets_in_later);
	add_transport_test(tc, locked_memory_and_buffers_of_a_mebibyte_work);
	add_variant_test(tc, request_stays_as_it_was_until_the_next_of_its_client);
	add_variant_test(tc, request_stays_as_it_was_while_short_ones_of_its_client_follow);
	add_transport_test(tc, vector_of_65_entries_between_two_changes_of_the_maximum);
	add_variant_test(tc, rates_that_change_under_load_lose_nothing);
	add_transport_test(tc, waiting_for_an_answer_does_not_spin);
	return suite_main(s);
}
