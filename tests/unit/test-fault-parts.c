/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/test-fault.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/lib/census.h"

struct victim v;

static int file_make(void)
{
	int fd = memfd_create("qbipc-test", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, SIZE), 0);
	return fd;
}

void victim_open(struct victim *x)
{
	struct qbi_mapping_file file;

	*x = (struct victim){ .fd = file_make(), .map = QBI_MAPPING_INIT };
	file = (struct qbi_mapping_file){ x->fd, SIZE };
	ck_assert_int_eq(qbi_mapping_open(&x->map, &file, 1), 0);
	x->bytes = x->map.part[0];
	memset(x->map.part[0], 0x5A, SIZE);
}

void victim_close(struct victim *x)
{
	qbi_mapping_close(&x->map);
	close(x->fd);
}

void victim_truncate(struct victim *x)
{
	ck_assert_int_eq(ftruncate(x->fd, 0), 0);
}

bool victim_touch(struct victim *x, size_t at)
{
	unsigned char byte;

	qbi_fault_enter(&x->map.guard);
	byte = x->bytes[at];
	if (!qbi_fault_leave(&x->map.guard))
		return false;
	ck_assert_uint_eq(byte, 0x5A);
	return true;
}

void victim_must_survive(struct victim *x)
{
	victim_truncate(x);
	ck_assert(!victim_touch(x, 0));
	ck_assert(qbi_fault_happened(&x->map.guard));
}

/* -- The application's side ---------------------------------------------------- */

static char *volatile app_page; /* of a truncated file: reading it is a fault */
volatile sig_atomic_t app_faults, other_faults;
volatile sig_atomic_t app_saw_mask, app_saw_address, app_saw_altstack;
struct sigaction app_found;
char app_altstack[APP_ALTSTACK];

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
	mmap(app_page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
	     -1, 0);
}

void app_fault(void)
{
	app_page = app_page_make();
	(void)*(volatile char *)app_page;
	munmap(app_page, PAGE);
}

void app_handler(int sig, siginfo_t *info, void *context)
{
	char here;
	sigset_t mask;

	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	app_saw_mask = sigismember(&mask, SIGUSR1) && sigismember(&mask, SIGBUS);
	app_saw_address = info->si_addr == app_page;
	app_saw_altstack = &here >= app_altstack && &here < app_altstack + sizeof(app_altstack);
	app_faults++;
	app_page_repair();
}

void app_plain_handler(int sig)
{
	app_faults++;
	app_page_repair();
}

void other_handler(int sig)
{
	other_faults++;
	app_page_repair();
}

void app_chaining_handler(int sig, siginfo_t *info, void *context)
{
	app_faults++;
	if (app_found.sa_flags & SA_SIGINFO)
		app_found.sa_sigaction(sig, info, context);
	else
		app_found.sa_handler(sig);
}

void app_restoring_handler(int sig, siginfo_t *info, void *context)
{
	app_faults++;
	sigaction(SIGBUS, &app_found, NULL);
}

void app_install(void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = { .sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags };

	sigemptyset(&sa.sa_mask);
	sigaddset(&sa.sa_mask, SIGUSR1);
	ck_assert_int_eq(sigaction(SIGBUS, &sa, &app_found), 0);
}

void app_install_plain(void (*fn)(int))
{
	struct sigaction sa = { .sa_handler = fn };

	sigemptyset(&sa.sa_mask);
	ck_assert_int_eq(sigaction(SIGBUS, &sa, &app_found), 0);
}

void (*installed_handler(void))(int)
{
	struct sigaction sa;

	ck_assert_int_eq(sigaction(SIGBUS, NULL, &sa), 0);
	return sa.sa_handler;
}

int child_end(void (*fn)(void))
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

static void fault_setup(void)
{
	census_setup();
	app_install_plain(SIG_DFL);
	app_faults = other_faults = 0;
	victim_open(&v);
}

static void fault_teardown(void)
{
	victim_close(&v);
	census_teardown();
}

TCase *tcase_fault(Suite *s, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, fault_setup, fault_teardown);
	tcase_set_timeout(tc, 60);
	tcase_set_tags(tc, "faults");
	suite_add_tcase(s, tc);
	return tc;
}
