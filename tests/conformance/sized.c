/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Structs that say their size, as an older and as a newer program has them: the older one
 * is given what it knows and no byte more, the newer one zeros where this library ends.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <qb/qbipc_ext.h>

#include "tests/conformance/handlers.h"
#include "tests/lib/census.h"
#include "tests/lib/remote.h"

enum { FILL = 0x5a, LATER = 24 };

/* Memory for a struct of @size bytes with a guard behind it. */
struct caller {
	union {
		size_t size;
		unsigned char bytes[512];
	} of;
};

static void *caller_init(struct caller *c, size_t size)
{
	memset(c, FILL, sizeof(*c));
	c->of.size = size;
	return c;
}

/* Are bytes @from to @to still, or now, @value? */
static bool caller_is(const struct caller *c, size_t from, size_t to, unsigned char value)
{
	for (; from < to; from++)
		if (c->of.bytes[from] != value)
			return false;
	return true;
}

/* What is asked, with whatever it needs; 0 or -errno. */
typedef int (*ask_fn)(void *from, void *to);

/*
 * @size: of the struct here. An answer to callers that know half of it, all of it and
 * more: each has what the library knows of it, its own size, and its guard.
 */
static bool answer_fits_every_caller(ask_fn get, void *from, size_t size)
{
	size_t half = size / 2 / sizeof(size_t) * sizeof(size_t);
	struct caller older, same, newer, none;

	return get(from, caller_init(&none, 0)) == -EINVAL &&
	       get(from, caller_init(&none, 2 * sizeof(size_t) - 1)) == -EINVAL &&
	       caller_is(&none, sizeof(size_t), sizeof(none), FILL) &&
	       get(from, caller_init(&older, half)) == 0 &&
	       get(from, caller_init(&same, size)) == 0 &&
	       get(from, caller_init(&newer, size + LATER)) == 0 && older.of.size == half &&
	       same.of.size == size && newer.of.size == size + LATER &&
	       caller_is(&older, half, sizeof(older), FILL) &&
	       caller_is(&same, size, sizeof(same), FILL) &&
	       caller_is(&newer, size, size + LATER, 0) &&
	       caller_is(&newer, size + LATER, sizeof(newer), FILL) &&
	       !caller_is(&same, sizeof(size_t), size, FILL);
}

/* -- What a service is asked for ----------------------------------------------- */

static qb_ipcs_service_t *service;

static void service_setup(void)
{
	census_setup();
	service = qb_ipcs_create("sized", 0, QB_IPC_SHM, NULL);
	ck_assert_ptr_nonnull(service);
}

static void service_teardown(void)
{
	qb_ipcs_destroy(service);
	census_teardown();
}

static int ask_limits(void *from, void *to)
{
	return qbipc_service_limits_get(from, to);
}

static int ask_refusals(void *from, void *to)
{
	return qbipc_service_refusals_get(from, to);
}

static int ask_handler_stats(void *from, void *to)
{
	return qbipc_service_handler_stats_get(from, ID_GET, to);
}

static int ask_message_refusals(void *from, void *to)
{
	return qbipc_service_message_refusals_get(from, to);
}

START_TEST(answers_of_a_service_fit_every_caller)
{
	const struct qbipc_handler row = { .size = sizeof(row), .id = ID_GET, .fn = on_any };

	ck_assert_int_eq(qbipc_service_handlers_register(service, &row, 1), 0);
	ck_assert(answer_fits_every_caller(ask_limits, service,
					   sizeof(struct qbipc_service_limits)));
	ck_assert(answer_fits_every_caller(ask_refusals, service,
					   sizeof(struct qbipc_service_refusals)));
	ck_assert(answer_fits_every_caller(ask_handler_stats, service,
					   sizeof(struct qbipc_handler_stats)));
	ck_assert(answer_fits_every_caller(ask_message_refusals, service,
					   sizeof(struct qbipc_message_refusals)));
}
END_TEST

/* Up to the function: no context, no name. */
struct older_handler {
	size_t size;
	int32_t id;
	uint32_t flags;
	size_t min_size;
	qbipc_handler_fn fn;
};

struct newer_handler {
	struct qbipc_handler known;
	uint64_t later[3];
};

START_TEST(older_handlers_have_no_more_than_they_know)
{
	const struct older_handler rows[] = {
		{ sizeof(rows[0]), ID_GET, 0, 16, on_any },
		{ sizeof(rows[0]), ID_SET, QBIPC_HANDLER_ONE_WAY, 24, on_set },
	};
	const struct qbipc_handler *h;

	ck_assert_int_eq(qbipc_service_handlers_register(service, (const void *)rows, 2), 0);
	h = qbipc_service_handler_find(service, ID_SET);
	ck_assert_ptr_nonnull(h);
	ck_assert_uint_eq(h->size, sizeof(*h));
	ck_assert(h->fn == on_set && h->min_size == 24 && h->flags == QBIPC_HANDLER_ONE_WAY);
	ck_assert(!h->name && !h->context);
	ck_assert_ptr_nonnull(qbipc_service_handler_find(service, ID_GET));
}
END_TEST

START_TEST(newer_handlers_are_good_while_they_ask_for_nothing_unknown)
{
	struct newer_handler rows[] = {
		{ .known = QBIPC_HANDLER(ID_GET, on_any, struct set_request) },
		{ .known = QBIPC_HANDLER(ID_SET, on_set, struct set_request) },
	};

	rows[0].known.size = rows[1].known.size = sizeof(rows[0]);
	rows[1].later[2] = 1;
	ck_assert_int_eq(qbipc_service_handlers_register(service, &rows[0].known, 2), -E2BIG);
	ck_assert_ptr_null(qbipc_service_handler_find(service, ID_GET));
	rows[1].later[2] = 0;
	ck_assert_int_eq(qbipc_service_handlers_register(service, &rows[0].known, 2), 0);
	ck_assert_str_eq(qbipc_service_handler_find(service, ID_SET)->name, "ID_SET");
	/* Rows of one table are equally long. */
	rows[0].known.id = 1;
	rows[1].known.id = 2;
	rows[1].known.size -= sizeof(uint64_t);
	ck_assert_int_eq(qbipc_service_handlers_register(service, &rows[0].known, 2), -EINVAL);
}
END_TEST

START_TEST(older_limits_leave_the_rest_to_the_library)
{
	struct qbipc_service_limits now = { .size = sizeof(now) };
	struct caller c;
	struct qbipc_service_limits *older = caller_init(&c, 2 * sizeof(size_t));

	older->handshakes = 7;
	ck_assert_int_eq(qbipc_service_limits_set(service, older), 0);
	ck_assert_int_eq(qbipc_service_limits_get(service, &now), 0);
	ck_assert_uint_eq(now.handshakes, 7);
	ck_assert_uint_eq(now.junk_wakeups, 1000);
}
END_TEST

/* -- Handlers that a selector chooses -------------------------------------------- */

static const struct qbipc_handler *select_by_id(qb_ipcs_connection_t *c,
						const struct qb_ipc_request_header *message,
						size_t size, void *data)
{
	static const struct older_handler older = { sizeof(older), 1, 0, 0, on_any };
	static const struct newer_handler newer = {
		.known = { .size = sizeof(newer), .fn = on_any, .context = AS(5) },
	};
	static const struct newer_handler too_new = {
		.known = { .size = sizeof(newer), .fn = on_any },
		.later = { 1 },
	};
	static const struct qbipc_handler none = { .size = 8, .fn = on_any };

	switch (message->id) {
	case ID_GET: return (const void *)&older;
	case ID_SET: return &newer.known;
	case ID_BARE: return &too_new.known;
	default: return &none;
	}
}

static void prepare_selector(struct server *sv)
{
	SERVER_REQUIRE_EQ(sv, qbipc_service_selector_set(sv->service, select_by_id, NULL), 0);
}

START_TEST(chosen_handlers_follow_the_same_rule)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .prepare = prepare_selector });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	ck_assert_int_eq(ask(c, ID_GET, 100), 0);
	ck_assert_int_eq(ask(c, ID_SET, 100), 5);
	ck_assert_int_eq(ask(c, ID_BARE, 100), -ENOSYS);
	ck_assert_int_eq(ask(c, ID_OTHER, 100), -ENOSYS);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* -- What is asked of a running service -------------------------------------------- */

/* What there was no place for is not left open: see the census. */
static int peer_give_back(int r, const void *peer)
{
	struct caller freed;

	memcpy(&freed, peer, sizeof(freed));
	if (r == 0)
		qbipc_peer_free((void *)&freed);
	return r;
}

static int ask_client_peer(void *from, void *to)
{
	return peer_give_back(qbipc_client_peer_get(from, to), to);
}

static int ask_connection_peer(void *from, void *to)
{
	return peer_give_back(qbipc_connection_peer_get(from, to), to);
}

static int64_t remote_connection_peer(struct server *sv, const int64_t *args)
{
	return answer_fits_every_caller(ask_connection_peer, server_connection(sv, 1),
					sizeof(struct qbipc_peer));
}

static int ask_info(void *from, void *to)
{
	return qbipc_snapshot_info_get(from, to);
}

static int ask_connection(void *from, void *to)
{
	return qbipc_snapshot_connection_get(from, 0, to);
}

static int ask_refusals_seen(void *from, void *to)
{
	return qbipc_snapshot_refusals_get(from, to);
}

static int ask_times(void *from, void *to)
{
	return qbipc_snapshot_timing_get(from, QBIPC_TIMING_PROCESS, to);
}

static int ask_description(void *from, void *to)
{
	return qbipc_description_info_get(from, to);
}

static int ask_described(void *from, void *to)
{
	return qbipc_description_handler_get(from, 0, to);
}

static void others_prepare(struct server *sv)
{
	static const struct qbipc_handler handler = { .size = sizeof(handler),
						      .id = ID_GET,
						      .fn = on_any,
						      .name = "name" };

	SERVER_REQUIRE_EQ(sv, qbipc_service_handlers_register(sv->service, &handler, 1), 0);
	SERVER_REQUIRE_EQ(sv, qbipc_service_timing_set(sv->service, 1), 0);
}

static int ask_probe_info(void *from, void *to)
{
	return qbipc_probe(from, 0, deadline_ms(), to);
}

START_TEST(answers_about_others_fit_every_caller)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .prepare = others_prepare });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	qbipc_description_t *d;
	qbipc_snapshot_t *s;

	client_echo(c, 100);
	ck_assert_int_eq(host_call(h, remote_connection_peer, 0), true);
	ck_assert(answer_fits_every_caller(ask_client_peer, c, sizeof(struct qbipc_peer)));
	ck_assert(answer_fits_every_caller(ask_probe_info, h->name,
					   sizeof(struct qbipc_probe_info)));
	ck_assert_int_eq(qbipc_snapshot_get(h->name, deadline_ms(), &s), 0);
	ck_assert(answer_fits_every_caller(ask_info, s, sizeof(struct qbipc_snapshot_info)));
	ck_assert(answer_fits_every_caller(ask_refusals_seen, s,
					   sizeof(struct qbipc_service_refusals)));
	ck_assert(answer_fits_every_caller(ask_times, s, sizeof(struct qbipc_timing_times)));
	ck_assert(answer_fits_every_caller(ask_connection, s,
					   sizeof(struct qbipc_snapshot_connection)));
	qbipc_snapshot_free(s);
	ck_assert_int_eq(qbipc_describe(h->name, deadline_ms(), &d), 0);
	ck_assert(answer_fits_every_caller(ask_description, d,
					   sizeof(struct qbipc_description_info)));
	ck_assert(answer_fits_every_caller(ask_described, d,
					   sizeof(struct qbipc_description_handler)));
	qbipc_description_free(d);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sized");
	TCase *tc = tcase_new(s, "others");

	add_variant_test(tc, answers_about_others_fit_every_caller);
	add_transport_test(tc, chosen_handlers_follow_the_same_rule);
	tc = tcase_create("service");
	tcase_add_checked_fixture(tc, service_setup, service_teardown);
	tcase_add_test(tc, answers_of_a_service_fit_every_caller);
	tcase_add_test(tc, older_handlers_have_no_more_than_they_know);
	tcase_add_test(tc, newer_handlers_are_good_while_they_ask_for_nothing_unknown);
	tcase_add_test(tc, older_limits_leave_the_rest_to_the_library);
	suite_add_tcase(s, tc);
	return suite_main(s);
}
