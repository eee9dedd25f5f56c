/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The shared memory of a native connection: sealed, checked, sparse, taken back. */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "ring/region.h"
#include "tests/lib/variant.h"
#include "tests/unit/test-native-pair.h"

enum {
	WIRE_MAX = 12328,
	LARGE_MAX = 1 << 20,
	BLOCK = 512,
	HUGE_PAGE = 2 << 20,
	STRANGER = 65534
};

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* Both ends of a region, each with a mapping of its own, and the descriptors kept. */
static struct {
	struct qbi_region server, client;
	struct qbi_ring from[QBI_REGION_RINGS], to[QBI_REGION_RINGS];
	struct qbi_region_fds fds;
} m;

static void region_open(uint32_t max)
{
	memset(&m, 0, sizeof(m));
	ck_assert_int_eq(qbi_region_create(&m.server, max, &m.fds), 0);
	ck_assert_int_eq(qbi_region_open(&m.client, max, &m.fds), 0);
	if (max == QBI_REGION_NO_RINGS)
		return;
	for (int i = 0; i < QBI_REGION_RINGS; i++) {
		bool up = i == QBI_REGION_REQUEST;

		qbi_region_ring(up ? &m.client : &m.server, (enum qbi_region_ring)i,
				&m.from[i]);
		qbi_region_ring(up ? &m.server : &m.client, (enum qbi_region_ring)i, &m.to[i]);
	}
}

static void region_close(void)
{
	close(m.fds.common);
	if (m.fds.sent >= 0)
		close(m.fds.sent);
	qbi_region_close(&m.server);
	qbi_region_close(&m.client);
}

/* Bytes of memory behind the descriptors. */
static size_t memory_used(void)
{
	struct stat common, sent = { .st_blocks = 0 };

	ck_assert_int_eq(fstat(m.fds.common, &common), 0);
	ck_assert(m.fds.sent < 0 || fstat(m.fds.sent, &sent) == 0);
	return (size_t)(common.st_blocks + sent.st_blocks) * BLOCK;
}

static void must_be_sealed(int fd)
{
	struct stat st;

	ck_assert_int_eq(fcntl(fd, F_GET_SEALS) & SEALS, SEALS);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(ftruncate(fd, 0), -1);
	ck_assert_int_eq(ftruncate(fd, st.st_size - 1), -1);
	ck_assert_int_eq(ftruncate(fd, st.st_size + 1), -1);
	ck_assert_int_eq(fallocate(fd, 0, st.st_size, 4096), -1);
	/* Nor can the peer forbid writing. */
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

START_TEST(memory_is_sealed_against_any_change_of_size)
{
	region_open(WIRE_MAX);
	must_be_sealed(m.fds.common);
	must_be_sealed(m.fds.sent);
	region_close();
}
END_TEST

/* In a process of another user, without rights of its own; 0 if all was refused. */
static int stranger_tries_to_write(int fd, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (setresgid(STRANGER, STRANGER, STRANGER) < 0 ||
	    setresuid(STRANGER, STRANGER, STRANGER) < 0)
		return 1;
	if (write(fd, "x", 1) >= 0 || pwrite(fd, "x", 1, 100) >= 0)
		return 2;
	if (mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED)
		return 3;
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)size) >= 0)
		return 4;
	if (madvise(m.client.sent, size, MADV_REMOVE) >= 0)
		return 5;
	if (mprotect(m.client.sent, size, PROT_READ | PROT_WRITE) >= 0)
		return 6;
	if (open(path, O_RDWR | O_CLOEXEC) >= 0 || open(path, O_WRONLY | O_CLOEXEC) >= 0)
		return 7;
	if (fchmod(fd, 0666) >= 0)
		return 8;
	return 0;
}

START_TEST(client_can_neither_write_nor_take_out_what_the_server_sends)
{
	int status;
	pid_t pid;

	region_open(WIRE_MAX);
	ck_assert_int_eq(put_pattern(&m.from[QBI_REGION_EVENT], 1000, 1), 0);
	pid = fork();
	if (pid == 0)
		_exit(geteuid() == 0 ? stranger_tries_to_write(m.fds.sent, m.client.sent_size) :
				       0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	take_pattern(&m.to[QBI_REGION_EVENT], 1000, 1);
	region_close();
}
END_TEST

START_TEST(each_ring_has_its_own_memory)
{
	region_open(WIRE_MAX);
	for (int i = 0; i < QBI_REGION_RINGS; i++) {
		ck_assert_int_eq(put_pattern(&m.from[i], WIRE_MAX, (uint32_t)i), 0);
		ck_assert_int_eq(put_pattern(&m.from[i], 100, 10 + (uint32_t)i), 0);
	}
	for (int i = 0; i < QBI_REGION_RINGS; i++) {
		take_pattern(&m.to[i], WIRE_MAX, (uint32_t)i);
		take_pattern(&m.to[i], 100, 10 + (uint32_t)i);
		ck_assert(qbi_ring_is_empty(&m.to[i]));
	}
	region_close();
}
END_TEST

START_TEST(flow_and_count_of_taken_events_reach_the_other_side)
{
	region_open(QBI_REGION_NO_RINGS);
	ck_assert_uint_eq(qbi_region_flow_get(&m.client), 0);
	for (uint32_t value = 0; value < 3; value++) {
		qbi_region_flow_set(&m.server, value);
		ck_assert_uint_eq(qbi_region_flow_get(&m.client), value);
		qbi_region_taken_set(&m.client, 1000 + value);
		ck_assert_uint_eq(qbi_region_taken_get(&m.server), 1000 + value);
	}
	region_close();
}
END_TEST

START_TEST(what_a_server_notes_without_rings_is_not_in_the_memory_that_it_passes)
{
	region_open(QBI_REGION_NO_RINGS);
	qbi_region_flow_set(&m.server, 0);
	qbi_region_sent_set(&m.server, QBI_REGION_EVENT, 7);
	qbi_region_unsent_set(&m.server, QBI_REGION_RESPONSE, 8);
	qbi_region_unsent_set(&m.server, QBI_REGION_EVENT, 9);
	ck_assert_uint_eq(qbi_region_sent_get(&m.server, QBI_REGION_EVENT), 7);
	ck_assert_uint_eq(qbi_region_unsent_get(&m.server, QBI_REGION_RESPONSE), 8);
	ck_assert_uint_eq(qbi_region_unsent_get(&m.server, QBI_REGION_EVENT), 9);
	ck_assert_uint_eq(memory_used(), 0);
	region_close();
}
END_TEST

/* A page that a server has not touched is not its own to release, and would make it wait. */
START_TEST(page_of_words_goes_at_the_end_if_the_server_has_touched_it)
{
	for (int touched = 0; touched < 2; touched++) {
		region_open(QBI_REGION_NO_RINGS);
		qbi_region_taken_set(&m.client, 1);
		if (touched)
			qbi_region_flow_set(&m.server, 1);
		qbi_region_punch(&m.server);
		ck_assert_uint_eq(memory_used() > 0, !touched);
		region_close();
	}
}
END_TEST

START_TEST(largest_region_that_can_be_agreed_is_made_and_opened)
{
	const uint32_t most = 1u << 30;
	struct stat st;

	region_open(most);
	ck_assert_int_eq(fstat(m.fds.common, &st), 0);
	ck_assert_int_gt(st.st_size, most);
	ck_assert_int_eq(fstat(m.fds.sent, &st), 0);
	ck_assert_int_gt(st.st_size, 2ll * most);
	for (int i = 0; i < QBI_REGION_RINGS; i++)
		ck_assert_int_eq(put_pattern(&m.from[i], 1000, (uint32_t)i), 0);
	for (int i = 0; i < QBI_REGION_RINGS; i++)
		take_pattern(&m.to[i], 1000, (uint32_t)i);
	ck_assert_uint_le(memory_used(), 16 * PAIR_PAGE);
	region_close();
}
END_TEST

/* -- What a server might pass --------------------------------------------------- */

enum { COMMON, SENT, PARTS };

static off_t part_size(int part)
{
	struct stat st;

	region_open(WIRE_MAX);
	ck_assert_int_eq(fstat(part == SENT ? m.fds.sent : m.fds.common, &st), 0);
	region_close();
	return st.st_size;
}

static int memory_make(off_t size, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, size), 0);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* Takes @fd, in the place of one part of right ones. */
static int open_result(int part, int fd)
{
	struct qbi_region r = { 0 };
	struct qbi_region_fds fds;
	int result;

	region_open(WIRE_MAX);
	fds = m.fds;
	*(part == SENT ? &fds.sent : &fds.common) = fd;
	result = qbi_region_open(&r, WIRE_MAX, &fds);
	ck_assert(result == 0 || (!r.words && !r.sent));
	qbi_region_close(&r);
	region_close();
	close(fd);
	return result;
}

START_TEST(memory_with_all_seals_and_the_agreed_size_is_accepted)
{
	off_t size = part_size(_i);

	ck_assert_int_eq(open_result(_i, memory_make(size, SEALS)), 0);
}
END_TEST

START_TEST(memory_that_lacks_a_seal_is_refused)
{
	off_t size = part_size(_i);

	ck_assert_int_eq(open_result(_i, memory_make(size, 0)), -EBADMSG);
	ck_assert_int_eq(open_result(_i, memory_make(size, SEALS & ~F_SEAL_SHRINK)), -EBADMSG);
	ck_assert_int_eq(open_result(_i, memory_make(size, SEALS & ~F_SEAL_GROW)), -EBADMSG);
	ck_assert_int_eq(open_result(_i, memory_make(size, SEALS & ~F_SEAL_SEAL)), -EBADMSG);
}
END_TEST

START_TEST(memory_of_another_size_is_refused)
{
	static const off_t off[] = { -1, 1, -4096, 4096, -8, 1 << 30 };
	off_t size = part_size(_i);

	ck_assert_int_eq(open_result(_i, memory_make(0, SEALS)), -EBADMSG);
	for (size_t i = 0; i < QBI_ARRAY_SIZE(off); i++)
		ck_assert_int_eq(open_result(_i, memory_make(size + off[i], SEALS)), -EBADMSG);
}
END_TEST

START_TEST(common_memory_that_may_not_be_written_is_refused)
{
	int fd = memory_make(part_size(COMMON), SEALS | F_SEAL_WRITE);

	ck_assert_int_lt(open_result(COMMON, fd), 0);
}
END_TEST

START_TEST(descriptor_of_another_kind_is_refused)
{
	char path[] = "/dev/shm/qbt-region-XXXXXX";
	off_t size = part_size(_i);
	int pair[2], fd;

	fd = mkostemp(path, O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	unlink(path);
	ck_assert_int_eq(ftruncate(fd, size), 0);
	ck_assert_int_eq(open_result(_i, fd), -EBADMSG);
	ck_assert_int_eq(pipe(pair), 0);
	ck_assert_int_eq(open_result(_i, pair[0]), -EBADMSG);
	ck_assert_int_eq(open_result(_i, pair[1]), -EBADMSG);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(open_result(_i, pair[0]), -EBADMSG);
	ck_assert_int_eq(open_result(_i, pair[1]), -EBADMSG);
	ck_assert_int_eq(open_result(_i, open("/dev/zero", O_RDWR | O_CLOEXEC)), -EBADMSG);
	ck_assert_int_eq(open_result(_i, open("/dev/shm", O_RDONLY | O_CLOEXEC)), -EBADMSG);
	ck_assert_int_eq(open_result(_i, -1), -EBADMSG);
}
END_TEST

/* The size of a part, and the least agreed size for which that is whole huge pages. */
static uint64_t part_of(int part, uint32_t max)
{
	uint64_t capacity = qbi_ring_capacity(max);

	return part == SENT ? 2 * capacity : 4096 + capacity;
}

static uint32_t max_for_huge_pages(int part)
{
	uint32_t max = WIRE_MAX;

	while (part_of(part, max) % HUGE_PAGE)
		max += 4096;
	return max;
}

START_TEST(memory_of_huge_pages_is_refused)
{
	uint32_t max = max_for_huge_pages(_i);
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
	struct qbi_region_fds fds;
	struct qbi_region r = { 0 };

	if (fd < 0)
		return; /* this kernel has none */
	ck_assert_int_eq(ftruncate(fd, (off_t)part_of(_i, max)), 0);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, SEALS), 0);
	region_open(max);
	fds = m.fds;
	*(_i == SENT ? &fds.sent : &fds.common) = fd;
	ck_assert_int_eq(qbi_region_open(&r, max, &fds), -EBADMSG);
	region_close();
	close(fd);
}
END_TEST

/* -- Memory -------------------------------------------------------------------- */

/* As much as fits into all three rings. */
static void rings_fill(size_t size)
{
	for (int i = 0; i < QBI_REGION_RINGS; i++)
		while (put_pattern(&m.from[i], size, 1) == 0)
			;
}

START_TEST(connection_costs_only_the_pages_it_has_used)
{
	region_open(LARGE_MAX);
	ck_assert_int_eq(put_pattern(&m.from[QBI_REGION_REQUEST], 100, 1), 0);
	take_pattern(&m.to[QBI_REGION_REQUEST], 100, 1);
	ck_assert_uint_le(memory_used(), 4 * PAIR_PAGE);
	region_close();
}
END_TEST

START_TEST(pages_are_taken_from_whoever_keeps_the_memory)
{
	region_open(LARGE_MAX);
	rings_fill(PAIR_MESSAGE_MAX);
	ck_assert_uint_ge(memory_used(), 3 * LARGE_MAX);
	qbi_region_punch(&m.server);
	ck_assert_uint_eq(memory_used(), 0);
	region_close();
}
END_TEST

START_TEST(pages_are_taken_also_when_the_process_has_locked_its_memory)
{
	region_open(WIRE_MAX);
	rings_fill(WIRE_MAX);
	/* It may not be allowed to, and sanitizers make it nothing. */
	(void)mlock(m.server.words, m.server.common_size);
	(void)mlock(m.server.sent, m.server.sent_size);
	ck_assert_uint_gt(memory_used(), 0);
	qbi_region_punch(&m.server);
	ck_assert_uint_eq(memory_used(), 0);
	region_close();
}
END_TEST

/* Put @n messages into response and event rings that are already at some offset. */
static void queue_and_punch(uint32_t before, uint32_t n)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	region_open(LARGE_MAX);
	rings_fill(PAIR_MESSAGE_MAX);
	for (int i = QBI_REGION_RESPONSE; i < QBI_REGION_RINGS; i++) {
		uint32_t seed = 0;

		while (!qbi_ring_is_empty(&m.to[i]))
			take_pattern(&m.to[i], PAIR_MESSAGE_MAX, 1);
		for (; seed < before; seed++) {
			ck_assert_int_eq(put_pattern(&m.from[i], 50000, seed), 0);
			take_pattern(&m.to[i], 50000, seed);
		}
		for (; seed < before + n; seed++)
			ck_assert_int_eq(put_pattern(&m.from[i], 50000, seed), 0);
	}
	qbi_region_punch_taken(&m.server);
	/* What is kept: the words, and for each ring the queued with torn pages. */
	ck_assert_uint_le(memory_used(),
			  (1 + 2 * ((n * stride(50000) + page - 1) / page + 2)) * page);
	qbi_region_close(&m.server);
	for (int i = QBI_REGION_RESPONSE; i < QBI_REGION_RINGS; i++)
		for (uint32_t seed = before; seed < before + n; seed++)
			take_pattern(&m.to[i], 50000, seed);
	region_close();
}

START_TEST(queued_responses_and_events_are_left_when_the_rest_is_taken)
{
	for (uint32_t before = 0; before < 25; before += 3)
		queue_and_punch(before, 3);
}
END_TEST

START_TEST(nothing_queued_leaves_next_to_nothing)
{
	for (uint32_t before = 0; before < 25; before += 6)
		queue_and_punch(before, 0);
}
END_TEST

START_TEST(false_account_of_the_client_keeps_no_more_than_the_two_rings)
{
	static const uint64_t lies[] = { 0, 1, 8, 4096, 1ull << 40, UINT64_MAX };
	/* Pages that one ring shares with the next, where pages are larger than 4096. */
	uint64_t shared = 2 * ((uint64_t)sysconf(_SC_PAGESIZE) - 4096);

	for (size_t i = 0; i < QBI_ARRAY_SIZE(lies); i++) {
		region_open(WIRE_MAX);
		rings_fill(1000);
		atomic_store(&m.client.words->ring[QBI_REGION_EVENT].head, lies[i]);
		atomic_store(&m.client.words->ring[QBI_REGION_RESPONSE].tail, lies[i]);
		qbi_region_punch_taken(&m.server);
		ck_assert_uint_le(memory_used(),
				  4096 + 2 * qbi_ring_capacity(WIRE_MAX) + shared);
		region_close();
	}
}
END_TEST

START_TEST(closing_twice_is_closing_once)
{
	struct qbi_region never = { 0 };

	region_open(WIRE_MAX);
	qbi_region_close(&m.client);
	qbi_region_close(&m.client);
	qbi_region_punch(&m.client);
	qbi_region_punch_taken(&never);
	qbi_region_punch(&never);
	qbi_region_close(&never);
	region_close();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("native region");
	TCase *tc = tcase_new(s, "made by the server");

	tcase_add_test(tc, memory_is_sealed_against_any_change_of_size);
	tcase_add_test(tc, client_can_neither_write_nor_take_out_what_the_server_sends);
	tcase_add_test(tc, each_ring_has_its_own_memory);
	tcase_add_test(tc, flow_and_count_of_taken_events_reach_the_other_side);
	tcase_add_test(tc,
		       what_a_server_notes_without_rings_is_not_in_the_memory_that_it_passes);
	tcase_add_test(tc, page_of_words_goes_at_the_end_if_the_server_has_touched_it);
	tcase_add_test(tc, largest_region_that_can_be_agreed_is_made_and_opened);

	tc = tcase_new(s, "checked by the client");
	tcase_add_loop_test(tc, memory_with_all_seals_and_the_agreed_size_is_accepted, 0,
			    PARTS);
	tcase_add_loop_test(tc, memory_that_lacks_a_seal_is_refused, 0, PARTS);
	tcase_add_loop_test(tc, memory_of_another_size_is_refused, 0, PARTS);
	tcase_add_test(tc, common_memory_that_may_not_be_written_is_refused);
	tcase_add_loop_test(tc, memory_of_huge_pages_is_refused, 0, PARTS);
	tcase_add_loop_test(tc, descriptor_of_another_kind_is_refused, 0, PARTS);

	tc = tcase_new(s, "pages");
	tcase_add_test(tc, connection_costs_only_the_pages_it_has_used);
	tcase_add_test(tc, pages_are_taken_from_whoever_keeps_the_memory);
	tcase_add_test(tc, pages_are_taken_also_when_the_process_has_locked_its_memory);
	tcase_add_test(tc, queued_responses_and_events_are_left_when_the_rest_is_taken);
	tcase_add_test(tc, nothing_queued_leaves_next_to_nothing);
	tcase_add_test(tc, false_account_of_the_client_keeps_no_more_than_the_two_rings);
	tcase_add_test(tc, closing_twice_is_closing_once);
	return suite_main(s);
}
