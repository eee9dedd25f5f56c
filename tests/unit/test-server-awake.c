/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A server that polls a descriptor for the next request before it goes back to its loop. */
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpus.h"
#include "tests/lib/variant.h"
#include "transport/server-awake.h"

#define US 1000ull

/* Longer than a first poll, so that no other limit ends it. */
enum { LONGEST = 200000 };

static struct qbi_server_shared shared;
static struct qbi_server_awake a;
static int pair[2];
static unsigned int sends_at_yield;
static long yield_takes; /* ns */
static const int end, other_end;

static void setup(void)
{
	const struct qbi_server_spec spec = { .shared = &shared, .peer.pid = getpid() };

	sends_at_yield = 0;
	yield_takes = 0;
	qbi_busy_poll_longest_set(LONGEST);
	memset(&shared, 0, sizeof(shared));
	qbi_busy_poll_init(&shared.busy_poll);
	/* As on a machine with CPUs to spare. */
	shared.busy_poll.longest = LONGEST;
	qbi_server_awake_init(&a, &spec);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
}

static void teardown(void)
{
	close(pair[0]);
	close(pair[1]);
}

static void byte_send(void)
{
	ck_assert_int_eq(send(pair[1], "", 1, 0), 1);
}

static char byte_receive(void)
{
	char byte = 1;

	ck_assert_int_eq(recv(pair[0], &byte, 1, MSG_DONTWAIT), 1);
	return byte;
}

/* Instead of that of libc: the client sends while the server yields to it. */
int sched_yield(void)
{
	if (sends_at_yield && --sends_at_yield == 0)
		byte_send();
	if (yield_takes)
		(void)nanosleep(&(struct timespec){ .tv_nsec = yield_takes }, NULL);
	return 0;
}

START_TEST(byte_that_is_there_is_found_and_stays)
{
	byte_send();
	ck_assert(qbi_server_awake_poll(&a, &end, pair[0]));
	ck_assert(!a.asleep);
	ck_assert_int_eq(byte_receive(), 0);
}
END_TEST

START_TEST(nothing_ends_the_poll_soon)
{
	uint64_t began = qbi_now_ns();

	ck_assert(!qbi_server_awake_poll(&a, &end, pair[0]));
	ck_assert(a.asleep);
	ck_assert_uint_ge(qbi_now_ns() - began, 10 * US);
	/* It was paid for. */
	ck_assert_int_lt(shared.busy_poll.allowance, 1000000);
	/* A request that came later tells that the poll was too short. */
	qbi_server_awake_took(&a);
	ck_assert(!a.asleep);
	ck_assert_uint_eq(a.requests.n, 1);
}
END_TEST

START_TEST(byte_that_comes_meanwhile_is_found)
{
	sends_at_yield = 3;
	ck_assert(qbi_server_awake_poll(&a, &end, pair[0]));
	ck_assert_uint_eq(sends_at_yield, 0);
	ck_assert_int_eq(byte_receive(), 0);
	ck_assert(!a.asleep);
	ck_assert_uint_eq(a.requests.n, 1);
}
END_TEST

/* Another thread took a time slice: that ends the poll, and there is none for a while. */
START_TEST(slice_that_is_lost_counts_though_a_byte_came_in_it)
{
	sends_at_yield = 1;
	yield_takes = 2000000;
	ck_assert(!qbi_server_awake_poll(&a, &end, pair[0]));
	ck_assert(a.asleep);
	ck_assert_uint_gt(shared.busy_poll.not_before, qbi_now_ns());
}
END_TEST

START_TEST(end_of_the_client_is_found)
{
	shutdown(pair[1], SHUT_RDWR);
	ck_assert(qbi_server_awake_poll(&a, &end, pair[0]));
	/* The loop would report it as well. */
	ck_assert(qbi_server_awake_poll(&a, &end, -1));
}
END_TEST

static void cpu_pin(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)sched_getcpu(), &set);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(set), &set), 0);
}

/* A switch is quicker than what is assumed of two CPUs; each of which may be the only one. */
START_TEST(client_on_our_only_cpu_is_told_from_one_elsewhere)
{
	bool one_for_all = qbi_cpus_is_one();

	qbi_arrivals_sleep(&a.requests, 1, 1);
	qbi_server_awake_woken(&a);
	if (!one_for_all)
		ck_assert_uint_eq(a.requests.wake, 0);
	cpu_pin();
	qbi_busy_poll_init(&shared.busy_poll);
	ck_assert(shared.busy_poll.one_cpu);
	qbi_arrivals_sleep(&a.requests, 1, 1);
	qbi_server_awake_woken(&a);
	ck_assert_uint_eq(a.requests.wake, QBI_ARRIVALS_SWITCH_NS);
	/* Nobody, or somebody who may run anywhere else as well. */
	ck_assert(!qbi_cpus_is_one_with(0));
	if (!one_for_all)
		ck_assert(!qbi_cpus_is_one_with(getppid()));
}
END_TEST

/* It would lose a time slice to a thread that is busy on this CPU. */
START_TEST(poll_that_is_rare_does_not_yield)
{
	sends_at_yield = 1;
	shared.busy_poll.filled = qbi_now_ns() - 100000 * US;
	ck_assert(!qbi_server_awake_poll(&a, &end, pair[0]));
	ck_assert_uint_eq(sends_at_yield, 1);
	/* Unless it is the client who has to run there. */
	a.same_cpu = true;
	shared.busy_poll.filled = qbi_now_ns() - 100000 * US;
	ck_assert(qbi_server_awake_poll(&a, &end, pair[0]));
	ck_assert_uint_eq(sends_at_yield, 0);
}
END_TEST

START_TEST(no_poll_while_others_are_busy)
{
	byte_send();
	ck_assert(qbi_server_awake_poll(&a, &end, pair[0]));
	/* What the other one sent last is not known, but that it did. */
	ck_assert(!qbi_server_awake_poll(&a, &other_end, pair[0]));
	ck_assert(!a.asleep);
}
END_TEST

START_TEST(no_poll_where_none_is_allowed)
{
	byte_send();
	shared.busy_poll.setting = shared.busy_poll.longest = 0;
	ck_assert(!qbi_server_awake_poll(&a, &end, pair[0]));
}
END_TEST

START_TEST(requests_that_come_late_are_not_polled_for)
{
	byte_send();
	for (int i = 0; i < QBI_ARRIVALS_KEPT; i++)
		qbi_arrivals_note(&a.requests, 5000 * US);
	ck_assert_int_eq(a.requests.of, QBI_ARRIVALS_OF_REQUESTS);
	ck_assert(!qbi_server_awake_poll(&a, &end, pair[0]));
	ck_assert(a.asleep);
	ck_assert_uint_ne(a.requests.began, 0);
}
END_TEST

/* However many requests come one after the other, each in time. */
START_TEST(polls_of_one_dispatch_have_an_end)
{
	uint64_t began = qbi_now_ns();
	unsigned int n = 0;

	do {
		/* The one before was taken; this one comes after some time. */
		sends_at_yield = 10;
		shared.busy_poll.allowance = 1000000;
		shared.busy_poll.not_before = 0;
		n++;
	} while (qbi_server_awake_poll(&a, &end, pair[0]) && byte_receive() == 0 && n < 1000);
	ck_assert_uint_lt(n, 1000);
	ck_assert_uint_eq(a.slice_left, 0);
	ck_assert_uint_ge(qbi_now_ns() - began, 20 * US);
	qbi_server_awake_begin(&a);
	sends_at_yield = 1;
	ck_assert(qbi_server_awake_poll(&a, &end, pair[0]));
}
END_TEST

START_TEST(end_is_forgotten_when_it_leaves)
{
	byte_send();
	ck_assert(qbi_server_awake_poll(&a, &end, pair[0]));
	ck_assert_ptr_eq(shared.busy, &end);
	ck_assert(qbi_server_awake_leave(&a, &other_end));
	ck_assert_ptr_eq(shared.busy, &end);
	a.shared = &shared;
	ck_assert(qbi_server_awake_leave(&a, &end));
	ck_assert_ptr_null(shared.busy);
	ck_assert(!qbi_server_awake_leave(&a, &end));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("server-awake");
	TCase *tc = tcase_new(s, "polls");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, byte_that_is_there_is_found_and_stays);
	tcase_add_test(tc, nothing_ends_the_poll_soon);
	tcase_add_test(tc, byte_that_comes_meanwhile_is_found);
	tcase_add_test(tc, slice_that_is_lost_counts_though_a_byte_came_in_it);
	tcase_add_test(tc, end_of_the_client_is_found);
	tcase_add_test(tc, client_on_our_only_cpu_is_told_from_one_elsewhere);
	tcase_add_test(tc, poll_that_is_rare_does_not_yield);
	tcase_add_test(tc, no_poll_while_others_are_busy);
	tcase_add_test(tc, no_poll_where_none_is_allowed);
	tcase_add_test(tc, requests_that_come_late_are_not_polled_for);
	tcase_add_test(tc, polls_of_one_dispatch_have_an_end);
	tcase_add_test(tc, end_is_forgotten_when_it_leaves);
	return suite_main(s);
}
