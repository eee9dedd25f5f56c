/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections in locked memory, and what happens when it cannot be had. */
#include <errno.h>
#include <qb/qbipc_ext.h>
#include <stdatomic.h>
#include <string.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/smaps.h"
#include "tests/lib/variant.h"

static void try_in_vain(struct server *sv)
{
	forbid_locking();
	SERVER_REQUIRE_EQ(sv, qbipc_memory_lock_set(QBIPC_MEMORY_LOCK_TRY), 0);
}

static void must_in_vain(struct server *sv)
{
	forbid_locking();
	SERVER_REQUIRE_EQ(sv, qbipc_memory_lock_set(QBIPC_MEMORY_LOCK_MUST), 0);
}

static void lock(struct server *sv)
{
	SERVER_REQUIRE_EQ(sv, qbipc_memory_lock_set(QBIPC_MEMORY_LOCK_MUST), 0);
}

/* Is all that this process shares with the client locked? */
static int64_t remote_is_locked(struct server *sv, const int64_t *args)
{
	return smaps_of(args[0] ? "/dev/shm/qb-" : "/memfd:qbipc").locked;
}

static void use(qb_ipcc_connection_t *c)
{
	for (size_t size = 64; size <= 12000; size *= 2)
		client_echo(c, size);
}

START_TEST(connection_of_two_ends_that_lock_works)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .prepare = lock });
	const char *name = variants[_i].libqb_wire ? "/dev/shm/qb-" : "/memfd:qbipc";
	qb_ipcc_connection_t *c;

	ck_assert_int_eq(qbipc_memory_lock_set(QBIPC_MEMORY_LOCK_MUST), 0);
	c = qb_ipcc_connect(h->name, 0);
	if (c) { /* else this user may not lock that much */
		ck_assert(smaps_of(name).locked);
		ck_assert_int_eq(host_call(h, remote_is_locked, variants[_i].libqb_wire), 1);
		use(c);
		qb_ipcc_disconnect(c);
	} else {
		ck_assert(errno == ENOMEM || errno == EPERM);
	}
	host_stop(h);
}
END_TEST

START_TEST(service_that_cannot_lock_but_tried_serves)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true,
							   .prepare = try_in_vain });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	use(c);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(service_that_must_lock_and_cannot_refuses)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true,
							   .prepare = must_in_vain });

	for (int i = 0; i < 3; i++) {
		ck_assert_ptr_null(qb_ipcc_connect(h->name, 0));
		ck_assert(errno == EPERM || errno == ENOMEM);
	}
	host_stop(h);
}
END_TEST

START_TEST(client_that_must_lock_and_cannot_does_not_connect)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true });

	forbid_locking();
	ck_assert_int_eq(qbipc_memory_lock_set(QBIPC_MEMORY_LOCK_MUST), 0);
	ck_assert_ptr_null(qb_ipcc_connect(h->name, 0));
	ck_assert(errno == EPERM || errno == ENOMEM);
	host_await_trace(h, "destroyed:1");
	host_stop(h);
}
END_TEST

static int64_t remote_lock(struct server *sv, const int64_t *args)
{
	return qbipc_service_memory_lock_set(sv->service, (enum qbipc_memory_lock)args[0]);
}

static int64_t remote_unlocked(struct server *sv, const int64_t *args)
{
	struct qbipc_service_refusals refusals = { .size = sizeof(refusals) };

	SERVER_REQUIRE_EQ(sv, qbipc_service_refusals_get(sv->service, &refusals), 0);
	SERVER_REQUIRE_EQ(sv, refusals.failed, 0);
	return (int64_t)refusals.unlocked;
}

static void service_locks(struct server *sv)
{
	SERVER_REQUIRE_EQ(sv, qbipc_memory_lock_set(QBIPC_MEMORY_LOCK_OFF), 0);
	SERVER_REQUIRE_EQ(
		sv, qbipc_service_memory_lock_set(sv->service, QBIPC_MEMORY_LOCK_MUST), 0);
}

static void service_does_not_lock(struct server *sv)
{
	must_in_vain(sv);
	SERVER_REQUIRE_EQ(sv, qbipc_service_memory_lock_set(sv->service, QBIPC_MEMORY_LOCK_OFF),
			  0);
}

static void service_tries_in_vain(struct server *sv)
{
	must_in_vain(sv);
	SERVER_REQUIRE_EQ(sv, qbipc_service_memory_lock_set(sv->service, QBIPC_MEMORY_LOCK_TRY),
			  0);
}

static void log_count(int priority, const char *text, void *data)
{
	struct server *sv = data;

	if (strstr(text, "cannot be locked: ") && strstr(text, "RLIMIT_MEMLOCK is 0"))
		atomic_fetch_add(&sv->shared->slot[0], 1);
}

static void service_must_in_vain(struct server *sv)
{
	forbid_locking();
	SERVER_REQUIRE_EQ(sv, qbipc_log_hook_set(log_count, sv), 0);
	service_locks(sv);
}

static void service_as_the_process(struct server *sv)
{
	service_must_in_vain(sv);
	SERVER_REQUIRE_EQ(
		sv, qbipc_service_memory_lock_set(sv->service, QBIPC_MEMORY_LOCK_PROCESS), 0);
}

START_TEST(service_locks_its_end_though_the_process_does_not)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true,
							   .prepare = service_locks });
	const char *name = variants[_i].libqb_wire ? "/dev/shm/qb-" : "/memfd:qbipc";
	qb_ipcc_connection_t *c = qb_ipcc_connect(h->name, 0);

	if (c) { /* else this user may not lock that much */
		ck_assert(!smaps_of(name).locked);
		ck_assert_int_eq(host_call(h, remote_is_locked, variants[_i].libqb_wire), 1);
		use(c);
		qb_ipcc_disconnect(c);
	} else {
		ck_assert(errno == ENOMEM || errno == EPERM);
	}
	host_stop(h);
}
END_TEST

START_TEST(service_that_need_not_lock_serves_though_the_process_must)
{
	static void (*const prepare[])(struct server * sv) = { service_does_not_lock,
							       service_tries_in_vain,
							       service_as_the_process };

	for (size_t i = 0; i < sizeof(prepare) / sizeof(prepare[0]); i++) {
		struct host *h = host_start(&(struct server_spec){
			VARIANT_SPEC(_i), .quiet = true, .prepare = prepare[i] });
		qb_ipcc_connection_t *c = client_connect(h->name, 0);

		use(c);
		qb_ipcc_disconnect(c);
		host_stop(h);
	}
}
END_TEST

/* That nothing stays behind is what the fixture looks for, in both processes. */
START_TEST(client_of_a_service_that_must_lock_and_cannot_is_refused_counted_and_logged)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true,
							   .prepare = service_must_in_vain });

	for (int i = 0; i < 3; i++) {
		ck_assert_ptr_null(qb_ipcc_connect(h->name, 0));
		ck_assert_int_eq(errno, EPERM);
	}
	ck_assert_int_eq(host_call(h, remote_unlocked), 3);
	ck_assert_int_eq(host_slot(h, 0), 1);
	host_expect_trace(h, "accept:1 destroyed:1 accept:2 destroyed:2 accept:3 destroyed:3");
	host_stop(h);
}
END_TEST

START_TEST(mode_of_a_running_service_holds_for_connections_made_afterwards)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true,
							   .prepare = service_as_the_process });
	qb_ipcc_connection_t *before = client_connect(h->name, 0), *after;

	use(before);
	ck_assert_int_eq(host_call(h, remote_lock, QBIPC_MEMORY_LOCK_MUST), 0);
	ck_assert_ptr_null(qb_ipcc_connect(h->name, 0));
	ck_assert_int_eq(errno, EPERM);
	use(before);
	ck_assert_int_eq(host_call(h, remote_unlocked), 1);
	ck_assert_int_eq(host_call(h, remote_lock, QBIPC_MEMORY_LOCK_TRY), 0);
	after = client_connect(h->name, 0);
	use(after);
	ck_assert_int_eq(host_call(h, remote_lock, QBIPC_MEMORY_LOCK_OFF), 0);
	use(after);
	qb_ipcc_disconnect(after);
	use(before);
	qb_ipcc_disconnect(before);
	host_stop(h);
}
END_TEST

static int64_t remote_bad_modes(struct server *sv, const int64_t *args)
{
	SERVER_REQUIRE_EQ(
		sv, qbipc_service_memory_lock_set(sv->service, (enum qbipc_memory_lock) - 1),
		-EINVAL);
	SERVER_REQUIRE_EQ(sv,
			  qbipc_service_memory_lock_set(sv->service, (enum qbipc_memory_lock)4),
			  -EINVAL);
	return qbipc_service_memory_lock_set(NULL, QBIPC_MEMORY_LOCK_OFF);
}

START_TEST(service_has_no_other_modes)
{
	struct host *h = host_start(&(struct server_spec){ .quiet = true });

	ck_assert_int_eq(host_call(h, remote_bad_modes), -EINVAL);
	host_stop(h);
}
END_TEST

START_TEST(other_modes_are_invalid)
{
	ck_assert_int_eq(qbipc_memory_lock_set((enum qbipc_memory_lock) - 1), -EINVAL);
	ck_assert_int_eq(qbipc_memory_lock_set((enum qbipc_memory_lock)3), -EINVAL);
	ck_assert_int_eq(qbipc_memory_lock_set(QBIPC_MEMORY_LOCK_TRY), 0);
	ck_assert_int_eq(qbipc_memory_lock_set(QBIPC_MEMORY_LOCK_OFF), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("memory lock");
	TCase *tc = tcase_new(s, "memory lock");

	add_transport_test(tc, connection_of_two_ends_that_lock_works);
	add_transport_test(tc, service_that_cannot_lock_but_tried_serves);
	add_transport_test(tc, service_that_must_lock_and_cannot_refuses);
	add_transport_test(tc, client_that_must_lock_and_cannot_does_not_connect);
	add_transport_test(tc, service_locks_its_end_though_the_process_does_not);
	add_transport_test(tc, service_that_need_not_lock_serves_though_the_process_must);
	add_transport_test(
		tc,
		client_of_a_service_that_must_lock_and_cannot_is_refused_counted_and_logged);
	add_transport_test(tc, mode_of_a_running_service_holds_for_connections_made_afterwards);
	tcase_add_test(tc, other_modes_are_invalid);
	tcase_add_test(tc, service_has_no_other_modes);
	return suite_main(s);
}
