/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a start of a service removes from /dev/shm, and above all what it leaves alone.
 * A process that has ended and was not waited for keeps its number from being used again:
 * such a one plays the server that was killed.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ring/shm-dir.h"
#include "ring/shm-sweep.h"
#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/variant.h"

enum { SOMEBODY = 54321 };

static pid_t dead;
static char dir[128];
static char mine[64]; /* the file that is looked for, named after this test */

static void sweep_setup(void)
{
	siginfo_t ended;

	census_setup();
	dead = fork();
	ck_assert_int_ge(dead, 0);
	if (dead == 0)
		_exit(0);
	ck_assert_int_eq(waitid(P_PID, (id_t)dead, &ended, WEXITED | WNOWAIT), 0);
	snprintf(mine, sizeof(mine), "qb-request-sweep%d-header", (int)getpid());
}

static void sweep_teardown(void)
{
	ck_assert_int_eq(waitpid(dead, NULL, 0), dead);
	census_teardown();
}

static void sweep(void)
{
	qbi_shm_sweep((const char *const[]){ mine, "qb-another" }, 2);
}

/*
 * Services of other tests start meanwhile and sweep: a directory gets its name when it is
 * complete, and loses it before it is taken apart.
 */
static void dir_make(void)
{
	snprintf(dir, sizeof(dir), "/dev/shm/qbt-%d-sweep", (int)getpid());
	ck_assert_int_eq(mkdir(dir, 0770), 0);
}

static void dir_rename(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void dir_rename(const char *format, ...)
{
	char name[64], path[128];
	va_list ap;

	va_start(ap, format);
	vsnprintf(name, sizeof(name), format, ap);
	va_end(ap);
	snprintf(path, sizeof(path), "/dev/shm/%s", name);
	ck_assert_int_eq(rename(dir, path), 0);
	strcpy(dir, path);
}

static const char *in_dir(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void file_make(const char *name)
{
	int fd = open(in_dir(name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

static bool there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void dir_remove(void)
{
	dir_rename("qbt-%d-sweep", (int)getpid());
	unlink(in_dir(mine));
	unlink(in_dir("precious"));
	ck_assert_int_eq(rmdir(dir), 0);
}

START_TEST(directory_of_a_dead_server_goes_with_its_files)
{
	dir_make();
	file_make(mine);
	file_make("qb-another");
	dir_rename("qb-%d-1-9-aZ09bc", (int)dead);
	sweep();
	ck_assert(!there(dir));
}
END_TEST

START_TEST(empty_directory_of_a_dead_server_goes)
{
	dir_make();
	dir_rename("qb-%d-1-9-aZ09bc", (int)dead);
	sweep();
	ck_assert(!there(dir));
}
END_TEST

START_TEST(directory_of_another_service_stays)
{
	dir_make();
	file_make("precious");
	dir_rename("qb-%d-1-9-aZ09bc", (int)dead);
	sweep();
	ck_assert(there(in_dir("precious")));
	dir_remove();
}
END_TEST

START_TEST(what_somebody_put_into_it_stays)
{
	dir_make();
	file_make(mine);
	file_make("precious");
	dir_rename("qb-%d-1-9-aZ09bc", (int)dead);
	sweep();
	ck_assert(!there(in_dir(mine)));
	ck_assert(there(in_dir("precious")));
	dir_remove();
}
END_TEST

START_TEST(directory_of_a_server_that_lives_stays)
{
	dir_make();
	file_make(mine);
	dir_rename("qb-%d-1-9-aZ09bc", (int)getppid());
	sweep();
	ck_assert(there(in_dir(mine)));
	dir_remove();
}
END_TEST

START_TEST(directory_with_our_own_number_goes_when_it_is_an_earlier_ones)
{
	dir_make();
	file_make(mine);
	dir_rename("qb-%d-1-9-aZ09bc", (int)getpid());
	sweep();
	ck_assert(!there(dir));
}
END_TEST

START_TEST(directory_that_was_made_here_stays)
{
	struct qbi_shm_dir made;

	ck_assert_int_eq(qbi_shm_dir_create(&made, 1, 2), 0);
	strcpy(dir, made.path);
	file_make(mine);
	sweep();
	ck_assert(there(in_dir(mine)));
	unlink(in_dir(mine));
	qbi_shm_dir_remove(&made);
}
END_TEST

/* %d is the dead one's number. */
static const char *const other_names[] = {
	"qb-%d-1-9-aZ09b",  "qb-%d-1-9-aZ09bcd", "qb-%d-1-9-aZ09b_",
	"qb-%d-1-aZ09bc",   "qb-0%d-1-9-aZ09bc", "qb-+%d-1-9-aZ09bc",
	"xb-%d-1-9-aZ09bc", "qb--%d-1-9-aZ09bc", "qb-%d-1-9-aZ09bc.x",
};

START_TEST(directory_with_a_name_that_servers_do_not_make_stays)
{
	char name[64];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(name, sizeof(name), other_names[_i], (int)dead);
#pragma GCC diagnostic pop
	dir_make();
	file_make(mine);
	dir_rename("%s", name);
	sweep();
	ck_assert(there(in_dir(mine)));
	dir_remove();
}
END_TEST

START_TEST(link_with_such_a_name_is_not_followed)
{
	char link[128];

	dir_make();
	file_make(mine);
	snprintf(link, sizeof(link), "/dev/shm/qb-%d-1-9-aZ09bc", (int)dead);
	ck_assert_int_eq(symlink(dir, link), 0);
	sweep();
	ck_assert(there(in_dir(mine)));
	ck_assert(there(link));
	unlink(link);
	dir_remove();
}
END_TEST

START_TEST(link_in_place_of_a_file_is_removed_and_not_followed)
{
	char target[128];

	int fd;

	snprintf(target, sizeof(target), "/dev/shm/qbt-%d-target", (int)getpid());
	fd = open(target, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	dir_make();
	ck_assert_int_eq(symlink(target, in_dir(mine)), 0);
	dir_rename("qb-%d-1-9-aZ09bc", (int)dead);
	sweep();
	ck_assert(!there(dir));
	ck_assert(there(target));
	unlink(target);
}
END_TEST

/* In a child: 0, or the number of the test's line that did not hold. */
#define HOLDS(condition)                                                                       \
	do {                                                                                   \
		if (!(condition))                                                              \
			_exit(__LINE__ % 200 + 1);                                             \
	} while (0)

static int child_result(pid_t pid)
{
	int status;

	ck_assert_int_ge(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(directory_of_another_user_stays_unless_we_are_root)
{
	pid_t pid;

	dir_make();
	ck_assert_int_eq(chmod(dir, 0777), 0);
	file_make(mine);
	dir_rename("qb-%d-1-9-aZ09bc", (int)dead);
	pid = fork();
	if (pid == 0) {
		HOLDS(setuid(SOMEBODY) == 0);
		sweep();
		HOLDS(there(in_dir(mine)));
		_exit(0);
	}
	ck_assert_int_eq(child_result(pid), 0);
	ck_assert(there(in_dir(mine)));
	/* Once given to a client, it is that client's, with the files. */
	ck_assert_int_eq(chown(dir, SOMEBODY, SOMEBODY), 0);
	ck_assert_int_eq(chmod(dir, 0770), 0);
	sweep();
	ck_assert(!there(dir));
}
END_TEST

START_TEST(empty_directory_of_another_user_stays)
{
	dir_make();
	ck_assert_int_eq(chown(dir, SOMEBODY, SOMEBODY), 0);
	dir_rename("qb-%d-1-9-aZ09bc", (int)dead);
	sweep();
	ck_assert(there(dir));
	dir_remove();
}
END_TEST

enum { NO_MOUNTS = 250 };

START_TEST(file_system_that_is_mounted_there_is_not_entered)
{
	int result;
	pid_t pid;

	dir_make();
	file_make("precious");
	dir_rename("qb-%d-1-9-aZ09bc", (int)dead);
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) != 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
		    mount("none", dir, "tmpfs", 0, NULL) != 0)
			_exit(NO_MOUNTS);
		file_make(mine);
		sweep();
		HOLDS(there(in_dir(mine)));
		_exit(0);
	}
	result = child_result(pid);
	if (result == NO_MOUNTS)
		printf("skipped, as nothing can be mounted here: %s\n", __func__);
	else
		ck_assert_int_eq(result, 0);
	dir_remove();
}
END_TEST

enum { BOUND = 16384, BEYOND = 100 };

/* More than one start looks at; each of them would go. How many are left? */
static unsigned int left_of_many(void)
{
	unsigned int i, left = 0;
	char name[64];

	for (i = 0; i < BOUND + BEYOND; i++) {
		snprintf(name, sizeof(name), "/dev/shm/qb-%d-1-%u-aZ09bc", (int)dead, i);
		HOLDS(mkdir(name, 0700) == 0);
	}
	sweep();
	for (i = 0; i < BOUND + BEYOND; i++) {
		snprintf(name, sizeof(name), "/dev/shm/qb-%d-1-%u-aZ09bc", (int)dead, i);
		left += there(name);
	}
	return left;
}

START_TEST(start_is_not_held_up_by_ever_so_many)
{
	int result;
	pid_t pid = fork();

	if (pid == 0) {
		unsigned int left;

		if (unshare(CLONE_NEWNS) != 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
		    mount("none", "/dev/shm", "tmpfs", 0, NULL) != 0)
			_exit(NO_MOUNTS);
		left = left_of_many();
		HOLDS(left >= BEYOND);
		HOLDS(left < BOUND);
		_exit(0);
	}
	result = child_result(pid);
	if (result == NO_MOUNTS)
		printf("skipped, as nothing can be mounted here: %s\n", __func__);
	else
		ck_assert_int_eq(result, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sweeping /dev/shm");
	TCase *tc = tcase_create("sweep");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 2.0 * deadline_ms() / 1000);
	tcase_add_checked_fixture(tc, sweep_setup, sweep_teardown);
	tcase_add_test(tc, directory_of_a_dead_server_goes_with_its_files);
	tcase_add_test(tc, empty_directory_of_a_dead_server_goes);
	tcase_add_test(tc, directory_of_another_service_stays);
	tcase_add_test(tc, what_somebody_put_into_it_stays);
	tcase_add_test(tc, directory_of_a_server_that_lives_stays);
	tcase_add_test(tc, directory_with_our_own_number_goes_when_it_is_an_earlier_ones);
	tcase_add_test(tc, directory_that_was_made_here_stays);
	tcase_add_loop_test(tc, directory_with_a_name_that_servers_do_not_make_stays, 0,
			    (int)(sizeof(other_names) / sizeof(other_names[0])));
	tcase_add_test(tc, link_with_such_a_name_is_not_followed);
	tcase_add_test(tc, link_in_place_of_a_file_is_removed_and_not_followed);
	if (getuid() == 0) {
		tcase_add_test(tc, directory_of_another_user_stays_unless_we_are_root);
		tcase_add_test(tc, empty_directory_of_another_user_stays);
		tcase_add_test(tc, file_system_that_is_mounted_there_is_not_entered);
		tcase_add_test(tc, start_is_not_held_up_by_ever_so_many);
	} else {
		printf("skipped, as it takes root: directories of other users, mounts\n");
	}
	return suite_main(s);
}
