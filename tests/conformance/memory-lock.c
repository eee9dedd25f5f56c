/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections in locked memory, and what happens when it cannot be had. */
#include <errno.h>
#include <qb/qbipc_ext.h>

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
	tcase_add_test(tc, other_modes_are_invalid);
	return suite_main(s);
}
