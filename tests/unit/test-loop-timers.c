/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Timers: when they fire, in which order, and what their handles say. */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/util.h"
#include "tests/unit/test-loop.h"

/* -- Firing ---------------------------------------------------------------------- */

struct shot {
	qb_loop_timer_handle handle;
	uint64_t not_before;
	int order; /* 0: has not fired */
};

static int shots_fired;

static void shots_clear(void)
{
	shots_fired = 0;
}

static void shot_fire(void *data)
{
	struct shot *s = data;

	ck_assert_int_eq(s->order, 0);
	ck_assert_uint_ge(qbi_now_ns(), s->not_before);
	s->order = ++shots_fired;
}

static void shot_add(struct shot *s, enum qb_loop_priority p, uint64_t ns)
{
	s->not_before = qbi_now_ns() + ns;
	ck_assert_int_eq(qb_loop_timer_add(loop, p, ns, s, shot_fire, &s->handle), 0);
}

START_TEST(a_timer_fires_once_and_never_early)
{
	static const uint64_t durations[] = {
		0, 1, 999, 1000, 500000, MS - 1, MS, MS + 1, 3 * MS / 2, 7 * MS, 20 * MS,
	};
	struct shot shots[QBI_ARRAY_SIZE(durations)] = { 0 };

	for (size_t i = 0; i < QBI_ARRAY_SIZE(durations); i++)
		shot_add(&shots[i], QB_LOOP_MED, durations[i]);
	run_until(&shots_fired, QBI_ARRAY_SIZE(durations));
	for (size_t i = 0; i < QBI_ARRAY_SIZE(durations); i++)
		ck_assert_int_gt(shots[i].order, 0);
}
END_TEST

START_TEST(timers_fire_in_the_order_of_expiry)
{
	static const unsigned int places[] = { 3, 1, 5, 2, 4 };
	struct shot shots[QBI_ARRAY_SIZE(places)] = { 0 };
	uint64_t start = qbi_now_ns() + 200 * MS;

	/* From one moment, however long adding takes where everything is slow. */
	for (size_t i = 0; i < QBI_ARRAY_SIZE(places); i++)
		shot_add(&shots[i], QB_LOOP_MED, start + places[i] * 50 * MS - qbi_now_ns());
	run_until(&shots_fired, QBI_ARRAY_SIZE(places));
	for (size_t i = 0; i < QBI_ARRAY_SIZE(places); i++)
		ck_assert_int_eq(shots[i].order, (int)places[i]);
}
END_TEST

START_TEST(timers_that_expired_together_fire_in_the_order_of_expiry)
{
	struct shot shots[200] = { 0 };

	for (size_t i = 0; i < QBI_ARRAY_SIZE(shots); i++)
		shot_add(&shots[i], QB_LOOP_MED, 0);
	settle();
	for (size_t i = 0; i < QBI_ARRAY_SIZE(shots); i++)
		ck_assert_int_eq(shots[i].order, (int)i + 1);
}
END_TEST

struct chain {
	int left;
	uint64_t begin;
};

static void chain_fire(void *data)
{
	struct chain *c = data;

	if (--c->left == 0)
		qb_loop_stop(loop);
	else
		qb_loop_timer_add(loop, QB_LOOP_MED, 2 * MS, c, chain_fire, NULL);
}

START_TEST(a_timer_can_add_the_next_one)
{
	struct chain c = { .left = 10 };
	uint64_t begin = qbi_now_ns();

	qb_loop_timer_add(loop, QB_LOOP_MED, 2 * MS, &c, chain_fire, NULL);
	run();
	ck_assert_uint_ge(qbi_now_ns() - begin, 20 * MS);
}
END_TEST

static int32_t stay_ready(int32_t fd, int32_t revents, void *data)
{
	return 0;
}

START_TEST(a_timer_fires_although_a_descriptor_is_always_ready)
{
	struct shot s = { 0 };
	int fds[2];

	make_pipe(fds, true);
	qb_loop_poll_add(loop, QB_LOOP_HIGH, fds[0], POLLIN, NULL, stay_ready);
	shot_add(&s, QB_LOOP_LOW, 5 * MS);
	run_until(&shots_fired, 1);
	ck_assert_int_eq(s.order, 1);
	close_pipe(fds);
}
END_TEST

START_TEST(an_endless_duration_does_not_wrap)
{
	qb_loop_timer_handle th;

	qb_loop_timer_add(loop, QB_LOOP_MED, UINT64_MAX, NULL, never_called, &th);
	qb_loop_timer_add(loop, QB_LOOP_MED, UINT64_MAX - 1, NULL, never_called, NULL);
	qb_loop_timer_add(loop, QB_LOOP_MED, INT64_MAX, NULL, never_called, NULL);
	run_for(20);
	ck_assert_int_eq(qb_loop_timer_is_running(loop, th), QB_TRUE);
	ck_assert_uint_gt(qb_loop_timer_expire_time_remaining(loop, th), INT64_MAX);
}
END_TEST

/* -- Handles --------------------------------------------------------------------- */

START_TEST(a_timer_needs_a_priority_and_a_function)
{
	qb_loop_timer_handle th = 7;

	ck_assert_int_eq(qb_loop_timer_add(loop, 3, 0, NULL, never_called, &th), -EINVAL);
	ck_assert_int_eq(qb_loop_timer_add(loop, -1, 0, NULL, never_called, &th), -EINVAL);
	ck_assert_int_eq(qb_loop_timer_add(loop, 0, 0, NULL, NULL, &th), -EINVAL);
	ck_assert_uint_eq(th, 7);
	settle();
}
END_TEST

START_TEST(a_running_timer_tells_when_it_fires)
{
	qb_loop_timer_handle th;
	uint64_t before, after, expiry, left;

	before = qbi_now_ns();
	qb_loop_timer_add(loop, QB_LOOP_LOW, 5 * QBI_NS_PER_S, NULL, never_called, &th);
	after = qbi_now_ns();

	ck_assert_int_eq(qb_loop_timer_is_running(loop, th), QB_TRUE);
	expiry = qb_loop_timer_expire_time_get(loop, th);
	ck_assert_uint_ge(expiry, before + 5 * QBI_NS_PER_S);
	ck_assert_uint_le(expiry, after + 5 * QBI_NS_PER_S);

	before = qbi_now_ns();
	left = qb_loop_timer_expire_time_remaining(loop, th);
	after = qbi_now_ns();
	ck_assert_uint_le(left, expiry - before);
	ck_assert_uint_ge(left, expiry - after);
}
END_TEST

static void check_unknown(qb_loop_timer_handle th)
{
	ck_assert_int_eq(qb_loop_timer_is_running(loop, th), QB_FALSE);
	ck_assert_uint_eq(qb_loop_timer_expire_time_get(loop, th), 0);
	ck_assert_uint_eq(qb_loop_timer_expire_time_remaining(loop, th), 0);
	ck_assert_int_eq(qb_loop_timer_del(loop, th), -EINVAL);
}

static void check_unknown_call(void *data)
{
	check_unknown(*(qb_loop_timer_handle *)data);
	qb_loop_stop(loop);
}

START_TEST(a_timer_that_has_fired_is_unknown_already_inside_its_function)
{
	qb_loop_timer_handle th;

	qb_loop_timer_add(loop, QB_LOOP_MED, 0, &th, check_unknown_call, &th);
	run();
	check_unknown(th);
}
END_TEST

START_TEST(a_deleted_timer_is_unknown_and_does_not_fire)
{
	qb_loop_timer_handle th;

	qb_loop_timer_add(loop, QB_LOOP_MED, 0, NULL, never_called, &th);
	ck_assert_int_eq(qb_loop_timer_del(loop, th), 0);
	check_unknown(th);
	settle();
}
END_TEST

START_TEST(what_was_never_a_handle_is_unknown)
{
	qb_loop_timer_handle th;

	check_unknown(0);
	qb_loop_timer_add(loop, QB_LOOP_MED, QBI_NS_PER_S, NULL, never_called, &th);
	check_unknown(0);
	check_unknown(th + 1);
	check_unknown(th - 1);
	check_unknown(th + ((uint64_t)1 << 32));
	check_unknown(UINT64_MAX);
}
END_TEST

static void delete_expired(void *data)
{
	qb_loop_timer_handle th = *(qb_loop_timer_handle *)data;

	ck_assert_int_eq(qb_loop_timer_is_running(loop, th), QB_FALSE);
	ck_assert_uint_eq(qb_loop_timer_expire_time_get(loop, th), 0);
	ck_assert_int_eq(qb_loop_timer_del(loop, th), 0);
	check_unknown(th);
}

START_TEST(an_expired_timer_that_waits_for_its_turn_can_be_deleted)
{
	qb_loop_timer_handle th;

	qb_loop_timer_add(loop, QB_LOOP_HIGH, 0, &th, delete_expired, NULL);
	qb_loop_timer_add(loop, QB_LOOP_LOW, 0, NULL, never_called, &th);
	settle();
}
END_TEST

START_TEST(no_handle_is_used_for_a_later_timer)
{
	qb_loop_t *other = qb_loop_create();
	qb_loop_timer_handle th, latest = 0;

	/* All timers go at once, so that every place in memory is used again. */
	for (int i = 0; i < 100000; i++) {
		qb_loop_t *l = i % 2 ? loop : other;

		ck_assert_int_eq(qb_loop_timer_add(l, QB_LOOP_LOW, 0, NULL, never_called, &th),
				 0);
		ck_assert_uint_gt(th, latest);
		ck_assert_int_eq(qb_loop_timer_del(l, th), 0);
		latest = th;
	}
	qb_loop_destroy(other);
}
END_TEST

START_TEST(a_handle_outlives_neither_its_timer_nor_its_loop)
{
	qb_loop_timer_handle old, th;

	qb_loop_timer_add(loop, QB_LOOP_LOW, QBI_NS_PER_S, NULL, never_called, &old);
	qb_loop_destroy(loop);
	loop = qb_loop_create();
	qb_loop_timer_add(loop, QB_LOOP_LOW, QBI_NS_PER_S, NULL, never_called, &th);
	check_unknown(old);
	ck_assert_int_eq(qb_loop_timer_is_running(loop, th), QB_TRUE);
}
END_TEST

/* A small generator of its own: the same numbers everywhere. */
static uint32_t random_next(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

enum { MANY = 3000 };

START_TEST(of_many_timers_those_not_deleted_fire_in_order)
{
	static struct shot shots[MANY];
	static uint64_t expiry[MANY]; /* 0: deleted */
	uint32_t seed = 4711;
	int expected = 0;

	for (int i = 0; i < MANY; i++) {
		shot_add(&shots[i], QB_LOOP_MED, random_next(&seed) % (20 * MS));
		expiry[i] = qb_loop_timer_expire_time_get(loop, shots[i].handle);
		/* Thin out while it grows: any place in the heap, any bucket. */
		if (i % 3 == 0) {
			int victim = (int)(random_next(&seed) % (uint32_t)(i + 1));

			if (qb_loop_timer_del(loop, shots[victim].handle) == 0)
				expiry[victim] = 0;
		}
	}
	for (int i = 0; i < MANY; i++)
		expected += expiry[i] != 0;
	ck_assert_int_gt(expected, MANY / 2);
	run_until(&shots_fired, expected);
	for (int i = 0; i < MANY; i++) {
		ck_assert_int_eq(shots[i].order != 0, expiry[i] != 0);
		for (int j = i - 1; j >= 0 && j > i - 50 && shots[i].order; j--)
			if (shots[j].order && expiry[j] != expiry[i])
				ck_assert_int_eq(shots[j].order < shots[i].order,
						 expiry[j] < expiry[i]);
	}
}
END_TEST

/* -- Threads --------------------------------------------------------------------- */

struct adder {
	pthread_t thread;
	atomic_int *left; /* timers of all adders that have not fired */
	atomic_bool *running;
	uint32_t seed;
};

static void adder_fire(void *data)
{
	if (atomic_fetch_sub((atomic_int *)data, 1) == 1)
		qb_loop_stop(loop);
}

static void *adder_main(void *data)
{
	struct adder *a = data;

	while (!atomic_load(a->running))
		;
	for (int i = 0; i < 500; i++) {
		qb_loop_timer_handle th;
		uint64_t ns = random_next(&a->seed) % (2 * MS);

		qb_loop_timer_add(loop, QB_LOOP_MED, 3600 * QBI_NS_PER_S, NULL, never_called,
				  &th);
		qb_loop_timer_add(loop, QB_LOOP_MED, ns, a->left, adder_fire, NULL);
		ck_assert_int_eq(qb_loop_timer_is_running(loop, th), QB_TRUE);
		ck_assert_int_eq(qb_loop_timer_del(loop, th), 0);
	}
	return NULL;
}

static void set_running(void *data)
{
	atomic_store((atomic_bool *)data, true);
}

START_TEST(timers_can_be_added_and_deleted_by_other_threads)
{
	struct adder adders[4];
	atomic_int left = 500 * QBI_ARRAY_SIZE(adders);
	atomic_bool running = false;

	for (size_t i = 0; i < QBI_ARRAY_SIZE(adders); i++) {
		adders[i] = (struct adder){ .left = &left,
					    .running = &running,
					    .seed = (uint32_t)i };
		ck_assert_int_eq(
			pthread_create(&adders[i].thread, NULL, adder_main, &adders[i]), 0);
	}
	qb_loop_job_add(loop, QB_LOOP_MED, &running, set_running);
	run();
	ck_assert_int_eq(atomic_load(&left), 0);
	for (size_t i = 0; i < QBI_ARRAY_SIZE(adders); i++)
		pthread_join(adders[i].thread, NULL);
}
END_TEST

static void *add_stopper(void *data)
{
	while (!atomic_load((atomic_bool *)data))
		;
	for (int i = 0; i < 5; i++)
		pause_briefly();
	qb_loop_timer_add(loop, QB_LOOP_LOW, MS, NULL, stop_loop, NULL);
	return NULL;
}

START_TEST(a_timer_from_another_thread_wakes_a_loop_that_sleeps)
{
	for (int i = 0; i < 20; i++) {
		atomic_bool running = false;
		pthread_t thread;

		pthread_create(&thread, NULL, add_stopper, &running);
		qb_loop_job_add(loop, QB_LOOP_MED, &running, set_running);
		if (i % 2)
			run(); /* sleeps until its guard is due */
		else
			qb_loop_run(loop); /* sleeps for ever */
		pthread_join(thread, NULL);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("loop timers");
	TCase *tc = add_case(s, "firing");

	tcase_add_checked_fixture(tc, shots_clear, NULL);
	tcase_add_test(tc, a_timer_fires_once_and_never_early);
	tcase_add_test(tc, timers_fire_in_the_order_of_expiry);
	tcase_add_test(tc, timers_that_expired_together_fire_in_the_order_of_expiry);
	tcase_add_test(tc, a_timer_can_add_the_next_one);
	tcase_add_test(tc, a_timer_fires_although_a_descriptor_is_always_ready);
	tcase_add_test(tc, an_endless_duration_does_not_wrap);

	tc = add_case(s, "handles");
	tcase_add_checked_fixture(tc, shots_clear, NULL);
	tcase_add_test(tc, a_timer_needs_a_priority_and_a_function);
	tcase_add_test(tc, a_running_timer_tells_when_it_fires);
	tcase_add_test(tc, a_timer_that_has_fired_is_unknown_already_inside_its_function);
	tcase_add_test(tc, a_deleted_timer_is_unknown_and_does_not_fire);
	tcase_add_test(tc, what_was_never_a_handle_is_unknown);
	tcase_add_test(tc, an_expired_timer_that_waits_for_its_turn_can_be_deleted);
	tcase_add_test(tc, no_handle_is_used_for_a_later_timer);
	tcase_add_test(tc, a_handle_outlives_neither_its_timer_nor_its_loop);
	tcase_add_test(tc, of_many_timers_those_not_deleted_fire_in_order);

	tc = add_case(s, "threads");
	tcase_add_test(tc, timers_can_be_added_and_deleted_by_other_threads);
	tcase_add_test(tc, a_timer_from_another_thread_wakes_a_loop_that_sleeps);
	return run_suite(s);
}
