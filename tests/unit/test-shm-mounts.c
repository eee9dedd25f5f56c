/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whoever owns a directory in /dev/shm may be able to mount something there that answers
 * no question, ever. Neither end of a connection asks it one.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "ring/shm-dir.h"
#include "ring/shm-peer.h"
#include "ring/shm-sweep.h"
#include "tests/lib/deadline.h"

enum { NO_MOUNTS = 250 };

/* In a process of its own, with mounts of its own. */
static void silence_mount(const char *dir)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[100];

	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd);
	if (fd < 0 || unshare(CLONE_NEWNS) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("silence", dir, "fuse", 0, options) != 0)
		_exit(NO_MOUNTS);
}

/* @fn, which ends the process, ends within the deadline. */
static void must_return(const char *name, const char *dir, void (*fn)(const char *dir))
{
	uint64_t end = now_ms() + (uint64_t)deadline_ms();
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		silence_mount(dir);
		fn(dir);
		_exit(0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (now_ms() >= end) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			ck_abort_msg("%s waits for what somebody mounted", name);
		}
		pause_briefly();
	}
	ck_assert(WIFEXITED(status));
	if (WEXITSTATUS(status) == NO_MOUNTS)
		printf("skipped, as nothing can be mounted here: %s\n", name);
	else
		ck_assert_int_eq(WEXITSTATUS(status), 0);
}

static void client_open(const char *dir)
{
	static const size_t sizes[] = { 8248, 0 };
	struct qbi_peer_cred server = { getppid(), 0, 0 };
	struct qbi_shm_peer_file f = QBI_SHM_PEER_FILE_INIT;
	char path[128];

	snprintf(path, sizeof(path), "%s/qb-request-svc", dir);
	_exit(qbi_shm_peer_open(&f, path, "-header", sizes, &server) == -EACCES ? 0 : 1);
}

START_TEST(client_asks_nothing_of_what_is_mounted_on_the_directory)
{
	char dir[] = "/dev/shm/qb-1-1-1-XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(dir));
	must_return("the client", dir, client_open);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

static struct qbi_shm_dir d = QBI_SHM_DIR_INIT;

static void server_remove(const char *dir)
{
	qbi_shm_dir_remove(&d);
}

START_TEST(server_asks_nothing_of_what_is_mounted_on_its_directory)
{
	static const struct qbi_owner ourselves = { (uid_t)-1, (gid_t)-1, 0600 };

	ck_assert_int_eq(qbi_shm_dir_create(&d, 4711, 9), 0);
	ck_assert_int_eq(qbi_shm_dir_hand_over(&d, &ourselves), 0);
	must_return("the server", d.path, server_remove);
	qbi_shm_dir_remove(&d);
}
END_TEST

static void server_sweep(const char *dir)
{
	qbi_shm_sweep((const char *const[]){ "qb-request-nobody-header" }, 1);
}

START_TEST(server_that_starts_asks_nothing_of_what_is_mounted_there)
{
	siginfo_t ended;
	pid_t dead = fork();
	char dir[64];

	if (dead == 0)
		_exit(0);
	ck_assert_int_eq(waitid(P_PID, (id_t)dead, &ended, WEXITED | WNOWAIT), 0);
	snprintf(dir, sizeof(dir), "/dev/shm/qb-%d-1-9-aZ09bc", (int)dead);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	must_return("the sweep", dir, server_sweep);
	/* Other tests start services, which remove it. */
	(void)rmdir(dir);
	ck_assert_int_eq(waitpid(dead, NULL, 0), dead);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mounts in /dev/shm");
	TCase *tc = tcase_create("silence");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 2.0 * deadline_ms() / 1000);
	tcase_add_test(tc, client_asks_nothing_of_what_is_mounted_on_the_directory);
	tcase_add_test(tc, server_asks_nothing_of_what_is_mounted_on_its_directory);
	tcase_add_test(tc, server_that_starts_asks_nothing_of_what_is_mounted_there);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
