/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The server's directory of one connection, also after its client rearranged it. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "ring/shm-dir.h"
#include "tests/lib/census.h"

enum { SOMEBODY = 12345, SOME_GROUP = 23456 };

static struct qbi_shm_dir d;
static const struct qbi_owner ourselves = { (uid_t)-1, (gid_t)-1, 0600 };
static const struct qbi_owner client = { SOMEBODY, SOME_GROUP, 0640 };

static void setup(void)
{
	census_setup();
	d = (struct qbi_shm_dir)QBI_SHM_DIR_INIT;
	ck_assert_int_eq(qbi_shm_dir_create(&d, 4711, 9), 0);
}

static void teardown(void)
{
	qbi_shm_dir_remove(&d);
	census_teardown();
}

static const char *in_dir(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", d.path, name);
	return path;
}

static struct stat stat_of(const char *path)
{
	struct stat st;

	ck_assert_msg(lstat(path, &st) == 0, "%s: %s", path, strerror(errno));
	return st;
}

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void make_file(const char *name, size_t size, const struct qbi_owner *owner)
{
	int fd = -1;

	ck_assert_int_eq(qbi_shm_dir_file(&d, name, size, owner, &fd), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

START_TEST(directory_is_named_for_both_processes_and_private)
{
	char expected[64];
	struct stat st = stat_of(d.path);

	snprintf(expected, sizeof(expected), "/dev/shm/qb-%d-4711-9-", (int)getpid());
	ck_assert_int_eq(strncmp(d.path, expected, strlen(expected)), 0);
	ck_assert_uint_eq(strlen(d.path), strlen(expected) + 6);
	ck_assert(S_ISDIR(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	ck_assert_uint_eq(st.st_uid, geteuid());
	ck_assert_int_eq(fcntl(d.fd, F_GETFD), FD_CLOEXEC);
}
END_TEST

START_TEST(two_directories_of_one_client_differ)
{
	struct qbi_shm_dir other = QBI_SHM_DIR_INIT;

	ck_assert_int_eq(qbi_shm_dir_create(&other, 4711, 9), 0);
	ck_assert_str_ne(other.path, d.path);
	qbi_shm_dir_remove(&other);
}
END_TEST

START_TEST(largest_numbers_fit_the_path)
{
	struct qbi_shm_dir other = QBI_SHM_DIR_INIT;

	ck_assert_int_eq(qbi_shm_dir_create(&other, INT32_MAX, INT32_MIN), 0);
	ck_assert_int_lt((int)strlen(other.path), (int)sizeof(other.path) - 6);
	qbi_shm_dir_remove(&other);
}
END_TEST

START_TEST(file_has_size_mode_and_memory)
{
	struct stat st;

	make_file("qb-request-s-data", 3 * 1024 * 1024 + 5, &ourselves);
	st = stat_of(in_dir("qb-request-s-data"));
	ck_assert(S_ISREG(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(st.st_size, 3 * 1024 * 1024 + 5);
	ck_assert_int_ge(st.st_blocks * 512, st.st_size);
	ck_assert_uint_eq(st.st_uid, geteuid());
}
END_TEST

START_TEST(umask_changes_nothing)
{
	const mode_t masks[] = { 0, 022, 077, 0177, 0277, 0377 };
	struct qbi_owner wide = { (uid_t)-1, (gid_t)-1, 0666 };

	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		mode_t old = umask(masks[i]);
		int r, fd = -1;

		qbi_shm_dir_remove(&d);
		r = qbi_shm_dir_create(&d, 4711, 9);
		if (r == 0)
			r = qbi_shm_dir_file(&d, "f", 100, &wide, &fd);
		umask(old);
		ck_assert_msg(r == 0, "umask %03o: %s", masks[i], strerror(-r));
		close(fd);
		ck_assert_uint_eq(stat_of(d.path).st_mode & 07777, 0700);
		ck_assert_uint_eq(stat_of(in_dir("f")).st_mode & 07777, 0666);
		ck_assert_int_eq(qbi_shm_dir_hand_over(&d, &wide), 0);
		ck_assert_uint_eq(stat_of(d.path).st_mode & 07777, 0770);
	}
}
END_TEST

START_TEST(owner_gets_files_and_last_the_directory)
{
	struct stat st;

	if (geteuid() != 0)
		return; /* giving files away takes privilege */
	make_file("f", 100, &client);
	st = stat_of(in_dir("f"));
	ck_assert_uint_eq(st.st_uid, SOMEBODY);
	ck_assert_uint_eq(st.st_gid, SOME_GROUP);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
	ck_assert_uint_eq(stat_of(d.path).st_uid, 0);
	ck_assert_int_eq(qbi_shm_dir_hand_over(&d, &client), 0);
	st = stat_of(d.path);
	ck_assert_uint_eq(st.st_uid, SOMEBODY);
	ck_assert_uint_eq(st.st_gid, SOME_GROUP);
	ck_assert_uint_eq(st.st_mode & 07777, 0770);
}
END_TEST

START_TEST(minus_one_leaves_uid_or_gid)
{
	const struct qbi_owner group_only = { (uid_t)-1, SOME_GROUP, 0660 };
	struct stat st;

	if (geteuid() != 0)
		return;
	make_file("f", 100, &group_only);
	st = stat_of(in_dir("f"));
	ck_assert_uint_eq(st.st_uid, 0);
	ck_assert_uint_eq(st.st_gid, SOME_GROUP);
	ck_assert_uint_eq(st.st_mode & 07777, 0660);
}
END_TEST

START_TEST(hand_over_costs_no_descriptor)
{
	make_file("f", 100, &ourselves);
	ck_assert_int_eq(qbi_shm_dir_hand_over(&d, &ourselves), 0);
	ck_assert_int_eq(d.fd, -1);
	qbi_shm_dir_remove(&d);
	ck_assert_str_eq(d.path, "");
}
END_TEST

START_TEST(bad_file_names_are_refused)
{
	int fd = -1;

	ck_assert_int_eq(qbi_shm_dir_file(&d, "", 10, &ourselves, &fd), -EINVAL);
	ck_assert_int_eq(qbi_shm_dir_file(&d, "a/b", 10, &ourselves, &fd), -EINVAL);
	ck_assert_int_eq(qbi_shm_dir_file(&d, "../b", 10, &ourselves, &fd), -EINVAL);
	ck_assert_int_lt(qbi_shm_dir_file(&d, "..", 10, &ourselves, &fd), 0);
	make_file("f", 10, &ourselves);
	ck_assert_int_eq(qbi_shm_dir_file(&d, "f", 10, &ourselves, &fd), -EEXIST);
	ck_assert_int_eq(fd, -1);
}
END_TEST

START_TEST(existing_link_is_not_followed)
{
	int fd = -1;

	ck_assert_int_eq(symlink("/dev/shm/elsewhere", in_dir("f")), 0);
	ck_assert_int_eq(qbi_shm_dir_file(&d, "f", 10, &ourselves, &fd), -EEXIST);
	ck_assert(!is_there("/dev/shm/elsewhere"));
	ck_assert_int_eq(unlink(in_dir("f")), 0);
}
END_TEST

START_TEST(no_space_is_an_error_that_leaves_no_file)
{
	struct statvfs vfs;
	int fd = -1;

	ck_assert_int_eq(statvfs("/dev/shm", &vfs), 0);
	if (vfs.f_blocks == 0)
		return; /* no limit: it would take all the memory there is */
	ck_assert_int_eq(
		qbi_shm_dir_file(&d, "f", (vfs.f_blocks + 1) * vfs.f_frsize, &ourselves, &fd),
		-ENOSPC);
	ck_assert(!is_there(in_dir("f")));
	ck_assert_int_eq(fd, -1);
}
END_TEST

static volatile sig_atomic_t alarms;

static void count_alarm(int sig)
{
	alarms++;
}

START_TEST(signals_do_not_stop_a_large_file)
{
	struct sigaction sa = { .sa_handler = count_alarm };
	struct itimerval often = { { 0, 500 }, { 0, 500 } };
	int r, fd = -1;

	ck_assert_int_eq(sigaction(SIGALRM, &sa, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
	r = qbi_shm_dir_file(&d, "f", 64 << 20, &ourselves, &fd);
	often = (struct itimerval){ { 0, 0 }, { 0, 0 } };
	setitimer(ITIMER_REAL, &often, NULL);
	signal(SIGALRM, SIG_IGN); /* one may still be on its way */
	close(fd);
	ck_assert_int_eq(r, 0);
	ck_assert_int_gt(alarms, 0);
	ck_assert_int_ge(stat_of(in_dir("f")).st_blocks * 512, 64 << 20);
}
END_TEST

START_TEST(removal_twice_is_once)
{
	struct qbi_shm_dir never = QBI_SHM_DIR_INIT;
	char path[sizeof(d.path)];

	make_file("f", 10, &ourselves);
	make_file("g", 10, &ourselves);
	strcpy(path, d.path);
	qbi_shm_dir_remove(&d);
	ck_assert(!is_there(path));
	qbi_shm_dir_remove(&d);
	qbi_shm_dir_remove(&never);
}
END_TEST

START_TEST(what_the_client_removed_is_not_missed)
{
	make_file("f", 10, &ourselves);
	make_file("g", 10, &ourselves);
	ck_assert_int_eq(qbi_shm_dir_hand_over(&d, &ourselves), 0);
	ck_assert_int_eq(unlink(in_dir("f")), 0);
	qbi_shm_dir_remove(&d);

	ck_assert_int_eq(qbi_shm_dir_create(&d, 4711, 9), 0);
	ck_assert_int_eq(qbi_shm_dir_hand_over(&d, &ourselves), 0);
	ck_assert_int_eq(rmdir(d.path), 0);
	qbi_shm_dir_remove(&d);
}
END_TEST

START_TEST(link_in_place_of_a_file_goes_and_its_target_stays)
{
	char target[64];
	int fd;

	snprintf(target, sizeof(target), "/dev/shm/qbt-%d-target", (int)getpid());
	fd = open(target, O_CREAT | O_EXCL | O_WRONLY, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	make_file("f", 10, &ourselves);
	ck_assert_int_eq(qbi_shm_dir_hand_over(&d, &ourselves), 0);
	ck_assert_int_eq(unlink(in_dir("f")), 0);
	ck_assert_int_eq(symlink(target, in_dir("f")), 0);
	qbi_shm_dir_remove(&d);
	ck_assert(is_there(target));
	ck_assert_int_eq(unlink(target), 0);
}
END_TEST

START_TEST(what_the_client_added_stays_with_its_directory)
{
	char path[sizeof(d.path)];
	char added[128];
	int fd;

	strcpy(path, d.path);
	snprintf(added, sizeof(added), "%s/added", path);
	make_file("f", 10, &ourselves);
	ck_assert_int_eq(qbi_shm_dir_hand_over(&d, &ourselves), 0);
	fd = open(added, O_CREAT | O_EXCL | O_WRONLY, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	qbi_shm_dir_remove(&d);
	ck_assert(is_there(added));
	ck_assert_int_eq(unlink(added), 0);
	ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

/* _i: what the client put there: a directory of its own, or a link to one. */
START_TEST(another_directory_in_its_place_is_left_alone)
{
	char path[sizeof(d.path)], moved[sizeof(d.path) + 8], inside[sizeof(d.path) + 16];
	int fd;

	strcpy(path, d.path);
	snprintf(moved, sizeof(moved), "%s-moved", path);
	snprintf(inside, sizeof(inside), "%s/f", path);
	make_file("f", 10, &ourselves);
	ck_assert_int_eq(qbi_shm_dir_hand_over(&d, &ourselves), 0);
	ck_assert_int_eq(rename(path, moved), 0);
	if (_i == 0)
		ck_assert_int_eq(mkdir(path, 0700), 0);
	else
		ck_assert_int_eq(symlink(moved, path), 0);
	fd = open(inside, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	qbi_shm_dir_remove(&d);
	ck_assert(is_there(inside));

	ck_assert_int_eq(unlink(inside), 0);
	ck_assert_int_eq(_i == 0 ? rmdir(path) : unlink(path), 0);
	snprintf(inside, sizeof(inside), "%s/f", moved);
	unlink(inside);
	ck_assert_int_eq(rmdir(moved), 0);
}
END_TEST

/* An unprivileged server cannot give files away, and serves those whom modes let in. */
static int serve_unprivileged(void)
{
	struct qbi_shm_dir mine = QBI_SHM_DIR_INIT;
	int fd = -1, r;

	if (setgid(SOME_GROUP) < 0 || setuid(SOMEBODY) < 0)
		return 77;
	r = qbi_shm_dir_create(&mine, 4711, 1);
	if (r == 0)
		r = qbi_shm_dir_file(&mine, "f", 10, &(struct qbi_owner){ 1, 1, 0640 }, &fd);
	if (r == 0)
		r = qbi_shm_dir_hand_over(&mine, &(struct qbi_owner){ 1, 1, 0640 });
	qbi_shm_dir_remove(&mine);
	return r == 0 && mine.path[0] == '\0' ? 0 : 1;
}

START_TEST(unprivileged_server_serves_all_the_same)
{
	int status;
	pid_t pid;

	if (geteuid() != 0)
		return;
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(serve_unprivileged());
	census_adopt(pid);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* Its exit status; 77: this system gives us no namespace. */
static int serve_in_a_namespace(void)
{
	const struct qbi_owner stranger = { 4321, 4321, 0660 };
	struct qbi_shm_dir mine;
	struct stat st;
	int fd;

	if (unshare(CLONE_NEWUSER) < 0)
		return 77;
	if (qbi_shm_dir_create(&mine, getpid(), 1) < 0)
		return 1;
	if (qbi_shm_dir_file(&mine, "qb-request-s-data", 4096, &stranger, &fd) < 0)
		return 2;
	if (fstat(fd, &st) < 0 || (st.st_mode & 07777) != 0660)
		return 3;
	if (qbi_shm_dir_hand_over(&mine, &stranger) < 0)
		return 4;
	qbi_shm_dir_remove(&mine);
	return 0;
}

/* fchown(2) says EINVAL of a user that the namespace has not got. */
START_TEST(server_in_a_user_namespace_serves_by_mode_whom_it_cannot_name)
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(serve_in_a_namespace());
	census_adopt(pid);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("shm-dir");
	TCase *t = tcase_create("server");
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, directory_is_named_for_both_processes_and_private);
	tcase_add_test(t, two_directories_of_one_client_differ);
	tcase_add_test(t, largest_numbers_fit_the_path);
	tcase_add_test(t, file_has_size_mode_and_memory);
	tcase_add_test(t, umask_changes_nothing);
	tcase_add_test(t, owner_gets_files_and_last_the_directory);
	tcase_add_test(t, minus_one_leaves_uid_or_gid);
	tcase_add_test(t, hand_over_costs_no_descriptor);
	tcase_add_test(t, bad_file_names_are_refused);
	tcase_add_test(t, existing_link_is_not_followed);
	tcase_add_test(t, no_space_is_an_error_that_leaves_no_file);
	tcase_add_test(t, signals_do_not_stop_a_large_file);
	tcase_add_test(t, removal_twice_is_once);
	tcase_add_test(t, what_the_client_removed_is_not_missed);
	tcase_add_test(t, link_in_place_of_a_file_goes_and_its_target_stays);
	tcase_add_test(t, what_the_client_added_stays_with_its_directory);
	tcase_add_loop_test(t, another_directory_in_its_place_is_left_alone, 0, 2);
	tcase_add_test(t, unprivileged_server_serves_all_the_same);
	tcase_add_test(t, server_in_a_user_namespace_serves_by_mode_whom_it_cannot_name);
	suite_add_tcase(s, t);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
