/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors that go while the loop runs: by what their function returns, by what
 * another's does, and whose number then means something else.
 */
#include <errno.h>
#include <unistd.h>

#include "tests/adapters/pairs.h"

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
	ck_assert_int_eq(qbipc_poll_del(poll_of, p.fd), -EBADF);
	ck_assert_int_eq(qbipc_poll_del(poll_of, marker.fd), 0);
	pair_close(&p);
	pair_close(&marker);
}
END_TEST

static void act_remove(struct pair *p)
{
	ck_assert_int_eq(qbipc_poll_del(poll_of, p->fd), 0);
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
		ck_assert_int_eq(qbipc_poll_del(poll_of, marker.fd), 0);
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
	ck_assert_int_eq(qbipc_poll_del(poll_of, marker.fd), 0);
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

	ck_assert_int_eq(qbipc_poll_mod(poll_of, QB_LOOP_MED, o->fd, HANG_UP, o, pair_ready),
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
		ck_assert_int_eq(qbipc_poll_del(poll_of, p[i].fd), 0);
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
	ck_assert_int_eq(qbipc_poll_del(poll_of, next.fd), 0);
	ck_assert_int_eq(qbipc_poll_del(poll_of, marker.fd), 0);
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
		ck_assert_int_eq(qbipc_poll_del(poll_of, p.fd), 0);
		run_marker(&marker);
	}
	ck_assert_int_eq(qbipc_poll_del(poll_of, marker.fd), 0);
	pair_close(&p);
	pair_close(&marker);
}
END_TEST

void add_removal_tests(Suite *s)
{
	TCase *tc = tcase_loop(s, "removals");

	tcase_add_checked_fixture(tc, pairs_setup, pairs_teardown);
	tcase_add_test(tc, a_negative_result_removes);
	tcase_add_test(tc, a_descriptor_may_remove_itself);
	tcase_add_test(tc, one_that_another_removed_is_not_called_although_it_was_ready);
	tcase_add_test(tc,
		       one_whose_input_is_no_longer_wanted_is_not_called_although_it_was_ready);
	tcase_add_test(tc, a_number_used_again_inside_the_callback_is_a_new_descriptor);
	tcase_add_test(tc, a_number_used_again_between_turns_is_a_new_descriptor);
	tcase_add_test(tc, a_descriptor_may_come_back);
}
