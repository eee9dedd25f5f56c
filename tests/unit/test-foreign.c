/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors of a peer are closed where nobody waits: those that are known to be quick at
 * once, and without a thread; all others in one. One is held up here by a process that keeps
 * the lock of a socket, in a page fault that nobody answers.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/foreign.h"
#include "base/util.h"
#include "tests/lib/census.h"
#include "tests/lib/deadline.h"

static int threads(void)
{
	struct census census;

	census_take(&census);
	return census.threads;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

START_TEST(memory_and_sockets_without_descriptors_need_no_thread)
{
	int before = threads(), pair[2], fds[3];

	fds[0] = memfd_create("foreign", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(send(pair[0], "", 0, 0), 0);
	ck_assert_int_eq(send(pair[0], "abc", 3, 0), 3);
	fds[1] = pair[1];
	fds[2] = pair[0];
	qbi_foreign_close(fds, 3);
	for (int i = 0; i < 3; i++)
		ck_assert(!is_open(fds[i]));
	ck_assert_int_eq(threads(), before);
}
END_TEST

START_TEST(stream_with_bytes_left_in_it_needs_no_thread)
{
	int before = threads(), pair[2];

	for (int bytes = 0; bytes < 2; bytes++) {
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		ck_assert_int_eq(send(pair[0], "abc", (size_t)bytes * 3, 0), bytes * 3);
		errno = EXDEV;
		ck_assert_int_eq(qbi_close_stream(pair[1]), -1);
		ck_assert_int_eq(errno, EXDEV);
		ck_assert(!is_open(pair[1]));
		ck_assert_int_eq(send(pair[0], "x", 1, MSG_NOSIGNAL), -1);
		close(pair[0]);
	}
	ck_assert_int_eq(threads(), before);
}
END_TEST

static void pass(int socket, const int *fds, size_t n)
{
	char control[CMSG_SPACE(sizeof(int) * 253)] = "";
	struct iovec iov = { control, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = CMSG_SPACE(sizeof(int) * n) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&m);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * n);
	ck_assert_int_eq(sendmsg(socket, &m, 0), 1);
}

START_TEST(as_many_as_a_message_has_come_in_and_go)
{
	struct qbi_foreign came;
	struct iovec iov;
	int pair[2], fds[253];
	char byte;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	for (int i = 0; i < 253; i++)
		fds[i] = pair[0];
	iov = (struct iovec){ &byte, 1 };
	pass(pair[0], fds, 253);
	pass(pair[0], fds, 253);
	ck_assert_int_eq(qbi_foreign_receive(pair[1], &iov, 1, 0, NULL, &came), 1);
	ck_assert_uint_eq(came.n, 253);
	ck_assert(!came.cut);
	for (size_t i = 0; i < came.n; i++)
		ck_assert_int_eq(fcntl(came.fds[i], F_GETFD), FD_CLOEXEC);
	/* Shared with pair[0], which is shut down by this. */
	qbi_foreign_close(came.fds, came.n);
	ck_assert_int_eq(qbi_foreign_recv(pair[1], &byte, 1, MSG_DONTWAIT), -1);
	ck_assert_int_eq(errno, EBADMSG);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

/* -- A close that waits ---------------------------------------------------------------- */

struct holder {
	int fd;
	struct sock_fprog program;
};

/* The kernel copies the filter under the lock of the socket. */
static void *thread_hold(void *data)
{
	struct holder *h = data;

	(void)setsockopt(h->fd, SOL_SOCKET, SO_ATTACH_FILTER, &h->program, sizeof(h->program));
	return NULL;
}

/* In a process of its own: hold the lock of @fd until killed, and say on @told that it is. */
static void lock_hold(int fd, int told)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct holder h = { fd, { .len = 1 } };
	struct uffdio_register range;
	struct uffd_msg fault;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	void *memory =
		mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t thread;

	range = (struct uffdio_register){ .range = { (uintptr_t)memory, page },
					  .mode = UFFDIO_REGISTER_MODE_MISSING };
	if (faults < 0 || ioctl(faults, UFFDIO_API, &api) < 0 ||
	    ioctl(faults, UFFDIO_REGISTER, &range) < 0)
		_exit(77);
	h.program.filter = memory;
	if (pthread_create(&thread, NULL, thread_hold, &h) != 0 ||
	    read(faults, &fault, sizeof(fault)) != sizeof(fault) || write(told, "x", 1) != 1)
		_exit(70);
	for (;;)
		pause();
}

/* The thread that is not this one: its blocked signals. */
static unsigned long long blocked_signals(void)
{
	unsigned long long mask = 0;
	char path[300], line[200];
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;

	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d))) {
		FILE *f;

		if (e->d_name[0] == '.' || atoi(e->d_name) == (int)getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%s/status", e->d_name);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f))
			(void)sscanf(line, "SigBlk: %llx", &mask);
		if (f)
			fclose(f);
	}
	closedir(d);
	return mask;
}

#define AWAIT(condition)                                                                       \
	do {                                                                                   \
		uint64_t end_ = now_ms() + (uint64_t)deadline_ms();                            \
		while (!(condition)) {                                                         \
			ck_assert_msg(now_ms() < end_, "never came true: %s", #condition);     \
			pause_briefly();                                                       \
		}                                                                              \
	} while (0)

START_TEST(close_that_waits_for_ever_holds_nobody_up)
{
	int before = threads(), told[2], fd, other, status;
	pid_t pid;
	char byte;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(pipe2(told, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		lock_hold(fd, told[1]);
	}
	close(told[1]);
	if (read(told[0], &byte, 1) != 1) {
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 77);
		printf("# skip: userfaultfd(2) is not for this user\n");
		close(fd);
		close(other);
		close(told[0]);
		return;
	}
	qbi_foreign_close(&fd, 1);
	ck_assert(is_open(fd));
	ck_assert_int_eq(threads(), before + 1);
	/* All but what nobody can block, and the C library's own. */
	ck_assert_uint_eq(blocked_signals() | 1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1) |
				  3ull << 31,
			  UINT64_MAX);
	/* What comes later has a thread of its own. */
	qbi_foreign_close(&other, 1);
	AWAIT(!is_open(other));
	ck_assert(is_open(fd));
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	AWAIT(!is_open(fd));
	AWAIT(threads() == before);
	close(told[0]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("descriptors of a peer");
	TCase *tc = tcase_create("foreign");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 4 * deadline_ms() / 1000);
	tcase_add_checked_fixture(tc, census_setup, census_teardown);
	tcase_add_test(tc, memory_and_sockets_without_descriptors_need_no_thread);
	tcase_add_test(tc, stream_with_bytes_left_in_it_needs_no_thread);
	tcase_add_test(tc, as_many_as_a_message_has_come_in_and_go);
	tcase_add_test(tc, close_that_waits_for_ever_holds_nobody_up);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
