/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The application's own SIGBUS handling, below ours and above it, before and after. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/lib/deadline.h"
#include "tests/unit/test-fault.h"

static void own_fault_inside_the_guard(void)
{
	qbi_fault_enter(&v.map.guard);
	app_fault();
	qbi_fault_leave(&v.map.guard);
}

static void fault_in_ours_without_entering(void)
{
	victim_truncate(&v);
	(void)v.bytes[0];
}

START_TEST(own_fault_still_kills_by_default)
{
	ck_assert_killed_by_bus(child_end(app_fault));
	ck_assert_killed_by_bus(child_end(own_fault_inside_the_guard));
	ck_assert_killed_by_bus(child_end(fault_in_ours_without_entering));
}
END_TEST

static void ignore_and_fault(void)
{
	app_install_plain(SIG_IGN);
	qbi_fault_guard_check(true);
	app_fault();
}

START_TEST(own_fault_kills_even_if_ignored)
{
	ck_assert_killed_by_bus(child_end(ignore_and_fault));
}
END_TEST

static void send_to_default(void)
{
	kill(getpid(), SIGBUS);
	for (;;)
		pause();
}

static void send_to_ignored(void)
{
	app_install_plain(SIG_IGN);
	qbi_fault_guard_check(true);
	kill(getpid(), SIGBUS);
	raise(SIGBUS);
}

static void send_inside_the_guard(void)
{
	siginfo_t info = { .si_signo = SIGBUS, .si_code = SI_QUEUE };

	info.si_addr = v.map.part[0];
	qbi_fault_enter(&v.map.guard);
	syscall(SYS_rt_sigqueueinfo, getpid(), SIGBUS, &info);
	qbi_fault_leave(&v.map.guard);
	for (;;)
		pause();
}

START_TEST(sent_signal_does_what_it_did)
{
	ck_assert_killed_by_bus(child_end(send_to_default));
	ck_assert_survived(child_end(send_to_ignored));
	ck_assert_killed_by_bus(child_end(send_inside_the_guard));
}
END_TEST

/* Our handler above one that was there first, or that came later: _i is which. */
static void app_comes(int later, void (*fn)(int, siginfo_t *, void *), int flags)
{
	if (!later)
		victim_close(&v);
	app_install(fn, flags);
	if (!later)
		victim_open(&v);
	qbi_fault_guard_check(true);
	ck_assert_ptr_ne((void *)installed_handler(), (void *)fn);
}

START_TEST(own_fault_reaches_the_applications_handler)
{
	app_comes(_i, app_handler, 0);
	app_fault();
	ck_assert_int_eq(app_faults, 1);
	ck_assert(app_saw_mask);
	ck_assert(app_saw_address);
	victim_must_survive(&v);
	ck_assert_int_eq(app_faults, 1);
}
END_TEST

START_TEST(own_fault_reaches_a_plain_handler)
{
	app_install_plain(app_plain_handler);
	qbi_fault_guard_check(true);
	app_fault();
	app_fault();
	ck_assert_int_eq(app_faults, 2);
	victim_must_survive(&v);
	ck_assert_int_eq(app_faults, 2);
}
END_TEST

START_TEST(own_handler_runs_on_the_stack_it_asked_for)
{
	stack_t ss = { .ss_sp = app_altstack, .ss_size = sizeof(app_altstack) };
	stack_t before;

	ck_assert_int_eq(sigaltstack(&ss, &before), 0);
	app_comes(_i, app_handler, SA_ONSTACK);
	app_fault();
	ck_assert_int_eq(app_faults, 1);
	ck_assert(app_saw_altstack);
	app_comes(1, app_handler, 0);
	app_fault();
	ck_assert_int_eq(app_faults, 2);
	ck_assert(!app_saw_altstack);
	victim_must_survive(&v);
	sigaltstack(&before, NULL);
}
END_TEST

START_TEST(handler_that_calls_the_one_it_found_reaches_it_once)
{
	app_install_plain(other_handler);
	qbi_fault_guard_check(true);
	app_install(app_chaining_handler, 0); /* has found ours */
	qbi_fault_guard_check(true);
	app_fault();
	ck_assert_int_eq(app_faults, 1);
	ck_assert_int_eq(other_faults, 1);
	victim_must_survive(&v);
	ck_assert_int_eq(app_faults, 1);
}
END_TEST

static void step_aside_and_fault(void)
{
	app_install(app_restoring_handler, 0);
	qbi_fault_guard_check(true);
	app_fault();
}

START_TEST(handler_that_restores_what_it_found_is_not_called_again)
{
	ck_assert_killed_by_bus(child_end(step_aside_and_fault));

	app_install_plain(other_handler);
	qbi_fault_guard_check(true);
	app_install(app_restoring_handler, 0);
	qbi_fault_guard_check(true);
	app_fault();
	ck_assert_int_eq(app_faults, 1);
	ck_assert_int_eq(other_faults, 1);
	victim_must_survive(&v);
}
END_TEST

static void fault_twice_with_resethand(void)
{
	app_install(app_handler, SA_RESETHAND);
	qbi_fault_guard_check(true);
	app_fault();
	if (app_faults != 1)
		_exit(1);
	app_fault();
	_exit(2);
}

START_TEST(one_shot_handler_is_called_once)
{
	ck_assert_killed_by_bus(child_end(fault_twice_with_resethand));
}
END_TEST

START_TEST(spent_one_shot_handler_does_not_come_back)
{
	app_comes(1, app_handler, SA_RESETHAND);
	app_fault();
	victim_close(&v);
	ck_assert_ptr_eq((void *)installed_handler(), (void *)SIG_DFL);
	victim_open(&v);
}
END_TEST

START_TEST(application_may_come_and_go_any_number_of_times)
{
	for (int i = 0; i < 1000; i++) {
		struct sigaction found;

		app_install(app_handler, 0);
		found = app_found;
		qbi_fault_guard_check(true);
		ck_assert_ptr_ne((void *)installed_handler(), (void *)app_handler);
		app_fault();
		ck_assert_int_eq(sigaction(SIGBUS, &found, NULL), 0);
		qbi_fault_guard_check(true);
	}
	ck_assert_int_eq(app_faults, 1000);
	victim_must_survive(&v);
}
END_TEST

/* -- Coming and going ---------------------------------------------------------- */

START_TEST(last_guard_puts_the_former_action_back)
{
	struct sigaction after;
	struct victim x;

	app_comes(0, app_handler, SA_RESTART | SA_ONSTACK);
	victim_open(&x);
	victim_close(&v);
	ck_assert_ptr_ne((void *)installed_handler(), (void *)app_handler);
	victim_close(&x);
	ck_assert_int_eq(sigaction(SIGBUS, NULL, &after), 0);
	ck_assert_ptr_eq((void *)after.sa_sigaction, (void *)app_handler);
	ck_assert_int_eq(after.sa_flags & (SA_SIGINFO | SA_RESTART | SA_ONSTACK | SA_NODEFER),
			 SA_SIGINFO | SA_RESTART | SA_ONSTACK);
	ck_assert_int_eq(sigismember(&after.sa_mask, SIGUSR1), 1);
	ck_assert_int_eq(sigismember(&after.sa_mask, SIGUSR2), 0);
	victim_open(&v);
}
END_TEST

START_TEST(last_guard_leaves_a_newer_handler_alone)
{
	app_install(app_handler, 0);
	victim_close(&v);
	ck_assert_ptr_eq((void *)installed_handler(), (void *)app_handler);
	victim_open(&v);
}
END_TEST

START_TEST(without_guards_the_check_installs_nothing)
{
	victim_close(&v);
	app_install(app_handler, 0);
	qbi_fault_guard_check(true);
	ck_assert_ptr_eq((void *)installed_handler(), (void *)app_handler);
	victim_open(&v);
}
END_TEST

static bool check_has_noticed(void)
{
	qbi_fault_guard_check(false);
	return (void *)installed_handler() != (void *)app_handler;
}

START_TEST(cheap_check_notices_within_a_tick)
{
	app_install(app_handler, 0);
	WAIT_FOR(check_has_noticed());
	victim_must_survive(&v);
	ck_assert_int_eq(app_faults, 0);
}
END_TEST

static void *thread_changes_handlers(void *data)
{
	const _Atomic(bool) *stop = data;

	while (!atomic_load(stop)) {
		app_install(app_handler, 0);
		app_install_plain(SIG_DFL);
	}
	return NULL;
}

/* Nothing to observe but that neither side's change is lost for good. */
START_TEST(installation_races_with_the_application)
{
	_Atomic(bool) stop = false;
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, thread_changes_handlers, &stop), 0);
	for (int i = 0; i < 20000; i++)
		qbi_fault_guard_check(true);
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	qbi_fault_guard_check(true);
	victim_must_survive(&v);
}
END_TEST

/* Each different mask makes a different action. */
START_TEST(too_many_different_handlers_are_an_error_not_a_crash)
{
	struct sigaction sa = { .sa_handler = other_handler };
	struct victim x = { .map = QBI_MAPPING_INIT };
	struct qbi_mapping_file file = { v.fd, SIZE };
	int sig, r = 0;

	for (sig = 1; sig < 20 && r == 0; sig++) {
		sigemptyset(&sa.sa_mask);
		sigaddset(&sa.sa_mask, sig);
		ck_assert_int_eq(sigaction(SIGBUS, &sa, NULL), 0);
		r = qbi_mapping_open(&x.map, &file, 1);
		if (r == 0)
			qbi_mapping_close(&x.map);
	}
	ck_assert_int_eq(r, -ENOSPC);
	ck_assert_int_gt(sig, 6);
	app_fault();
	ck_assert_int_eq(other_faults, 1);
}
END_TEST

void add_handler_tests(Suite *s)
{
	TCase *tc = tcase_fault(s, "the application's handler");

	tcase_add_test(tc, own_fault_still_kills_by_default);
	tcase_add_test(tc, own_fault_kills_even_if_ignored);
	tcase_add_test(tc, sent_signal_does_what_it_did);
	tcase_add_loop_test(tc, own_fault_reaches_the_applications_handler, 0, 2);
	tcase_add_test(tc, own_fault_reaches_a_plain_handler);
	tcase_add_loop_test(tc, own_handler_runs_on_the_stack_it_asked_for, 0, 2);
	tcase_add_test(tc, handler_that_calls_the_one_it_found_reaches_it_once);
	tcase_add_test(tc, handler_that_restores_what_it_found_is_not_called_again);
	tcase_add_test(tc, one_shot_handler_is_called_once);
	tcase_add_test(tc, spent_one_shot_handler_does_not_come_back);
	tcase_add_test(tc, application_may_come_and_go_any_number_of_times);

	tc = tcase_fault(s, "installation");
	tcase_add_test(tc, last_guard_puts_the_former_action_back);
	tcase_add_test(tc, last_guard_leaves_a_newer_handler_alone);
	tcase_add_test(tc, without_guards_the_check_installs_nothing);
	tcase_add_test(tc, cheap_check_notices_within_a_tick);
	tcase_add_test(tc, installation_races_with_the_application);
	tcase_add_test(tc, too_many_different_handlers_are_an_error_not_a_crash);
}
