/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What connections cost a server that has nothing to do, and what one of them can cost
 * the others. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

enum { IDLE = 100, WATCH_MS = 1000, IDLE_CPU_US = 20000, ECHOES = 300 };

static uint64_t cpu_us_of(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	ck_assert_int_eq(clock_getcpuclockid(pid, &clock), 0);
	ck_assert_int_eq(clock_gettime(clock, &ts), 0);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

START_TEST(idle_connections_cost_no_cpu)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true });
	qb_ipcc_connection_t *c[IDLE];
	uint64_t server, client;

	for (int i = 0; i < IDLE; i++) {
		c[i] = client_connect(h->name, 0);
		client_echo(c[i], 100);
	}
	server = cpu_us_of(h->pid);
	client = cpu_us_of(getpid());
	/* The time that is looked at. */
	ck_assert_int_eq(poll(NULL, 0, WATCH_MS), 0);
	ck_assert_uint_le(cpu_us_of(h->pid) - server, IDLE_CPU_US * test_slowdown());
	ck_assert_uint_le(cpu_us_of(getpid()) - client, IDLE_CPU_US * test_slowdown());
	for (int i = 0; i < IDLE; i++)
		qb_ipcc_disconnect(c[i]);
	host_stop(h);
}
END_TEST

/* -- One that sends now and then ------------------------------------------------------- */

static int64_t dispatches(struct host *h)
{
	struct adapter_counts *counts = (void *)h->shared->blob;

	host_call(h, remote_adapter_counts);
	return counts->dispatches;
}

/*
 * After a few requests the server knows that the next one is far off, and serves each in one
 * dispatch. The machine may bring a request late and the next one soon after it, so until
 * it was seen.
 */
START_TEST(request_now_and_then_costs_one_dispatch)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	uint64_t end = now_ms() + (uint64_t)deadline_ms();
	int in_a_row = 0;

	while (in_a_row < 5) {
		int64_t before = dispatches(h);

		ck_assert_msg(now_ms() < end, "%d in a row", in_a_row);
		client_echo(c, 100);
		pause_briefly();
		in_a_row = dispatches(h) - before == 1 ? in_a_row + 1 : 0;
	}
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* -- One that floods ---------------------------------------------------------------- */

enum { SLOT_FLOOD, SLOT_BEFORE_OTHER, SLOT_OTHER };

/* A request that takes longer than the library serves beyond a batch. */
enum { LONG_US = 40 };

static int32_t msg_orders(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	_Atomic int64_t *slot = sv->shared->slot;

	if (server_number(sv, c) == 1) {
		slot[SLOT_FLOOD]++;
		busy_for_us(LONG_US);
		return 0;
	}
	slot[SLOT_BEFORE_OTHER] = atomic_load(&slot[SLOT_FLOOD]);
	slot[SLOT_OTHER]++;
	return 0;
}

/* All queued before the server looks at any: how many of the one come before the other. */
START_TEST(full_queue_of_one_delays_another_by_its_batches_only)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_orders });
	qb_ipcc_connection_t *flood = client_connect(h->name, 0), *other;
	int64_t sent = 0;

	host_await_trace(h, "created:1");
	other = client_connect(h->name, 0);
	host_await_trace(h, "created:2");
	host_freeze(h);
	while (sent < 1000 && client_send(flood, 100, 40) == 40)
		sent++;
	client_must_send(other, 100, 40);
	host_thaw(h);
	WAIT_FOR(host_slot(h, SLOT_FLOOD) == sent && host_slot(h, SLOT_OTHER) == 1);
	/* NORMAL takes 5 at a time, in one round of the loop or two. */
	ck_assert_int_le(host_slot(h, SLOT_BEFORE_OTHER), 3 * 5);
	qb_ipcc_disconnect(flood);
	qb_ipcc_disconnect(other);
	host_stop(h);
}
END_TEST

static void flood_for_ever(const char *name)
{
	/* Static: its padding is sent, too. */
	static struct qb_ipc_request_header hdr = { .id = MSG_SILENT, .size = sizeof(hdr) };
	qb_ipcc_connection_t *c = qb_ipcc_connect(name, 0);
	ssize_t n = 0;

	while (c && (n >= 0 || n == -EAGAIN)) {
		n = qb_ipcc_send(c, &hdr, sizeof(hdr));
		if (n == -EAGAIN)
			sched_yield();
	}
	_exit(1);
}

START_TEST(client_that_floods_does_not_starve_another)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true });
	pid_t pid = fork();
	qb_ipcc_connection_t *c;
	uint64_t longest = 0;

	if (pid == 0)
		flood_for_ever(h->name);
	host_await_trace(h, "created:1");
	c = client_connect(h->name, 0);
	for (int i = 0; i < ECHOES; i++) {
		uint64_t begin = now_ms(), took;

		client_echo(c, 64);
		took = now_ms() - begin;
		if (took > longest)
			longest = took;
	}
	printf("# %s: longest answer during the flood %llu ms\n", variants[_i].name,
	       (unsigned long long)longest);
	fflush(stdout);
	ck_assert_uint_le(longest, 1000 * test_slowdown());
	/* Still there and still flooding. */
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	host_await_trace(h, "destroyed:1");
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cost of connections");
	TCase *tc = tcase_new(s, "idle");

	add_variant_test(tc, idle_connections_cost_no_cpu);

	tc = tcase_new(s, "flood");
	add_variant_test(tc, request_now_and_then_costs_one_dispatch);
	add_variant_test(tc, full_queue_of_one_delays_another_by_its_batches_only);
	add_variant_test(tc, client_that_floods_does_not_starve_another);
	return suite_main(s);
}
