/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * No wake-up is lost, whatever the server does between taking requests: it stops at its
 * batch, backs off, changes its priority, stops the flow and goes on. If one were lost, a
 * request would wait for ever, and the test for its deadline.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

enum { SLOT_TAKEN, SLOT_WRONG };
/* Beside others that never sleep, each yield may cost the sender a time slice. */
enum { REQUESTS = 20000, PAUSING_REQUESTS = 2000, ALONE = 5000, FIRST_ID = 1000 };

/* Ids count up from FIRST_ID. */
static void request_note(struct server *sv, const void *data)
{
	const struct qb_ipc_request_header *hdr = data;

	if (hdr->id != FIRST_ID + sv->shared->slot[SLOT_TAKEN])
		sv->shared->slot[SLOT_WRONG]++;
	sv->shared->slot[SLOT_TAKEN]++;
}

static int32_t msg_counts(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	request_note(sv, data);
	return 0;
}

static int32_t msg_backs_off(struct server *sv, qb_ipcs_connection_t *c, void *data,
			     size_t size)
{
	request_note(sv, data);
	return sv->shared->slot[SLOT_TAKEN] % 3 ? 0 : -1;
}

static struct {
	qb_ipcc_connection_t *c;
	uint32_t pause; /* yield after so many */
	int32_t requests;
	atomic_bool failed;
	atomic_bool done;
} sender;

static void *thread_send(void *data)
{
	/* Static: its padding is sent, too. */
	static struct qb_ipc_request_header hdr = { .size = sizeof(hdr) };

	for (int32_t i = 0; i < sender.requests; i++) {
		ssize_t n;

		hdr.id = FIRST_ID + i;
		while ((n = qb_ipcc_send(sender.c, &hdr, sizeof(hdr))) == -EAGAIN)
			pause_briefly();
		if (n != (ssize_t)sizeof(hdr)) {
			atomic_store(&sender.failed, true);
			break;
		}
		if (sender.pause && (uint32_t)i % sender.pause == 0)
			sched_yield();
	}
	atomic_store(&sender.done, true);
	return data;
}

static void sender_start(struct host *h, pthread_t *thread, uint32_t pause)
{
	sender.c = client_connect(h->name, 0);
	sender.pause = pause;
	sender.requests = pause ? PAUSING_REQUESTS : REQUESTS;
	atomic_store(&sender.done, false);
	ck_assert_int_eq(pthread_create(thread, NULL, thread_send, NULL), 0);
}

static void sender_finish(struct host *h, pthread_t thread)
{
	WAIT_FOR(atomic_load(&sender.done));
	pthread_join(thread, NULL);
	ck_assert(!atomic_load(&sender.failed));
	WAIT_FOR(host_slot(h, SLOT_TAKEN) == sender.requests);
	ck_assert_int_eq(host_slot(h, SLOT_WRONG), 0);
	qb_ipcc_disconnect(sender.c);
}

START_TEST(requests_arrive_while_rate_and_flow_change)
{
	static const enum qb_ipcs_rate_limit rates[] = {
		QB_IPCS_RATE_OFF,  QB_IPCS_RATE_SLOW, QB_IPCS_RATE_OFF_2,
		QB_IPCS_RATE_FAST, QB_IPCS_RATE_OFF,  QB_IPCS_RATE_NORMAL,
	};
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_counts });
	pthread_t thread;

	sender_start(h, &thread, 0);
	for (unsigned int i = 0; !atomic_load(&sender.done) || i % 6; i++)
		host_call(h, remote_rate, rates[i % 6]);
	sender_finish(h, thread);
	host_stop(h);
}
END_TEST

START_TEST(requests_arrive_when_the_server_backs_off)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_backs_off });
	pthread_t thread;

	sender_start(h, &thread, 7);
	sender_finish(h, thread);
	host_stop(h);
}
END_TEST

START_TEST(requests_arrive_one_per_dispatch)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_counts });
	pthread_t thread;

	host_call(h, remote_rate, QB_IPCS_RATE_SLOW);
	sender_start(h, &thread, 1);
	sender_finish(h, thread);
	host_stop(h);
}
END_TEST

/* The server is looking, about to sleep, or asleep. */
START_TEST(request_alone_wakes_the_server_at_any_moment)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_counts });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	for (int32_t i = 0; i < ALONE; i++) {
		uint64_t end = now_ms() + (uint64_t)deadline_ms();

		client_send_patiently(c, FIRST_ID + i, 16 + (size_t)i % 40);
		while (host_slot(h, SLOT_TAKEN) != i + 1) {
			ck_assert_msg(now_ms() < end, "request %d was never taken", i);
			sched_yield();
		}
		/* Up to some hundred microseconds, the length of a look and more. */
		for (uint32_t k = (uint32_t)i * 7919 % 1000 * 20; k; k--)
			atomic_thread_fence(memory_order_seq_cst);
	}
	ck_assert_int_eq(host_slot(h, SLOT_WRONG), 0);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(requests_that_were_queued_while_off_are_taken_when_on_again)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_counts });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	int64_t sent = 0;

	host_await_trace(h, "created:1");
	for (int round = 0; round < 200; round++) {
		/* Value 2 does not stop a client by default, but the server takes nothing. */
		host_call(h, remote_rate, QB_IPCS_RATE_OFF_2);
		for (int k = 0; k <= round % 4; k++, sent++)
			client_must_send(c, FIRST_ID + (int32_t)sent, 16);
		host_call(h, remote_nothing);
		ck_assert_int_eq(host_slot(h, SLOT_TAKEN), sent - 1 - round % 4);
		host_call(h, remote_rate, round % 2 ? QB_IPCS_RATE_SLOW : QB_IPCS_RATE_FAST);
		WAIT_FOR(host_slot(h, SLOT_TAKEN) == sent);
	}
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("wake-ups");
	TCase *tc = tcase_new(s, "requests");

	add_variant_test(tc, requests_arrive_while_rate_and_flow_change);
	add_variant_test(tc, requests_arrive_when_the_server_backs_off);
	add_variant_test(tc, requests_arrive_one_per_dispatch);
	add_transport_test(tc, request_alone_wakes_the_server_at_any_moment);
	add_variant_test(tc, requests_that_were_queued_while_off_are_taken_when_on_again);
	return suite_main(s);
}
