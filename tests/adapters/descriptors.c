/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a loop reports of the descriptors that are in it, and in which order. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/adapters/pairs.h"

enum { MANY = 1000 };

START_TEST(input_is_reported_until_it_is_read)
{
	struct pair p;

	pair_open(&p);
	pair_add(&p, QB_LOOP_MED, INPUT);
	pair_feed(&p);
	run_calls(3);
	ck_assert_int_eq(p.calls, 3);
	ck_assert_int_eq(p.revents, POLLIN);
	ck_assert_int_eq(qbipc_poll_del(poll_of, p.fd), 0);
	pair_close(&p);
}
END_TEST

START_TEST(output_is_reported_after_mod)
{
	struct pair p;

	pair_open(&p);
	pair_add(&p, QB_LOOP_MED, INPUT);
	ck_assert_int_eq(
		qbipc_poll_mod(poll_of, QB_LOOP_MED, p.fd, INPUT | POLLOUT, &p, pair_ready), 0);
	run_calls(1);
	ck_assert_int_eq(p.revents, POLLOUT);
	pair_feed(&p);
	run_calls(1);
	if (p.revents != (POLLIN | POLLOUT)) /* it was on its way */
		run_calls(1);
	ck_assert_int_eq(p.revents, POLLIN | POLLOUT);
	ck_assert_int_eq(qbipc_poll_del(poll_of, p.fd), 0);
	pair_close(&p);
}
END_TEST

static int32_t other_ready(int32_t fd, int32_t revents, void *data)
{
	ck_assert_int_eq(fd, *(int *)data);
	*(int *)data = -1;
	test_loop.stop(pairs_loop);
	return 0;
}

START_TEST(mod_changes_function_and_data)
{
	struct pair p;
	int told;

	pair_open(&p);
	pair_add(&p, QB_LOOP_MED, INPUT);
	told = p.fd;
	ck_assert_int_eq(qbipc_poll_mod(poll_of, QB_LOOP_MED, p.fd, INPUT, &told, other_ready),
			 0);
	pair_feed(&p);
	test_loop.run(pairs_loop);
	ck_assert_int_eq(told, -1);
	ck_assert_int_eq(p.calls, 0);
	ck_assert_int_eq(qbipc_poll_del(poll_of, p.fd), 0);
	pair_close(&p);
}
END_TEST

START_TEST(a_hang_up_is_reported_as_that_or_as_input)
{
	struct pair p;
	char byte;

	pair_open(&p);
	pair_add(&p, QB_LOOP_MED, INPUT);
	pair_hang_up(&p);
	run_calls(1);
	ck_assert(p.revents & (POLLIN | POLLHUP));
	ck_assert_int_eq(recv(p.fd, &byte, 1, 0), 0);
	ck_assert_int_eq(qbipc_poll_del(poll_of, p.fd), 0);
	pair_close(&p);
}
END_TEST

/* As the descriptors of clients that must not send now. */
START_TEST(watched_for_hang_ups_only_input_is_no_news_and_a_hang_up_is)
{
	struct pair p, marker;

	pair_open(&p);
	pair_open(&marker);
	pair_add(&p, QB_LOOP_HIGH, HANG_UP);
	pair_add(&marker, QB_LOOP_MED, INPUT);
	pair_feed(&p);
	run_marker(&marker);
	ck_assert_int_eq(p.calls, 0);
	ck_assert_int_eq(qbipc_poll_del(poll_of, marker.fd), 0);
	pair_hang_up(&p);
	run_calls(1);
	ck_assert_int_eq(p.calls, 1);
	ck_assert(p.revents & POLLHUP);
	ck_assert(!(p.revents & POLLIN));
	ck_assert_int_eq(qbipc_poll_del(poll_of, p.fd), 0);
	pair_close(&p);
	pair_close(&marker);
}
END_TEST

START_TEST(input_is_reported_again_when_it_is_wanted_again)
{
	struct pair p, marker;

	pair_open(&p);
	pair_open(&marker);
	pair_add(&p, QB_LOOP_HIGH, INPUT);
	pair_add(&marker, QB_LOOP_MED, INPUT);
	pair_feed(&p);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(
			qbipc_poll_mod(poll_of, QB_LOOP_HIGH, p.fd, HANG_UP, &p, pair_ready),
			0);
		p.calls = 0;
		run_marker(&marker);
		ck_assert_int_eq(p.calls, 0);
		ck_assert_int_eq(
			qbipc_poll_mod(poll_of, QB_LOOP_HIGH, p.fd, INPUT, &p, pair_ready), 0);
		while (!p.calls)
			run_calls(1);
		ck_assert_int_eq(p.revents, POLLIN);
	}
	ck_assert_int_eq(qbipc_poll_del(poll_of, p.fd), 0);
	ck_assert_int_eq(qbipc_poll_del(poll_of, marker.fd), 0);
	pair_close(&p);
	pair_close(&marker);
}
END_TEST

START_TEST(several_hang_ups_are_reported_each)
{
	struct pair p[5];

	for (int i = 0; i < 5; i++) {
		pair_open(&p[i]);
		p[i].result = -1;
		pair_add(&p[i], (enum qb_loop_priority)(i % 3), HANG_UP);
		pair_hang_up(&p[i]);
	}
	run_calls(5);
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(p[i].calls, 1);
		ck_assert_int_eq(qbipc_poll_del(poll_of, p[i].fd), -EBADF);
		pair_close(&p[i]);
	}
}
END_TEST

/* What an adapter has for itself does not count. */
START_TEST(a_loop_that_ends_when_nothing_is_left_does)
{
	struct pair p;

	if (!test_loop.ends_empty)
		return;
	pair_open(&p);
	pair_add(&p, QB_LOOP_MED, HANG_UP);
	ck_assert_int_eq(qbipc_poll_mod(poll_of, QB_LOOP_MED, p.fd, INPUT, &p, pair_ready), 0);
	ck_assert_int_eq(qbipc_poll_mod(poll_of, QB_LOOP_MED, p.fd, HANG_UP, &p, pair_ready),
			 0);
	p.result = -1;
	pair_hang_up(&p);
	test_loop.run(pairs_loop);
	ck_assert_int_eq(p.calls, 1);
	pair_close(&p);
}
END_TEST

/* A datagram socket whose last message nobody took: an error to be read, and no end. */
static void error_make(struct pair *p)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	socklen_t size = sizeof(to);

	memset(p, 0, sizeof(*p));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	p->peer = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(p->peer, (struct sockaddr *)&to, size), 0);
	ck_assert_int_eq(getsockname(p->peer, (struct sockaddr *)&to, &size), 0);
	p->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(connect(p->fd, (struct sockaddr *)&to, size), 0);
	pair_hang_up(p);
	ck_assert_int_eq(send(p->fd, "x", 1, 0), 1);
}

static void act_read_error(struct pair *p)
{
	int error = 0;
	socklen_t size = sizeof(error);

	ck_assert_int_eq(getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
	if (p->calls == 1)
		ck_assert_int_eq(error, ECONNREFUSED);
	if (p->calls == 1)
		ck_assert_int_eq(send(p->fd, "x", 1, 0), 1);
}

START_TEST(a_descriptor_that_had_an_error_stays)
{
	static const int32_t watched[] = { INPUT, POLLIN };
	struct pair p;

	for (int i = 0; i < 2; i++) {
		error_make(&p);
		p.act = act_read_error;
		pair_add(&p, QB_LOOP_MED, watched[i]);
		run_calls(2);
		ck_assert_int_eq(p.calls, 2);
		ck_assert_int_eq(qbipc_poll_del(poll_of, p.fd), 0);
		pair_close(&p);
	}
}
END_TEST

START_TEST(higher_priorities_go_first)
{
	struct pair p[3];

	if (!test_loop.priorities)
		return;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 3; i++) {
			int priority = (i + round) % 3;

			pair_open(&p[priority]);
			p[priority].result = -1;
			pair_add(&p[priority], (enum qb_loop_priority)priority, INPUT);
			pair_feed(&p[priority]);
		}
		run_calls(3);
		ck_assert_int_lt(p[QB_LOOP_HIGH].order, p[QB_LOOP_MED].order);
		ck_assert_int_lt(p[QB_LOOP_MED].order, p[QB_LOOP_LOW].order);
		for (int i = 0; i < 3; i++)
			pair_close(&p[i]);
	}
}
END_TEST

START_TEST(mod_changes_the_priority)
{
	struct pair low, high;

	if (!test_loop.priorities)
		return;
	pair_open(&low);
	pair_open(&high);
	low.result = high.result = -1;
	pair_add(&low, QB_LOOP_HIGH, INPUT);
	pair_add(&high, QB_LOOP_LOW, INPUT);
	ck_assert_int_eq(qbipc_poll_mod(poll_of, QB_LOOP_LOW, low.fd, INPUT, &low, pair_ready),
			 0);
	ck_assert_int_eq(
		qbipc_poll_mod(poll_of, QB_LOOP_HIGH, high.fd, INPUT, &high, pair_ready), 0);
	pair_feed(&low);
	pair_feed(&high);
	run_calls(2);
	ck_assert_int_lt(high.order, low.order);
	pair_close(&low);
	pair_close(&high);
}
END_TEST

START_TEST(nonsense_is_refused)
{
	struct pair p;

	pair_open(&p);
	ck_assert_int_eq(qbipc_poll_del(poll_of, p.fd), -EBADF);
	ck_assert_int_eq(qbipc_poll_mod(poll_of, QB_LOOP_MED, p.fd, INPUT, &p, pair_ready),
			 -EBADF);
	ck_assert_int_lt(qbipc_poll_add(poll_of, QB_LOOP_MED, -1, INPUT, &p, pair_ready), 0);
	ck_assert_int_eq(qbipc_poll_del(poll_of, -1), -EBADF);
	ck_assert_int_eq(qbipc_poll_del(poll_of, INT32_MAX), -EBADF);
	ck_assert_int_eq(qbipc_poll_add(poll_of, QB_LOOP_MED, p.fd, INPUT, &p, NULL), -EINVAL);
	ck_assert_int_eq(
		qbipc_poll_add(poll_of, (enum qb_loop_priority)3, p.fd, INPUT, &p, pair_ready),
		-EINVAL);
	pair_add(&p, QB_LOOP_MED, INPUT);
	ck_assert_int_eq(qbipc_poll_add(poll_of, QB_LOOP_MED, p.fd, INPUT, &p, pair_ready),
			 -EEXIST);
	ck_assert_int_eq(qbipc_poll_mod(poll_of, QB_LOOP_MED, p.fd, INPUT, &p, NULL), -EINVAL);
	ck_assert_int_eq(
		qbipc_poll_mod(poll_of, (enum qb_loop_priority)3, p.fd, INPUT, &p, pair_ready),
		-EINVAL);
	pair_feed(&p);
	run_calls(1);
	ck_assert_int_eq(qbipc_poll_del(poll_of, p.fd), 0);
	ck_assert_int_eq(qbipc_poll_del(poll_of, p.fd), -EBADF);
	pair_close(&p);
}
END_TEST

START_TEST(a_thousand_are_each_called)
{
	struct pair *p = calloc(MANY, sizeof(*p));

	test_loop_descriptors(4 * MANY);
	for (int i = 0; i < MANY; i++) {
		pair_open(&p[i]);
		p[i].result = -1;
		pair_add(&p[i], (enum qb_loop_priority)(i % 3), INPUT);
	}
	for (int i = 0; i < MANY; i++)
		pair_feed(&p[i]);
	run_calls(MANY);
	for (int i = 0; i < MANY; i++) {
		ck_assert_int_eq(p[i].calls, 1);
		pair_close(&p[i]);
	}
	free(p);
}
END_TEST

void add_descriptor_tests(Suite *s)
{
	TCase *tc = tcase_loop(s, "descriptors");

	tcase_add_checked_fixture(tc, pairs_setup, pairs_teardown);
	tcase_add_test(tc, input_is_reported_until_it_is_read);
	tcase_add_test(tc, output_is_reported_after_mod);
	tcase_add_test(tc, mod_changes_function_and_data);
	tcase_add_test(tc, a_hang_up_is_reported_as_that_or_as_input);
	tcase_add_test(tc, watched_for_hang_ups_only_input_is_no_news_and_a_hang_up_is);
	tcase_add_test(tc, input_is_reported_again_when_it_is_wanted_again);
	tcase_add_test(tc, several_hang_ups_are_reported_each);
	tcase_add_test(tc, a_loop_that_ends_when_nothing_is_left_does);
	tcase_add_test(tc, a_descriptor_that_had_an_error_stays);
	tcase_add_test(tc, higher_priorities_go_first);
	tcase_add_test(tc, mod_changes_the_priority);
	tcase_add_test(tc, nonsense_is_refused);

	tc = tcase_loop_many(s, "many descriptors");
	tcase_add_checked_fixture(tc, pairs_setup, pairs_teardown);
	tcase_add_test(tc, a_thousand_are_each_called);
}
