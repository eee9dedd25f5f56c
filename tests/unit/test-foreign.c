/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors of a peer are closed where nobody waits: those that are known to be quick at
 * once, and without a thread; all others in one. One is held up here by a process that keeps
 * the lock of a socket, in a page fault that nobody answers.
 */
#include <check.h>
#include <dirent.h>
#include <dlfcn.h>
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
#include <sys/resource.h>
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

/* Locks are held one after the other, each in a page of its own. */
static void lock_hold_one(struct holder *h, int faults, char *page)
{
	struct uffd_msg fault;
	pthread_t thread;

	h->program = (struct sock_fprog){ 1, (struct sock_filter *)page };
	if (pthread_create(&thread, NULL, thread_hold, h) != 0 ||
	    read(faults, &fault, sizeof(fault)) != sizeof(fault))
		_exit(70);
}

/* In a process of its own: hold the locks of @fds until killed, and say on @told that it is. */
static void locks_hold(const int *fds, size_t n, int told)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	struct holder *h = calloc(n, sizeof(*h));
	char *memory = mmap(NULL, n * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);

	range = (struct uffdio_register){ .range = { (uintptr_t)memory, n * page },
					  .mode = UFFDIO_REGISTER_MODE_MISSING };
	if (faults < 0 || ioctl(faults, UFFDIO_API, &api) < 0 ||
	    ioctl(faults, UFFDIO_REGISTER, &range) < 0)
		_exit(77);
	for (size_t i = 0; i < n; i++) {
		h[i].fd = fds[i];
		lock_hold_one(&h[i], faults, memory + i * page);
	}
	if (write(told, "x", 1) != 1)
		_exit(70);
	for (;;)
		pause();
}

/* The process that holds them; -1: not for this user. */
static pid_t locks_hold_begin(const int *fds, size_t n)
{
	int told[2], status;
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe2(told, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		locks_hold(fds, n, told[1]);
	}
	close(told[1]);
	if (read(told[0], &byte, 1) != 1) {
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 77);
		printf("# skip: userfaultfd(2) is not for this user\n");
		pid = -1;
	}
	close(told[0]);
	return pid;
}

static void locks_hold_end(pid_t pid)
{
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
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
	int before = threads(), fd, other;
	pid_t pid;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pid = locks_hold_begin(&fd, 1);
	if (pid < 0) {
		close(fd);
		close(other);
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
	locks_hold_end(pid);
	AWAIT(!is_open(fd));
	AWAIT(threads() == before);
}
END_TEST

enum { MOST_THREADS = 8, MANY = 3000, AT_ONCE = 250 };

static void descriptors_allow(void)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static int open_among(const int *fds, int n)
{
	int open = 0;

	for (int i = 0; i < n; i++)
		open += is_open(fds[i]);
	return open;
}

/* Eight wait, and all others for them, however many: nobody closes them meanwhile. */
START_TEST(more_than_eight_that_wait_hold_up_only_each_other)
{
	int before = threads(), stuck[MOST_THREADS], kept[MOST_THREADS];
	static int many[MANY], given[AT_ONCE];
	pid_t pid;

	descriptors_allow();
	for (int i = 0; i < MOST_THREADS; i++) {
		stuck[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ck_assert_int_ge(stuck[i], 0);
	}
	memcpy(kept, stuck, sizeof(kept));
	pid = locks_hold_begin(stuck, MOST_THREADS);
	for (int i = 0; i < MOST_THREADS; i++) {
		if (pid < 0)
			close(stuck[i]);
		else
			qbi_foreign_close(&stuck[i], 1);
	}
	if (pid < 0)
		return;
	for (int i = 0; i < MANY; i++) {
		many[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		ck_assert_int_ge(many[i], 0);
	}
	for (int i = 0; i < MANY; i += AT_ONCE) {
		memcpy(given, &many[i], sizeof(given));
		qbi_foreign_close(given, AT_ONCE);
	}
	ck_assert_int_eq(threads(), before + MOST_THREADS);
	ck_assert_int_eq(open_among(kept, MOST_THREADS), MOST_THREADS);
	ck_assert_int_eq(open_among(many, MANY), MANY);
	locks_hold_end(pid);
	AWAIT(open_among(many, MANY) == 0);
	AWAIT(open_among(kept, MOST_THREADS) == 0);
	AWAIT(threads() == before);
}
END_TEST

/* In front of that of the C library, for the objects of the library in this program. */
static bool threads_refused;

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
		   void *data)
{
	int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

	if (threads_refused)
		return EAGAIN;
	*(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
	return real(thread, attr, fn, data);
}

/* They stay open until one can be started. */
START_TEST(without_a_thread_nothing_that_may_wait_is_closed)
{
	int before = threads(), fds[2], kept[2];

	for (int i = 0; i < 2; i++)
		kept[i] = fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	threads_refused = true;
	qbi_foreign_close(&fds[0], 1);
	ck_assert(is_open(kept[0]));
	threads_refused = false;
	qbi_foreign_close(&fds[1], 1);
	AWAIT(!is_open(kept[0]) && !is_open(kept[1]));
	AWAIT(threads() == before);
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
	tcase_add_test(tc, more_than_eight_that_wait_hold_up_only_each_other);
	tcase_add_test(tc, without_a_thread_nothing_that_may_wait_is_closed);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
