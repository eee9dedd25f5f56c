/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What travels besides a request: until when its client waits, and that it waits no more. On
 * libqb's wire nothing does, and calls are what they are.
 */
#include "tests/conformance/calls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <qb/qbipc_ext.h>

#include "base/clock.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/session.h"
#include "tests/lib/variant.h"

enum { SHORT_MS = 40, LONG_MS = 100000, FIRST = 100 };

/* Slots of the server: requests, cancelled ones of them, cancels that came, the deadline. */
enum { REQUESTS, FOUND_CANCELLED, CANCELS, DEADLINE, SERVED };

static char buffer[20000] __attribute__((aligned(8)));

static bool travels(int variant)
{
	return !variants[variant].libqb_wire;
}

static bool in_memory(int variant)
{
	return travels(variant) && variants[variant].type == QB_IPC_SHM;
}

/* -- The server --------------------------------------------------------------------------- */

static int32_t look_and_answer(struct server *sv, qb_ipcs_connection_t *c, void *data,
			       size_t size)
{
	uint64_t deadline = qbipc_request_deadline(c);

	SERVER_REQUIRE_EQ(sv, qbipc_request_number(c), sv->shared->slot[REQUESTS]);
	if (deadline == QBIPC_DEADLINE_CANCELLED)
		sv->shared->slot[FOUND_CANCELLED]++;
	sv->shared->slot[DEADLINE] = (int64_t)deadline;
	/* The last: who sees it sees the others. */
	sv->shared->slot[REQUESTS]++;
	return answer_or_not(sv, c, data, size);
}

static void cancelled(qb_ipcs_connection_t *c, uint64_t number, void *data)
{
	struct server *sv = data;

	SERVER_REQUIRE(sv, number < (uint64_t)sv->shared->slot[REQUESTS]);
	SERVER_REQUIRE_EQ(sv, qbipc_request_deadline(c), 0);
	server_trace(sv, "cancelled:%d", (int)number);
	sv->shared->slot[CANCELS]++;
}

static void cancels_quietly(qb_ipcs_connection_t *c, uint64_t number, void *data)
{
	struct server *sv = data;

	SERVER_REQUIRE(sv, number < (uint64_t)sv->shared->slot[REQUESTS]);
	sv->shared->slot[CANCELS]++;
}

static void cancel_disconnects(qb_ipcs_connection_t *c, uint64_t number, void *data)
{
	qb_ipcs_disconnect(c);
}

static void prepare(struct server *sv)
{
	SERVER_REQUIRE_EQ(sv, qbipc_service_cancelled_set(sv->service, cancelled, sv), 0);
}

static void prepare_quietly(struct server *sv)
{
	SERVER_REQUIRE_EQ(sv, qbipc_service_cancelled_set(sv->service, cancels_quietly, sv), 0);
}

static void prepare_to_disconnect(struct server *sv)
{
	SERVER_REQUIRE_EQ(sv, qbipc_service_cancelled_set(sv->service, cancel_disconnects, sv),
			  0);
}

static void start_with(int variant, void (*prepare_it)(struct server *sv))
{
	memset(called, 0, sizeof(called));
	n_called = n_done = 0;
	host = host_start(&(struct server_spec){ VARIANT_SPEC(variant), .quiet = true,
						 .prepare = prepare_it,
						 .msg = look_and_answer });
	client = client_connect(host->name, 0);
	host_await_trace(host, "created:1");
}

static void start(int variant)
{
	start_with(variant, prepare);
}

static void await_requests(int n)
{
	WAIT_FOR(host_slot(host, REQUESTS) == n);
}

static int64_t remote_deadline(struct server *sv, const int64_t *args)
{
	return (int64_t)qbipc_request_deadline(server_connection(sv, 1));
}

static int64_t remote_number(struct server *sv, const int64_t *args)
{
	return (int64_t)qbipc_request_number(server_connection(sv, 1));
}

/* The server has taken everything that was sent. */
static void echo_must(int32_t id)
{
	struct request *r = request_new(id, 64);
	struct iovec iov = { r, 64 };
	ssize_t n;

	WAIT_FOR((n = qb_ipcc_sendv_recv(client, &iov, 1, buffer, sizeof(buffer),
					 deadline_ms())) != -EAGAIN);
	response_check((void *)buffer, n, id, 64);
	free(r);
}

/* -- Deadlines ------------------------------------------------------------------------------ */

/* As sent, not before @earliest. */
static void deadline_check(int variant, uint64_t earliest, int timeout_ms)
{
	uint64_t deadline = (uint64_t)host_slot(host, DEADLINE);
	uint64_t time = (uint64_t)timeout_ms * QBI_NS_PER_MS;

	if (!travels(variant) || timeout_ms < 0) {
		ck_assert_uint_eq(deadline, 0);
		return;
	}
	ck_assert_uint_ge(deadline, earliest + time);
	ck_assert_uint_le(deadline, qbi_now_ns() + time);
}

START_TEST(server_is_told_until_when_a_call_waits)
{
	static const int times[] = { LONG_MS, 0, -1, 1, 1000000000 };
	int n = sizeof(times) / sizeof(times[0]);

	start(_i);
	for (int i = 0; i < n; i++) {
		uint64_t now = qbi_now_ns();

		call_must(MSG_SILENT, 64, times[i]);
		await_requests(i + 1);
		deadline_check(_i, now, times[i]);
	}
	ck_assert_int_eq(host_call(host, remote_deadline, 0), 0);
	calls_stop();
}
END_TEST

START_TEST(other_requests_have_no_deadline)
{
	start(_i);
	client_must_send(client, FIRST, 64);
	await_requests(1);
	deadline_check(_i, 0, -1);
	client_must_recv(client, FIRST, 64);
	echo_must(FIRST);
	deadline_check(_i, 0, -1);
	calls_stop();
}
END_TEST

START_TEST(deadline_of_a_caller_that_waits_travels_if_late_responses_are_dropped)
{
	uint64_t now;

	start(_i);
	ck_assert_int_eq(qbipc_late_responses_drop(client), 0);
	now = qbi_now_ns();
	echo_must(FIRST);
	deadline_check(_i, now, deadline_ms());
	calls_stop();
}
END_TEST

START_TEST(large_requests_have_a_deadline_too)
{
	size_t size = 1000000;
	uint64_t now;

	memset(called, 0, sizeof(called));
	n_called = n_done = 0;
	host = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true,
						 .msg = look_and_answer });
	/* As large as agreed, to the byte. */
	client = client_connect(host->name, size);
	size = (size_t)qb_ipcc_get_buffer_size(client);
	now = qbi_now_ns();
	call_must(FIRST, size - 8, LONG_MS);
	calls_run(1);
	deadline_check(_i, now, LONG_MS);
	call_must(MSG_SILENT, size, LONG_MS);
	call_must(MSG_SILENT, 16, -1);
	await_requests(3);
	deadline_check(_i, 0, -1);
	calls_stop();
}
END_TEST

START_TEST(requests_count_from_0_whatever_sends_them)
{
	start(_i);
	ck_assert_int_eq(host_call(host, remote_number, 0), -1);
	for (int i = 0; i < 20; i++) {
		call_must(FIRST, 64, i % 2 ? -1 : LONG_MS);
		echo_must(FIRST + 1);
		client_must_send(client, FIRST + 2, 100);
		client_must_recv(client, FIRST + 2, 100);
	}
	calls_run(20);
	calls_check(20, 0);
	ck_assert_int_eq(host_call(host, remote_number, 0), 59);
	calls_stop();
}
END_TEST

/* -- Cancels -------------------------------------------------------------------------------- */

START_TEST(call_cancelled_before_it_is_taken)
{
	struct called *first, *second;

	start(_i);
	host_freeze(host);
	first = call_must(FIRST, 64, LONG_MS);
	second = call_must(FIRST + 1, 64, -1);
	call_must(FIRST + 2, 64, -1);
	ck_assert_int_eq(qbipc_call_cancel(client, first->handle), 0);
	ck_assert_int_eq(qbipc_call_cancel(client, second->handle), 0);
	host_thaw(host);
	calls_run(3);
	ck_assert_int_eq(called[2].error, 0);
	echo_must(FIRST);
	ck_assert_int_eq(host_slot(host, REQUESTS), 4);
	ck_assert_int_eq(host_slot(host, FOUND_CANCELLED), in_memory(_i) ? 2 : 0);
	ck_assert_int_eq(host_slot(host, CANCELS), travels(_i) && !in_memory(_i) ? 2 : 0);
	calls_stop();
}
END_TEST

START_TEST(call_cancelled_after_it_was_taken)
{
	struct called *second;

	start(_i);
	call_must(MSG_SILENT, 64, -1);
	second = call_must(MSG_SILENT, 64, LONG_MS);
	await_requests(2);
	ck_assert_int_eq(qbipc_call_cancel(client, second->handle), 0);
	ck_assert_int_eq(qbipc_call_cancel(client, second->handle), -ENOENT);
	client_must_send(client, FIRST, 64);
	await_requests(3);
	ck_assert_int_eq(host_slot(host, FOUND_CANCELLED), 0);
	ck_assert_int_eq(host_slot(host, CANCELS), travels(_i));
	if (travels(_i))
		host_await_trace(host, "cancelled:1");
	calls_stop();
}
END_TEST

START_TEST(call_whose_time_is_over_is_cancelled)
{
	start(_i);
	call_must(MSG_SILENT, 64, SHORT_MS);
	await_requests(1);
	calls_run(1);
	calls_check(1, -ETIMEDOUT);
	client_must_send(client, FIRST, 64);
	await_requests(2);
	ck_assert_int_eq(host_slot(host, CANCELS), travels(_i));
	calls_stop();
}
END_TEST

/* The server may not have taken it when the time is over: then it finds it cancelled. */
START_TEST(caller_that_has_waited_in_vain_cancels)
{
	struct request *r = request_new(MSG_SILENT, 64);
	struct iovec iov = { r, 64 };

	start(_i);
	ck_assert_int_eq(qb_ipcc_sendv_recv(client, &iov, 1, buffer, sizeof(buffer), SHORT_MS),
			 -ETIMEDOUT);
	client_must_send(client, FIRST, 64);
	await_requests(2);
	ck_assert_int_eq(host_slot(host, CANCELS), 0);
	client_must_recv(client, FIRST, 64);
	ck_assert_int_eq(qbipc_late_responses_drop(client), 0);
	ck_assert_int_eq(qb_ipcc_sendv_recv(client, &iov, 1, buffer, sizeof(buffer), SHORT_MS),
			 -ETIMEDOUT);
	client_must_send(client, FIRST, 64);
	await_requests(4);
	ck_assert_int_eq(host_slot(host, CANCELS) + host_slot(host, FOUND_CANCELLED),
			 travels(_i));
	free(r);
	calls_stop();
}
END_TEST

/* One by one, while the server takes them: each is found cancelled, or cancelled after. */
START_TEST(each_cancel_comes_once_one_way_or_the_other)
{
	int n = 0;

	start_with(_i, prepare_quietly);
	for (int round = 0; round < 200; round++) {
		int from = n_called;

		for (int i = 0; i < 1 + round % 5; i++)
			call_must(MSG_SILENT, 64 + 8 * (size_t)i, LONG_MS);
		busy_for_us((unsigned int)round % 20);
		for (int i = from; i < n_called; i++, n++)
			ck_assert_int_eq(qbipc_call_cancel(client, called[i].handle), 0);
	}
	client_send_patiently(client, FIRST, 64);
	await_requests(n + 1);
	ck_assert_int_eq(host_slot(host, CANCELS) + host_slot(host, FOUND_CANCELLED),
			 travels(_i) ? n : 0);
	calls_stop();
}
END_TEST

static void fill(size_t size)
{
	ssize_t r;

	while ((r = client_send(client, MSG_SILENT, size)) >= 0)
		;
	ck_assert_int_eq(r, -EAGAIN);
}

START_TEST(cancel_waits_for_room)
{
	start(_i);
	call_must(MSG_SILENT, 64, -1);
	await_requests(1);
	host_freeze(host);
	fill(8008); /* so that fewer bytes are left in a ring than a cancel takes */
	fill(16);
	ck_assert_int_eq(qbipc_call_cancel(client, called[0].handle), 0);
	if (travels(_i))
		ck_assert(fd_readable_within(qbipc_calls_fd(client), deadline_ms()));
	host_thaw(host);
	WAIT_FOR(qbipc_calls_dispatch(client) == 0 && host_slot(host, CANCELS) == travels(_i));
	calls_settle();
	calls_stop();
}
END_TEST

START_TEST(service_may_disconnect_when_it_is_told)
{
	start_with(_i, prepare_to_disconnect);
	call_must(MSG_SILENT, 64, -1);
	call_must(MSG_SILENT, 64, -1);
	await_requests(2);
	ck_assert_int_eq(qbipc_call_cancel(client, called[0].handle), 0);
	if (travels(_i)) {
		calls_run(2);
		ck_assert_int_eq(called[1].error, -ENOTCONN);
	}
	calls_stop();
}
END_TEST

/* -- Handlers that do not want what is late --------------------------------------------------- */

static int on_served(qb_ipcs_connection_t *c, void *data, size_t size, void *context)
{
	the_server->shared->slot[SERVED]++;
	return server_answer(the_server, c, data, size);
}

static void prepare_handlers(struct server *sv)
{
	const struct qbipc_handler rows[] = {
		{ .size = sizeof(rows[0]),
		  .id = FIRST,
		  .flags = QBIPC_HANDLER_IN_TIME,
		  .fn = on_served },
		{ .size = sizeof(rows[0]), .id = FIRST + 1, .fn = on_served },
	};

	SERVER_REQUIRE_EQ(sv, qbipc_service_handlers_register(sv->service, rows, 2), 0);
}

/* Whatever comes as a response. */
static void any_done(qb_ipcc_connection_t *c, int error, void *response, size_t size,
		     void *data)
{
	const struct qb_ipc_response_header *hdr = response;

	*(int *)data = error ? error : hdr->error;
	n_done++;
}

static int64_t send_any(int32_t id, int timeout_ms, int *ret_error)
{
	struct qb_ipc_request_header hdr = { .id = id, .size = sizeof(hdr) };
	struct iovec iov = { &hdr, sizeof(hdr) };
	int64_t call = qbipc_call_send(client, &iov, 1, timeout_ms, any_done, ret_error);

	*ret_error = 1;
	ck_assert_int_gt(call, 0);
	return call;
}

static int64_t remote_too_late(struct server *sv, const int64_t *args)
{
	struct qbipc_message_refusals refusals = { .size = sizeof(refusals) };

	SERVER_REQUIRE_EQ(sv, qbipc_service_message_refusals_get(sv->service, &refusals), 0);
	SERVER_REQUIRE_EQ(sv, refusals.unknown + refusals.too_short, 0);
	SERVER_REQUIRE_EQ(sv, refusals.answered, refusals.too_late);
	return (int64_t)refusals.too_late;
}

static void time_passes(int ms)
{
	uint64_t end = qbi_deadline_from_ms(ms);

	while (qbi_now_ns() <= end)
		pause_briefly();
}

START_TEST(late_requests_are_answered_without_the_handler)
{
	int error[4], late = in_memory(_i) ? 2 : travels(_i);
	int64_t second;

	start_with(_i, prepare_handlers);
	host_freeze(host);
	send_any(FIRST, 1, &error[0]);
	second = send_any(FIRST, -1, &error[1]);
	send_any(FIRST + 1, 1, &error[2]);
	send_any(FIRST, LONG_MS, &error[3]);
	ck_assert_int_eq(qbipc_call_cancel(client, second), 0);
	time_passes(1);
	host_thaw(host);
	/* Responses count before times that are over, and this is when all have come. */
	WAIT_FOR(host_slot(host, SERVED) == 4 - late);
	echo_must(FIRST + 1);
	calls_run(4);
	ck_assert_int_eq(error[0], travels(_i) ? -ETIMEDOUT : 0);
	ck_assert_int_eq(error[1], -ECANCELED);
	ck_assert_int_eq(error[2], 0);
	ck_assert_int_eq(error[3], 0);
	ck_assert_int_eq(host_call(host, remote_too_late, 0), late);
	calls_stop();
}
END_TEST

START_TEST(arguments_that_make_no_sense)
{
	start(_i);
	ck_assert_int_eq(qbipc_service_cancelled_set(NULL, cancelled, NULL), -EINVAL);
	ck_assert_uint_eq(qbipc_request_deadline(NULL), 0);
	ck_assert_uint_eq(qbipc_request_number(NULL), UINT64_MAX);
	calls_stop();
}
END_TEST

static void add_cancels(Suite *s)
{
	TCase *tc = tcase_new(s, "cancels");

	add_transport_test(tc, call_cancelled_before_it_is_taken);
	add_transport_test(tc, call_cancelled_after_it_was_taken);
	add_transport_test(tc, call_whose_time_is_over_is_cancelled);
	add_transport_test(tc, caller_that_has_waited_in_vain_cancels);
	add_transport_test(tc, each_cancel_comes_once_one_way_or_the_other);
	add_transport_test(tc, cancel_waits_for_room);
	add_transport_test(tc, service_may_disconnect_when_it_is_told);
}

int main(void)
{
	Suite *s = suite_create("deadlines and cancels of requests");
	TCase *tc = tcase_new(s, "deadlines");

	add_transport_test(tc, server_is_told_until_when_a_call_waits);
	add_transport_test(tc, other_requests_have_no_deadline);
	add_transport_test(
		tc, deadline_of_a_caller_that_waits_travels_if_late_responses_are_dropped);
	add_transport_test(tc, large_requests_have_a_deadline_too);
	add_transport_test(tc, requests_count_from_0_whatever_sends_them);
	add_cancels(s);
	tc = tcase_new(s, "handlers and arguments");
	add_transport_test(tc, late_requests_are_answered_without_the_handler);
	add_transport_test(tc, arguments_that_make_no_sense);
	return suite_main(s);
}
