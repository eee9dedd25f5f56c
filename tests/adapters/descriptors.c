/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors in a loop, through the poll handlers that a service would call. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/adapters/loop.h"

enum {
	INPUT = POLLIN | POLLPRI | POLLNVAL,		/* what a service asks for */
	HANG_UP = POLLPRI | POLLNVAL | POLLHUP,		/* and while flow is off */
	MANY = 1000,
};

static void *loop;
static struct qb_ipcs_poll_handlers *poll_of;

/* One end in the loop, the other the test's. */
struct pair {
	int fd;
	int peer;
	int calls;
	int32_t revents;	/* of the last call */
	int order;		/* of the last call, among all calls */
	int32_t result;		/* what its function returns */
	void (*act)(struct pair *p);	/* in its function; may be NULL */
	struct pair *other;
};

static int calls_total;
static int calls_until_stop;	/* total at which the loop stops */

static int32_t pair_ready(int32_t fd, int32_t revents, void *data)
{
	struct pair *p = data;

	ck_assert_int_eq(fd, p->fd);
	p->calls++;
	p->revents = revents;
	p->order = ++calls_total;
	if (calls_total == calls_until_stop)
		test_loop.stop(loop);
	if (p->act)
		p->act(p);
	return p->result;
}

static void pair_open(struct pair *p)
{
	int fds[2];

	memset(p, 0, sizeof(*p));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
				    fds), 0);
	p->fd = fds[0];
	p->peer = fds[1];
}

static void pair_add(struct pair *p, enum qb_loop_priority priority, int32_t events)
{
	ck_assert_int_eq(poll_of->dispatch_add(priority, p->fd, events, p, pair_ready), 0);
}

static void pair_feed(struct pair *p)
{
	ck_assert_int_eq(send(p->peer, "x", 1, 0), 1);
}

static void pair_close(struct pair *p)
{
	close(p->fd);
	if (p->peer >= 0)
		close(p->peer);
}

static void pair_hang_up(struct pair *p)
{
	close(p->peer);
	p->peer = -1;
}

/* Until functions of pairs have been called @n times. */
static void run_calls(int n)
{
	calls_until_stop = calls_total + n;
	test_loop.run(loop);
}

static void setup(void)
{
	loop = test_loop.open();
	poll_of = test_loop.handlers(loop);
	ck_assert_ptr_nonnull(poll_of);
}

static void teardown(void)
{
	test_loop.close(loop);
}

/* A turn in which only @marker is ready, and no other pair may be called: it is, when
 * the loop has looked at all of them. */
static void run_marker(struct pair *marker)
{
	pair_feed(marker);
	for (int i = 0; i < 3; i++) {
		int before = calls_total, of_marker = marker->calls;

		run_calls(1);
		ck_assert_int_eq(calls_total - before, marker->calls - of_marker);
	}
}

START_TEST(input_is_reported_until_it_is_read)
{
	struct pair p;

	pair_open(&p);
	pair_add(&p, QB_LOOP_MED, INPUT);
	pair_feed(&p);
	run_calls(3);
	ck_assert_int_eq(p.calls, 3);
	ck_assert_int_eq(p.revents, POLLIN);
	ck_assert_int_eq(poll_of->dispatch_del(p.fd), 0);
	pair_close(&p);
}
END_TEST

START_TEST(output_is_reported_after_mod)
{
	struct pair p;

	pair_open(&p);
	pair_add(&p, QB_LOOP_MED, INPUT);
	ck_assert_int_eq(poll_of->dispatch_mod(QB_LOOP_MED, p.fd, INPUT | POLLOUT, &p,
					       pair_ready), 0);
	run_calls(1);
	ck_assert_int_eq(p.revents, POLLOUT);
	pair_feed(&p);
	run_calls(1);
	if (p.revents != (POLLIN | POLLOUT))	/* it was on its way */
		run_calls(1);
	ck_assert_int_eq(p.revents, POLLIN | POLLOUT);
	ck_assert_int_eq(poll_of->dispatch_del(p.fd), 0);
	pair_close(&p);
}
END_TEST

static int32_t other_ready(int32_t fd, int32_t revents, void *data)
{
	ck_assert_int_eq(fd, *(int *)data);
	*(int *)data = -1;
	test_loop.stop(loop);
	return 0;
}

START_TEST(mod_changes_function_and_data)
{
	struct pair p;
	int told;

	pair_open(&p);
	pair_add(&p, QB_LOOP_MED, INPUT);
	told = p.fd;
	ck_assert_int_eq(poll_of->dispatch_mod(QB_LOOP_MED, p.fd, INPUT, &told, other_ready),
			 0);
	pair_feed(&p);
	test_loop.run(loop);
	ck_assert_int_eq(told, -1);
	ck_assert_int_eq(p.calls, 0);
	ck_assert_int_eq(poll_of->dispatch_del(p.fd), 0);
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
	ck_assert_int_eq(poll_of->dispatch_del(p.fd), 0);
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
	ck_assert_int_eq(poll_of->dispatch_del(marker.fd), 0);
	pair_hang_up(&p);
	run_calls(1);
	ck_assert_int_eq(p.calls, 1);
	ck_assert(p.revents & POLLHUP);
	ck_assert(!(p.revents & POLLIN));
	ck_assert_int_eq(poll_of->dispatch_del(p.fd), 0);
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
		ck_assert_int_eq(poll_of->dispatch_mod(QB_LOOP_HIGH, p.fd, HANG_UP, &p,
						       pair_ready), 0);
		p.calls = 0;
		run_marker(&marker);
		ck_assert_int_eq(p.calls, 0);
		ck_assert_int_eq(poll_of->dispatch_mod(QB_LOOP_HIGH, p.fd, INPUT, &p,
						       pair_ready), 0);
		while (!p.calls)
			run_calls(1);
		ck_assert_int_eq(p.revents, POLLIN);
	}
	ck_assert_int_eq(poll_of->dispatch_del(p.fd), 0);
	ck_assert_int_eq(poll_of->dispatch_del(marker.fd), 0);
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
		ck_assert_int_eq(poll_of->dispatch_del(p[i].fd), -EBADF);
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
	ck_assert_int_eq(poll_of->dispatch_mod(QB_LOOP_MED, p.fd, INPUT, &p, pair_ready), 0);
	ck_assert_int_eq(poll_of->dispatch_mod(QB_LOOP_MED, p.fd, HANG_UP, &p, pair_ready),
			 0);
	p.result = -1;
	pair_hang_up(&p);
	test_loop.run(loop);
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
		ck_assert_int_eq(poll_of->dispatch_del(p.fd), 0);
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
	ck_assert_int_eq(poll_of->dispatch_mod(QB_LOOP_LOW, low.fd, INPUT, &low,
					       pair_ready), 0);
	ck_assert_int_eq(poll_of->dispatch_mod(QB_LOOP_HIGH, high.fd, INPUT, &high,
					       pair_ready), 0);
	pair_feed(&low);
	pair_feed(&high);
	run_calls(2);
	ck_assert_int_lt(high.order, low.order);
	pair_close(&low);
	pair_close(&high);
}
END_TEST

START_TEST(a_negative_result_removes)
{
	struct pair p, marker;

	pair_open(&p);
	pair_open(&marker);
	p.result = -1;
	pair_add(&p, QB_LOOP_HIGH, INPUT);
	pair_feed(&p);
	run_calls(1);
	pair_add(&marker, QB_LOOP_MED, INPUT);
	run_marker(&marker);
	ck_assert_int_eq(p.calls, 1);
	ck_assert_int_eq(poll_of->dispatch_del(p.fd), -EBADF);
	ck_assert_int_eq(poll_of->dispatch_del(marker.fd), 0);
	pair_close(&p);
	pair_close(&marker);
}
END_TEST

static void act_remove(struct pair *p)
{
	ck_assert_int_eq(poll_of->dispatch_del(p->fd), 0);
	close(p->fd);
}

/* ... closed, and says that it stays: whatever it says, it is gone. */
START_TEST(a_descriptor_may_remove_itself)
{
	struct pair p, marker;

	for (int result = -1; result <= 0; result++) {
		pair_open(&p);
		pair_open(&marker);
		p.act = act_remove;
		p.result = result;
		pair_add(&p, QB_LOOP_HIGH, INPUT);
		pair_feed(&p);
		run_calls(1);
		pair_add(&marker, QB_LOOP_MED, INPUT);
		run_marker(&marker);
		ck_assert_int_eq(p.calls, 1);
		ck_assert_int_eq(poll_of->dispatch_del(marker.fd), 0);
		close(p.peer);
		pair_close(&marker);
	}
}
END_TEST

static void act_remove_other(struct pair *p)
{
	act_remove(p->other);
	p->act = NULL;
	p->result = -1;
}

/* Whichever is called first. */
static void check_removed_by_another(int32_t events)
{
	struct pair p[2], marker;

	for (int i = 0; i < 2; i++) {
		pair_open(&p[i]);
		p[i].act = act_remove_other;
		p[i].other = &p[1 - i];
		pair_add(&p[i], QB_LOOP_MED, events);
	}
	for (int i = 0; i < 2; i++) {
		if (events & POLLIN)
			pair_feed(&p[i]);
		else
			pair_hang_up(&p[i]);
	}
	run_calls(1);
	pair_open(&marker);
	pair_add(&marker, QB_LOOP_LOW, INPUT);
	run_marker(&marker);
	ck_assert_int_eq(p[0].calls + p[1].calls, 1);
	ck_assert_int_eq(poll_of->dispatch_del(marker.fd), 0);
	close(p[p[0].calls ? 0 : 1].fd);
	for (int i = 0; i < 2; i++)
		if (p[i].peer >= 0)
			close(p[i].peer);
	pair_close(&marker);
}

START_TEST(one_that_another_removed_is_not_called_although_it_was_ready)
{
	check_removed_by_another(INPUT);
	check_removed_by_another(HANG_UP);
}
END_TEST

static void act_silence_other(struct pair *p)
{
	struct pair *o = p->other;

	ck_assert_int_eq(poll_of->dispatch_mod(QB_LOOP_MED, o->fd, HANG_UP, o, pair_ready),
			 0);
	p->act = NULL;
}

START_TEST(one_whose_input_is_no_longer_wanted_is_not_called_although_it_was_ready)
{
	struct pair p[2];

	for (int i = 0; i < 2; i++) {
		pair_open(&p[i]);
		p[i].act = act_silence_other;
		p[i].other = &p[1 - i];
		pair_add(&p[i], QB_LOOP_MED, INPUT);
		pair_feed(&p[i]);
	}
	run_calls(3);
	ck_assert_int_eq(p[0].calls + p[1].calls, 3);
	ck_assert(!p[0].calls || !p[1].calls);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(poll_of->dispatch_del(p[i].fd), 0);
		pair_close(&p[i]);
	}
}
END_TEST

/* The next descriptor to be opened gets the number of the one that was closed. */
static void act_replace(struct pair *p)
{
	struct pair *next = p->other;

	act_remove(p);
	pair_open(next);
	ck_assert_int_eq(next->fd, p->fd);
	pair_add(next, QB_LOOP_MED, INPUT);
}

static void check_number_used_again(int32_t result)
{
	struct pair p, next, marker;

	pair_open(&p);
	pair_open(&marker);
	p.act = act_replace;
	p.other = &next;
	p.result = result;
	pair_add(&p, QB_LOOP_HIGH, INPUT);
	pair_feed(&p);
	run_calls(1);
	pair_add(&marker, QB_LOOP_MED, INPUT);
	run_marker(&marker);
	ck_assert_int_eq(p.calls, 1);
	ck_assert_int_eq(next.calls, 0);
	pair_feed(&next);
	while (!next.calls)
		run_calls(1);
	ck_assert_int_eq(poll_of->dispatch_del(next.fd), 0);
	ck_assert_int_eq(poll_of->dispatch_del(marker.fd), 0);
	pair_close(&next);
	pair_close(&marker);
	close(p.peer);
}

START_TEST(a_number_used_again_inside_the_callback_is_a_new_descriptor)
{
	check_number_used_again(0);
	check_number_used_again(-1);
}
END_TEST

START_TEST(a_number_used_again_between_turns_is_a_new_descriptor)
{
	struct pair p, next;

	for (int i = 0; i < 5; i++) {
		pair_open(&p);
		pair_add(&p, QB_LOOP_MED, INPUT);
		pair_feed(&p);
		run_calls(1);
		act_remove(&p);
		pair_open(&next);
		ck_assert_int_eq(next.fd, p.fd);
		pair_add(&next, QB_LOOP_MED, i % 2 ? INPUT : HANG_UP);
		if (i % 2)
			pair_feed(&next);
		else
			pair_hang_up(&next);
		run_calls(1);
		ck_assert_int_eq(next.calls, 1);
		act_remove(&next);
		if (next.peer >= 0)
			close(next.peer);
		close(p.peer);
	}
}
END_TEST

/* ... and the number is taken out and put in again without being closed. */
START_TEST(a_descriptor_may_come_back)
{
	struct pair p, marker;

	pair_open(&p);
	pair_open(&marker);
	pair_add(&marker, QB_LOOP_MED, INPUT);
	pair_feed(&p);
	for (int i = 0; i < 3; i++) {
		p.calls = 0;
		pair_add(&p, QB_LOOP_HIGH, INPUT);
		while (!p.calls)
			run_calls(1);
		ck_assert_int_eq(poll_of->dispatch_del(p.fd), 0);
		run_marker(&marker);
	}
	ck_assert_int_eq(poll_of->dispatch_del(marker.fd), 0);
	pair_close(&p);
	pair_close(&marker);
}
END_TEST

START_TEST(nonsense_is_refused)
{
	struct pair p;

	pair_open(&p);
	ck_assert_int_eq(poll_of->dispatch_del(p.fd), -EBADF);
	ck_assert_int_eq(poll_of->dispatch_mod(QB_LOOP_MED, p.fd, INPUT, &p, pair_ready),
			 -EBADF);
	ck_assert_int_lt(poll_of->dispatch_add(QB_LOOP_MED, -1, INPUT, &p, pair_ready), 0);
	ck_assert_int_eq(poll_of->dispatch_del(-1), -EBADF);
	ck_assert_int_eq(poll_of->dispatch_del(INT32_MAX), -EBADF);
	ck_assert_int_eq(poll_of->dispatch_add(QB_LOOP_MED, p.fd, INPUT, &p, NULL), -EINVAL);
	ck_assert_int_eq(poll_of->dispatch_add((enum qb_loop_priority)3, p.fd, INPUT, &p,
					       pair_ready), -EINVAL);
	pair_add(&p, QB_LOOP_MED, INPUT);
	ck_assert_int_eq(poll_of->dispatch_add(QB_LOOP_MED, p.fd, INPUT, &p, pair_ready),
			 -EEXIST);
	ck_assert_int_eq(poll_of->dispatch_mod(QB_LOOP_MED, p.fd, INPUT, &p, NULL), -EINVAL);
	ck_assert_int_eq(poll_of->dispatch_mod((enum qb_loop_priority)3, p.fd, INPUT, &p,
					       pair_ready), -EINVAL);
	pair_feed(&p);
	run_calls(1);
	ck_assert_int_eq(poll_of->dispatch_del(p.fd), 0);
	ck_assert_int_eq(poll_of->dispatch_del(p.fd), -EBADF);
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

	tcase_add_checked_fixture(tc, setup, teardown);
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
	tcase_add_test(tc, a_negative_result_removes);
	tcase_add_test(tc, a_descriptor_may_remove_itself);
	tcase_add_test(tc, one_that_another_removed_is_not_called_although_it_was_ready);
	tcase_add_test(
		tc, one_whose_input_is_no_longer_wanted_is_not_called_although_it_was_ready);
	tcase_add_test(tc, a_number_used_again_inside_the_callback_is_a_new_descriptor);
	tcase_add_test(tc, a_number_used_again_between_turns_is_a_new_descriptor);
	tcase_add_test(tc, a_descriptor_may_come_back);
	tcase_add_test(tc, nonsense_is_refused);
	tcase_add_test(tc, a_thousand_are_each_called);
}
