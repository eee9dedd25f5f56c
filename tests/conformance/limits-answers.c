/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How many answers with descriptors may wait to be read, and what clients get beyond that.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/conformance/limits.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"

/* A client of @uid that lets its answer lie. */
static int lie_unread(struct host *h, int variant, uid_t uid)
{
	int fd = raw_connect(h, uid);

	raw_hello(fd, variant);
	ck_assert(fd_readable_within(fd, deadline_ms()));
	return fd;
}

/* A client that works; then so many of all have got libqb's wire for the unread answers. */
static void client_works(struct host *h, int variant, uid_t uid, uint64_t unread)
{
	qb_ipcc_connection_t *c = connect_as(h, uid, 0);

	ck_assert_msg(c, "connect as %d: %s", (int)uid, strerror(errno));
	client_echo(c, 100);
	qb_ipcc_disconnect(c);
	/* On libqb's wire no answer has descriptors. */
	ck_assert_uint_eq(host_refusals(h).unread_answers,
			  variants[variant].libqb_wire ? 0 : unread);
}

static struct qbipc_probe_info probe_as(struct host *h, uid_t uid)
{
	struct qbipc_probe_info info = { .size = sizeof(info) };

	be(uid);
	ck_assert_int_eq(qbipc_probe(h->name, 0, deadline_ms(), &info), 0);
	be(getuid());
	return info;
}

static void probe_check(struct host *h, int variant, uid_t uid, bool native)
{
	struct qbipc_probe_info info = probe_as(h, uid);

	if (variants[variant].libqb_wire)
		return;
	ck_assert_int_eq(info.native > 0, native);
	ck_assert_int_eq(info.why, native ? QBIPC_WHY_NATIVE : QBIPC_WHY_SERVER_SHORT);
	ck_assert_int_eq(info.why_error, native ? 0 : ETOOMANYREFS);
}

START_TEST(answer_too_many_that_is_unread_is_of_libqbs_wire)
{
	struct host *h = host_with_limits(
		_i, &(struct qbipc_service_limits){ .unread_answers_per_uid = 2 });
	int fd[2] = { lie_unread(h, _i, SOMEBODY), lie_unread(h, _i, SOMEBODY) };

	client_works(h, _i, SOMEBODY, 1);
	client_works(h, _i, ANOTHER, 1);
	probe_check(h, _i, SOMEBODY, false);
	probe_check(h, _i, ANOTHER, true);
	ck_assert_int_eq(raw_answer(fd[0]), 0);
	probe_check(h, _i, SOMEBODY, true);
	client_works(h, _i, SOMEBODY, 1);
	close(fd[0]);
	close(fd[1]);
	host_stop(h);
}
END_TEST

/* docs/protocol.md */
enum { PROBE_WITH_SAMPLE = 0x1 | 0x8 };

START_TEST(answer_to_a_probe_counts_until_it_is_read)
{
	struct host *h = host_with_limits(
		_i, &(struct qbipc_service_limits){ .unread_answers_per_uid = 1 });
	int fd = raw_connect(h, SOMEBODY);

	raw_ask(fd, _i, PROBE_WITH_SAMPLE);
	ck_assert(fd_readable_within(fd, deadline_ms()));
	client_works(h, _i, SOMEBODY, 1);
	probe_check(h, _i, SOMEBODY, false);
	ck_assert_int_eq(raw_answer(fd), 0);
	client_works(h, _i, SOMEBODY, 1);
	probe_check(h, _i, SOMEBODY, true);
	close(fd);
	host_stop(h);
}
END_TEST

START_TEST(unread_answers_of_all_users_are_limited)
{
	struct host *h =
		host_with_limits(_i, &(struct qbipc_service_limits){ .unread_answers = 2 });
	int fd[2] = { lie_unread(h, _i, SOMEBODY), lie_unread(h, _i, ANOTHER) };

	client_works(h, _i, THIRD, 1);
	close(fd[1]);
	client_works(h, _i, THIRD, 1);
	close(fd[0]);
	host_stop(h);
}
END_TEST

START_TEST(root_may_leave_any_number_unread)
{
	struct host *h = host_with_limits(
		_i, &(struct qbipc_service_limits){ .unread_answers = 1,
						    .unread_answers_per_uid = 1 });
	int fd[3] = { lie_unread(h, _i, ROOT), lie_unread(h, _i, ROOT),
		      lie_unread(h, _i, ROOT) };

	client_works(h, _i, ROOT, 0);
	client_works(h, _i, SOMEBODY, 0);
	for (int k = 0; k < 3; k++)
		close(fd[k]);
	host_stop(h);
}
END_TEST

/* Its connection ends, and a program that reads late gets it all the same. */
START_TEST(answer_counts_and_can_be_read_after_the_end)
{
	struct host *h = host_with_limits(
		_i, &(struct qbipc_service_limits){ .unread_answers_per_uid = 1 });
	int fd = lie_unread(h, _i, SOMEBODY);

	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	host_await_trace(h, "destroyed:1");
	client_works(h, _i, SOMEBODY, 1);
	ck_assert_int_eq(raw_answer(fd), 0);
	ck_assert(raw_is_closed(fd));
	client_works(h, _i, SOMEBODY, 1);
	close(fd);
	host_stop(h);
}
END_TEST

/* The service ends, with a stream that it has kept. */
START_TEST(end_of_the_service_lets_go_of_what_is_unread)
{
	struct host *h = host_with_limits(
		_i, &(struct qbipc_service_limits){ .unread_answers_per_uid = 1 });
	int fd = lie_unread(h, _i, SOMEBODY);

	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	host_await_trace(h, "destroyed:1");
	host_stop(h);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("limits: answers");
	TCase *tc = tcase_new(s, "unread");

	add_test_of_users(tc, answer_too_many_that_is_unread_is_of_libqbs_wire);
	add_test_of_users(tc, answer_to_a_probe_counts_until_it_is_read);
	add_test_of_users(tc, unread_answers_of_all_users_are_limited);
	add_test_of_users(tc, root_may_leave_any_number_unread);
	add_test_of_users(tc, answer_counts_and_can_be_read_after_the_end);
	add_test_of_users(tc, end_of_the_service_lets_go_of_what_is_unread);
	return suite_main(s);
}
