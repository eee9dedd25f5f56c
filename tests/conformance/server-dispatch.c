/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How requests get from the wire into msg_process: how many, in what shape. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

enum {
	SLOT_TAKEN,	  /* messages taken */
	SLOT_MOST,	  /* the most of them in one dispatch */
	SLOT_IN_DISPATCH, /* of them in the present one */
	SLOT_DISPATCH,	  /* its number */
	SLOT_FIRST_BATCH, /* of them in the first one */
	SLOT_SIZE,	  /* the size given with the last */
};

/* In which the library serves requests beyond the batch. */
enum { SLICE_US = 20 };

/* Counts, and says nothing back. */
static int32_t msg_counts(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	_Atomic int64_t *slot = sv->shared->slot;

	if (slot[SLOT_DISPATCH] != adapter_counts.dispatches) {
		slot[SLOT_DISPATCH] = adapter_counts.dispatches;
		slot[SLOT_IN_DISPATCH] = 0;
	}
	slot[SLOT_IN_DISPATCH]++;
	if (slot[SLOT_IN_DISPATCH] > slot[SLOT_MOST])
		slot[SLOT_MOST] = atomic_load(&slot[SLOT_IN_DISPATCH]);
	slot[SLOT_SIZE] = (int64_t)size;
	slot[SLOT_TAKEN]++;
	return 0;
}

/* Send while the server stands still, so that all are there at its first look. */
static int64_t queue_frozen(struct host *h, qb_ipcc_connection_t *c, int64_t count)
{
	int64_t before = host_slot(h, SLOT_TAKEN), sent = 0;

	host_freeze(h);
	while (sent < count && client_send(c, 100, 40) == 40)
		sent++;
	host_thaw(h);
	WAIT_FOR(host_slot(h, SLOT_TAKEN) == before + sent);
	return sent;
}

/* The same, and each takes long. */
static int32_t msg_counts_long(struct server *sv, qb_ipcs_connection_t *c, void *data,
			       size_t size)
{
	busy_for_us(2 * SLICE_US);
	return msg_counts(sv, c, data, size);
}

static void check_batch(int i, enum qb_ipcs_rate_limit rate, int64_t limit)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(i), .quiet = true,
							   .msg = msg_counts_long });
	qb_ipcc_connection_t *c;
	int64_t sent;

	host_call(h, remote_rate, rate);
	c = client_connect(h->name, 0);
	host_await_trace(h, "created:1");
	sent = queue_frozen(h, c, 2 * limit + 1);
	ck_assert_int_ge(sent, 2);
	ck_assert_int_eq(host_slot(h, SLOT_MOST), sent < limit ? sent : limit);
	qb_ipcc_disconnect(c);
	host_stop(h);
}

START_TEST(fast_takes_up_to_50_messages_per_dispatch)
{
	check_batch(_i, QB_IPCS_RATE_FAST, 50);
}
END_TEST

START_TEST(normal_takes_up_to_5_messages_per_dispatch)
{
	check_batch(_i, QB_IPCS_RATE_NORMAL, 5);
}
END_TEST

static void check_series(int i)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(i), .quiet = true, .msg = msg_counts });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	/* There each request has a wake-up, which the dispatch receives at its end. */
	bool wake_up_each = variants[i].libqb_wire && variants[i].type == QB_IPC_SHM;
	uint64_t end = now_ms() + (uint64_t)deadline_ms();
	int rounds = 0;

	host_await_trace(h, "created:1");
	/* Until it was seen, as the server may lose its CPU after any message. */
	do {
		ck_assert_msg(now_ms() < end, "most in one dispatch: %d",
			      (int)host_slot(h, SLOT_MOST));
		ck_assert_int_gt(queue_frozen(h, c, 40), 5);
		rounds++;
	} while (wake_up_each ? rounds < 5 : host_slot(h, SLOT_MOST) <= 5);
	if (wake_up_each)
		ck_assert_int_eq(host_slot(h, SLOT_MOST), 5);
	qb_ipcc_disconnect(c);
	host_stop(h);
}

START_TEST(requests_that_take_little_time_are_served_beyond_the_batch)
{
	check_series(_i);
}
END_TEST

START_TEST(slow_takes_one_message_per_dispatch)
{
	check_batch(_i, QB_IPCS_RATE_SLOW, 1);
}
END_TEST

static int32_t msg_backs_off(struct server *sv, qb_ipcs_connection_t *c, void *data,
			     size_t size)
{
	const struct qb_ipc_request_header *hdr = data;

	server_trace(sv, "id:%d", hdr->id);
	msg_counts(sv, c, data, size);
	return -1;
}

START_TEST(negative_msg_process_ends_the_dispatch_but_consumes_the_message)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_backs_off });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	host_await_trace(h, "created:1");
	host_freeze(h);
	for (int32_t id = 101; id <= 104; id++)
		client_must_send(c, id, 40);
	host_thaw(h);
	host_expect_trace(h, "accept:1 created:1 id:101 id:102 id:103 id:104");
	ck_assert_int_eq(host_slot(h, SLOT_MOST), 1);
	ck_assert_int_eq(qb_ipcc_is_connected(c), 1);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static void check_disconnects(int i, struct request *r, size_t size)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	qb_ipcc_connection_t *other = client_connect(h->name, 0);

	host_await_trace(h, "created:2");
	ck_assert_int_eq(qb_ipcc_send(c, r, size), (ssize_t)size);
	host_expect_trace(h, "accept:1 created:1 accept:2 created:2 closed:1 destroyed:1");
	client_echo(other, 64);
	qb_ipcc_disconnect(c);
	qb_ipcc_disconnect(other);
	host_stop(h);
	free(r);
}

static struct request *request_lying(int32_t id, int32_t claimed, size_t size)
{
	struct request *r = request_new(id, size);

	r->hdr.size = claimed;
	return r;
}

START_TEST(request_with_the_disconnect_id_disconnects)
{
	check_disconnects(_i, request_new(QB_IPC_MSG_DISCONNECT, 64), 64);
}
END_TEST

START_TEST(header_with_size_0_disconnects)
{
	check_disconnects(_i, request_lying(100, 0, 64), 64);
}
END_TEST

START_TEST(header_with_a_size_below_its_own_disconnects)
{
	check_disconnects(_i, request_lying(100, 15, 64), 64);
}
END_TEST

START_TEST(message_shorter_than_a_header_disconnects)
{
	check_disconnects(_i, request_lying(100, 8, 16), 8);
	check_disconnects(_i, request_lying(100, 15, 16), 15);
}
END_TEST

START_TEST(message_of_no_bytes_disconnects)
{
	check_disconnects(_i, request_new(100, 16), 0);
}
END_TEST

START_TEST(header_with_negative_size_disconnects)
{
	check_disconnects(_i, request_lying(100, -64, 64), 64);
}
END_TEST

START_TEST(header_with_the_smallest_integer_disconnects)
{
	check_disconnects(_i, request_lying(100, INT_MIN, 64), 64);
}
END_TEST

START_TEST(header_with_size_above_the_buffer_disconnects)
{
	check_disconnects(_i, request_lying(100, INT_MAX, 64), 64);
}
END_TEST

START_TEST(header_with_more_than_arrived_disconnects)
{
	check_disconnects(_i, request_lying(100, 65, 64), 64);
}
END_TEST

START_TEST(msg_process_gets_the_size_of_the_header_when_more_arrived)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_counts });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	struct request *r = request_lying(100, 48, 64);

	ck_assert_int_eq(qb_ipcc_send(c, r, 64), 64);
	WAIT_FOR(host_slot(h, SLOT_TAKEN) == 1);
	ck_assert_int_eq(host_slot(h, SLOT_SIZE), 48);
	free(r);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static int32_t msg_scribbles(struct server *sv, qb_ipcs_connection_t *c, void *data,
			     size_t size)
{
	int32_t result = server_default_msg(sv, c, data, size);

	memset(data, 0xee, size);
	return result;
}

START_TEST(msg_process_may_write_into_the_message)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = msg_scribbles });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	for (size_t size = 16; size < 9000; size += 700)
		client_echo(c, size);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(every_size_from_the_bare_header_to_the_buffer_size_goes_there_and_back)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	/* The answer is longer than the request by the difference of the headers. */
	size_t most = (size_t)qb_ipcc_get_buffer_size(c) -
		      sizeof(struct qb_ipc_response_header) +
		      sizeof(struct qb_ipc_request_header);

	for (size_t size = 16; size < 80; size++)
		client_echo(c, size);
	for (size_t size = 80; size < most; size += 379)
		client_echo(c, size);
	for (size_t size = most - 8; size <= most; size++)
		client_echo(c, size);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(requests_of_one_client_arrive_in_order)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	for (int32_t id = 1000; id < 1500; id += 4) {
		for (int32_t k = 0; k < 4; k++)
			client_must_send(c, id + k, 16 + (size_t)(id + k) % 600);
		for (int32_t k = 0; k < 4; k++)
			client_must_recv(c, id + k, 16 + (size_t)(id + k) % 600);
	}
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(requests_sent_before_hanging_up_are_served)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	host_await_trace(h, "created:1");
	host_freeze(h);
	for (int32_t id = 101; id <= 103; id++)
		client_must_send(c, id, 40);
	qb_ipcc_disconnect(c);
	host_thaw(h);
	host_expect_trace(h, "accept:1 created:1 msg:1 msg:1 msg:1 closed:1 destroyed:1");
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("server dispatch");
	TCase *tc = tcase_new(s, "batches");

	add_variant_test(tc, fast_takes_up_to_50_messages_per_dispatch);
	add_variant_test(tc, normal_takes_up_to_5_messages_per_dispatch);
	add_variant_test(tc, requests_that_take_little_time_are_served_beyond_the_batch);
	add_variant_test(tc, slow_takes_one_message_per_dispatch);
	add_variant_test(tc, negative_msg_process_ends_the_dispatch_but_consumes_the_message);

	tc = tcase_new(s, "headers");
	add_variant_test(tc, request_with_the_disconnect_id_disconnects);
	add_variant_test(tc, header_with_size_0_disconnects);
	add_variant_test(tc, header_with_a_size_below_its_own_disconnects);
	add_variant_test(tc, message_shorter_than_a_header_disconnects);
	add_variant_test(tc, message_of_no_bytes_disconnects);
	add_variant_test(tc, header_with_negative_size_disconnects);
	add_variant_test(tc, header_with_the_smallest_integer_disconnects);
	add_variant_test(tc, header_with_size_above_the_buffer_disconnects);
	add_variant_test(tc, header_with_more_than_arrived_disconnects);
	add_variant_test(tc, msg_process_gets_the_size_of_the_header_when_more_arrived);

	tc = tcase_new(s, "messages");
	add_variant_test(tc, msg_process_may_write_into_the_message);
	add_variant_test(
		tc, every_size_from_the_bare_header_to_the_buffer_size_goes_there_and_back);
	add_variant_test(tc, requests_of_one_client_arrive_in_order);
	add_variant_test(tc, requests_sent_before_hanging_up_are_served);
	return suite_main(s);
}
