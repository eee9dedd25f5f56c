/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a client opens, and does not open, of the files that a server names. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "base/util.h"
#include "ring/shm-dir.h"
#include "ring/shm-peer.h"
#include "tests/lib/census.h"

enum { SIZE = 8252, SERVER_UID = 12345, THIRD_UID = 23456 };

static const size_t sizes[] = { 8248, SIZE, 0 };

/* A directory as a server would make it for this process, and a file in it. */
static char dir[64], prefix[128], file[160];
static struct qbi_shm_peer_file f;

static struct qbi_peer_cred server_is(uid_t uid)
{
	return (struct qbi_peer_cred){ getppid(), uid, 0 };
}

static void setup(void)
{
	int fd;

	census_setup();
	f = (struct qbi_shm_peer_file)QBI_SHM_PEER_FILE_INIT;
	snprintf(dir, sizeof(dir), "/dev/shm/qb-%d-%d-5-XXXXXX", (int)getppid(), (int)getpid());
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(prefix, sizeof(prefix), "%s/qb-request-svc", dir);
	snprintf(file, sizeof(file), "%s-header", prefix);
	fd = open(file, O_CREAT | O_EXCL | O_RDWR, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, SIZE), 0);
	close(fd);
}

static void teardown(void)
{
	qbi_shm_peer_close(&f);
	unlink(file);
	rmdir(dir);
	census_teardown();
}

static int open_as(const char *path, uid_t server_uid)
{
	struct qbi_peer_cred server = server_is(server_uid);

	return qbi_shm_peer_open(&f, path, "-header", sizes, &server);
}

/* From a server of our own uid. */
static int open_named(const char *path)
{
	return open_as(path, geteuid());
}

static void make_file_at(const char *path, off_t size)
{
	int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(ftruncate(fd, size), 0);
	close(fd);
}

START_TEST(honest_file_is_opened)
{
	struct stat st;

	ck_assert_int_eq(open_named(prefix), 0);
	ck_assert_uint_eq(f.size, SIZE);
	ck_assert_int_eq(fstat(f.fd, &st), 0);
	ck_assert_uint_eq(st.st_ino, f.ino);
	ck_assert_int_eq(fcntl(f.fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(f.fd, F_GETFL) & O_ACCMODE, O_RDWR);
}
END_TEST

START_TEST(either_of_the_right_sizes_will_do)
{
	ck_assert_int_eq(truncate(file, 8248), 0);
	ck_assert_int_eq(open_named(prefix), 0);
	ck_assert_uint_eq(f.size, 8248);
}
END_TEST

START_TEST(wrong_size_is_refused_and_not_changed)
{
	const off_t wrong[] = { 0, 1, 8247, 8249, 8251, 8253, 1 << 20 };
	struct stat st;

	for (size_t i = 0; i < QBI_ARRAY_SIZE(wrong); i++) {
		ck_assert_int_eq(truncate(file, wrong[i]), 0);
		ck_assert_int_eq(open_named(prefix), -EBADMSG);
		ck_assert_int_eq(stat(file, &st), 0);
		ck_assert_int_eq(st.st_size, wrong[i]);
	}
}
END_TEST

START_TEST(relative_name_is_below_the_root)
{
	char name[64], path[128];

	snprintf(name, sizeof(name), "%d-relative", (int)getpid());
	snprintf(path, sizeof(path), "/dev/shm/qb-%s-header", name);
	make_file_at(path, SIZE);
	ck_assert_int_eq(open_named(name), 0);
	qbi_shm_peer_remove(&f);
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(names_elsewhere_are_refused)
{
	char relative_up[256], twice[256], below[256], three[256];
	const char *bad[] = {
		"",
		"/",
		"/etc/passwd",
		"/dev/shm",
		"/dev/shm/",
		"/dev/shm/qb-x",
		"/dev/shm//",
		"/dev/shm/../shm/qb-a/qb-b",
		"/dev/shm/qb-a/../qb-b",
		"/dev/shm/./qb-b",
		"/dev/shm/qb-a/",
		"/dev/shm/qb-a/b",
		"/dev/shm/a/qb-b",
		"/dev/shm/qb-a//qb-b",
		"/dev/shmqb-a/qb-b",
		"dev/shm/qb-a/qb-b",
		"../qb-a",
		"./a",
		"a/b",
		"a/",
		relative_up,
		twice,
		below,
		three,
	};

	snprintf(relative_up, sizeof(relative_up), "../shm/%s", prefix + 9);
	snprintf(twice, sizeof(twice), "/%s", prefix);
	snprintf(below, sizeof(below), "/dev/shm/./%s", prefix + 9);
	snprintf(three, sizeof(three), "/dev/shm/qb-x/%s", prefix + 9);
	for (size_t i = 0; i < QBI_ARRAY_SIZE(bad); i++) {
		int r = open_named(bad[i]);

		ck_assert_msg(r == -EINVAL, "\"%s\": %d", bad[i], r);
	}
}
END_TEST

START_TEST(overlong_names_are_refused)
{
	static char name[PATH_MAX + 100];

	memset(name, 'a', sizeof(name) - 1);
	ck_assert_int_eq(open_named(name), -EINVAL);
	name[300] = '\0';
	ck_assert_int_eq(open_named(name), -ENAMETOOLONG);
	memcpy(name, "/dev/shm/qb-", 12);
	memcpy(name + 100, "/qb-", 4);
	name[300] = 'a';
	name[1000] = '\0';
	ck_assert_int_lt(open_named(name), 0);
}
END_TEST

START_TEST(missing_file_or_directory_says_so)
{
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(open_named(prefix), -ENOENT);
	ck_assert_int_eq(rmdir(dir), 0);
	ck_assert_int_eq(open_named(prefix), -ENOENT);
}
END_TEST

static void instead_link_to_file(void)
{
	char target[200];

	snprintf(target, sizeof(target), "%s-target", file);
	ck_assert_int_eq(rename(file, target), 0);
	ck_assert_int_eq(symlink(target, file), 0);
	ck_assert_int_eq(open_named(prefix), -EACCES);
	ck_assert_int_eq(unlink(target), 0);
}

static void instead_fifo(void)
{
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(mkfifo(file, 0600), 0);
	ck_assert_int_eq(open_named(prefix), -EACCES);
}

static void instead_directory(void)
{
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(mkdir(file, 0700), 0);
	ck_assert_int_eq(open_named(prefix), -EACCES);
	ck_assert_int_eq(rmdir(file), 0);
}

static void instead_socket(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	ck_assert_int_eq(unlink(file), 0);
	ck_assert_uint_lt(strlen(file), sizeof(a.sun_path));
	strcpy(a.sun_path, file);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);
	ck_assert_int_eq(open_named(prefix), -EACCES);
}

static void instead_device(void)
{
	ck_assert_int_eq(unlink(file), 0);
	if (mknod(file, S_IFCHR | 0600, (1 << 8) | 3) < 0)
		return; /* takes privilege */
	ck_assert_int_eq(open_named(prefix), -EACCES);
}

static void (*const instead[])(void) = {
	instead_link_to_file, instead_fifo, instead_directory, instead_socket, instead_device,
};

START_TEST(anything_but_a_regular_file_is_refused)
{
	instead[_i]();
}
END_TEST

START_TEST(link_in_place_of_the_directory_is_refused)
{
	char moved[80];

	snprintf(moved, sizeof(moved), "%s-m", dir);
	ck_assert_int_eq(rename(dir, moved), 0);
	ck_assert_int_eq(symlink(moved, dir), 0);
	ck_assert_int_eq(open_named(prefix), -EACCES);
	ck_assert_int_eq(unlink(dir), 0);
	ck_assert_int_eq(rename(moved, dir), 0);
}
END_TEST

START_TEST(file_with_a_second_name_is_refused)
{
	char second[200];

	snprintf(second, sizeof(second), "%s-second", file);
	ck_assert_int_eq(link(file, second), 0);
	ck_assert_int_eq(open_named(prefix), -EACCES);
	ck_assert_int_eq(unlink(second), 0);
}
END_TEST

START_TEST(file_of_the_server_is_fine)
{
	if (geteuid() != 0)
		return;
	ck_assert_int_eq(chown(file, SERVER_UID, (gid_t)-1), 0);
	ck_assert_int_eq(open_as(prefix, SERVER_UID), 0);
}
END_TEST

START_TEST(file_of_a_third_user_is_refused)
{
	if (geteuid() != 0)
		return;
	ck_assert_int_eq(chown(file, THIRD_UID, (gid_t)-1), 0);
	ck_assert_int_eq(open_as(prefix, SERVER_UID), -EACCES);
}
END_TEST

START_TEST(root_may_name_files_of_anybody)
{
	if (geteuid() != 0)
		return;
	ck_assert_int_eq(chown(file, THIRD_UID, (gid_t)-1), 0);
	ck_assert_int_eq(open_as(prefix, 0), 0);
}
END_TEST

START_TEST(our_own_file_named_by_another_user_must_be_made_for_us)
{
	struct qbi_peer_cred server = server_is(geteuid() + 1);
	char other[192], name[256];

	/* setup made it for this process, by the process of that pid */
	ck_assert_int_eq(open_as(prefix, server.uid), 0);
	qbi_shm_peer_close(&f);
	server.pid = getppid() + 1;
	ck_assert_int_eq(qbi_shm_peer_open(&f, prefix, "-header", sizes, &server), -EACCES);

	snprintf(other, sizeof(other), "/dev/shm/qb-%d-%d-5-other", (int)getppid(),
		 (int)getpid() + 1);
	snprintf(name, sizeof(name), "%s/qb-request-svc", other);
	ck_assert_int_eq(rename(dir, other), 0);
	ck_assert_int_eq(open_as(name, server.uid), -EACCES);
	ck_assert_int_eq(rename(other, dir), 0);

	snprintf(name, sizeof(name), "%d-own", (int)getpid());
	snprintf(other, sizeof(other), "/dev/shm/qb-%d-own-header", (int)getpid());
	make_file_at(other, SIZE);
	ck_assert_int_eq(open_as(name, server.uid), -EACCES);
	ck_assert_int_eq(unlink(other), 0);
}
END_TEST

START_TEST(removal_takes_file_and_empty_directory)
{
	ck_assert_int_eq(open_named(prefix), 0);
	qbi_shm_peer_remove(&f);
	ck_assert_int_eq(access(file, F_OK), -1);
	ck_assert_int_eq(access(dir, F_OK), -1);
	qbi_shm_peer_remove(&f);
	qbi_shm_peer_close(&f);
	qbi_shm_peer_close(&f);
	qbi_shm_peer_remove(&f);
}
END_TEST

START_TEST(removal_leaves_a_file_that_took_its_place)
{
	char moved[200];

	snprintf(moved, sizeof(moved), "%s-moved", file);
	ck_assert_int_eq(open_named(prefix), 0);
	ck_assert_int_eq(rename(file, moved), 0);
	make_file_at(file, 10);
	qbi_shm_peer_remove(&f);
	ck_assert_int_eq(access(file, F_OK), 0);
	ck_assert_int_eq(access(moved, F_OK), 0);
	ck_assert_int_eq(unlink(moved), 0);
}
END_TEST

START_TEST(removal_leaves_a_directory_that_took_its_place)
{
	char moved[80], path[200];

	snprintf(moved, sizeof(moved), "%s-m", dir);
	snprintf(path, sizeof(path), "%s/qb-request-svc-header", moved);
	ck_assert_int_eq(open_named(prefix), 0);
	ck_assert_int_eq(rename(dir, moved), 0);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	ck_assert_int_eq(link(path, file), 0);
	qbi_shm_peer_remove(&f);
	ck_assert_int_eq(access(file, F_OK), 0);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(moved), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("shm-peer");
	TCase *t = tcase_create("client");
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, honest_file_is_opened);
	tcase_add_test(t, either_of_the_right_sizes_will_do);
	tcase_add_test(t, wrong_size_is_refused_and_not_changed);
	tcase_add_test(t, relative_name_is_below_the_root);
	tcase_add_test(t, names_elsewhere_are_refused);
	tcase_add_test(t, overlong_names_are_refused);
	tcase_add_test(t, missing_file_or_directory_says_so);
	tcase_add_loop_test(t, anything_but_a_regular_file_is_refused, 0,
			    (int)QBI_ARRAY_SIZE(instead));
	tcase_add_test(t, link_in_place_of_the_directory_is_refused);
	tcase_add_test(t, file_with_a_second_name_is_refused);
	tcase_add_test(t, file_of_the_server_is_fine);
	tcase_add_test(t, file_of_a_third_user_is_refused);
	tcase_add_test(t, root_may_name_files_of_anybody);
	tcase_add_test(t, our_own_file_named_by_another_user_must_be_made_for_us);
	tcase_add_test(t, removal_takes_file_and_empty_directory);
	tcase_add_test(t, removal_leaves_a_file_that_took_its_place);
	tcase_add_test(t, removal_leaves_a_directory_that_took_its_place);
	suite_add_tcase(s, t);

	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
