/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a service tells of its handlers, and to whom. The server is the library's, over all
 * transports; its callbacks are in the trace, which stays empty.
 */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>
#include <qb/qbipc_ext.h>

#include "tests/lib/deadline.h"
#include "tests/lib/server.h"
#include "tests/lib/variant.h"
#include "wire/description.h"

enum { NOBODY = 65534, SOMEBODY = 65533, MANY = 2 * QBI_DESCRIPTION_RECORDS + 3 };

static int on_message(qb_ipcs_connection_t *c, void *data, size_t size, void *context)
{
	return 0;
}

struct get_request {
	struct qb_ipc_request_header header;
	uint64_t key[3];
};

enum { MSG_GET = 7, MSG_PUSH = INT32_MAX, MSG_LOW = INT32_MIN };

static void handlers_register(struct server *sv)
{
	char longest[QBI_DESCRIPTION_NAME + 10];
	const struct qbipc_handler more[] = {
		{ .size = sizeof(more[0]),
		  .id = MSG_PUSH,
		  .fn = on_message,
		  .flags = QBIPC_HANDLER_ONE_WAY,
		  .min_size = SIZE_MAX },
		{ .size = sizeof(more[0]), .id = MSG_LOW, .fn = on_message, .name = longest },
	};
	static const struct qbipc_handler table[] = {
		QBIPC_HANDLER(MSG_GET, on_message, struct get_request),
	};

	memset(longest, 'n', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	SERVER_REQUIRE_EQ(sv, qbipc_service_handlers_register(sv->service, table, 1), 0);
	SERVER_REQUIRE_EQ(sv, qbipc_service_handlers_register(sv->service, more, 2), 0);
}

static const struct qbipc_handler *pick(qb_ipcs_connection_t *c,
					const struct qb_ipc_request_header *message,
					size_t size, void *data)
{
	return NULL;
}

static void selector_set(struct server *sv)
{
	SERVER_REQUIRE_EQ(sv, qbipc_service_selector_set(sv->service, pick, NULL), 0);
}

static qbipc_description_t *describe(const struct host *h)
{
	qbipc_description_t *d = NULL;

	ck_assert_int_eq(qbipc_describe(h->name, deadline_ms(), &d), 0);
	return d;
}

static struct qbipc_description_info info_of(const qbipc_description_t *d)
{
	struct qbipc_description_info info = { .size = sizeof(info) };

	ck_assert_int_eq(qbipc_description_info_get(d, &info), 0);
	return info;
}

static struct qbipc_description_handler handler_of(const qbipc_description_t *d, uint32_t i)
{
	struct qbipc_description_handler handler = { .size = sizeof(handler) };

	ck_assert_int_eq(qbipc_description_handler_get(d, i, &handler), 0);
	return handler;
}

START_TEST(description_has_what_was_registered_by_id)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .service_id = 77,
							   .prepare = handlers_register });
	qbipc_description_t *d = describe(h);
	struct qbipc_description_info info = info_of(d);
	struct qbipc_description_handler handler = handler_of(d, 0);

	ck_assert_int_eq(info.pid, h->pid);
	ck_assert_uint_eq(info.uid, geteuid());
	ck_assert_uint_eq(info.gid, getegid());
	ck_assert_int_eq(info.service_id, 77);
	ck_assert_uint_eq(info.handlers, 3);
	ck_assert_uint_eq(info.listed, 3);
	ck_assert_int_ne(info.others, 0);
	ck_assert_int_eq(info.selector, 0);

	ck_assert_int_eq(handler.id, MSG_LOW);
	ck_assert_uint_eq(handler.min_size, 0);
	ck_assert_uint_eq(strspn(handler.name, "n"), QBI_DESCRIPTION_NAME - 1);
	ck_assert_uint_eq(strlen(handler.name), QBI_DESCRIPTION_NAME - 1);
	handler = handler_of(d, 1);
	ck_assert_int_eq(handler.id, MSG_GET);
	ck_assert_uint_eq(handler.flags, 0);
	ck_assert_uint_eq(handler.min_size, sizeof(struct get_request));
	ck_assert_str_eq(handler.name, "MSG_GET");
	handler = handler_of(d, 2);
	ck_assert_int_eq(handler.id, MSG_PUSH);
	ck_assert_uint_eq(handler.flags, QBIPC_HANDLER_ONE_WAY);
	ck_assert_uint_eq(handler.min_size, SIZE_MAX);
	ck_assert_ptr_null(handler.name);
	ck_assert_int_eq(qbipc_description_handler_get(d, 3, &handler), -ENOENT);
	qbipc_description_free(d);
	ck_assert_str_eq(host_trace(h), "");
	host_stop(h);
}
END_TEST

START_TEST(service_without_a_table_has_no_handlers)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qbipc_description_t *d = describe(h);

	ck_assert_uint_eq(info_of(d).handlers, 0);
	ck_assert_uint_eq(info_of(d).listed, 0);
	ck_assert_int_ne(info_of(d).others, 0);
	qbipc_description_free(d);
	host_stop(h);
	h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .no_msg_process = true,
					      .prepare = selector_set });
	d = describe(h);
	ck_assert_uint_eq(info_of(d).handlers, 0);
	ck_assert_int_eq(info_of(d).others, 0);
	ck_assert_int_ne(info_of(d).selector, 0);
	qbipc_description_free(d);
	host_stop(h);
}
END_TEST

/* Registered from the highest id down, in batches. */
static void many_register(struct server *sv)
{
	enum { BATCH = 100 };

	for (int i = MANY; i > 0; i -= BATCH) {
		struct qbipc_handler table[BATCH];
		size_t n = i < BATCH ? (size_t)i : BATCH;

		for (size_t k = 0; k < n; k++)
			table[k] = (struct qbipc_handler){
				.size = sizeof(table[k]),
				.id = 2 * (i - (int)k) - MANY -
				      1, /* even: none is QB_IPC_MSG_DISCONNECT */
				.fn = on_message,
				.min_size = (size_t)(i - (int)k),
			};
		SERVER_REQUIRE_EQ(sv, qbipc_service_handlers_register(sv->service, table, n),
				  0);
	}
}

START_TEST(description_has_all_of_very_many_handlers)
{
	struct host *h =
		host_start(&(struct server_spec){ VARIANT_SPEC(_i), .prepare = many_register });
	qbipc_description_t *d = describe(h);

	ck_assert_uint_eq(info_of(d).handlers, MANY);
	ck_assert_uint_eq(info_of(d).listed, MANY);
	for (int i = 0; i < MANY; i++) {
		struct qbipc_description_handler handler = handler_of(d, (uint32_t)i);

		ck_assert_int_eq(handler.id, 2 * (i + 1) - MANY - 1);
		ck_assert_uint_eq(handler.min_size, (uint64_t)i + 1);
	}
	qbipc_description_free(d);
	host_stop(h);
}
END_TEST

/* What asking returns to a process of that user. */
static int describe_as(const char *name, uid_t uid)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		qbipc_description_t *d = NULL;
		int r;

		if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 ||
		    setresuid(uid, uid, uid) < 0)
			_exit(255);
		r = qbipc_describe(name, deadline_ms(), &d);
		qbipc_description_free(d);
		_exit(-r);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static int64_t remote_allow(struct server *sv, const int64_t *args)
{
	return qbipc_service_snapshot_allow(sv->service, (uid_t)args[0], (gid_t)-1);
}

static int64_t remote_watchers_refused(struct server *sv, const int64_t *args)
{
	struct qbipc_service_refusals refusals = { .size = sizeof(refusals) };

	SERVER_REQUIRE_EQ(sv, qbipc_service_refusals_get(sv->service, &refusals), 0);
	return (int64_t)refusals.watchers;
}

START_TEST(who_may_watch_may_ask)
{
	struct host *h;

	if (geteuid() != 0)
		return;
	h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .prepare = handlers_register });
	ck_assert_int_eq(describe_as(h->name, NOBODY), -EACCES);
	ck_assert_int_eq(host_call(h, remote_watchers_refused), 1);
	host_call(h, remote_allow, NOBODY);
	ck_assert_int_eq(describe_as(h->name, NOBODY), 0);
	ck_assert_int_eq(describe_as(h->name, SOMEBODY), -EACCES);
	ck_assert_int_eq(describe_as(h->name, 0), 0);
	ck_assert_str_eq(host_trace(h), "");
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("describing a service");
	TCase *tc = tcase_new(s, "describe");

	add_transport_test(tc, description_has_what_was_registered_by_id);
	add_transport_test(tc, service_without_a_table_has_no_handlers);
	add_transport_test(tc, description_has_all_of_very_many_handlers);
	add_transport_test(tc, who_may_watch_may_ask);
	return suite_main(s);
}
