/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a transport's end is closed: here, or in parts of which a thread does those that the
 * client can hold up. And how it is noticed that it does: madvise(2) is made slow.
 */
#include <check.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/reclaim.h"
#include "base/util.h"
#include "ring/mapping.h"
#include "ring/punch.h"
#include "ring/region.h"
#include "server/end.h"
#include "tests/lib/census.h"
#include "tests/lib/deadline.h"

enum { ALICE = 54321, BYTES = 1000, TIMES = 2 };

#define AWAIT(condition)                                                                       \
	do {                                                                                   \
		uint64_t end_ = now_ms() + (uint64_t)deadline_ms();                            \
		while (!(condition)) {                                                         \
			ck_assert_msg(now_ms() < end_, "never came true: %s", #condition);     \
			pause_briefly();                                                       \
		}                                                                              \
	} while (0)

/* -- A transport that notes what is asked of it ---------------------------------- */

struct noting {
	int times; /* that it was withdrawn */
};

static char notes[200];
static pid_t noted_by;
static atomic_bool closed;

static void note(const char *what, enum qbi_parting how)
{
	static const char *const names[] = {
		[QBI_PART_AT_ONCE] = "at once",
		[QBI_PART_KEEPING] = "keeping",
		[QBI_PART_UNPUNCHED] = "unpunched",
		[QBI_PART_COPY] = "copy",
	};
	size_t used = strlen(notes);

	snprintf(notes + used, sizeof(notes) - used, "%s %s%s; ", what, names[how],
		 gettid() == noted_by ? "" : " elsewhere");
}

static void noting_leave(void *st, enum qbi_parting how)
{
	note("leave", how);
}

static int noting_withdraw(void *st, enum qbi_parting how)
{
	struct noting *n = st;

	note("withdraw", how);
	return ++n->times <= TIMES ? QBI_AGAIN : 0;
}

static void noting_close(void *st, enum qbi_parting how)
{
	note("close", how);
	atomic_store(&closed, true);
}

static const struct qbi_server_ops noting_ops = {
	.state_size = sizeof(struct noting),
	.close = noting_close,
	.leave = noting_leave,
	.withdraw = noting_withdraw,
};

static const struct qbi_server_ops harmless_ops = {
	.state_size = sizeof(struct noting),
	.close = noting_close,
};

static void *end_new(const struct qbi_server_ops *ops)
{
	struct noting *n = qbi_end_new(ops);

	ck_assert_ptr_nonnull(n);
	ck_assert_int_eq(n->times, 0);
	ck_assert_uint_eq((uintptr_t)n % _Alignof(max_align_t), 0);
	notes[0] = '\0';
	noted_by = gettid();
	atomic_store(&closed, false);
	return n;
}

START_TEST(closed_here_it_is_closed_at_once)
{
	struct noting *n = end_new(&noting_ops);

	n->times = 7;
	qbi_end_clear(n);
	ck_assert_int_eq(n->times, 0);
	ck_assert_str_eq(notes, "close at once; ");
	qbi_end_free(n, QBI_PART_KEEPING);
	ck_assert_str_eq(notes, "close at once; close keeping; ");
	qbi_end_free(NULL, QBI_PART_AT_ONCE);
	qbi_end_hand_over(NULL, QBI_PART_AT_ONCE, ALICE, BYTES);
	ck_assert_str_eq(notes, "close at once; close keeping; ");
}
END_TEST

START_TEST(handed_over_it_is_unmapped_when_nobody_holds_it_up)
{
	qbi_end_hand_over(end_new(&noting_ops), QBI_PART_KEEPING, ALICE, BYTES);
	AWAIT(atomic_load(&closed));
	AWAIT(qbi_reclaim_pending(ALICE).in_all == 0);
	ck_assert_str_eq(notes, "leave keeping; withdraw keeping elsewhere; "
				"withdraw keeping elsewhere; withdraw keeping elsewhere; "
				"close copy elsewhere; ");
}
END_TEST

START_TEST(what_cannot_be_held_up_is_closed_at_once)
{
	qbi_end_hand_over(end_new(&harmless_ops), QBI_PART_AT_ONCE, ALICE, BYTES);
	ck_assert_str_eq(notes, "close at once; ");
	ck_assert_uint_eq(qbi_reclaim_pending(ALICE).in_all, 0);
}
END_TEST

/* The child's result. */
static int without_threads(void)
{
	struct rlimit none = { 0, 0 };

	if ((geteuid() == 0 && setuid(ALICE) != 0) || setrlimit(RLIMIT_NPROC, &none) != 0)
		return 1;
	qbi_end_hand_over(end_new(&noting_ops), QBI_PART_AT_ONCE, ALICE + 1, BYTES);
	return strcmp(notes, "leave at once; withdraw unpunched; close copy; ") == 0 ? 0 : 2;
}

START_TEST(without_a_thread_the_pages_are_left_to_the_client)
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(without_threads());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* -- The ends of the transports ---------------------------------------------------- */

extern const struct qbi_server_ops qbi_native_shm_server;
extern const struct qbi_server_ops qbi_native_socket_server;
extern const struct qbi_server_ops qbi_qb_shm_server;
extern const struct qbi_server_ops qbi_qb_socket_server;

static const struct qbi_server_ops *const all_ops[] = {
	&qbi_native_shm_server,
	&qbi_native_socket_server,
	&qbi_qb_shm_server,
	&qbi_qb_socket_server,
};

enum { OPS = sizeof(all_ops) / sizeof(*all_ops), SIZE = 4096 };

/* A service of one connection. */
struct served {
	struct qbi_server_shared shared;
	struct qbi_welcome welcome;
	struct qbi_reply reply;
	int stream[2];
	void *st;
};

static struct served *served_new(const struct qbi_server_ops *ops)
{
	struct served *s = calloc(1, sizeof(*s));
	struct qbi_server_spec spec = {
		.service = "end",
		.peer = { getpid(), ALICE, ALICE },
		.owner = { (uid_t)-1, (gid_t)-1, 0600 },
		.max_msg_size = SIZE,
	};

	ck_assert_ptr_nonnull(s);
	qbi_busy_poll_init(&s->shared.busy_poll);
	/* As on a machine with CPUs to spare. */
	s->shared.busy_poll.longest = s->shared.busy_poll.setting = QBI_BUSY_POLL_DEFAULT_NS;
	s->reply.welcome = &s->welcome;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s->stream), 0);
	spec.shared = &s->shared;
	spec.stream = s->stream[0];
	s->st = qbi_end_new(ops);
	ck_assert_ptr_nonnull(s->st);
	ck_assert_int_eq(ops->open(s->st, &spec, &s->reply), 0);
	return s;
}

static void served_free(struct served *s)
{
	for (unsigned int i = 0; i < s->reply.n_fds; i++)
		close(s->reply.fds[i]);
	close(s->stream[0]);
	close(s->stream[1]);
	free(s);
}

/* The service may be gone before the thread has begun. */
START_TEST(what_is_handed_over_knows_nothing_of_the_service)
{
	const struct qbi_server_ops *ops = all_ops[_i];
	struct served *s = served_new(ops);

	s->shared.busy = s->st;
	qbi_end_hand_over(s->st, QBI_PART_AT_ONCE, ALICE, BYTES);
	ck_assert_ptr_null(s->shared.busy);
	served_free(s);
	AWAIT(qbi_reclaim_pending(ALICE).in_all == 0);
}
END_TEST

/* As a service that has not polled for long: nobody is given way to, who could keep the CPU. */
static void polls_rest(struct served *s)
{
	s->shared.busy_poll.filled = 0;
	s->shared.busy_poll.not_before = 0;
	s->shared.busy_poll.noted = qbi_now_ns();
	s->shared.busy_poll.longest = s->shared.busy_poll.setting;
}

/* A request was taken, and the byte, or the packet, of the next one is there. */
START_TEST(server_is_awake_for_the_next_request)
{
	const struct qbi_server_ops *ops = all_ops[1 + _i];
	struct served *s = served_new(ops);
	int client = _i ? s->stream[1] : s->reply.fds[1];

	ops->begin(s->st, true);
	if (_i)
		ck_assert_int_eq(send(client, "", 1, 0), 1);
	ck_assert_int_eq(send(client, "", 1, 0), 1);
	polls_rest(s);
	ck_assert_int_eq(ops->settle(s->st, 1), QBI_MORE);
	/* Not where no poll is allowed. */
	s->shared.busy_poll.longest = s->shared.busy_poll.setting = 0;
	if (_i)
		ck_assert_int_eq(send(client, "", 1, 0), 1);
	ck_assert_int_eq(ops->settle(s->st, 1), 0);
	qbi_end_free(s->st, QBI_PART_AT_ONCE);
	served_free(s);
}
END_TEST

/* Polls in vain use up the time that a dispatch has for them; the next one has it again. */
START_TEST(each_dispatch_has_its_time_for_polls)
{
	const struct qbi_server_ops *ops = all_ops[1 + _i];
	struct served *s = served_new(ops);
	int client = _i ? s->stream[1] : s->reply.fds[1];

	ops->begin(s->st, true);
	for (int i = 0; i < 50; i++) {
		if (_i)
			ck_assert_int_eq(send(client, "", 1, 0), 1);
		polls_rest(s);
		ck_assert_int_eq(ops->settle(s->st, 1), 0);
	}
	for (int i = 0; i <= _i; i++)
		ck_assert_int_eq(send(client, "", 1, 0), 1);
	polls_rest(s);
	ck_assert_int_eq(ops->settle(s->st, 1), 0);
	ops->begin(s->st, true);
	if (_i)
		ck_assert_int_eq(send(client, "", 1, 0), 1);
	polls_rest(s);
	ck_assert_int_eq(ops->settle(s->st, 1), QBI_MORE);
	qbi_end_free(s->st, QBI_PART_AT_ONCE);
	served_free(s);
}
END_TEST

/* -- Streams in which something is left ------------------------------------------ */

enum { STREAMS = 300, MANY = 64, LITTLE = 10, MUCH = 100000, DESCRIPTORS = 640 };

static int holding[2] = { -1, -1 };

/* Until the pipe has no more writer. */
static int hold(struct qbi_reclaim *r)
{
	char byte;

	while (read(holding[0], &byte, 1) > 0)
		;
	return 0;
}

static void hold_begin(void)
{
	struct qbi_reclaim *r = malloc(sizeof(*r));

	ck_assert_ptr_nonnull(r);
	ck_assert_int_eq(pipe(holding), 0);
	ck_assert_int_eq(qbi_reclaim_add(r, hold, BYTES, ALICE), 0);
}

static void hold_end(void)
{
	close(holding[1]);
	AWAIT(qbi_reclaim_pending(ALICE).in_all == 0);
	close(holding[0]);
}

/* End one in which Alice has left so many bytes. What waits for her thread afterwards. */
static uint32_t stream_left(size_t bytes)
{
	static const char junk[MUCH];
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(send(pair[0], junk, bytes, MSG_DONTWAIT), (long)bytes);
	qbi_end_stream(pair[1], ALICE, false);
	close(pair[0]);
	return qbi_reclaim_pending(ALICE).in_all;
}

START_TEST(streams_that_are_cheap_do_not_pile_up)
{
	hold_begin();
	for (uint32_t i = 2; i <= MANY; i++)
		ck_assert_uint_eq(stream_left(LITTLE), i);
	/* An interrupt may make one dear. */
	for (int i = 0; i < STREAMS; i++)
		ck_assert_uint_lt(stream_left(LITTLE), MANY + STREAMS / 10);
	hold_end();
}
END_TEST

/* Those that are not cheap: more than can be received in the time that a stream has. */
START_TEST(streams_that_wait_leave_descriptors_for_others)
{
	struct rlimit before, few = { DESCRIPTORS, DESCRIPTORS };

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	few.rlim_max = before.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	hold_begin();
	for (int i = 0; i < STREAMS; i++)
		ck_assert_uint_le(stream_left(MUCH), DESCRIPTORS / 8);
	hold_end();
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}
END_TEST

/* -- Taking out pages that somebody holds up ---------------------------------------- */

static const void *slow_from, *slow_to; /* memory where it takes 5 ms */

int __real_madvise(void *base, size_t size, int advice);
int __wrap_madvise(void *base, size_t size, int advice);
int __wrap_madvise(void *base, size_t size, int advice)
{
	int r = __real_madvise(base, size, advice);

	if (base >= slow_from && base < slow_to)
		(void)nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	return r;
}

static void slow_begin(const void *base, size_t size)
{
	slow_from = base;
	slow_to = (const char *)base + size;
}

static void slow_end(void)
{
	slow_from = slow_to = NULL;
}

START_TEST(punching_tells_whether_it_was_held_up)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *memory =
		mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert(memory != MAP_FAILED);
	memset(memory, 1, 3 * page);
	slow_begin(memory, 3 * page);
	ck_assert_int_eq(qbi_punch(memory, 3 * page, 1, 3 * page - 1), QBI_AGAIN);
	slow_end();
	/* Whole pages alone. */
	ck_assert_uint_eq(memory[0], 1);
	ck_assert_uint_eq(memory[page], 0);
	ck_assert_uint_eq(memory[2 * page], 1);
	/* On a busy machine not every time. */
	AWAIT(qbi_punch(memory, 3 * page, page, 3 * page) == 0);
	ck_assert_uint_eq(memory[2 * page], 0);
	ck_assert_int_eq(qbi_punch(memory, 3 * page, 1, page), 0);
	ck_assert_uint_eq(memory[0], 1);
	munmap(memory, 3 * page);
}
END_TEST

START_TEST(of_a_region_the_memory_counts_that_the_client_can_punch)
{
	struct qbi_region m = { .words = NULL };
	struct qbi_region_fds fds;

	ck_assert_int_eq(qbi_region_create(&m, 12328, &fds), 0);
	slow_begin(m.words, m.common_size);
	ck_assert_int_eq(qbi_region_punch(&m), QBI_AGAIN);
	ck_assert_int_eq(qbi_region_punch_taken(&m), QBI_AGAIN);
	slow_begin(m.sent, m.sent_size);
	AWAIT(qbi_region_punch(&m) == 0);
	AWAIT(qbi_region_punch_taken(&m) == 0);
	slow_end();
	qbi_region_close(&m);
	close(fds.common);
	close(fds.sent);
}
END_TEST

/* Nothing is taken out of the first file, whose end is in the middle of a page. */
START_TEST(of_a_file_that_stays_it_is_told_without_taking_anything)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct qbi_mapping m = QBI_MAPPING_INIT;
	struct qbi_mapping_file files[2];
	unsigned char *bytes;

	for (int i = 0; i < 2; i++) {
		files[i] = (struct qbi_mapping_file){ memfd_create("file", MFD_CLOEXEC),
						      page + 100 };
		ck_assert_int_eq(ftruncate(files[i].fd, (off_t)files[i].size), 0);
	}
	ck_assert_int_eq(qbi_mapping_open(&m, files, 2), 0);
	bytes = m.part[0];
	memset(bytes, 1, page + 100);
	/* All that is mapped, and what is behind it. */
	slow_begin(m.guard.base, m.guard.size + page);
	ck_assert_int_eq(qbi_mapping_probe(&m), QBI_AGAIN);
	slow_end();
	AWAIT(qbi_mapping_probe(&m) == 0);
	ck_assert_uint_eq(bytes[0], 1);
	ck_assert_uint_eq(bytes[page + 99], 1);
	ck_assert_int_eq(lseek(files[0].fd, 0, SEEK_END), (long)page + 100);
	qbi_mapping_close(&m);
	ck_assert_int_eq(qbi_mapping_probe(&m), 0);
	close(files[0].fd);
	close(files[1].fd);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("the end of a connection");
	TCase *tc = tcase_create("end");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 4 * deadline_ms() / 1000);
	tcase_add_checked_fixture(tc, census_setup, census_teardown);
	tcase_add_test(tc, closed_here_it_is_closed_at_once);
	tcase_add_test(tc, handed_over_it_is_unmapped_when_nobody_holds_it_up);
	tcase_add_test(tc, what_cannot_be_held_up_is_closed_at_once);
	tcase_add_test(tc, without_a_thread_the_pages_are_left_to_the_client);
	tcase_add_loop_test(tc, what_is_handed_over_knows_nothing_of_the_service, 0, OPS);
	tcase_add_loop_test(tc, server_is_awake_for_the_next_request, 0, 2);
	tcase_add_loop_test(tc, each_dispatch_has_its_time_for_polls, 0, 2);
	tcase_add_test(tc, streams_that_are_cheap_do_not_pile_up);
	tcase_add_test(tc, streams_that_wait_leave_descriptors_for_others);
	tcase_add_test(tc, punching_tells_whether_it_was_held_up);
	tcase_add_test(tc, of_a_region_the_memory_counts_that_the_client_can_punch);
	tcase_add_test(tc, of_a_file_that_stays_it_is_told_without_taking_anything);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
