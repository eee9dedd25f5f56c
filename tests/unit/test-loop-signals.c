/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signals: deliveries and registrations. */
#include "config.h"

#include <string.h>
#include <sys/wait.h>

#include "base/util.h"
#include "tests/unit/test-loop-signals.h"

/* -- Deliveries ------------------------------------------------------------------ */

START_TEST(a_function_is_called_once_per_delivery)
{
	struct seen s = { 0 };

	watch(&s, SIGUSR1);
	for (int i = 0; i < 5; i++)
		raise(SIGUSR1);
	ck_assert_int_eq(s.calls, 0); /* not in the handler */
	run_until(&s.calls, 5);
	ck_assert_int_eq(s.sig, SIGUSR1);
}
END_TEST

START_TEST(deliveries_before_the_registration_do_not_count)
{
	struct seen first = { 0 }, second = { 0 };

	watch(&first, SIGUSR1);
	raise(SIGUSR1);
	watch(&second, SIGUSR1);
	raise(SIGUSR1);
	run_until(&first.calls, 2);
	ck_assert_int_eq(second.calls, 1);
}
END_TEST

START_TEST(every_registration_of_a_signal_is_called)
{
	struct seen s[3] = { 0 };

	watch(&s[0], SIGUSR1);
	watch(&s[1], SIGUSR1);
	watch(&s[2], SIGUSR2);
	raise(SIGUSR1);
	raise(SIGUSR2);
	raise(SIGUSR1);
	run_until(&s[0].calls, 2);
	ck_assert_int_eq(s[1].calls, 2);
	ck_assert_int_eq(s[2].calls, 1);
}
END_TEST

START_TEST(every_loop_sees_every_delivery)
{
	struct seen s = { 0 }, other_s = { 0 };
	qb_loop_t *first = loop, *other = qb_loop_create();

	watch(&s, SIGUSR1);
	ck_assert_int_eq(qb_loop_signal_add(other, QB_LOOP_LOW, SIGUSR1, &other_s, note, NULL),
			 0);
	raise(SIGUSR1);
	raise(SIGUSR1);
	run_until(&s.calls, 2);
	loop = other;
	run_until(&other_s.calls, 2);
	loop = first;
	qb_loop_destroy(other);
	raise(SIGUSR1);
	run_until(&s.calls, 3);
}
END_TEST

static int32_t stop_on_signal(int32_t sig, void *data)
{
	qb_loop_stop(loop);
	return 0;
}

START_TEST(a_signal_from_another_process_wakes_a_sleeping_loop)
{
	for (int i = 0; i < 10; i++) {
		qb_loop_signal_handle handle;
		pid_t child;

		ck_assert_int_eq(qb_loop_signal_add(loop, QB_LOOP_LOW, SIGUSR1, NULL,
						    stop_on_signal, &handle),
				 0);
		child = fork();
		if (child == 0) {
			for (int n = 0; n < i; n++)
				pause_briefly();
			kill(getppid(), SIGUSR1);
			_exit(0);
		}
		qb_loop_run(loop);
		ck_assert_int_eq(waitpid(child, NULL, 0), child);
		ck_assert_int_eq(qb_loop_signal_del(loop, handle), 0);
	}
}
END_TEST

static char order[8];
static int noted;

static int32_t note_order(int32_t sig, void *data)
{
	order[noted++] = (char)(intptr_t)data;
	return 0;
}

START_TEST(priorities_hold_for_signals)
{
	memset(order, 0, sizeof(order));
	noted = 0;
	qb_loop_signal_add(loop, QB_LOOP_LOW, SIGUSR1, (void *)'l', note_order, NULL);
	qb_loop_signal_add(loop, QB_LOOP_MED, SIGUSR1, (void *)'m', note_order, NULL);
	qb_loop_signal_add(loop, QB_LOOP_HIGH, SIGUSR1, (void *)'h', note_order, NULL);
	raise(SIGUSR1);
	run_until(&noted, 3);
	ck_assert_str_eq(order, "hml");
}
END_TEST

static void check_calls(void *data)
{
	struct seen *s = data;

	ck_assert_int_ge(s->calls, 1);
	ck_assert_int_le(s->calls, 3);
}

START_TEST(a_burst_of_deliveries_does_not_hold_up_the_rest)
{
	struct seen s = { 0 };

	ck_assert_int_eq(qb_loop_signal_add(loop, QB_LOOP_HIGH, SIGUSR1, &s, note, NULL), 0);
	for (int i = 0; i < 100; i++)
		raise(SIGUSR1);
	qb_loop_job_add(loop, QB_LOOP_LOW, &s, check_calls);
	run_until(&s.calls, 100);
}
END_TEST

/* -- Registrations --------------------------------------------------------------- */

START_TEST(a_registration_needs_a_priority_a_function_and_a_signal)
{
	static const int bad[] = { -1, 0, SIGKILL, SIGSTOP, NSIG, 999 };
	qb_loop_signal_handle h;

	for (size_t i = 0; i < QBI_ARRAY_SIZE(bad); i++)
		ck_assert_int_eq(qb_loop_signal_add(loop, QB_LOOP_LOW, bad[i], NULL,
						    never_called_signal, &h),
				 -EINVAL);
	ck_assert_int_eq(qb_loop_signal_add(loop, 3, SIGUSR1, NULL, never_called_signal, &h),
			 -EINVAL);
	ck_assert_int_eq(qb_loop_signal_add(loop, QB_LOOP_LOW, SIGUSR1, NULL, NULL, &h),
			 -EINVAL);
}
END_TEST

START_TEST(a_pending_delivery_goes_with_its_registration)
{
	struct seen s = { 0 };

	watch(&s, SIGUSR1);
	raise(SIGUSR1);
	ck_assert_int_eq(qb_loop_signal_del(loop, s.handle), 0);
	settle();
	ck_assert_int_eq(s.calls, 0);
}
END_TEST

static int32_t delete_other(int32_t sig, void *data)
{
	struct seen *other = data;

	ck_assert_int_eq(qb_loop_signal_del(loop, other->handle), 0);
	return -1;
}

START_TEST(a_registration_whose_turn_is_next_can_be_deleted)
{
	struct seen s = { 0 };

	qb_loop_signal_add(loop, QB_LOOP_HIGH, SIGUSR1, &s, delete_other, NULL);
	watch(&s, SIGUSR1);
	raise(SIGUSR1);
	settle();
	ck_assert_int_eq(s.calls, 0);
}
END_TEST

static int32_t delete_itself(int32_t sig, void *data)
{
	struct seen *s = data;

	s->calls++;
	ck_assert_int_eq(qb_loop_signal_del(loop, s->handle), 0);
	/* Takes the place in memory, and must not take the answer too. */
	watch(s, SIGUSR2);
	return -1;
}

START_TEST(a_function_can_delete_its_registration_and_add_the_next)
{
	struct seen s = { 0 };

	ck_assert_int_eq(
		qb_loop_signal_add(loop, QB_LOOP_MED, SIGUSR1, &s, delete_itself, &s.handle),
		0);
	raise(SIGUSR1);
	raise(SIGUSR1);
	run_until(&s.calls, 1);
	raise(SIGUSR2);
	run_until(&s.calls, 2);
	ck_assert_int_eq(s.sig, SIGUSR2);
}
END_TEST

START_TEST(a_negative_answer_removes_the_registration)
{
	struct seen s = { .answer = -1 }, other = { 0 };

	watch(&s, SIGUSR1);
	watch(&other, SIGUSR1);
	raise(SIGUSR1);
	raise(SIGUSR1);
	run_until(&s.calls, 1);
	ck_assert_int_eq(other.calls, 2);
	ck_assert_int_eq(qb_loop_signal_del(loop, s.handle), -EINVAL);
}
END_TEST

START_TEST(a_handle_is_refused_once_its_registration_is_gone)
{
	struct seen s = { 0 }, next = { 0 };
	qb_loop_signal_handle old;

	ck_assert_int_eq(qb_loop_signal_del(loop, NULL), -EINVAL);
	watch(&s, SIGUSR1);
	old = s.handle;
	ck_assert_int_eq(qb_loop_signal_del(loop, old), 0);
	watch(&next, SIGUSR1);
	ck_assert_ptr_ne(next.handle, old);
	ck_assert_int_eq(qb_loop_signal_del(loop, old), -EINVAL);
	ck_assert_int_eq(
		qb_loop_signal_mod(loop, QB_LOOP_MED, SIGUSR1, NULL, never_called_signal, old),
		-EINVAL);
	raise(SIGUSR1);
	run_until(&next.calls, 1);
}
END_TEST

START_TEST(mod_changes_signal_data_and_function)
{
	struct seen s = { 0 }, other = { 0 };

	qb_loop_signal_add(loop, QB_LOOP_LOW, SIGUSR1, NULL, never_called_signal, &s.handle);
	watch(&other, SIGUSR1);
	raise(SIGUSR1);
	ck_assert_int_eq(qb_loop_signal_mod(loop, QB_LOOP_HIGH, SIGUSR2, &s, note, s.handle),
			 0);
	raise(SIGUSR2);
	run_until(&s.calls, 1);
	ck_assert_int_eq(s.sig, SIGUSR2);
	ck_assert_int_eq(other.calls, 1);
}
END_TEST

START_TEST(mod_of_the_same_signal_keeps_pending_deliveries)
{
	struct seen s = { 0 };

	qb_loop_signal_add(loop, QB_LOOP_LOW, SIGUSR1, NULL, never_called_signal, &s.handle);
	raise(SIGUSR1);
	ck_assert_int_eq(qb_loop_signal_mod(loop, QB_LOOP_HIGH, SIGUSR1, &s, note, s.handle),
			 0);
	run_until(&s.calls, 1);
}
END_TEST

static int32_t move_down(int32_t sig, void *data)
{
	struct seen *s = data;

	ck_assert_int_eq(qb_loop_signal_mod(loop, QB_LOOP_LOW, SIGUSR1, s, note, s->handle), 0);
	return 0;
}

START_TEST(a_pending_registration_can_be_moved_to_another_priority)
{
	struct seen s = { 0 };

	qb_loop_signal_add(loop, QB_LOOP_HIGH, SIGUSR1, &s, move_down, NULL);
	qb_loop_signal_add(loop, QB_LOOP_MED, SIGUSR1, NULL, never_called_signal, &s.handle);
	raise(SIGUSR1);
	run_until(&s.calls, 1);
}
END_TEST

static int32_t move_away(int32_t sig, void *data)
{
	struct seen *s = data;

	ck_assert_int_eq(qb_loop_signal_mod(loop, QB_LOOP_LOW, SIGUSR2, NULL,
					    never_called_signal, s->handle),
			 0);
	s->calls++;
	return 0;
}

START_TEST(a_pending_delivery_goes_when_the_signal_is_changed)
{
	struct seen s = { 0 };

	qb_loop_signal_add(loop, QB_LOOP_HIGH, SIGUSR1, &s, move_away, NULL);
	qb_loop_signal_add(loop, QB_LOOP_LOW, SIGUSR1, NULL, never_called_signal, &s.handle);
	raise(SIGUSR1);
	run_until(&s.calls, 1);
}
END_TEST

START_TEST(a_refused_mod_changes_nothing)
{
	struct seen s = { 0 };

	watch(&s, SIGUSR1);
	ck_assert_int_eq(qb_loop_signal_mod(loop, QB_LOOP_LOW, SIGKILL, NULL,
					    never_called_signal, s.handle),
			 -EINVAL);
	ck_assert_int_eq(
		qb_loop_signal_mod(loop, 3, SIGUSR1, NULL, never_called_signal, s.handle),
		-EINVAL);
	ck_assert_int_eq(qb_loop_signal_mod(loop, QB_LOOP_LOW, SIGUSR1, NULL, NULL, s.handle),
			 -EINVAL);
	ck_assert_int_eq(
		qb_loop_signal_mod(loop, QB_LOOP_LOW, SIGUSR1, NULL, never_called_signal, NULL),
		-EINVAL);
	raise(SIGUSR1);
	run_until(&s.calls, 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("loop signals");
	TCase *tc = add_case(s, "deliveries");

	tcase_add_test(tc, a_function_is_called_once_per_delivery);
	tcase_add_test(tc, deliveries_before_the_registration_do_not_count);
	tcase_add_test(tc, every_registration_of_a_signal_is_called);
	tcase_add_test(tc, every_loop_sees_every_delivery);
	tcase_add_test(tc, a_signal_from_another_process_wakes_a_sleeping_loop);
	tcase_add_test(tc, priorities_hold_for_signals);
	tcase_add_test(tc, a_burst_of_deliveries_does_not_hold_up_the_rest);

	tc = add_case(s, "registrations");
	tcase_add_test(tc, a_registration_needs_a_priority_a_function_and_a_signal);
	tcase_add_test(tc, a_pending_delivery_goes_with_its_registration);
	tcase_add_test(tc, a_registration_whose_turn_is_next_can_be_deleted);
	tcase_add_test(tc, a_function_can_delete_its_registration_and_add_the_next);
	tcase_add_test(tc, a_negative_answer_removes_the_registration);
	tcase_add_test(tc, a_handle_is_refused_once_its_registration_is_gone);
	tcase_add_test(tc, mod_changes_signal_data_and_function);
	tcase_add_test(tc, mod_of_the_same_signal_keeps_pending_deliveries);
	tcase_add_test(tc, a_pending_registration_can_be_moved_to_another_priority);
	tcase_add_test(tc, a_pending_delivery_goes_when_the_signal_is_changed);
	tcase_add_test(tc, a_refused_mod_changes_nothing);
	return run_suite(s);
}
