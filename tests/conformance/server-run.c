/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Creating and running a service: what run returns, and what may come before it. */
#include <errno.h>
#include <string.h>

#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

static int32_t accept_all(qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	return 0;
}

static void ignore(qb_ipcs_connection_t *c)
{
}

static int32_t take_all(qb_ipcs_connection_t *c, void *data, size_t size)
{
	return 0;
}

static int32_t close_at_once(qb_ipcs_connection_t *c)
{
	return 0;
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

static struct qb_ipcs_service_handlers handlers = {
	.connection_accept = accept_all,
	.connection_created = ignore,
	.msg_process = take_all,
	.connection_closed = close_at_once,
	.connection_destroyed = ignore,
};

static const struct qb_ipcs_poll_handlers poll_handlers = {
	.dispatch_add = add_nothing,
	.dispatch_mod = add_nothing,
	.dispatch_del = del_nothing,
};

static qb_ipcs_service_t *service_new(enum qb_ipc_type type)
{
	qb_ipcs_service_t *s;
	char name[64];

	unique_name(name, sizeof(name));
	s = qb_ipcs_create(name, 1, type, &handlers);
	ck_assert_ptr_nonnull(s);
	return s;
}

static int32_t run_with(enum qb_ipc_type type, struct qb_ipcs_poll_handlers h)
{
	qb_ipcs_service_t *s = service_new(type);

	qb_ipcs_poll_handlers_set(s, &h);
	return qb_ipcs_run(s);
}

START_TEST(run_without_poll_handlers_is_einval)
{
	ck_assert_int_eq(qb_ipcs_run(service_new(variants[_i].type)), -EINVAL);
}
END_TEST

START_TEST(run_without_dispatch_add_is_einval)
{
	struct qb_ipcs_poll_handlers h = poll_handlers;

	h.dispatch_add = NULL;
	ck_assert_int_eq(run_with(variants[_i].type, h), -EINVAL);
}
END_TEST

START_TEST(run_without_dispatch_mod_is_einval)
{
	struct qb_ipcs_poll_handlers h = poll_handlers;

	h.dispatch_mod = NULL;
	ck_assert_int_eq(run_with(variants[_i].type, h), -EINVAL);
}
END_TEST

START_TEST(run_without_dispatch_del_is_einval)
{
	struct qb_ipcs_poll_handlers h = poll_handlers;

	h.dispatch_del = NULL;
	ck_assert_int_eq(run_with(variants[_i].type, h), -EINVAL);
}
END_TEST

START_TEST(run_without_job_add_is_fine)
{
	qb_ipcs_service_t *s = service_new(variants[_i].type);
	struct qb_ipcs_poll_handlers h = poll_handlers;

	qb_ipcs_poll_handlers_set(s, &h);
	ck_assert_int_eq(qb_ipcs_run(s), 0);
	qb_ipcs_destroy(s);
}
END_TEST

START_TEST(run_of_posix_message_queues_is_enotsup)
{
	ck_assert_int_eq(run_with(QB_IPC_POSIX_MQ, poll_handlers), -ENOTSUP);
}
END_TEST

START_TEST(run_of_sysv_message_queues_is_enotsup)
{
	ck_assert_int_eq(run_with(QB_IPC_SYSV_MQ, poll_handlers), -ENOTSUP);
}
END_TEST

START_TEST(run_of_an_unknown_type_is_einval)
{
	ck_assert_int_eq(run_with((enum qb_ipc_type)77, poll_handlers), -EINVAL);
}
END_TEST

START_TEST(run_with_a_taken_name_is_eaddrinuse)
{
	struct host *first = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	struct host *second =
		host_try_start(&(struct server_spec){ VARIANT_SPEC(_i), .name = first->name });
	qb_ipcc_connection_t *c;

	ck_assert_int_eq(host_run_result(second), -EADDRINUSE);
	host_stop(second);
	c = client_connect(first->name, 0);
	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	host_stop(first);
}
END_TEST

/* The host destroys the service with the one reference that there is. */
static int64_t run_again(struct server *sv, const int64_t *args)
{
	SERVER_REQUIRE_EQ(sv, qb_ipcs_run(sv->service), -EADDRINUSE);
	return qb_ipcs_run(sv->service);
}

static int64_t destroy_and_run(struct server *sv, const int64_t *args)
{
	qb_ipcs_ref(sv->service);
	qb_ipcs_destroy(sv->service);
	return qb_ipcs_run(sv->service);
}

static void check_run(int i, remote_fn fn, int32_t expected)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	host_await_trace(h, "destroyed:1");
	ck_assert_int_eq(host_call(h, fn), expected);
	c = client_connect(h->name, 0);
	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	host_stop(h);
}

START_TEST(run_of_a_service_that_runs_is_eaddrinuse_and_it_goes_on)
{
	check_run(_i, run_again, -EADDRINUSE);
}
END_TEST

START_TEST(service_that_was_destroyed_runs_again_for_who_kept_a_reference)
{
	check_run(_i, destroy_and_run, 0);
}
END_TEST

static void check_name_length(int i, size_t length, bool fits)
{
	struct host *h;
	char name[200];

	memset(name, 'x', sizeof(name));
	unique_name(name, sizeof(name));
	name[strlen(name)] = '-';
	name[length] = '\0';
	h = host_try_start(&(struct server_spec){ VARIANT_SPEC(i), .name = name });
	if (fits) {
		qb_ipcc_connection_t *c;

		ck_assert_int_eq(host_run_result(h), 0);
		c = client_connect(name, 0);
		client_echo(c, 64);
		qb_ipcc_disconnect(c);
	} else {
		ck_assert_int_eq(host_run_result(h), -ENAMETOOLONG);
	}
	host_stop(h);
}

START_TEST(name_of_60_characters_fits)
{
	check_name_length(_i, 60, true);
}
END_TEST

START_TEST(name_of_106_characters_fits_with_shm)
{
	check_name_length(0, 106, true);
}
END_TEST

START_TEST(name_of_107_characters_is_enametoolong_not_cut)
{
	check_name_length(_i, 107, false);
}
END_TEST

START_TEST(connect_to_a_name_of_107_characters_is_enametoolong)
{
	char name[108];

	memset(name, 'y', 107);
	name[107] = '\0';
	errno = 0;
	ck_assert_ptr_null(qb_ipcc_connect(name, 0));
	ck_assert_int_eq(errno, ENAMETOOLONG);
}
END_TEST

START_TEST(native_type_means_shm)
{
	struct host *h = host_start(&(struct server_spec){ .type = QB_IPC_NATIVE });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	client_echo(c, 5000);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static void prepare_everything(struct server *sv)
{
	qb_ipcs_request_rate_limit(sv->service, QB_IPCS_RATE_FAST);
	qb_ipcs_enforce_buffer_size(sv->service, 50000);
	qb_ipcs_service_context_set(sv->service, sv);
}

START_TEST(rate_buffer_size_and_context_may_be_set_before_poll_handlers_and_run)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .prepare = prepare_everything });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	ck_assert_int_ge(qb_ipcc_get_buffer_size(c), 50000);
	client_echo(c, 40000);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(destroy_of_a_service_never_run_is_fine)
{
	qb_ipcs_destroy(service_new(variants[_i].type));
}
END_TEST

START_TEST(destroy_of_a_service_with_handlers_never_run_is_fine)
{
	qb_ipcs_service_t *s = service_new(variants[_i].type);
	struct qb_ipcs_poll_handlers h = poll_handlers;

	qb_ipcs_request_rate_limit(s, QB_IPCS_RATE_SLOW);
	qb_ipcs_poll_handlers_set(s, &h);
	qb_ipcs_destroy(s);
}
END_TEST

START_TEST(stats_of_a_service_never_run_are_zero)
{
	qb_ipcs_service_t *s = service_new(variants[_i].type);
	struct qb_ipcs_stats stats = { 5, 5 };

	ck_assert_int_eq(qb_ipcs_stats_get(s, &stats, 0), 0);
	ck_assert_uint_eq(stats.active_connections, 0);
	ck_assert_uint_eq(stats.closed_connections, 0);
	ck_assert_ptr_null(qb_ipcs_connection_first_get(s));
	qb_ipcs_destroy(s);
}
END_TEST

START_TEST(every_server_call_survives_a_null_service)
{
	struct qb_ipcs_poll_handlers h = poll_handlers;
	struct qb_ipcs_stats stats;

	qb_ipcs_ref(NULL);
	qb_ipcs_unref(NULL);
	qb_ipcs_poll_handlers_set(NULL, &h);
	qb_ipcs_service_context_set(NULL, &h);
	ck_assert_ptr_null(qb_ipcs_service_context_get(NULL));
	ck_assert_int_eq(qb_ipcs_run(NULL), -EINVAL);
	qb_ipcs_destroy(NULL);
	qb_ipcs_request_rate_limit(NULL, QB_IPCS_RATE_FAST);
	ck_assert_int_eq(qb_ipcs_stats_get(NULL, &stats, 0), -EINVAL);
	ck_assert_ptr_null(qb_ipcs_connection_first_get(NULL));
	ck_assert_ptr_null(qb_ipcs_connection_next_get(NULL, NULL));
	qb_ipcs_enforce_buffer_size(NULL, 1000);
}
END_TEST

START_TEST(every_server_call_survives_a_null_connection)
{
	struct qb_ipc_response_header hdr = { .id = 1, .size = sizeof(hdr) };
	struct iovec iov = { &hdr, sizeof(hdr) };
	struct qb_ipcs_connection_stats stats;

	ck_assert_int_eq(qb_ipcs_response_send(NULL, &hdr, sizeof(hdr)), -EINVAL);
	ck_assert_int_eq(qb_ipcs_response_sendv(NULL, &iov, 1), -EINVAL);
	ck_assert_int_eq(qb_ipcs_event_send(NULL, &hdr, sizeof(hdr)), -EINVAL);
	ck_assert_int_eq(qb_ipcs_event_sendv(NULL, &iov, 1), -EINVAL);
	qb_ipcs_connection_ref(NULL);
	qb_ipcs_connection_unref(NULL);
	qb_ipcs_disconnect(NULL);
	ck_assert_int_eq(qb_ipcs_service_id_get(NULL), -EINVAL);
	qb_ipcs_context_set(NULL, &hdr);
	ck_assert_ptr_null(qb_ipcs_context_get(NULL));
	ck_assert_ptr_null(qb_ipcs_connection_service_context_get(NULL));
	ck_assert_int_eq(qb_ipcs_connection_stats_get(NULL, &stats, 0), -EINVAL);
	ck_assert_ptr_null(qb_ipcs_connection_stats_get_2(NULL, 0));
	qb_ipcs_connection_auth_set(NULL, 0, 0, 0600);
	ck_assert_int_eq(qb_ipcs_connection_get_buffer_size(NULL), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("server run");
	TCase *tc = tcase_new(s, "result");

	add_transport_test(tc, run_without_poll_handlers_is_einval);
	add_transport_test(tc, run_without_dispatch_add_is_einval);
	add_transport_test(tc, run_without_dispatch_mod_is_einval);
	add_transport_test(tc, run_without_dispatch_del_is_einval);
	add_transport_test(tc, run_without_job_add_is_fine);
	tcase_add_test(tc, run_of_posix_message_queues_is_enotsup);
	tcase_add_test(tc, run_of_sysv_message_queues_is_enotsup);
	tcase_add_test(tc, run_of_an_unknown_type_is_einval);
	add_variant_test(tc, run_with_a_taken_name_is_eaddrinuse);
	add_variant_test(tc, run_of_a_service_that_runs_is_eaddrinuse_and_it_goes_on);
	add_variant_test(tc, service_that_was_destroyed_runs_again_for_who_kept_a_reference);
	tcase_add_test(tc, native_type_means_shm);

	tc = tcase_new(s, "names");
	add_transport_test(tc, name_of_60_characters_fits);
	tcase_add_test(tc, name_of_106_characters_fits_with_shm);
	add_transport_test(tc, name_of_107_characters_is_enametoolong_not_cut);
	tcase_add_test(tc, connect_to_a_name_of_107_characters_is_enametoolong);

	tc = tcase_new(s, "before run");
	add_variant_test(tc,
			 rate_buffer_size_and_context_may_be_set_before_poll_handlers_and_run);
	add_transport_test(tc, destroy_of_a_service_never_run_is_fine);
	add_transport_test(tc, destroy_of_a_service_with_handlers_never_run_is_fine);
	add_transport_test(tc, stats_of_a_service_never_run_are_zero);

	tc = tcase_new(s, "null");
	tcase_add_test(tc, every_server_call_survives_a_null_service);
	tcase_add_test(tc, every_server_call_survives_a_null_connection);
	return suite_main(s);
}
