/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arguments that can never be right: the log says which one it was. */
#include <errno.h>
#include <qb/qbipc_ext.h>
#include <qb/qbipcc.h>
#include <qb/qbipcs.h>
#include <qbipc/poll.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "tests/lib/census.h"
#include "tests/lib/message.h"
#include "tests/lib/variant.h"

static char said[2048]; /* line after line */

static void log_keep(int priority, const char *text, void *data)
{
	size_t used = strlen(said);

	/* What the system lacks, or which wire is used, is another matter. */
	if (priority > LOG_WARNING && !strstr(text, "msg_process"))
		return;
	snprintf(said + used, sizeof(said) - used, "%s\n", text);
}

/* What was said since the last time has one line, with @word in it. */
static void check_said(const char *word)
{
	const char *end = strchr(said, '\n');

	ck_assert_msg(end && !end[1] && strstr(said, word), "said '%s', not '%s'", said, word);
	said[0] = '\0';
}

static int32_t add_nothing(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			   qb_ipcs_dispatch_fn_t fn)
{
	return 0;
}

static int32_t del_nothing(int32_t fd)
{
	return 0;
}

static int32_t take_all(qb_ipcs_connection_t *c, void *data, size_t size)
{
	return 0;
}

static struct qb_ipcs_service_handlers handlers = { .msg_process = take_all };
static const struct qb_ipcs_poll_handlers poll_handlers = {
	.dispatch_add = add_nothing,
	.dispatch_mod = add_nothing,
	.dispatch_del = del_nothing,
};

static qb_ipcs_service_t *service_new(void)
{
	char name[64];

	unique_name(name, sizeof(name));
	qbipc_log_hook_set(log_keep, NULL);
	return qb_ipcs_create(name, 1, QB_IPC_SHM, &handlers);
}

/* -- Running ------------------------------------------------------------------- */

static void check_run(const char *name, int type, struct qb_ipcs_poll_handlers poll,
		      int expected, const char *word)
{
	qb_ipcs_service_t *s = qb_ipcs_create(name, 1, (enum qb_ipc_type)type, &handlers);

	ck_assert_ptr_nonnull(s);
	qbipc_log_hook_set(log_keep, NULL);
	qb_ipcs_poll_handlers_set(s, &poll);
	ck_assert_int_eq(qb_ipcs_run(s), expected);
	check_said(word);
}

START_TEST(run_names_the_poll_handler_that_is_missing)
{
	struct qb_ipcs_poll_handlers poll = { .dispatch_add = NULL };
	char name[64];

	unique_name(name, sizeof(name));
	check_run(name, QB_IPC_SHM, poll, -EINVAL, "no poll handlers");
	poll = poll_handlers;
	poll.dispatch_add = NULL;
	check_run(name, QB_IPC_SHM, poll, -EINVAL, "dispatch_add");
	poll = poll_handlers;
	poll.dispatch_mod = NULL;
	check_run(name, QB_IPC_SHM, poll, -EINVAL, "dispatch_mod");
	poll = poll_handlers;
	poll.dispatch_del = NULL;
	check_run(name, QB_IPC_SHM, poll, -EINVAL, "dispatch_del");
}
END_TEST

START_TEST(run_says_whether_the_type_is_wrong_or_not_supported)
{
	char name[64];

	unique_name(name, sizeof(name));
	check_run(name, 77, poll_handlers, -EINVAL, "type");
	check_run(name, QB_IPC_POSIX_MQ, poll_handlers, -ENOTSUP, "message queues");
}
END_TEST

START_TEST(run_says_what_is_wrong_with_the_name)
{
	char name[200];

	memset(name, 'x', sizeof(name));
	name[107] = '\0';
	check_run("", QB_IPC_SHM, poll_handlers, -EINVAL, "empty");
	check_run("a/b", QB_IPC_SHM, poll_handlers, -EINVAL, "slash");
	check_run(name, QB_IPC_SHM, poll_handlers, -ENAMETOOLONG, "longer than 106 bytes");
}
END_TEST

START_TEST(run_says_that_the_name_is_in_use)
{
	struct qb_ipcs_poll_handlers poll = poll_handlers;
	qb_ipcs_service_t *s = service_new();
	char name[64];

	unique_name(name, sizeof(name));
	qb_ipcs_destroy(s);
	s = qb_ipcs_create(name, 1, QB_IPC_SHM, &handlers);
	qb_ipcs_poll_handlers_set(s, &poll);
	ck_assert_int_eq(qb_ipcs_run(s), 0);
	ck_assert_str_eq(said, "");
	check_run(name, QB_IPC_SHM, poll, -EADDRINUSE, "Address already in use");
	ck_assert_int_eq(qb_ipcs_run(s), -EADDRINUSE);
	check_said("runs already");
	qb_ipcs_destroy(s);
}
END_TEST

START_TEST(run_says_that_nothing_takes_requests)
{
	struct qb_ipcs_poll_handlers poll = poll_handlers;
	qb_ipcs_service_t *s;
	char name[64];

	unique_name(name, sizeof(name));
	qbipc_log_hook_set(log_keep, NULL);
	s = qb_ipcs_create(name, 1, QB_IPC_SHM, NULL);
	qb_ipcs_poll_handlers_set(s, &poll);
	ck_assert_int_eq(qb_ipcs_run(s), 0);
	check_said("msg_process is NULL");
	qb_ipcs_destroy(s);
}
END_TEST

/* -- Other calls --------------------------------------------------------------- */

START_TEST(server_call_names_itself_and_the_argument_that_is_null)
{
	struct qb_ipcs_poll_handlers poll = poll_handlers;
	qb_ipcs_service_t *s = service_new();
	struct qb_ipcs_stats stats;

	errno = 0;
	ck_assert_ptr_null(qb_ipcs_create(NULL, 1, QB_IPC_SHM, &handlers));
	ck_assert_int_eq(errno, EINVAL);
	check_said("qb_ipcs_create: the name is NULL");
	ck_assert_int_eq(qb_ipcs_run(NULL), -EINVAL);
	check_said("qb_ipcs_run: the service is NULL");
	qb_ipcs_poll_handlers_set(NULL, &poll);
	check_said("qb_ipcs_poll_handlers_set: the service is NULL");
	qb_ipcs_poll_handlers_set(s, NULL);
	check_said("qb_ipcs_poll_handlers_set: the poll handlers are NULL");
	ck_assert_int_eq(qb_ipcs_stats_get(NULL, &stats, 0), -EINVAL);
	check_said("qb_ipcs_stats_get: the service is NULL");
	ck_assert_int_eq(qb_ipcs_stats_get(s, NULL, 0), -EINVAL);
	check_said("qb_ipcs_stats_get: stats is NULL");
	ck_assert_int_eq(qb_ipcs_event_send(NULL, &poll, sizeof(poll)), -EINVAL);
	check_said("the connection is NULL");
	ck_assert_int_eq(qbipc_service_listen_fd_set(NULL, 0), -EINVAL);
	check_said("qbipc_service_listen_fd_set: the service is NULL");
	qb_ipcs_destroy(s);
}
END_TEST

START_TEST(message_of_a_mistake_comes_once_in_a_while)
{
	struct qb_ipc_response_header event = { .id = 1, .size = sizeof(event) };
	int i;

	qbipc_log_hook_set(log_keep, NULL);
	for (i = 0; i < 1000; i++)
		ck_assert_int_eq(qb_ipcs_event_send(NULL, &event, sizeof(event)), -EINVAL);
	check_said("the connection is NULL");
}
END_TEST

static void check_connect(const char *name, size_t size, int expected, const char *word)
{
	errno = 0;
	ck_assert_ptr_null(qb_ipcc_connect(name, size));
	ck_assert_int_eq(errno, expected);
	check_said(word);
}

START_TEST(connect_says_which_argument_is_wrong)
{
	char name[200];

	memset(name, 'x', sizeof(name));
	name[107] = '\0';
	qbipc_log_hook_set(log_keep, NULL);
	check_connect(NULL, 0, EINVAL, "the name is NULL");
	check_connect("", 0, EINVAL, "empty");
	check_connect("a/b", 0, EINVAL, "slash");
	check_connect(name, 0, ENAMETOOLONG, "longer than 106 bytes");
	check_connect("a", SIZE_MAX, EMSGSIZE, "no message may be as large");
	ck_assert_ptr_null(qb_ipcc_connect_async("a", 0, NULL));
	check_said("connect_fd is NULL");
	ck_assert_int_eq(qb_ipcc_connect_continue(NULL), -EINVAL);
	check_said("the connection is NULL");
}
END_TEST

START_TEST(client_call_says_that_the_connection_is_not_made_yet)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c;
	char buf[64];
	int fd;

	qbipc_log_hook_set(log_keep, NULL);
	c = qb_ipcc_connect_async(h->name, 0, &fd);
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(qb_ipcc_recv(c, buf, sizeof(buf), 0), -EINVAL);
	check_said("qb_ipcc_recv: qb_ipcc_connect_continue() comes first");
	ck_assert_int_eq(qb_ipcc_recv(NULL, buf, sizeof(buf), 0), -EINVAL);
	check_said("qb_ipcc_recv: the connection is NULL");
	qb_ipcc_disconnect(c);
	c = client_connect(h->name, 0);
	ck_assert_int_eq(qb_ipcc_recv(c, NULL, sizeof(buf), 0), -EINVAL);
	check_said("qb_ipcc_recv: msg_ptr is NULL");
	ck_assert_int_eq(qb_ipcc_fd_get(c, NULL), -EINVAL);
	check_said("qb_ipcc_fd_get: fd is NULL");
	ck_assert_int_eq(qb_ipcc_fc_enable_max_set(c, 3), -EINVAL);
	check_said("qb_ipcc_fc_enable_max_set: the limit");
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static int on_any(qb_ipcs_connection_t *c, void *data, size_t size, void *context)
{
	return 0;
}

START_TEST(table_of_handlers_is_refused_with_the_row_and_what_is_wrong_with_it)
{
	qb_ipcs_service_t *s = service_new();
	const struct qbipc_handler good = { .size = sizeof(good), .id = 1, .fn = on_any };
	struct qbipc_handler bad[2] = { good, good };

	ck_assert_int_eq(qbipc_service_handlers_register(NULL, bad, 2), -EINVAL);
	check_said("the service is NULL");
	ck_assert_int_eq(qbipc_service_handlers_register(s, NULL, 2), -EINVAL);
	check_said("the table is NULL");
	bad[1].fn = NULL;
	ck_assert_int_eq(qbipc_service_handlers_register(s, bad, 2), -EINVAL);
	check_said("handler 1 of the table: its function is NULL");
	bad[1] = good;
	bad[1].flags = 1u << 31;
	ck_assert_int_eq(qbipc_service_handlers_register(s, bad, 2), -EINVAL);
	check_said("handler 1 of the table: it has an unknown flag");
	bad[0].id = QB_IPC_MSG_DISCONNECT;
	ck_assert_int_eq(qbipc_service_handlers_register(s, bad, 2), -EINVAL);
	check_said("handler 0 of the table: no message arrives");
	bad[0].size = 0;
	ck_assert_int_eq(qbipc_service_handlers_register(s, bad, 2), -EINVAL);
	check_said("handler 0 of the table: its size is too small");
	bad[0] = good;
	bad[1].size = 2 * sizeof(good);
	ck_assert_int_eq(qbipc_service_handlers_register(s, bad, 1), 0);
	qb_ipcs_destroy(s);
}
END_TEST

static int op_add(void *loop, enum qb_loop_priority p, int fd, int events, void *data,
		  qb_ipcs_dispatch_fn_t fn)
{
	return 0;
}

START_TEST(loop_is_refused_with_what_it_lacks)
{
	struct qbipc_loop_ops ops = { .size = sizeof(ops), .add = op_add, .mod = op_add };
	qb_ipcs_service_t *s = service_new();

	ck_assert_int_eq(qbipc_service_loop_set(NULL, &ops, NULL), -EINVAL);
	check_said("qbipc_service_loop_set: the service is NULL");
	ck_assert_int_eq(qbipc_service_loop_set(s, &ops, NULL), -EINVAL);
	check_said("struct qbipc_loop_ops: del is NULL");
	ck_assert_int_eq(qbipc_service_loop_set(s, NULL, NULL), -EINVAL);
	check_said("struct qbipc_loop_ops: it is NULL");
	qb_ipcs_destroy(s);
}
END_TEST

START_TEST(limit_that_is_too_low_is_named)
{
	struct qbipc_service_limits limits = { .size = sizeof(limits), .message_size = 1 };
	qb_ipcs_service_t *s = service_new();

	ck_assert_int_eq(qbipc_service_limits_set(s, &limits), -EINVAL);
	check_said("qbipc_service_limits_set: message_size is below 12328");
	limits.size = 1;
	ck_assert_int_eq(qbipc_service_limits_set(s, &limits), -EINVAL);
	check_said("its size is too small");
	qb_ipcs_destroy(s);
}
END_TEST

static int32_t nothing(int32_t fd, int32_t events, void *data)
{
	return 0;
}

START_TEST(loop_call_says_which_argument_is_wrong)
{
	qb_loop_t *l;

	qbipc_log_hook_set(log_keep, NULL);
	ck_assert_int_eq(qb_loop_poll_add(NULL, QB_LOOP_MED, 0, 0, NULL, nothing), -EINVAL);
	check_said("qb_loop_poll_add: there is no loop");
	ck_assert_int_eq(qb_loop_poll_del(NULL, 0), -EINVAL);
	check_said("qb_loop_poll_del: there is no loop");
	l = qb_loop_create();
	ck_assert_int_eq(qb_loop_job_add(l, (enum qb_loop_priority)9, NULL, NULL), -EINVAL);
	check_said("qb_loop_job_add: the priority");
	ck_assert_int_eq(qb_loop_timer_add(l, QB_LOOP_LOW, 0, NULL, NULL, NULL), -EINVAL);
	check_said("qb_loop_timer_add: dispatch_fn is NULL");
	qb_loop_destroy(l);
}
END_TEST

START_TEST(adapter_says_which_argument_is_wrong)
{
	struct qbipc_poll_ops ops = { .size = sizeof(ops) };
	qb_ipcs_service_t *s = service_new();
	struct qbipc_poll *poll;
	int loop;

	ck_assert_int_eq(qbipc_poll_new(&ops, &loop, NULL), -EINVAL);
	check_said("qbipc_poll_new: ret_poll is NULL");
	ck_assert_int_eq(qbipc_poll_new(NULL, &loop, &poll), -EINVAL);
	check_said("struct qbipc_poll_ops: it is NULL");
	ck_assert_int_eq(qbipc_poll_new(&ops, NULL, &poll), -EINVAL);
	check_said("qbipc_poll_new: the loop is NULL");
	ck_assert_int_eq(qbipc_poll_new(&ops, &loop, &poll), -EINVAL);
	check_said("qbipc_poll_new: an operation is NULL");
	ck_assert_int_eq(qbipc_poll_attach(NULL, s), -EINVAL);
	check_said("qbipc_poll_attach: the loop is NULL");
	ck_assert_int_eq(qbipc_poll_job(NULL, QB_LOOP_MED, NULL, NULL), -EINVAL);
	check_said("poll adapter: the loop is NULL");
	ck_assert_ptr_null(qbipc_client_watch_new(NULL, QB_LOOP_MED, NULL, NULL, NULL, NULL));
	ck_assert_int_eq(errno, EINVAL);
	check_said("watching a client: the event function is NULL");
	qb_ipcs_destroy(s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("misuse");
	TCase *tc = tcase_new(s, "misuse");

	tcase_add_test(tc, run_names_the_poll_handler_that_is_missing);
	tcase_add_test(tc, run_says_whether_the_type_is_wrong_or_not_supported);
	tcase_add_test(tc, run_says_what_is_wrong_with_the_name);
	tcase_add_test(tc, run_says_that_the_name_is_in_use);
	tcase_add_test(tc, run_says_that_nothing_takes_requests);
	tcase_add_test(tc, server_call_names_itself_and_the_argument_that_is_null);
	tcase_add_test(tc, message_of_a_mistake_comes_once_in_a_while);
	tcase_add_test(tc, connect_says_which_argument_is_wrong);
	add_transport_test(tc, client_call_says_that_the_connection_is_not_made_yet);
	tcase_add_test(tc, table_of_handlers_is_refused_with_the_row_and_what_is_wrong_with_it);
	tcase_add_test(tc, loop_is_refused_with_what_it_lacks);
	tcase_add_test(tc, limit_that_is_too_low_is_named);
	tcase_add_test(tc, loop_call_says_which_argument_is_wrong);
	tcase_add_test(tc, adapter_says_which_argument_is_wrong);
	return suite_main(s);
}
