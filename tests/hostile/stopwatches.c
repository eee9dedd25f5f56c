/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What judges the others is judged: a dispatch that is held up, or computes, for a little
 * longer than is allowed is found, and one that only has to share its CPU is not.
 */
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/hostile/tools.h"
#include "tests/hostile/witness.h"
#include "tests/lib/message.h"

/* Of requests: what the server is to do in its dispatch. */
enum { MSG_SLEEP = 70001, MSG_COMPUTE, MSG_SHARE };

enum {
	SLIGHTLY_MORE_MS = 60,
	LESS_MS = 30,  /* of CPU time */
	NEIGHBORS = 3, /* of one CPU */
	TURNS = 1000,
	MANY = 100,
};

static uint64_t cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Until it has taken @wall_ms, or computed for @cpu_ms. */
static void compute(uint64_t wall, uint64_t cpu)
{
	wall += now_ms();
	cpu += cpu_ms();
	while (now_ms() < wall && cpu_ms() < cpu)
		;
}

static int32_t slow_msg(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	int more = SLIGHTLY_MORE_MS * (int)test_slowdown();

	switch (((const struct qb_ipc_request_header *)data)->id) {
	case MSG_SLEEP: (void)poll(NULL, 0, more); break;
	case MSG_COMPUTE: compute(UINT32_MAX, (uint64_t)more); break;
	case MSG_SHARE:
		/* So that the thread has given up its CPU once. */
		(void)poll(NULL, 0, 1);
		compute((uint64_t)more, LESS_MS * test_slowdown());
		break;
	default: break;
	}
	return server_default_msg(sv, c, data, size);
}

static bool account_is_missing(void)
{
	int account = stopwatch_account();

	if (account < 0)
		printf("# skip: the kernel keeps no account of a thread's time\n");
	else
		close(account);
	return account < 0;
}

static void without_witness(struct server *sv)
{
	witness_dismiss();
}

static struct host *slow_start(int variant, void (*prepare)(struct server *))
{
	struct server_spec spec = { VARIANT_SPEC(variant), .untraced = true, .msg = slow_msg,
				    .prepare = prepare };

	spec.adapter = &adapter_watched;
	return host_start(&spec);
}

static void slow_call(struct host *h, int32_t id)
{
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	client_must_send(c, id, 100);
	client_must_recv(c, id, 100);
	qb_ipcc_disconnect(c);
}

START_TEST(dispatch_that_sleeps_is_found)
{
	struct host *h;

	if (account_is_missing())
		return;
	h = slow_start(_i, without_witness);
	slow_call(h, MSG_SLEEP);
	WAIT_FOR(host_slot(h, SLOT_BLOCKED_COUNT) > 0);
	ck_assert_int_eq(host_slot(h, SLOT_RAN_COUNT), 0);
	host_stop(h);
}
END_TEST

START_TEST(dispatch_that_computes_is_found)
{
	struct host *h = slow_start(_i, NULL);

	slow_call(h, MSG_COMPUTE);
	WAIT_FOR(host_slot(h, SLOT_RAN_COUNT) == 1);
	ck_assert_int_eq(host_slot(h, SLOT_BLOCKED_COUNT), 0);
	host_stop(h);
}
END_TEST

static void neighbors_start(pid_t *pids, int n)
{
	for (int i = 0; i < n; i++) {
		pids[i] = fork();
		ck_assert_int_ge(pids[i], 0);
		if (pids[i] > 0)
			continue;
		for (;;)
			;
	}
}

static void neighbors_end(const pid_t *pids, int n)
{
	for (int i = 0; i < n; i++) {
		ck_assert_int_eq(kill(pids[i], SIGKILL), 0);
		ck_assert_int_eq(waitpid(pids[i], NULL, 0), pids[i]);
	}
}

static bool was_shared(struct host *h)
{
	struct lap worst = watch_worst(h);

	return worst.wall >= SLIGHTLY_MORE_MS * 1000000ull;
}

START_TEST(dispatch_that_shares_its_cpu_is_not)
{
	pid_t pids[NEIGHBORS];
	cpu_set_t cpus;
	struct host *h;

	/* All on one, wherever that is. */
	CPU_ZERO(&cpus);
	CPU_SET((unsigned int)sched_getcpu(), &cpus);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
	h = slow_start(_i, NULL);
	neighbors_start(pids, NEIGHBORS);
	for (int i = 0; i < TURNS && !was_shared(h); i++)
		slow_call(h, MSG_SHARE);
	neighbors_end(pids, NEIGHBORS);
	ck_assert(was_shared(h));
	watch_check(h, true, true);
	host_stop(h);
}
END_TEST

/* A server that an attacker can have sleep in a dispatch. */
static void prepare_slow(struct server *sv)
{
	witness_dismiss();
	sv->spec.msg = slow_msg;
}

/* By all processes: the attacks that have been made. */
static struct {
	_Atomic(int) n;
} * attacks;

static void attack_again(struct arena *a, int last)
{
	struct raw p;

	raw_connect(&p, &a->wish);
	raw_call(&p, atomic_fetch_add(&attacks->n, 1) < last ? MSG_SLEEP : 5, 100);
	raw_close(&p);
	arena_honest_goes_on(a);
}

static void attack_each_time(struct arena *a)
{
	attack_again(a, ATTEMPTS);
}

static void attack_twice(struct arena *a)
{
	attack_again(a, ATTEMPTS - 1);
}

/* An attack fails that blocks a dispatch each time, and only then. */
START_TEST(attack_that_blocks_has_to_do_so_each_time)
{
	static const struct arena_terms terms = { .prepare = prepare_slow };

	if (account_is_missing())
		return;
	attacks = mmap(NULL, sizeof(*attacks), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(attacks, MAP_FAILED);
	ck_assert_int_eq(arena_blocked(_i, "each time", &terms, attack_each_time), ATTEMPTS);
	ck_assert_int_eq(atomic_load(&attacks->n), ATTEMPTS);
	atomic_store(&attacks->n, 0);
	ck_assert_int_eq(arena_blocked(_i, "twice", &terms, attack_twice), ATTEMPTS - 1);
	ck_assert_int_eq(atomic_load(&attacks->n), ATTEMPTS);
	munmap(attacks, sizeof(*attacks));
}
END_TEST

/* Of what was blocked, as much as somebody else had no CPU; of what computed, nothing. */
START_TEST(what_others_wait_excuses_as_much)
{
	struct lap l = { .blocked = 60 * 1000000ull * test_slowdown(),
			 .ran = 60 * 1000000ull * test_slowdown() };

	ck_assert(lap_is_blocked(&l, 0));
	ck_assert(!lap_is_blocked(&l, 60));
	l.excused = 9 * 1000000ull * test_slowdown();
	ck_assert(lap_is_blocked(&l, 0));
	l.excused = 11 * 1000000ull * test_slowdown();
	ck_assert(!lap_is_blocked(&l, 0));
	ck_assert(lap_is_computing(&l, 0));
}
END_TEST

/* Where there are not CPUs for all. */
START_TEST(witness_waits_among_neighbors)
{
	pid_t pids[MANY];
	uint64_t began = stopwatch_now();
	cpu_set_t cpus;
	int n;

	if (account_is_missing())
		return;
	ck_assert_int_eq(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	n = 2 * CPU_COUNT(&cpus);
	if (n > MANY)
		n = MANY;
	neighbors_start(pids, n);
	if (n < MANY)
		WAIT_FOR(witness_waited(began) > 0);
	neighbors_end(pids, n);
}
END_TEST

/* The calls of clients are judged by the same. */
START_TEST(laps_tell_sleep_from_work)
{
	struct stopwatch s;
	struct lap l;

	if (account_is_missing())
		return;
	stopwatch_start(&s, -1);
	ck_assert_int_eq(poll(NULL, 0, 100), 0);
	l = stopwatch_read(&s, -1);
	ck_assert_uint_ge(l.blocked + l.waited, 99 * 1000000);
	ck_assert_uint_lt(l.ran, l.blocked);
	ck_assert(!lap_is_blocked(&l, 100));
	stopwatch_start(&s, -1);
	compute(UINT32_MAX, 100);
	l = stopwatch_read(&s, -1);
	ck_assert_uint_ge(l.ran, 99 * 1000000);
	ck_assert(lap_is_computing(&l, 0) || test_slowdown() > 1);
	ck_assert(!lap_is_blocked(&l, 0));
}
END_TEST

/* As the kernel tells it; 0: not at all. */
static unsigned long table_room(void)
{
	char line[100];
	unsigned long room = 0;
	FILE *f = fopen("/proc/thread-self/status", "re");

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) && sscanf(line, "FDSize: %lu", &room) != 1)
		continue;
	fclose(f);
	return room;
}

/* Else a call would wait for all CPUs, if a peer passes descriptors and there are threads. */
START_TEST(table_of_descriptors_needs_not_grow_meanwhile)
{
	unsigned long before = table_room();

	if (before == 0 || before >= 1024)
		return;
	stopwatch_prepare();
	ck_assert_uint_ge(table_room(), 1024);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile: the stop-watch");
	TCase *tc = tcase_new(s, "stop-watch");

	add_transport_test(tc, dispatch_that_sleeps_is_found);
	add_transport_test(tc, dispatch_that_computes_is_found);
	add_transport_test(tc, dispatch_that_shares_its_cpu_is_not);
	add_transport_test(tc, attack_that_blocks_has_to_do_so_each_time);
	tcase_add_test(tc, what_others_wait_excuses_as_much);
	tcase_add_test(tc, witness_waits_among_neighbors);
	tcase_add_test(tc, laps_tell_sleep_from_work);
	tcase_add_test(tc, table_of_descriptors_needs_not_grow_meanwhile);
	return arena_main(s);
}
