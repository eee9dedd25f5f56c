/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Faults in guarded mappings, and the application's own SIGBUS handling around them. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "base/clock.h"
#include "ring/mapping.h"
#include "tests/lib/census.h"
#include "tests/lib/deadline.h"

enum { PAGE = 4096, SIZE = 4 * PAGE };

/* A file whose pages can be taken away, and its guarded mapping. */
struct victim {
	int fd;
	struct qbi_mapping map;
	volatile unsigned char *bytes;
};

static struct victim v;

static int file_make(void)
{
	int fd = memfd_create("qbipc-test", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, SIZE), 0);
	return fd;
}

static void victim_open(struct victim *x)
{
	struct qbi_mapping_file file;

	*x = (struct victim){ .fd = file_make(), .map = QBI_MAPPING_INIT };
	file = (struct qbi_mapping_file){ x->fd, SIZE };
	ck_assert_int_eq(qbi_mapping_open(&x->map, &file, 1), 0);
	x->bytes = x->map.part[0];
	memset(x->map.part[0], 0x5A, SIZE);
}

static void victim_close(struct victim *x)
{
	qbi_mapping_close(&x->map);
	close(x->fd);
}

static void victim_truncate(struct victim *x)
{
	ck_assert_int_eq(ftruncate(x->fd, 0), 0);
}

/* Touch the guarded mapping; true if it was there. */
static bool victim_touch(struct victim *x, size_t at)
{
	unsigned char byte;

	qbi_fault_enter(&x->map.guard);
	byte = x->bytes[at];
	if (!qbi_fault_leave(&x->map.guard))
		return false;
	ck_assert_uint_eq(byte, 0x5A);
	return true;
}

static void victim_must_survive(struct victim *x)
{
	victim_truncate(x);
	ck_assert(!victim_touch(x, 0));
	ck_assert(qbi_fault_happened(&x->map.guard));
}

/* -- The application's side ---------------------------------------------------- */

static char *volatile app_page;	/* of a truncated file: reading it is a fault */
static volatile sig_atomic_t app_faults, other_faults;
static volatile sig_atomic_t app_saw_mask, app_saw_address, app_saw_altstack;
static struct sigaction app_found;	/* what was there when the handler was set */
static char app_altstack[64 * 1024];

static char *app_page_make(void)
{
	int fd = file_make();
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ck_assert_ptr_ne(page, MAP_FAILED);
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	close(fd);
	return page;
}

static void app_page_repair(void)
{
	mmap(app_page, PAGE, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void app_fault(void)
{
	app_page = app_page_make();
	(void)*(volatile char *)app_page;
	munmap(app_page, PAGE);
}

static void app_handler(int sig, siginfo_t *info, void *context)
{
	char here;
	sigset_t mask;

	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	app_saw_mask = sigismember(&mask, SIGUSR1) && sigismember(&mask, SIGBUS);
	app_saw_address = info->si_addr == app_page;
	app_saw_altstack =
		&here >= app_altstack && &here < app_altstack + sizeof(app_altstack);
	app_faults++;
	app_page_repair();
}

static void app_plain_handler(int sig)
{
	app_faults++;
	app_page_repair();
}

static void other_handler(int sig)
{
	other_faults++;
	app_page_repair();
}

/* Calls the one it found, as libraries with handlers of their own do. */
static void app_chaining_handler(int sig, siginfo_t *info, void *context)
{
	app_faults++;
	if (app_found.sa_flags & SA_SIGINFO)
		app_found.sa_sigaction(sig, info, context);
	else
		app_found.sa_handler(sig);
}

/* Steps aside for the one it found, as crash reporters do. */
static void app_restoring_handler(int sig, siginfo_t *info, void *context)
{
	app_faults++;
	sigaction(SIGBUS, &app_found, NULL);
}

static void app_install(void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = { .sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags };

	sigemptyset(&sa.sa_mask);
	sigaddset(&sa.sa_mask, SIGUSR1);
	ck_assert_int_eq(sigaction(SIGBUS, &sa, &app_found), 0);
}

static void app_install_plain(void (*fn)(int))
{
	struct sigaction sa = { .sa_handler = fn };

	sigemptyset(&sa.sa_mask);
	ck_assert_int_eq(sigaction(SIGBUS, &sa, &app_found), 0);
}

static void (*installed_handler(void))(int)
{
	struct sigaction sa;

	ck_assert_int_eq(sigaction(SIGBUS, NULL, &sa), 0);
	return sa.sa_handler;
}

/* How a child ends that runs @fn with a guard in place. */
static int child_end(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

#define ck_assert_killed_by_bus(status) \
	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, \
		      "wait status %#x", (unsigned int)(status))
#define ck_assert_survived(status) ck_assert_int_eq(status, 0)

static void setup(void)
{
	census_setup();
	app_install_plain(SIG_DFL);
	app_faults = other_faults = 0;
	victim_open(&v);
}

static void teardown(void)
{
	victim_close(&v);
	census_teardown();
}

/* -- Ours ---------------------------------------------------------------------- */

START_TEST(fault_in_a_guarded_mapping_is_survived)
{
	ck_assert(victim_touch(&v, 0));
	victim_must_survive(&v);
}
END_TEST

START_TEST(faulted_mapping_reads_as_zeros_and_takes_writes)
{
	victim_must_survive(&v);
	for (size_t i = 0; i < SIZE; i++)
		ck_assert_uint_eq(v.bytes[i], 0);
	memset(v.map.part[0], 1, SIZE);
	ck_assert_uint_eq(v.bytes[SIZE - 1], 1);
}
END_TEST

START_TEST(errno_is_kept_across_a_fault)
{
	victim_truncate(&v);
	qbi_fault_enter(&v.map.guard);
	errno = 1234;
	(void)v.bytes[PAGE];
	ck_assert_int_eq(errno, 1234);
	ck_assert(!qbi_fault_leave(&v.map.guard));
}
END_TEST

START_TEST(write_fault_is_survived)
{
	victim_truncate(&v);
	qbi_fault_enter(&v.map.guard);
	v.bytes[3 * PAGE + 17] = 1;
	ck_assert(!qbi_fault_leave(&v.map.guard));
}
END_TEST

START_TEST(any_number_of_faults_is_survived)
{
	for (int i = 0; i < 1000; i++) {
		struct victim x;

		victim_open(&x);
		victim_must_survive(&x);
		victim_close(&x);
	}
}
END_TEST

START_TEST(fault_in_one_mapping_leaves_the_others)
{
	struct victim x;

	victim_open(&x);
	victim_must_survive(&x);
	ck_assert(victim_touch(&v, SIZE - 1));
	ck_assert(!qbi_fault_happened(&v.map.guard));
	victim_close(&x);
	ck_assert(victim_touch(&v, 0));
}
END_TEST

static void *thread_fault_often(void *data)
{
	for (int i = 0; i < 200; i++) {
		struct victim x;

		victim_open(&x);
		victim_must_survive(&x);
		victim_close(&x);
	}
	return NULL;
}

START_TEST(threads_fault_at_the_same_time)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, thread_fault_often, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert(victim_touch(&v, 0));
}
END_TEST

static void *thread_with_everything_blocked(void *data)
{
	sigset_t all, after;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	qbi_fault_guard_check(true);
	victim_must_survive(&v);
	pthread_sigmask(SIG_BLOCK, NULL, &after);
	ck_assert_int_eq(sigismember(&after, SIGBUS), 1);
	ck_assert_int_eq(sigismember(&after, SIGUSR1), 1);
	return NULL;
}

/* The kernel kills for a fault whose signal is blocked. */
START_TEST(thread_that_blocks_sigbus_survives_and_keeps_its_mask)
{
	pthread_t thread;

	ck_assert_int_eq(
		pthread_create(&thread, NULL, thread_with_everything_blocked, NULL), 0);
	pthread_join(thread, NULL);
}
END_TEST

START_TEST(removing_a_guard_twice_is_once)
{
	struct qbi_fault_guard never = QBI_FAULT_GUARD_INIT;
	struct victim x;

	qbi_fault_guard_remove(&never);
	victim_open(&x);
	victim_close(&x);
	qbi_mapping_close(&x.map);
	victim_must_survive(&v);
}
END_TEST

/* -- The application's --------------------------------------------------------- */

static void own_fault(void)
{
	app_fault();
}

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
	ck_assert_killed_by_bus(child_end(own_fault));
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
	app_install(app_chaining_handler, 0);	/* has found ours */
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
	ck_assert_int_eq(after.sa_flags &
				 (SA_SIGINFO | SA_RESTART | SA_ONSTACK | SA_NODEFER),
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

	ck_assert_int_eq(pthread_create(&thread, NULL, thread_changes_handlers, &stop),
			 0);
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

int main(void)
{
	Suite *s = suite_create("fault");
	TCase *ours = tcase_create("guarded mappings");
	TCase *theirs = tcase_create("the application's handler");
	TCase *place = tcase_create("installation");
	int failed;

	tcase_add_checked_fixture(ours, setup, teardown);
	tcase_set_timeout(ours, 60);
	tcase_set_tags(ours, "faults");
	tcase_add_test(ours, fault_in_a_guarded_mapping_is_survived);
	tcase_add_test(ours, faulted_mapping_reads_as_zeros_and_takes_writes);
	tcase_add_test(ours, errno_is_kept_across_a_fault);
	tcase_add_test(ours, write_fault_is_survived);
	tcase_add_test(ours, any_number_of_faults_is_survived);
	tcase_add_test(ours, fault_in_one_mapping_leaves_the_others);
	tcase_add_test(ours, threads_fault_at_the_same_time);
	tcase_add_test(ours, thread_that_blocks_sigbus_survives_and_keeps_its_mask);
	tcase_add_test(ours, removing_a_guard_twice_is_once);
	suite_add_tcase(s, ours);

	tcase_add_checked_fixture(theirs, setup, teardown);
	tcase_set_timeout(theirs, 60);
	tcase_set_tags(theirs, "faults");
	tcase_add_test(theirs, own_fault_still_kills_by_default);
	tcase_add_test(theirs, own_fault_kills_even_if_ignored);
	tcase_add_test(theirs, sent_signal_does_what_it_did);
	tcase_add_loop_test(theirs, own_fault_reaches_the_applications_handler, 0, 2);
	tcase_add_test(theirs, own_fault_reaches_a_plain_handler);
	tcase_add_loop_test(theirs, own_handler_runs_on_the_stack_it_asked_for, 0, 2);
	tcase_add_test(theirs, handler_that_calls_the_one_it_found_reaches_it_once);
	tcase_add_test(theirs, handler_that_restores_what_it_found_is_not_called_again);
	tcase_add_test(theirs, one_shot_handler_is_called_once);
	tcase_add_test(theirs, spent_one_shot_handler_does_not_come_back);
	tcase_add_test(theirs, application_may_come_and_go_any_number_of_times);
	suite_add_tcase(s, theirs);

	tcase_add_checked_fixture(place, setup, teardown);
	tcase_set_timeout(place, 60);
	tcase_set_tags(place, "faults");
	tcase_add_test(place, last_guard_puts_the_former_action_back);
	tcase_add_test(place, last_guard_leaves_a_newer_handler_alone);
	tcase_add_test(place, without_guards_the_check_installs_nothing);
	tcase_add_test(place, cheap_check_notices_within_a_tick);
	tcase_add_test(place, installation_races_with_the_application);
	tcase_add_test(place, too_many_different_handlers_are_an_error_not_a_crash);
	suite_add_tcase(s, place);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
