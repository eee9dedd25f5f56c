/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a service shows to its monitors, and to whom. The server is the library's, over all
 * transports; its callbacks are in the trace.
 */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>
#include <qb/qbipc_ext.h>
#include <qb/qbipcc.h>
#include <qb/qbipcs.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/server.h"
#include "tests/lib/variant.h"

enum { NOBODY = 65534, SOMEBODY = 65533, BYTES = 40 };

static void payload_allow(struct server *sv)
{
	SERVER_REQUIRE_EQ(sv, qbipc_service_monitor_set(sv->service, QBIPC_MONITOR_PAYLOAD), 0);
}

/* { mode } */
static int64_t remote_mode(struct server *sv, const int64_t *args)
{
	return qbipc_service_monitor_set(sv->service, (enum qbipc_monitor_mode)args[0]);
}

static struct host *monitored_start(int variant)
{
	return host_start(&(struct server_spec){ VARIANT_SPEC(variant), .service_id = 77,
						 .prepare = payload_allow });
}

static int monitor_try(const char *name, const struct qbipc_monitor_options *options,
		       qbipc_monitor_t **ret)
{
	*ret = NULL;
	return qbipc_monitor_open(name, options, deadline_ms(), ret);
}

static qbipc_monitor_t *monitor(const char *name, const struct qbipc_monitor_options *options)
{
	qbipc_monitor_t *m;

	ck_assert_int_eq(monitor_try(name, options, &m), 0);
	return m;
}

/* The next one, which must be of that kind. */
static struct qbipc_monitor_record record_of(qbipc_monitor_t *m, uint32_t kind)
{
	struct qbipc_monitor_record r = { .size = sizeof(r) };

	ck_assert_int_eq(qbipc_monitor_next(m, deadline_ms(), &r), 0);
	ck_assert_uint_eq(r.kind, kind);
	return r;
}

static void message_expect(qbipc_monitor_t *m, uint32_t kind, uint64_t number, int id,
			   uint64_t size)
{
	struct qbipc_monitor_record r = record_of(m, kind);

	ck_assert_uint_eq(r.number, number);
	ck_assert_int_eq(r.id, id);
	ck_assert_uint_eq(r.message_size, size);
	ck_assert_uint_eq(r.lost, 0);
}

static void nothing_expect(qbipc_monitor_t *m)
{
	struct qbipc_monitor_record r = { .size = sizeof(r) };

	ck_assert_int_eq(qbipc_monitor_next(m, 0, &r), -ETIMEDOUT);
}

static void end_expect(qbipc_monitor_t *m)
{
	struct qbipc_monitor_record r = { .size = sizeof(r) };

	ck_assert_int_eq(qbipc_monitor_next(m, deadline_ms(), &r), -ENOTCONN);
	ck_assert_int_eq(qbipc_monitor_next(m, deadline_ms(), &r), -ENOTCONN);
	qbipc_monitor_close(m);
}

/* Bytes of the response, or event, of the default server to a request of @size bytes. */
static uint64_t answer_size(uint64_t size)
{
	return size + sizeof(struct qb_ipc_response_header) -
	       sizeof(struct qb_ipc_request_header);
}

START_TEST(nothing_is_shown_unless_it_is_allowed)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qbipc_monitor_t *m;

	ck_assert_int_eq(monitor_try(h->name, NULL, &m), -EPERM);
	ck_assert_ptr_null(m);
	ck_assert_str_eq(host_trace(h), "");
	host_stop(h);
}
END_TEST

START_TEST(monitor_sees_the_conversation)
{
	struct host *h = monitored_start(_i);
	struct qbipc_monitor_info info = { .size = sizeof(info) };
	qbipc_monitor_t *m = monitor(h->name, NULL);
	struct qbipc_monitor_record r;
	qb_ipcc_connection_t *c;
	uint64_t before;

	ck_assert_int_eq(qbipc_monitor_info_get(m, &info), 0);
	ck_assert_int_eq(info.pid, h->pid);
	ck_assert_uint_eq(info.uid, geteuid());
	ck_assert_int_eq(info.service_id, 77);
	ck_assert_int_eq(info.mode, QBIPC_MONITOR_PAYLOAD);
	ck_assert_uint_gt(info.realtime_ns, info.time_ns);
	nothing_expect(m);

	c = client_connect(h->name, 0);
	r = record_of(m, QBIPC_MONITOR_CONNECTED);
	ck_assert_uint_eq(r.number, 1);
	ck_assert_int_eq(r.pid, getpid());
	ck_assert_uint_eq(r.uid, geteuid());
	ck_assert_uint_eq(r.gid, getegid());
	ck_assert_uint_eq(r.native, variants[_i].libqb_wire ? 0 : 1);
	ck_assert_uint_eq(r.max_msg_size, (uint32_t)qb_ipcc_get_buffer_size(c));
	ck_assert_uint_ge(r.time_ns, info.time_ns);
	before = r.time_ns;

	client_echo(c, 100);
	r = record_of(m, QBIPC_MONITOR_REQUEST);
	ck_assert_int_eq(r.id, MSG_ECHO);
	ck_assert_uint_eq(r.message_size, 100);
	ck_assert_int_eq(r.pid, getpid());
	ck_assert_int_eq(r.error, 0);
	ck_assert_uint_eq(r.bytes, 0);
	ck_assert_ptr_null(r.data);
	ck_assert_uint_ge(r.time_ns, before);
	before = r.time_ns;
	r = record_of(m, QBIPC_MONITOR_RESPONSE);
	ck_assert_int_eq(r.id, MSG_ECHO);
	ck_assert_uint_eq(r.message_size, answer_size(100));
	ck_assert_uint_ge(r.time_ns, before);

	client_must_send(c, MSG_EVENT, 60);
	client_must_recv_event(c, MSG_EVENT, 60);
	message_expect(m, QBIPC_MONITOR_REQUEST, r.number, MSG_EVENT, 60);
	message_expect(m, QBIPC_MONITOR_EVENT, r.number, MSG_EVENT, answer_size(60));
	qb_ipcc_disconnect(c);
	ck_assert_uint_eq(record_of(m, QBIPC_MONITOR_ENDED).number, r.number);
	nothing_expect(m);
	qbipc_monitor_close(m);
	host_stop(h);
}
END_TEST

/* What the message of @r has to begin with. */
static void bytes_expect(const struct qbipc_monitor_record *r, const void *message, size_t size)
{
	ck_assert_uint_eq(r->bytes, size);
	ck_assert_mem_eq(r->data, message, size);
}

START_TEST(payload_is_shown_as_far_as_it_is_wanted_and_allowed)
{
	static const struct qbipc_monitor_options some = { .size = sizeof(some),
							   .kinds = 1u << QBIPC_MONITOR_REQUEST,
							   .bytes = BYTES };
	static const struct qbipc_monitor_options all = { .size = sizeof(all),
							  .kinds = 1u << QBIPC_MONITOR_REQUEST,
							  .bytes = UINT32_MAX };
	struct host *h = monitored_start(_i);
	qb_ipcc_connection_t *c = client_connect(h->name, 1 << 20);
	qbipc_monitor_t *first = monitor(h->name, &some), *second = monitor(h->name, &all);
	struct request *small = request_new(MSG_ECHO, 20), *large = request_new(MSG_ECHO, 100);
	struct request *huge = request_new(MSG_ECHO, 100000);
	struct qbipc_monitor_record r;

	client_echo(c, 20);
	r = record_of(first, QBIPC_MONITOR_REQUEST);
	bytes_expect(&r, small, 20);
	client_echo(c, 100);
	r = record_of(first, QBIPC_MONITOR_REQUEST);
	bytes_expect(&r, large, BYTES);
	r = record_of(second, QBIPC_MONITOR_REQUEST);
	bytes_expect(&r, small, 20);
	r = record_of(second, QBIPC_MONITOR_REQUEST);
	bytes_expect(&r, large, 100);
	client_echo(c, 100000);
	r = record_of(second, QBIPC_MONITOR_REQUEST);
	ck_assert_uint_eq(r.message_size, 100000);
	bytes_expect(&r, huge, 65536);

	ck_assert_int_eq(host_call(h, remote_mode, QBIPC_MONITOR_HEADERS), 0);
	client_echo(c, 100);
	r = record_of(second, QBIPC_MONITOR_REQUEST);
	ck_assert_uint_eq(r.message_size, 100);
	ck_assert_uint_eq(r.bytes, 0);
	free(small);
	free(large);
	free(huge);
	qbipc_monitor_close(first);
	qbipc_monitor_close(second);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(monitor_sees_only_what_it_asked_for)
{
	struct host *h = monitored_start(_i);
	qb_ipcc_connection_t *a = client_connect(h->name, 0), *b = client_connect(h->name, 0);
	const struct qbipc_monitor_options of[] = {
		{ .size = sizeof(of[0]), .number = 2 },
		{ .size = sizeof(of[0]), .by_id = 1, .id = MSG_EVENT },
		{ .size = sizeof(of[0]), .kinds = 1u << QBIPC_MONITOR_EVENT },
		{ .size = sizeof(of[0]), .pid = getpid() + 1 },
	};
	qbipc_monitor_t *m[4];
	size_t i;

	for (i = 0; i < 4; i++)
		m[i] = monitor(h->name, &of[i]);
	client_echo(a, 100);
	client_echo(b, 101);
	client_must_send(a, MSG_EVENT, 60);
	client_must_recv_event(a, MSG_EVENT, 60);
	qb_ipcc_disconnect(a);
	host_await_trace(h, "destroyed:1");

	message_expect(m[0], QBIPC_MONITOR_REQUEST, 2, MSG_ECHO, 101);
	message_expect(m[0], QBIPC_MONITOR_RESPONSE, 2, MSG_ECHO, answer_size(101));
	message_expect(m[1], QBIPC_MONITOR_REQUEST, 1, MSG_EVENT, 60);
	message_expect(m[1], QBIPC_MONITOR_EVENT, 1, MSG_EVENT, answer_size(60));
	ck_assert_uint_eq(record_of(m[1], QBIPC_MONITOR_ENDED).number, 1);
	message_expect(m[2], QBIPC_MONITOR_EVENT, 1, MSG_EVENT, answer_size(60));
	for (i = 0; i < 4; i++) {
		nothing_expect(m[i]);
		qbipc_monitor_close(m[i]);
	}
	qb_ipcc_disconnect(b);
	host_stop(h);
}
END_TEST

/* What a service whose environment says @text shows; -1: nothing. */
static int mode_by_environment(int variant, const char *text)
{
	struct qbipc_monitor_info info = { .size = sizeof(info), .mode = -1 };
	qbipc_monitor_t *m;
	struct host *h;

	ck_assert_int_eq(setenv("QBIPC_MONITOR", text, 1), 0);
	h = host_start(&(struct server_spec){ VARIANT_SPEC(variant) });
	ck_assert_int_eq(unsetenv("QBIPC_MONITOR"), 0);
	if (monitor_try(h->name, NULL, &m) == 0)
		ck_assert_int_eq(qbipc_monitor_info_get(m, &info), 0);
	qbipc_monitor_close(m);
	host_stop(h);
	return info.mode;
}

START_TEST(environment_allows_it_for_an_unchanged_program)
{
	ck_assert_int_eq(mode_by_environment(_i, "headers"), QBIPC_MONITOR_HEADERS);
	ck_assert_int_eq(mode_by_environment(_i, "payload"), QBIPC_MONITOR_PAYLOAD);
	ck_assert_int_eq(mode_by_environment(_i, "1"), -1);
	ck_assert_int_eq(mode_by_environment(_i, ""), -1);
}
END_TEST

static void log_count(int priority, const char *text, void *data)
{
	if (strstr(text, "QBIPC_MONITOR"))
		++*(int *)data;
}

/* Create a service while the environment says so. */
static void created_with(const char *text)
{
	static struct qb_ipcs_service_handlers none;
	char name[64];

	snprintf(name, sizeof(name), "qbipc-test-unknown-%d", (int)getpid());
	ck_assert_int_eq(setenv("QBIPC_MONITOR", text, 1), 0);
	qb_ipcs_destroy(qb_ipcs_create(name, 0, QB_IPC_SHM, &none));
	ck_assert_int_eq(unsetenv("QBIPC_MONITOR"), 0);
}

START_TEST(unknown_value_in_the_environment_is_logged_once)
{
	const char *known[] = { "headers", "payload", "0", "" };
	int lines = 0;
	size_t i;

	qbipc_log_hook_set(log_count, &lines);
	for (i = 0; i < 4; i++)
		created_with(known[i]);
	ck_assert_int_eq(lines, 0);
	created_with("headres");
	created_with("1");
	ck_assert_int_eq(lines, 1);
	qbipc_log_hook_set(NULL, NULL);
}
END_TEST

/* -- Who, and how many ---------------------------------------------------------------- */

/* A process of that user, which has become a monitor, or not, and waits to be ended. */
struct other {
	pid_t pid;
	int r;
	int end;
};

static struct other other_start(const char *name, uid_t uid)
{
	int come[2], go[2];
	struct other o;

	ck_assert_int_eq(pipe(come), 0);
	ck_assert_int_eq(pipe(go), 0);
	o.pid = fork();
	ck_assert_int_ge(o.pid, 0);
	if (o.pid == 0) {
		qbipc_monitor_t *m;
		gid_t gid = uid;
		int r;

		close(go[1]);
		if (setgroups(1, &gid) < 0 || setresgid(gid, gid, gid) < 0 ||
		    setresuid(uid, uid, uid) < 0)
			_exit(255);
		r = monitor_try(name, NULL, &m);
		if (write(come[1], &r, sizeof(r)) != sizeof(r) || read(go[0], &r, 1) < 0)
			_exit(255);
		_exit(0);
	}
	close(come[1]);
	close(go[0]);
	ck_assert_int_eq(read(come[0], &o.r, sizeof(o.r)), sizeof(o.r));
	close(come[0]);
	o.end = go[1];
	return o;
}

static void other_stop(const struct other *o)
{
	/* Processes that came later have the other end of the pipe too. */
	ck_assert_int_eq(write(o->end, "", 1), 1);
	close(o->end);
	ck_assert_int_eq(waitpid(o->pid, NULL, 0), o->pid);
}

/* What becoming a monitor comes to for a process of that user. */
static int monitor_as(const char *name, uid_t uid)
{
	struct other o = other_start(name, uid);

	other_stop(&o);
	return o.r;
}

/* { uid } */
static int64_t remote_allow(struct server *sv, const int64_t *args)
{
	return qbipc_service_snapshot_allow(sv->service, (uid_t)args[0], (gid_t)-1);
}

START_TEST(only_those_who_may_watch_are_shown_anything)
{
	struct qbipc_service_refusals refused = { .size = sizeof(refused) };
	qbipc_snapshot_t *s = NULL;
	struct host *h;

	if (geteuid() != 0)
		return;
	h = monitored_start(_i);
	ck_assert_int_eq(monitor_as(h->name, NOBODY), -EACCES);
	host_call(h, remote_allow, NOBODY);
	ck_assert_int_eq(monitor_as(h->name, NOBODY), 0);
	ck_assert_int_eq(monitor_as(h->name, SOMEBODY), -EACCES);
	ck_assert_int_eq(monitor_as(h->name, 0), 0);
	ck_assert_int_eq(qbipc_snapshot_get(h->name, deadline_ms(), &s), 0);
	ck_assert_int_eq(qbipc_snapshot_refusals_get(s, &refused), 0);
	ck_assert_uint_eq(refused.watchers, 2);
	qbipc_snapshot_free(s);
	host_stop(h);
}
END_TEST

/* Those who were there leave room, but when the service notices is its own matter. */
static qbipc_monitor_t *monitor_patiently(const char *name)
{
	qbipc_monitor_t *m;
	int r;

	do
		r = monitor_try(name, NULL, &m);
	while (r == -EUSERS);
	ck_assert_int_eq(r, 0);
	return m;
}

START_TEST(there_are_few_monitors)
{
	struct host *h = monitored_start(_i);
	qbipc_monitor_t *m[4], *fifth;
	size_t i;

	for (i = 0; i < 4; i++)
		m[i] = monitor(h->name, NULL);
	ck_assert_int_eq(monitor_try(h->name, NULL, &fifth), -EUSERS);
	qbipc_monitor_close(m[2]);
	m[2] = monitor_patiently(h->name);
	for (i = 0; i < 4; i++)
		qbipc_monitor_close(m[i]);
	host_stop(h);
}
END_TEST

START_TEST(other_users_leave_places_for_root)
{
	struct other a, b;
	qbipc_monitor_t *m[2];
	struct host *h;

	if (geteuid() != 0)
		return;
	h = monitored_start(_i);
	host_call(h, remote_allow, NOBODY);
	a = other_start(h->name, NOBODY);
	b = other_start(h->name, NOBODY);
	ck_assert_int_eq(a.r, 0);
	ck_assert_int_eq(b.r, 0);
	ck_assert_int_eq(monitor_as(h->name, NOBODY), -EUSERS);
	m[0] = monitor(h->name, NULL);
	m[1] = monitor(h->name, NULL);
	other_stop(&a);
	other_stop(&b);
	qbipc_monitor_close(m[0]);
	qbipc_monitor_close(m[1]);
	host_stop(h);
}
END_TEST

/* -- Those who do not read, and the end ------------------------------------------------ */

START_TEST(monitor_that_does_not_read_is_told_how_much_it_lost)
{
	enum { CALLS = 3000 };
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .untraced = true,
							   .prepare = payload_allow });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	struct qbipc_monitor_record r = { .size = sizeof(r) };
	qbipc_monitor_t *m = monitor(h->name, NULL);
	uint64_t seen = 0, lost = 0;
	int i;

	for (i = 0; i < CALLS; i++)
		client_echo(c, 100);
	/* The last ones are told of by the clock of the service. */
	while (seen + lost < 2 * CALLS) {
		ck_assert_int_eq(qbipc_monitor_next(m, deadline_ms(), &r), 0);
		lost += r.lost;
		seen += r.kind != QBIPC_MONITOR_LOST;
	}
	ck_assert_uint_eq(seen + lost, 2 * CALLS);
	ck_assert_uint_gt(seen, 0);
	ck_assert_uint_gt(lost, 0);
	client_echo(c, 100);
	ck_assert_uint_eq(record_of(m, QBIPC_MONITOR_REQUEST).lost, 0);
	qbipc_monitor_close(m);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(monitors_end_with_the_permission_and_with_the_service)
{
	struct host *h = monitored_start(_i);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	qbipc_monitor_t *m = monitor(h->name, NULL), *other;

	ck_assert_int_eq(host_call(h, remote_mode, QBIPC_MONITOR_OFF), 0);
	end_expect(m);
	client_echo(c, 100);
	ck_assert_int_eq(monitor_try(h->name, NULL, &other), -EPERM);
	ck_assert_int_eq(host_call(h, remote_mode, QBIPC_MONITOR_HEADERS), 0);
	m = monitor(h->name, NULL);
	client_echo(c, 100);
	message_expect(m, QBIPC_MONITOR_REQUEST, 1, MSG_ECHO, 100);
	message_expect(m, QBIPC_MONITOR_RESPONSE, 1, MSG_ECHO, answer_size(100));
	host_call(h, remote_destroy);
	ck_assert_uint_eq(record_of(m, QBIPC_MONITOR_ENDED).number, 1);
	end_expect(m);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* Its monitors are the parent's. */
static int64_t remote_child_destroys(struct server *sv, const int64_t *args)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		qb_ipcs_destroy(sv->service);
		_exit(0);
	}
	SERVER_REQUIRE_EQ(sv, waitpid(pid, &status, 0), pid);
	return status;
}

START_TEST(child_that_destroys_its_copy_leaves_the_monitors_alone)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .untraced = true,
							   .prepare = payload_allow });
	qbipc_monitor_t *m = monitor(h->name, NULL);

	ck_assert_int_eq(host_call(h, remote_child_destroys), 0);
	nothing_expect(m);
	qb_ipcc_disconnect(client_connect(h->name, 0));
	ck_assert_uint_eq(record_of(m, QBIPC_MONITOR_CONNECTED).lost, 0);
	ck_assert_uint_eq(record_of(m, QBIPC_MONITOR_ENDED).lost, 0);
	qbipc_monitor_close(m);
	host_stop(h);
}
END_TEST

START_TEST(bad_arguments_are_refused)
{
	struct host *h = monitored_start(_i);
	struct qbipc_monitor_info info = { .size = sizeof(size_t) };
	struct qbipc_monitor_record r = { .size = sizeof(size_t) };
	struct {
		struct qbipc_monitor_options options;
		uint64_t unknown;
	} later = { .options.size = sizeof(later), .unknown = 1 };
	struct qbipc_monitor_options shorter = { .size = sizeof(size_t) };
	qbipc_monitor_t *m = NULL;

	ck_assert_int_eq(qbipc_service_monitor_set(NULL, QBIPC_MONITOR_OFF), -EINVAL);
	ck_assert_int_eq(host_call(h, remote_mode, 3), -EINVAL);
	ck_assert_int_eq(host_call(h, remote_mode, -1), -EINVAL);
	ck_assert_int_eq(qbipc_monitor_open(NULL, NULL, 0, &m), -EINVAL);
	ck_assert_int_eq(qbipc_monitor_open(h->name, NULL, deadline_ms(), NULL), -EINVAL);
	ck_assert_int_eq(monitor_try(h->name, &shorter, &m), -EINVAL);
	ck_assert_int_eq(monitor_try(h->name, &later.options, &m), -E2BIG);
	later.unknown = 0;
	m = monitor(h->name, &later.options);
	ck_assert_int_eq(qbipc_monitor_fd(NULL), -EINVAL);
	ck_assert_int_ge(qbipc_monitor_fd(m), 0);
	ck_assert_int_eq(qbipc_monitor_info_get(NULL, &info), -EINVAL);
	ck_assert_int_eq(qbipc_monitor_info_get(m, &info), -EINVAL);
	ck_assert_int_eq(qbipc_monitor_info_get(m, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_monitor_next(m, 0, &r), -EINVAL);
	ck_assert_int_eq(qbipc_monitor_next(m, 0, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_monitor_next(NULL, 0, &r), -EINVAL);
	qbipc_monitor_close(NULL);
	qbipc_monitor_close(m);
	host_stop(h);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("monitoring a service");
	TCase *tc = tcase_new(s, "monitor");

	add_variant_test(tc, monitor_sees_the_conversation);
	add_transport_test(tc, payload_is_shown_as_far_as_it_is_wanted_and_allowed);
	add_transport_test(tc, monitor_sees_only_what_it_asked_for);
	add_transport_test(tc, monitor_that_does_not_read_is_told_how_much_it_lost);
	add_variant_test(tc, monitors_end_with_the_permission_and_with_the_service);
	add_transport_test(tc, child_that_destroys_its_copy_leaves_the_monitors_alone);
	/* One transport is enough: native shm, which is the first. */
	tcase_add_loop_test(tc, nothing_is_shown_unless_it_is_allowed, 0, 1);
	tcase_add_loop_test(tc, environment_allows_it_for_an_unchanged_program, 0, 1);
	tcase_add_test(tc, unknown_value_in_the_environment_is_logged_once);
	tcase_add_loop_test(tc, only_those_who_may_watch_are_shown_anything, 0, 1);
	tcase_add_loop_test(tc, there_are_few_monitors, 0, 1);
	tcase_add_loop_test(tc, other_users_leave_places_for_root, 0, 1);
	tcase_add_loop_test(tc, bad_arguments_are_refused, 0, 1);
	return s;
}

int main(void)
{
	return suite_main(suite());
}
