/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a service tells those who watch it, and who they may be. The server is the
 * library's, over all transports; its callbacks are in the trace.
 */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>
#include <qb/qbipc_ext.h>
#include <qb/qbipcc.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/server.h"
#include "tests/lib/variant.h"
#include "tests/tool/ask.h"
#include "tests/tool/fake.h"
#include "wire/snapshot.h"

enum { BIG = 1 << 20, NOBODY = 65534, SOMEBODY = 65533 };

/* -- Watch ------------------------------------------------------------------------- */

START_TEST(snapshot_has_what_the_service_counts)
{
	struct host *h =
		host_start(&(struct server_spec){ VARIANT_SPEC(_i), .service_id = 77 });
	qb_ipcc_connection_t *first = client_connect(h->name, 0);
	qb_ipcc_connection_t *second = client_connect(h->name, BIG);
	struct qbipc_snapshot_connection c;
	struct qbipc_snapshot_info info;
	qbipc_snapshot_t *s;

	client_echo(first, 100);
	client_echo(first, 100);
	client_echo(second, 100);
	ck_assert_int_gt(host_call(h, remote_event, 2, 100, 5), 0);
	client_must_recv_event(second, 5, 100);
	ck_assert_int_gt(host_call(h, remote_event, 2, 100, 6), 0);

	s = ask_watch(h->name);
	info = info_of(s);
	ck_assert_int_eq(info.pid, h->pid);
	ck_assert_uint_eq(info.uid, geteuid());
	ck_assert_int_eq(info.service_id, 77);
	ck_assert_uint_eq(info.connections, 2);
	ck_assert_uint_eq(info.listed, 2);
	ck_assert_uint_eq(info.closed, 0);
	ck_assert_uint_gt(info.time_ns, 0);

	/* The newest first. */
	c = connection_of(s, 0);
	ck_assert_uint_eq(c.number, 2);
	ck_assert_int_eq(c.pid, getpid());
	ck_assert_uint_eq(c.uid, geteuid());
	ck_assert_uint_eq(c.gid, getegid());
	ck_assert_uint_eq(c.native, variants[_i].libqb_wire ? 0 : 1);
	ck_assert_uint_eq(c.max_msg_size, (uint32_t)qb_ipcc_get_buffer_size(second));
	ck_assert_uint_eq(c.requests, 1);
	ck_assert_uint_eq(c.responses, 1);
	ck_assert_uint_eq(c.events, 2);
	ck_assert_uint_eq(c.event_q_length, 1);
	ck_assert_uint_eq(c.flow, 0);
	c = connection_of(s, 1);
	ck_assert_uint_eq(c.number, 1);
	ck_assert_uint_eq(c.requests, 2);
	ck_assert_uint_eq(c.events, 0);
	ck_assert_uint_ge(c.age_ns, connection_of(s, 0).age_ns);
	ck_assert_int_eq(qbipc_snapshot_connection_get(s, 2, &c), -ENOENT);
	qbipc_snapshot_free(s);

	client_must_recv_event(second, 6, 100);
	qb_ipcc_disconnect(first);
	host_await_trace(h, "destroyed:1");
	host_call(h, remote_rate, QB_IPCS_RATE_OFF);
	s = ask_watch(h->name);
	ck_assert_uint_eq(info_of(s).connections, 1);
	ck_assert_uint_eq(info_of(s).closed, 1);
	c = connection_of(s, 0);
	ck_assert_uint_eq(c.number, 2);
	ck_assert_uint_eq(c.flow, 1);
	ck_assert_uint_eq(c.flow_control_count, 1);
	qbipc_snapshot_free(s);
	qb_ipcc_disconnect(second);
	host_stop(h);
}
END_TEST

START_TEST(connections_that_have_ended_are_not_listed)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	qbipc_snapshot_t *s;

	host_await_trace(h, "created:1");
	host_call(h, remote_ref, 1);
	qb_ipcc_disconnect(c);
	host_await_trace(h, "closed:1");
	s = ask_watch(h->name);
	ck_assert_uint_eq(info_of(s).connections, 0);
	ck_assert_uint_eq(info_of(s).listed, 0);
	qbipc_snapshot_free(s);
	host_call(h, remote_unref, 1);
	host_stop(h);
}
END_TEST

START_TEST(too_short_structs_are_refused)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	struct qbipc_snapshot_info info = { .size = sizeof(size_t) };
	struct qbipc_snapshot_connection connection = { .size = sizeof(size_t) };
	qbipc_snapshot_t *s;

	client_echo(c, 100);
	s = ask_watch(h->name);
	ck_assert_int_eq(qbipc_snapshot_info_get(s, &info), -EINVAL);
	ck_assert_int_eq(qbipc_snapshot_info_get(s, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_snapshot_connection_get(s, 0, &connection), -EINVAL);
	ck_assert_int_eq(qbipc_snapshot_connection_get(s, 0, NULL), -EINVAL);
	qbipc_snapshot_free(s);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* { number } */
static int64_t remote_counters_clear(struct server *sv, const int64_t *args)
{
	struct qb_ipcs_connection_stats stats;

	return qb_ipcs_connection_stats_get(server_connection(sv, (int)args[0]), &stats, 1);
}

static void sums_expect(const char *name, uint64_t requests, uint64_t events)
{
	qbipc_snapshot_t *s = ask_watch(name);
	struct qbipc_snapshot_info info = info_of(s);

	ck_assert_uint_eq(info.requests, requests);
	ck_assert_uint_eq(info.responses, requests);
	ck_assert_uint_eq(info.events, events);
	qbipc_snapshot_free(s);
}

START_TEST(sums_only_grow)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *first = client_connect(h->name, 0);
	qb_ipcc_connection_t *second = client_connect(h->name, 0);
	qbipc_snapshot_t *s;

	client_echo(first, 100);
	client_echo(first, 100);
	client_echo(second, 100);
	ck_assert_int_gt(host_call(h, remote_event, 1, 100, 5), 0);
	sums_expect(h->name, 3, 1);

	qb_ipcc_disconnect(first);
	host_await_trace(h, "destroyed:1");
	sums_expect(h->name, 3, 1);

	ck_assert_int_eq(host_call(h, remote_counters_clear, 2), 0);
	s = ask_watch(h->name);
	ck_assert_uint_eq(connection_of(s, 0).requests, 0);
	qbipc_snapshot_free(s);
	sums_expect(h->name, 3, 1);
	client_echo(second, 100);
	sums_expect(h->name, 4, 1);
	qb_ipcc_disconnect(second);
	host_await_trace(h, "destroyed:2");
	sums_expect(h->name, 4, 1);
	host_stop(h);
}
END_TEST

/* A reference keeps the counters, and reading them changes no sum. */
START_TEST(connection_that_ended_is_in_the_sums_once)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	client_echo(c, 100);
	host_call(h, remote_ref, 1);
	qb_ipcc_disconnect(c);
	host_await_trace(h, "closed:1");
	sums_expect(h->name, 1, 0);
	ck_assert_int_eq(host_call(h, remote_counters_clear, 1), 0);
	sums_expect(h->name, 1, 0);
	host_call(h, remote_unref, 1);
	host_stop(h);
}
END_TEST

START_TEST(snapshot_has_the_refusals)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	struct qbipc_service_refusals r = { .size = sizeof(r) };
	struct qbi_hello nonsense = fake_hello(0);
	qbipc_snapshot_t *s;
	size_t size;
	int fd;

	nonsense.id = 12345;
	fd = fake_client(h->name);
	fake_send(fd, &nonsense, sizeof(nonsense));
	free(fake_read_to_end(fd, &size));
	close(fd);
	s = ask_watch(h->name);
	ck_assert_int_eq(qbipc_snapshot_refusals_get(s, &r), 0);
	ck_assert_uint_eq(r.handshakes_bad, 1);
	ck_assert_uint_eq(r.handshakes, 0);
	ck_assert_uint_eq(r.costly, 0);
	ck_assert_uint_eq(r.size, sizeof(r));
	r.size = sizeof(size_t);
	ck_assert_int_eq(qbipc_snapshot_refusals_get(s, &r), -EINVAL);
	ck_assert_int_eq(qbipc_snapshot_refusals_get(s, NULL), -EINVAL);
	qbipc_snapshot_free(s);
	host_stop(h);
}
END_TEST

/* Two descriptors each, at either end. */
enum { MANY = QBI_SNAPSHOT_RECORDS + 6, DESCRIPTORS = 3 * MANY };

static bool descriptors_raise(void)
{
	struct rlimit limit = { 0 };

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < DESCRIPTORS)
		return false;
	if (limit.rlim_cur < DESCRIPTORS)
		limit.rlim_cur = DESCRIPTORS;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

/* More than a page; not a whole number of pages. */
START_TEST(snapshot_has_all_of_very_many_connections)
{
	static qb_ipcc_connection_t *clients[MANY];
	qbipc_snapshot_t *s;
	struct host *h;
	size_t i;

	if (!descriptors_raise())
		return;
	h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .untraced = true });
	for (i = 0; i < MANY; i++)
		clients[i] = client_connect(h->name, 0);
	s = ask_watch(h->name);
	ck_assert_uint_eq(info_of(s).connections, MANY);
	ck_assert_uint_eq(info_of(s).listed, MANY);
	for (i = 0; i < MANY; i++)
		ck_assert_uint_eq(connection_of(s, (uint32_t)i).number, MANY - i);
	qbipc_snapshot_free(s);
	for (i = 0; i < MANY; i++)
		qb_ipcc_disconnect(clients[i]);
	host_stop(h);
}
END_TEST

/* -- Who may watch ------------------------------------------------------------------ */

/* What watching returns to a process of that user, group and one more group. */
static int watch_as(const char *name, uid_t uid, gid_t gid, gid_t other)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		qbipc_snapshot_t *s = NULL;
		int r;

		if (setgroups(1, &other) < 0 || setresgid(gid, gid, gid) < 0 ||
		    setresuid(uid, uid, uid) < 0)
			_exit(255);
		r = qbipc_snapshot_get(name, deadline_ms(), &s);
		qbipc_snapshot_free(s);
		_exit(-r);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_ne(WEXITSTATUS(status), 255);
	return -WEXITSTATUS(status);
}

/* { uid, gid } */
static int64_t remote_watch_allow(struct server *sv, const int64_t *args)
{
	qbipc_service_snapshot_allow(sv->service, (uid_t)args[0], (gid_t)args[1]);
	return 0;
}

START_TEST(others_may_watch_when_they_are_allowed_to)
{
	struct host *h;

	if (geteuid() != 0)
		return;
	h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	ck_assert_int_eq(watch_as(h->name, NOBODY, NOBODY, NOBODY), -EACCES);
	/* The group of the service is nothing that makes one its user. */
	ck_assert_int_eq(watch_as(h->name, NOBODY, 0, 0), -EACCES);

	host_call(h, remote_watch_allow, NOBODY, -1);
	ck_assert_int_eq(watch_as(h->name, NOBODY, SOMEBODY, SOMEBODY), 0);
	ck_assert_int_eq(watch_as(h->name, SOMEBODY, NOBODY, NOBODY), -EACCES);
	ck_assert_int_eq(watch_as(h->name, SOMEBODY, 0, 0), -EACCES);

	host_call(h, remote_watch_allow, -1, NOBODY);
	ck_assert_int_eq(watch_as(h->name, SOMEBODY, NOBODY, SOMEBODY), 0);
	ck_assert_int_eq(watch_as(h->name, SOMEBODY, SOMEBODY, NOBODY), 0);
	ck_assert_int_eq(watch_as(h->name, NOBODY, SOMEBODY, SOMEBODY), -EACCES);

	host_call(h, remote_watch_allow, -1, -1);
	ck_assert_int_eq(watch_as(h->name, SOMEBODY, NOBODY, NOBODY), -EACCES);
	ck_assert_int_eq(watch_as(h->name, 0, 0, 0), 0);
	ck_assert_str_eq(host_trace(h), "");
	host_stop(h);
}
END_TEST

static void become_nobody(struct server *sv)
{
	SERVER_REQUIRE_EQ(sv, setresgid(NOBODY, NOBODY, NOBODY), 0);
	SERVER_REQUIRE_EQ(sv, setresuid(NOBODY, NOBODY, NOBODY), 0);
}

START_TEST(root_and_the_user_of_the_service_may_always_watch)
{
	struct host *h;

	if (geteuid() != 0)
		return;
	h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .prepare = become_nobody });
	ck_assert_int_eq(watch_as(h->name, NOBODY, SOMEBODY, SOMEBODY), 0);
	ck_assert_int_eq(watch_as(h->name, 0, 0, 0), 0);
	ck_assert_int_eq(watch_as(h->name, SOMEBODY, NOBODY, NOBODY), -EACCES);
	host_call(h, remote_watch_allow, SOMEBODY, -1);
	ck_assert_int_eq(watch_as(h->name, NOBODY, SOMEBODY, SOMEBODY), 0);
	ck_assert_int_eq(watch_as(h->name, 0, 0, 0), 0);
	host_stop(h);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("watching a service");
	TCase *tc = tcase_new(s, "watch");

	add_transport_test(tc, snapshot_has_what_the_service_counts);
	add_transport_test(tc, connections_that_have_ended_are_not_listed);
	add_transport_test(tc, sums_only_grow);
	add_transport_test(tc, connection_that_ended_is_in_the_sums_once);
	add_transport_test(tc, snapshot_has_the_refusals);
	/* One transport is enough: native shm, which is the first. */
	tcase_add_loop_test(tc, too_short_structs_are_refused, 0, 1);
	tcase_add_loop_test(tc, snapshot_has_all_of_very_many_connections, 0, 1);
	tcase_add_loop_test(tc, others_may_watch_when_they_are_allowed_to, 0, 1);
	tcase_add_loop_test(tc, root_and_the_user_of_the_service_may_always_watch, 0, 1);
	return s;
}

int main(void)
{
	return suite_main(suite());
}
