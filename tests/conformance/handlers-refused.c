/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of messages that no handler takes, or that are too short for theirs. */
#include <errno.h>

#include "tests/conformance/handlers.h"

static int64_t remote_refusals(struct server *sv, const int64_t *args)
{
	struct qbipc_message_refusals stats = { .size = sizeof(stats) };
	int r = qbipc_service_message_refusals_get(sv->service, &stats);

	memcpy(sv->shared->blob, &stats, sizeof(stats));
	return r;
}

static void check_refusals(struct host *h, unsigned int unknown, unsigned int too_short,
			   unsigned int answered, unsigned int disconnected)
{
	struct qbipc_message_refusals stats;

	ck_assert_int_eq(host_call(h, remote_refusals, 0), 0);
	memcpy(&stats, h->shared->blob, sizeof(stats));
	ck_assert_uint_eq(stats.size, sizeof(stats));
	ck_assert_uint_eq(stats.unknown, unknown);
	ck_assert_uint_eq(stats.too_short, too_short);
	ck_assert_uint_eq(stats.answered, answered);
	ck_assert_uint_eq(stats.disconnected, disconnected);
}

START_TEST(unknown_message_is_answered_with_enosys)
{
	struct host *h = START(_i, .no_msg_process = true, .prepare = prepare_table);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	ck_assert_int_eq(ask(c, ID_OTHER, 16), -ENOSYS);
	ck_assert_int_eq(ask(c, -7, 9000), -ENOSYS);
	ck_assert_int_eq(ask(c, ID_GET, 16), 1);
	check_refusals(h, 2, 0, 2, 0);
	stop(h, c);
}
END_TEST

START_TEST(short_message_is_answered_with_ebadmsg_and_no_handler_sees_it)
{
	struct host *h = START(_i, .prepare = prepare_table);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	struct qbipc_handler_stats stats;

	ck_assert_int_eq(ask(c, ID_SET, sizeof(struct set_request) - 1), -EBADMSG);
	ck_assert_int_eq(ask(c, ID_SET, sizeof(struct set_request)), 2);
	stats = handler_stats(h, ID_SET);
	ck_assert_str_eq((char *)h->shared->blob + sizeof(stats), "ID_SET");
	ck_assert_uint_eq(stats.calls, 1);
	ck_assert_uint_eq(stats.refused, 1);
	ck_assert_uint_eq(stats.backed_off, 0);
	check_refusals(h, 0, 1, 1, 0);
	stop(h, c);
}
END_TEST

START_TEST(short_message_of_a_one_way_handler_is_not_answered)
{
	struct host *h = START(_i, .prepare = prepare_table);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	client_must_send(c, ID_NOTE, 16);
	client_must_send(c, ID_NOTE, sizeof(struct set_request));
	ck_assert_int_eq(ask(c, ID_GET, 16), 1); /* the first answer there is */
	ck_assert_int_eq(host_slot(h, 0), 1);
	check_refusals(h, 0, 1, 0, 0);
	stop(h, c);
}
END_TEST

/* What slot 1 says, or an answer of its own. */
enum { HOOK_OWN_ANSWER = 50, HOOK_DISCONNECTS = 51 };

static enum qbipc_refuse unknown_as_told(qb_ipcs_connection_t *c,
					 const struct qb_ipc_request_header *message,
					 size_t size, int error, void *data)
{
	int64_t what = atomic_load(&the_server->shared->slot[1]);

	SERVER_REQUIRE(the_server, data == &the_server->spec);
	SERVER_REQUIRE_EQ(the_server, error, message->id == ID_SET ? -EBADMSG : -ENOSYS);
	SERVER_REQUIRE_EQ(the_server, message->size, (long long)size);
	if (what == HOOK_OWN_ANSWER) {
		answer_with(c, message, 60);
		return QBIPC_REFUSE_IGNORE;
	}
	if (what == HOOK_DISCONNECTS) {
		qb_ipcs_disconnect(c);
		return QBIPC_REFUSE_ANSWER;
	}
	return (enum qbipc_refuse)what;
}

static void prepare_unknown(struct server *sv)
{
	prepare_table(sv);
	SERVER_REQUIRE_EQ(sv, qbipc_service_refuse_set(sv->service, unknown_as_told, &sv->spec),
			  0);
}

static int64_t remote_slot_set(struct server *sv, const int64_t *args)
{
	atomic_store(&sv->shared->slot[1], args[0]);
	return 0;
}

START_TEST(hook_decides_between_an_answer_its_own_answer_and_none)
{
	struct host *h = START(_i, .no_msg_process = true, .prepare = prepare_unknown);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	host_call(h, remote_slot_set, QBIPC_REFUSE_ANSWER);
	ck_assert_int_eq(ask(c, ID_OTHER, 16), -ENOSYS);
	ck_assert_int_eq(ask(c, ID_SET, 16), -EBADMSG);
	host_call(h, remote_slot_set, HOOK_OWN_ANSWER);
	ck_assert_int_eq(ask(c, ID_OTHER, 16), 60);
	host_call(h, remote_slot_set, QBIPC_REFUSE_IGNORE);
	client_must_send(c, ID_OTHER, 16);
	ck_assert_int_eq(ask(c, ID_GET, 16), 1); /* the first answer there is */
	check_refusals(h, 3, 1, 2, 0);
	stop(h, c);
}
END_TEST

static void check_hook_ends(int i, int64_t what, unsigned int disconnected)
{
	struct host *h = START(i, .no_msg_process = true, .prepare = prepare_unknown);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	struct answer a;

	host_call(h, remote_slot_set, what);
	client_must_send(c, ID_OTHER, 16);
	ck_assert_int_eq(qb_ipcc_recv(c, &a, sizeof(a), deadline_ms()), -ENOTCONN);
	host_expect_trace(h, "accept:1 created:1 closed:1 destroyed:1");
	check_refusals(h, 1, 0, 0, disconnected);
	stop(h, c);
}

START_TEST(hook_may_have_the_connection_ended)
{
	check_hook_ends(_i, QBIPC_REFUSE_DISCONNECT, 1);
}
END_TEST

START_TEST(hook_may_end_the_connection_itself)
{
	check_hook_ends(_i, HOOK_DISCONNECTS, 0);
}
END_TEST

START_TEST(client_that_never_takes_its_answers_keeps_nobody_waiting)
{
	struct host *h = START(_i, .no_msg_process = true, .prepare = prepare_table);
	qb_ipcc_connection_t *flood = client_connect(h->name, 0);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	for (int k = 0; k < 3000; k++)
		client_send_patiently(flood, ID_OTHER, 16);
	ck_assert_int_eq(ask(c, ID_GET, 16), 1);
	qb_ipcc_disconnect(flood);
	stop(h, c);
}
END_TEST

static void log_count(int priority, const char *text, void *data)
{
	if (strstr(text, "refused message"))
		atomic_fetch_add(&the_server->shared->slot[2], 1);
}

static void prepare_log(struct server *sv)
{
	qbipc_log_hook_set(log_count, NULL);
	prepare_table(sv);
}

START_TEST(flood_of_unknown_messages_is_few_lines_in_the_log)
{
	struct host *h = START(_i, .no_msg_process = true, .prepare = prepare_log);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	for (int k = 0; k < 200; k++)
		ck_assert_int_eq(ask(c, ID_OTHER, 16), -ENOSYS);
	ck_assert_int_ge(host_slot(h, 2), 1);
	ck_assert_int_le(host_slot(h, 2), 50);
	stop(h, c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("handlers: refused");
	TCase *tc = tcase_new(s, "refused");

	add_variant_test(tc, unknown_message_is_answered_with_enosys);
	add_transport_test(tc, short_message_is_answered_with_ebadmsg_and_no_handler_sees_it);
	add_transport_test(tc, short_message_of_a_one_way_handler_is_not_answered);
	add_transport_test(tc, hook_decides_between_an_answer_its_own_answer_and_none);
	add_variant_test(tc, hook_may_have_the_connection_ended);
	add_variant_test(tc, hook_may_end_the_connection_itself);
	add_transport_test(tc, client_that_never_takes_its_answers_keeps_nobody_waiting);
	add_transport_test(tc, flood_of_unknown_messages_is_few_lines_in_the_log);
	return suite_main(s);
}
