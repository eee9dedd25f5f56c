/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who gets a message: selector, table, msg_process. */
#include <errno.h>

#include "tests/conformance/handlers.h"
#include "tests/lib/remote.h"

/* -- Who gets it --------------------------------------------------------------------- */

START_TEST(message_goes_to_the_handler_of_its_id_with_its_context)
{
	struct host *h = START(_i, .no_msg_process = true, .prepare = prepare_table);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	ck_assert_int_eq(ask(c, ID_GET, 16), 1);
	ck_assert_int_eq(ask(c, ID_SET, sizeof(struct set_request)), 2);
	ck_assert_int_eq(ask(c, ID_GET, 5000), 1);
	stop(h, c);
}
END_TEST

START_TEST(message_that_the_table_does_not_know_goes_to_msg_process)
{
	struct host *h = START(_i, .prepare = prepare_table);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	client_echo(c, 300);
	ck_assert_int_eq(ask(c, ID_GET, 16), 1);
	stop(h, c);
}
END_TEST

enum { MANY = 500, BATCH = 50 };

/* Ids in a row, in large steps, negative, extreme. */
static int32_t many_id(int k)
{
	switch (k % 5) {
	case 0: return k;
	case 1: return k << 16;
	case 2: return -k - 1000;
	case 3: return INT32_MAX - k;
	default: return INT32_MIN + k;
	}
}

static void prepare_many(struct server *sv)
{
	for (int k = 0; k < MANY; k += BATCH) {
		struct qbipc_handler rows[BATCH];

		for (int j = 0; j < BATCH; j++)
			rows[j] = (struct qbipc_handler){
				.size = sizeof(rows[j]),
				.id = many_id(k + j),
				.fn = on_any,
				.context = AS(k + j + 1),
				.name = "x",
			};
		SERVER_REQUIRE_EQ(sv, qbipc_service_handlers_register(sv->service, rows, BATCH),
				  0);
		memset(rows, 0x5a, sizeof(rows)); /* they were copied */
	}
}

START_TEST(each_of_500_handlers_registered_in_ten_calls_gets_its_messages)
{
	struct host *h = START(_i, .no_msg_process = true, .prepare = prepare_many);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	for (int k = 0; k < MANY; k++)
		ck_assert_int_eq(ask(c, many_id(k), 16), k + 1);
	ck_assert_int_eq(ask(c, 123456789, 16), -ENOSYS);
	stop(h, c);
}
END_TEST

static int32_t on_register(qb_ipcs_connection_t *c, void *data, size_t size, void *context)
{
	const struct qbipc_handler more[] = {
		{ .size = sizeof(more[0]), .id = ID_OTHER, .fn = on_any, .context = AS(9) },
	};

	SERVER_REQUIRE_EQ(the_server,
			  qbipc_service_handlers_register(the_server->service, more, 1), 0);
	return answer_with(c, data, 3);
}

static void prepare_register(struct server *sv)
{
	static const struct qbipc_handler row = { .size = sizeof(row),
						  .id = ID_BARE,
						  .fn = on_register };

	SERVER_REQUIRE_EQ(sv, qbipc_service_handlers_register(sv->service, &row, 1), 0);
}

START_TEST(handler_may_register_more)
{
	struct host *h = START(_i, .no_msg_process = true, .prepare = prepare_register);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	ck_assert_int_eq(ask(c, ID_OTHER, 16), -ENOSYS);
	ck_assert_int_eq(ask(c, ID_BARE, 16), 3);
	ck_assert_int_eq(ask(c, ID_OTHER, 16), 9);
	stop(h, c);
}
END_TEST

static int32_t on_disconnect(qb_ipcs_connection_t *c, void *data, size_t size, void *context)
{
	if (context)
		remote_destroy(the_server, NULL);
	else
		qb_ipcs_disconnect(c);
	return 0;
}

static void prepare_endings(struct server *sv)
{
	static const struct qbipc_handler rows[] = {
		{ .size = sizeof(rows[0]), .id = 1, .fn = on_disconnect },
		{ .size = sizeof(rows[0]), .id = 2, .fn = on_disconnect, .context = AS(1) },
	};

	SERVER_REQUIRE_EQ(sv, qbipc_service_handlers_register(sv->service, rows, 2), 0);
}

START_TEST(handler_may_end_the_connection_or_the_service)
{
	struct host *h = START(_i, .prepare = prepare_endings);
	qb_ipcc_connection_t *a = client_connect(h->name, 0);
	qb_ipcc_connection_t *b = client_connect(h->name, 0);

	client_must_send(a, 1, 16);
	host_await_trace(h, "destroyed:1");
	client_must_send(b, 2, 16);
	host_await_trace(h, "destroyed:2");
	qb_ipcc_disconnect(a);
	stop(h, b);
}
END_TEST

static int32_t on_back_off(qb_ipcs_connection_t *c, void *data, size_t size, void *context)
{
	answer_with(c, data, 4);
	return -1;
}

static void prepare_back_off(struct server *sv)
{
	static const struct qbipc_handler row = { .size = sizeof(row),
						  .id = ID_GET,
						  .fn = on_back_off };

	SERVER_REQUIRE_EQ(sv, qbipc_service_handlers_register(sv->service, &row, 1), 0);
}

static int dispatches(struct host *h)
{
	struct adapter_counts counts;

	host_call(h, remote_adapter_counts, 0);
	memcpy(&counts, h->shared->blob, sizeof(counts));
	return counts.dispatches;
}

START_TEST(handler_that_backs_off_ends_the_turn_and_gets_the_next_message_in_another)
{
	struct host *h = START(_i, .prepare = prepare_back_off);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	struct qbipc_handler_stats stats;
	int before = dispatches(h);
	struct answer a;

	host_freeze(h);
	for (int k = 0; k < 4; k++)
		client_must_send(c, ID_GET, 16);
	host_thaw(h);
	for (int k = 0; k < 4; k++)
		ck_assert_int_eq(qb_ipcc_recv(c, &a, sizeof(a), deadline_ms()), sizeof(a));
	ck_assert_int_eq(qb_ipcc_recv(c, &a, sizeof(a), 0), -ETIMEDOUT);
	stats = handler_stats(h, ID_GET);
	ck_assert_uint_eq(stats.calls, 4);
	ck_assert_uint_eq(stats.backed_off, 4);
	ck_assert_int_ge(dispatches(h) - before, 4);
	stop(h, c);
}
END_TEST

/* -- The selector -------------------------------------------------------------------- */

/* Even sizes above 1000 go to its own handlers, what is marked by id is for the table. */
static const struct qbipc_handler *select_some(qb_ipcs_connection_t *c,
					       const struct qb_ipc_request_header *message,
					       size_t size, void *data)
{
	static const struct qbipc_handler own = { .size = sizeof(own),
						  .id = ID_GET,
						  .fn = on_any,
						  .context = AS(20),
						  .min_size = 2000 };
	static const struct qbipc_handler none = { .size = sizeof(none) };

	SERVER_REQUIRE(the_server, data == &the_server->spec);
	SERVER_REQUIRE_EQ(the_server, message->size, (long long)size);
	if (size >= 1000)
		return &own;
	if (message->id == ID_BARE)
		return &none;
	if (message->id == ID_OTHER)
		return qbipc_service_handler_find(the_server->service, ID_GET);
	if (message->id == MSG_DISCONNECT_ME)
		qb_ipcs_disconnect(c);
	return NULL;
}

static void prepare_selector(struct server *sv)
{
	prepare_table(sv);
	SERVER_REQUIRE_EQ(sv, qbipc_service_selector_set(sv->service, select_some, &sv->spec),
			  0);
}

START_TEST(selector_is_asked_first_and_leaves_to_the_table_what_it_does_not_take)
{
	struct host *h = START(_i, .prepare = prepare_selector);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	ck_assert_int_eq(ask(c, ID_GET, 2000), 20);
	ck_assert_int_eq(ask(c, ID_GET, 16), 1);
	ck_assert_int_eq(ask(c, ID_OTHER, 16), 1);
	client_echo(c, 300);
	/* The handler of the selector's own is not the registered one of that id. */
	ck_assert_uint_eq(handler_stats(h, ID_GET).calls, 2);
	stop(h, c);
}
END_TEST

START_TEST(handler_from_the_selector_has_its_smallest_size_checked)
{
	struct host *h = START(_i, .prepare = prepare_selector);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	ck_assert_int_eq(ask(c, ID_GET, 1999), -EBADMSG);
	ck_assert_uint_eq(handler_stats(h, ID_GET).refused, 0);
	stop(h, c);
}
END_TEST

START_TEST(handler_without_a_function_refuses_what_msg_process_would_take)
{
	struct host *h = START(_i, .prepare = prepare_selector);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	ck_assert_int_eq(ask(c, ID_BARE, 16), -ENOSYS);
	stop(h, c);
}
END_TEST

static int32_t msg_never(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	server_fail(sv, __FILE__, __LINE__, "a closed connection got a message");
}

START_TEST(connection_that_the_selector_ends_gets_no_handler)
{
	struct host *h = START(_i, .prepare = prepare_selector, .msg = msg_never);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	client_must_send(c, MSG_DISCONNECT_ME, 16);
	host_await_trace(h, "destroyed:1");
	stop(h, c);
}
END_TEST

static int64_t remote_selector_off(struct server *sv, const int64_t *args)
{
	return qbipc_service_selector_set(sv->service, NULL, NULL);
}

START_TEST(selector_can_be_taken_away_again)
{
	struct host *h = START(_i, .prepare = prepare_selector);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	ck_assert_int_eq(ask(c, ID_GET, 2000), 20);
	ck_assert_int_eq(host_call(h, remote_selector_off, 0), 0);
	ck_assert_int_eq(ask(c, ID_GET, 2000), 1);
	stop(h, c);
}
END_TEST

/* -- Arguments ----------------------------------------------------------------------- */

static qb_ipcs_service_t *service_new(void)
{
	static struct qb_ipcs_service_handlers none;
	qb_ipcs_service_t *s = qb_ipcs_create("handlers", 0, QB_IPC_SHM, &none);

	ck_assert_ptr_nonnull(s);
	return s;
}

START_TEST(id_that_is_registered_is_eexist_and_the_whole_table_is_left_out)
{
	qb_ipcs_service_t *s = service_new();
	struct qbipc_handler rows[] = {
		{ .size = sizeof(rows[0]), .id = ID_OTHER, .fn = on_any },
		{ .size = sizeof(rows[0]), .id = ID_GET, .fn = on_any },
	};

	ck_assert_int_eq(qbipc_service_handlers_register(s, table, TABLE_SIZE), 0);
	ck_assert_int_eq(qbipc_service_handlers_register(s, rows, 2), -EEXIST);
	ck_assert_ptr_null(qbipc_service_handler_find(s, ID_OTHER));
	rows[1].id = ID_OTHER;
	ck_assert_int_eq(qbipc_service_handlers_register(s, rows, 2), -EEXIST);
	ck_assert_ptr_null(qbipc_service_handler_find(s, ID_OTHER));
	ck_assert_int_eq(qbipc_service_handlers_register(s, rows, 1), 0);
	ck_assert_ptr_nonnull(qbipc_service_handler_find(s, ID_OTHER));
	ck_assert_str_eq(qbipc_service_handler_find(s, ID_GET)->name, "get");
	qb_ipcs_destroy(s);
}
END_TEST

START_TEST(handlers_that_make_no_sense_are_einval)
{
	qb_ipcs_service_t *s = service_new();
	const struct qbipc_handler good = { .size = sizeof(good), .id = 1, .fn = on_any };
	struct qbipc_handler bad[2] = { good, good };

	ck_assert_int_eq(qbipc_service_handlers_register(NULL, &good, 1), -EINVAL);
	ck_assert_int_eq(qbipc_service_handlers_register(s, NULL, 1), -EINVAL);
	bad[1].size = 0;
	ck_assert_int_eq(qbipc_service_handlers_register(s, bad, 2), -EINVAL);
	bad[1] = good;
	bad[1].flags = 4;
	ck_assert_int_eq(qbipc_service_handlers_register(s, bad, 2), -EINVAL);
	bad[1] = good;
	bad[1].fn = NULL;
	ck_assert_int_eq(qbipc_service_handlers_register(s, bad, 2), -EINVAL);
	bad[1] = good;
	bad[1].id = QB_IPC_MSG_DISCONNECT;
	ck_assert_int_eq(qbipc_service_handlers_register(s, bad, 2), -EINVAL);
	ck_assert_ptr_null(qbipc_service_handler_find(s, 1));
	ck_assert_int_eq(qbipc_service_handlers_register(s, bad, 0), 0);
	qb_ipcs_destroy(s);
}
END_TEST

static enum qbipc_refuse refuse_any(qb_ipcs_connection_t *c,
				    const struct qb_ipc_request_header *message, size_t size,
				    int error, void *data)
{
	return QBIPC_REFUSE_ANSWER;
}

START_TEST(calls_without_a_service_or_with_another_size_are_einval)
{
	qb_ipcs_service_t *s = service_new();
	struct qbipc_handler_stats handler = { .size = sizeof(handler) };
	struct qbipc_message_refusals refusals = { .size = sizeof(refusals) };

	ck_assert_int_eq(qbipc_service_selector_set(NULL, select_some, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_service_refuse_set(NULL, refuse_any, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_service_selector_set(s, NULL, NULL), 0);
	ck_assert_int_eq(qbipc_service_refuse_set(s, NULL, NULL), 0);
	ck_assert_ptr_null(qbipc_service_handler_find(NULL, 1));
	ck_assert_ptr_null(qbipc_service_handler_find(s, 1));
	ck_assert_int_eq(qbipc_service_handler_stats_get(NULL, 1, &handler), -EINVAL);
	ck_assert_int_eq(qbipc_service_handler_stats_get(s, 1, NULL), -EINVAL);
	ck_assert_int_eq(qbipc_service_handler_stats_get(s, 1, &handler), -ENOENT);
	ck_assert_int_eq(qbipc_service_message_refusals_get(NULL, &refusals), -EINVAL);
	ck_assert_int_eq(qbipc_service_message_refusals_get(s, NULL), -EINVAL);
	refusals.unknown = 5;
	ck_assert_int_eq(qbipc_service_message_refusals_get(s, &refusals), 0);
	ck_assert_uint_eq(refusals.unknown, 0);
	handler.size = 0;
	refusals.size = sizeof(size_t);
	ck_assert_int_eq(qbipc_service_handler_stats_get(s, 1, &handler), -EINVAL);
	ck_assert_int_eq(qbipc_service_message_refusals_get(s, &refusals), -EINVAL);
	qb_ipcs_destroy(s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("handlers");
	TCase *tc = tcase_new(s, "table");

	add_variant_test(tc, message_goes_to_the_handler_of_its_id_with_its_context);
	add_transport_test(tc, message_that_the_table_does_not_know_goes_to_msg_process);
	tcase_add_loop_test(tc, each_of_500_handlers_registered_in_ten_calls_gets_its_messages,
			    0, 1);
	add_transport_test(tc, handler_may_register_more);
	add_variant_test(tc, handler_may_end_the_connection_or_the_service);
	add_transport_test(
		tc, handler_that_backs_off_ends_the_turn_and_gets_the_next_message_in_another);

	tc = tcase_new(s, "selector");
	add_transport_test(
		tc, selector_is_asked_first_and_leaves_to_the_table_what_it_does_not_take);
	add_transport_test(tc, handler_from_the_selector_has_its_smallest_size_checked);
	add_transport_test(tc, handler_without_a_function_refuses_what_msg_process_would_take);
	add_variant_test(tc, connection_that_the_selector_ends_gets_no_handler);
	add_transport_test(tc, selector_can_be_taken_away_again);

	tc = tcase_new(s, "arguments");
	tcase_add_test(tc, id_that_is_registered_is_eexist_and_the_whole_table_is_left_out);
	tcase_add_test(tc, handlers_that_make_no_sense_are_einval);
	tcase_add_test(tc, calls_without_a_service_or_with_another_size_are_einval);
	return suite_main(s);
}
