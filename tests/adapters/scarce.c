/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A loop whose process runs out of descriptors: the service's in a child, the client's. */
#include <errno.h>
#include <sys/resource.h>

#include <qb/qbipc_ext.h>

#include "tests/adapters/loop.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/scarcity.h"
#include "tests/lib/variant.h"

enum {
	SEVERAL = 50,
	REST_MS = 100, /* of a listener */
};

static struct host *service_start(int transport, void (*prepare)(struct server *sv))
{
	return host_start(&(struct server_spec){ .type = variants[transport].type,
						 .libqb_wire = variants[transport].libqb_wire,
						 .adapter = &adapter_real,
						 .quiet = true,
						 .prepare = prepare });
}

/* How often the listener has looked away because it could accept nobody. */
static int64_t remote_rests(struct server *sv, const int64_t *args)
{
	struct qbipc_service_refusals refusals = { .size = sizeof(refusals) };

	SERVER_REQUIRE_EQ(sv, qbipc_service_refusals_get(sv->service, &refusals), 0);
	return (int64_t)refusals.listener_rests;
}

START_TEST(a_service_without_descriptors_serves_who_is_there_and_others_later)
{
	struct host *h = service_start(_i, prepare_few_descriptors);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	client_echo(c, 64);
	host_call(h, remote_fill, 0);
	for (int n = 0; n < 3; n++) {
		ck_assert_ptr_null(qb_ipcc_connect(h->name, 0));
		client_echo(c, 64);
	}
	host_call(h, remote_empty);
	for (int n = 0; n < 3; n++) {
		qb_ipcc_connection_t *next = client_connect(h->name, 0);

		client_echo(next, 64);
		qb_ipcc_disconnect(next);
	}
	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	host_await_trace(h, "destroyed:4");
	host_stop(h);
}
END_TEST

/* It is watched for nothing that comes, and then for clients again. */
START_TEST(a_listener_that_can_accept_nobody_rests_in_the_loop_and_resumes)
{
	struct host *h = service_start(_i, prepare_high_spare);
	qb_ipcc_connection_t *c = client_connect(h->name, 0), *waiting;
	uint64_t begin;
	int64_t rests;
	int fd = -1;

	client_echo(c, 64);
	host_call(h, remote_exhaust);
	begin = now_ms();
	waiting = qb_ipcc_connect_async(h->name, 0, &fd);
	ck_assert_ptr_nonnull(waiting);
	WAIT_FOR(host_call(h, remote_rests) >= 1);
	for (int n = 0; n < SEVERAL; n++)
		client_echo(c, 64);
	WAIT_FOR(host_call(h, remote_rests) >= 3);
	rests = host_call(h, remote_rests);
	ck_assert_int_le(rests, (int64_t)(now_ms() - begin) / REST_MS + 1);
	ck_assert(!fd_readable_within(fd, 0));
	host_call(h, remote_rlimit, FEW);
	host_call(h, remote_empty);
	ck_assert(fd_readable_within(fd, deadline_ms()));
	ck_assert_int_eq(qb_ipcc_connect_continue(waiting), 0);
	client_echo(waiting, 64);
	qb_ipcc_disconnect(waiting);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static void on_event(qb_ipcc_connection_t *c, void *event, size_t size, void *loop)
{
	test_loop.stop(loop);
}

/* On one wire the descriptor to be watched is made only then. */
START_TEST(a_client_that_could_not_be_watched_for_want_of_a_descriptor_can_be_later)
{
	struct host *h = service_start(_i, NULL);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	void *loop = test_loop.open();
	struct qbipc_client_watch *watch;
	struct rlimit limit, none = { 0 };

	host_await_trace(h, "created:1");
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none.rlim_max = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	errno = 0;
	watch = test_loop.watch_client(loop, QB_LOOP_MED, c, on_event, NULL, loop);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	if (!watch) {
		ck_assert_int_eq(errno, EMFILE);
		watch = test_loop.watch_client(loop, QB_LOOP_MED, c, on_event, NULL, loop);
	}
	ck_assert_ptr_nonnull(watch);
	ck_assert_int_eq(host_call(h, remote_events, 1, 64, 1000, 1), 1);
	test_loop.run(loop);
	qbipc_client_unwatch(watch);
	test_loop.close(loop);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

void add_scarcity_tests(Suite *s)
{
	TCase *tc = tcase_loop(s, "scarcity");

	/* valgrind keeps the limit of descriptors for itself. */
	tcase_set_tags(tc, "scarce");
	add_transport_test(tc,
			   a_service_without_descriptors_serves_who_is_there_and_others_later);
	add_transport_test(tc, a_listener_that_can_accept_nobody_rests_in_the_loop_and_resumes);
	add_transport_test(
		tc, a_client_that_could_not_be_watched_for_want_of_a_descriptor_can_be_later);
}
