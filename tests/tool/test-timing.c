/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Times that a service measures: how long its application takes for a request, and how late
 * its loop is. A callback that keeps the thread for a known time makes both; a slow machine
 * makes them longer, never shorter.
 */
#include <errno.h>
#include <time.h>

#include <check.h>
#include <qb/qbipc_ext.h>
#include <qb/qbipcc.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/server.h"
#include "tests/lib/variant.h"
#include "tests/tool/ask.h"

enum { LONG_MS = 3, VERY_LONG_MS = 300 };

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* In the child: nothing else runs in this thread for so long. */
static void keep_busy(uint64_t ms)
{
	uint64_t end = now_ns() + ms * 1000000;

	while (now_ns() < end)
		;
}

static void timing_on(struct server *sv)
{
	SERVER_REQUIRE_EQ(sv, qbipc_service_timing_set(sv->service, 1), 0);
}

/* { on } */
static int64_t remote_timing(struct server *sv, const int64_t *args)
{
	return qbipc_service_timing_set(sv->service, (int)args[0]);
}

/* { ms } */
static int64_t remote_busy(struct server *sv, const int64_t *args)
{
	keep_busy((uint64_t)args[0]);
	return 0;
}

static int32_t long_msg(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	keep_busy(LONG_MS);
	return server_default_msg(sv, c, data, size);
}

static int32_t off_msg(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	SERVER_REQUIRE_EQ(sv, qbipc_service_timing_set(sv->service, 0), 0);
	return server_default_msg(sv, c, data, size);
}

/* 0, and the times; -errno. */
static int times_try(const char *name, enum qbipc_timing which, struct qbipc_timing_times *t)
{
	qbipc_snapshot_t *s = ask_watch(name);
	int r;

	*t = (struct qbipc_timing_times){ .size = sizeof(*t) };
	r = qbipc_snapshot_timing_get(s, which, t);
	qbipc_snapshot_free(s);
	return r;
}

static struct qbipc_timing_times times_of(const char *name, enum qbipc_timing which)
{
	struct qbipc_timing_times t;

	ck_assert_int_eq(times_try(name, which, &t), 0);
	return t;
}

/* How many took longer than @ms, which has to be the bound of a part. */
static uint64_t count_above(const struct qbipc_timing_times *t, uint64_t ms)
{
	uint64_t n = 0;
	int i;

	for (i = QBIPC_TIMING_BUCKETS - 1; t->bucket[i].up_to_ns > ms * 1000000; i--)
		n += t->bucket[i].count;
	ck_assert_uint_eq(t->bucket[i].up_to_ns, ms * 1000000);
	return n;
}

START_TEST(nothing_is_measured_unless_asked_for)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	struct qbipc_timing_times t;

	client_echo(c, 100);
	ck_assert_int_eq(times_try(h->name, QBIPC_TIMING_PROCESS, &t), -ENODATA);
	ck_assert_int_eq(times_try(h->name, QBIPC_TIMING_LATENESS, &t), -ENODATA);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(requests_are_timed)
{
	struct host *h = host_start(&(struct server_spec){
		VARIANT_SPEC(_i), .prepare = timing_on, .msg = long_msg });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	struct qbipc_timing_times t = times_of(h->name, QBIPC_TIMING_PROCESS);

	ck_assert_uint_eq(t.count, 0);
	ck_assert_uint_eq(t.sum_ns, 0);
	client_echo(c, 100);
	client_echo(c, 100);
	/* The time of a request is added after its response: one more round. */
	host_call(h, remote_nothing);
	t = times_of(h->name, QBIPC_TIMING_PROCESS);
	ck_assert_uint_eq(t.count, 2);
	ck_assert_uint_ge(t.sum_ns, 2 * LONG_MS * 1000000);
	ck_assert_uint_eq(count_above(&t, 2), 2);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(times_are_forgotten_when_it_is_switched_off)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	struct qbipc_timing_times t;

	client_echo(c, 100);
	ck_assert_int_eq(host_call(h, remote_timing, 1), 0);
	client_echo(c, 100);
	ck_assert_int_eq(host_call(h, remote_timing, 1), 0);
	ck_assert_uint_eq(times_of(h->name, QBIPC_TIMING_PROCESS).count, 1);
	ck_assert_int_eq(host_call(h, remote_timing, 0), 0);
	ck_assert_int_eq(host_call(h, remote_timing, 0), 0);
	client_echo(c, 100);
	ck_assert_int_eq(times_try(h->name, QBIPC_TIMING_PROCESS, &t), -ENODATA);
	ck_assert_int_eq(host_call(h, remote_timing, 1), 0);
	ck_assert_uint_eq(times_of(h->name, QBIPC_TIMING_PROCESS).count, 0);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(it_may_be_switched_off_by_a_request)
{
	struct host *h = host_start(&(struct server_spec){
		VARIANT_SPEC(_i), .prepare = timing_on, .msg = off_msg });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	struct qbipc_timing_times t;

	client_echo(c, 100);
	client_echo(c, 100);
	ck_assert_int_eq(times_try(h->name, QBIPC_TIMING_PROCESS, &t), -ENODATA);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* Lateness is counted by a timer of the loop; wait for it to have @ms. */
static void lateness_await(const char *name, uint64_t ms)
{
	uint64_t end = now_ns() + (uint64_t)deadline_ms() * 1000000;
	struct qbipc_timing_times t;

	do {
		ck_assert_uint_lt(now_ns(), end);
		t = times_of(name, QBIPC_TIMING_LATENESS);
	} while (count_above(&t, ms) == 0);
	ck_assert_uint_gt(t.sum_ns, ms * 1000000);
}

START_TEST(lateness_of_the_loop_is_measured)
{
	struct host *h =
		host_start(&(struct server_spec){ VARIANT_SPEC(_i), .prepare = timing_on });

	host_call(h, remote_busy, VERY_LONG_MS);
	lateness_await(h->name, 100);
	/* The same after it was switched on while the service ran. */
	ck_assert_int_eq(host_call(h, remote_timing, 0), 0);
	ck_assert_int_eq(host_call(h, remote_timing, 1), 0);
	host_call(h, remote_busy, VERY_LONG_MS);
	lateness_await(h->name, 100);
	host_stop(h);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("times of a service");
	TCase *tc = tcase_new(s, "timing");

	add_transport_test(tc, nothing_is_measured_unless_asked_for);
	add_transport_test(tc, requests_are_timed);
	add_transport_test(tc, times_are_forgotten_when_it_is_switched_off);
	add_transport_test(tc, it_may_be_switched_off_by_a_request);
	add_variant_test(tc, lateness_of_the_loop_is_measured);
	return s;
}

int main(void)
{
	return suite_main(suite());
}
