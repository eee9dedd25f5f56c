/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Locked memory: all that messages pass through is, page by page as it is used, and all
 * of it is given back at the end.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "ring/mapping.h"
#include "ring/region.h"
#include "tests/lib/smaps.h"
#include "tests/lib/variant.h"

enum {
	MESSAGE_MAX = 1 << 20,
	FILE_SIZE = 1 << 20,
	FEW = 64 << 10, /* bytes: some pages, far below a ring */
	SOME = 300 << 10,
	BLOCK = 512,
};

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
/*
 * Sanitizers make munlock and mlockall do nothing; the second would lock all of their own
 * memory.
 */
#define LOCKS_ALL false

int munlock(const void *address, size_t size)
{
	return (int)syscall(SYS_munlock, address, size);
}
#else
#define LOCKS_ALL true
#endif

static int lines_logged;

static void count_line(int priority, const char *text, void *data)
{
	ck_assert_ptr_nonnull(strstr(text, "cannot lock"));
	lines_logged++;
}

/* May this process lock @size bytes? Not everywhere without privileges. */
static bool may_lock(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool may;

	ck_assert_ptr_ne(p, MAP_FAILED);
	may = mlock2(p, size, MLOCK_ONFAULT) == 0;
	munmap(p, size);
	return may;
}

static size_t memory_behind(int fd)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	return (size_t)st.st_blocks * BLOCK;
}

static void fds_close(const struct qbi_region_fds *fds)
{
	close(fds->common);
	if (fds->sent >= 0)
		close(fds->sent);
}

START_TEST(locked_region_takes_only_the_pages_that_were_used)
{
	struct qbi_region m = { .words = NULL };
	struct smaps now;
	struct qbi_region_fds fd;

	if (!may_lock(4 * MESSAGE_MAX))
		return;
	qbi_memory_lock_set(QBI_MEMORY_LOCK_MUST);
	ck_assert_int_eq(qbi_region_create(&m, MESSAGE_MAX, &fd), 0);
	now = smaps_at(m.words);
	ck_assert_uint_eq(now.size, m.common_size);
	ck_assert(now.locked);
	ck_assert_uint_le(now.resident, FEW);
	memset((char *)m.words + FEW, 1, SOME);
	now = smaps_at(m.words);
	ck_assert_uint_ge(now.resident, SOME);
	ck_assert_uint_le(now.resident, SOME + FEW);
	fds_close(&fd);
	qbi_region_close(&m);
}
END_TEST

START_TEST(region_is_not_locked_unless_asked_for)
{
	struct qbi_region m = { .words = NULL };
	struct qbi_region_fds fd;

	ck_assert_int_eq(qbi_region_create(&m, MESSAGE_MAX, &fd), 0);
	ck_assert(!smaps_at(m.words).locked);
	fds_close(&fd);
	qbi_region_close(&m);
}
END_TEST

/* Whatever the setting is. */
START_TEST(process_that_locks_all_it_maps_still_has_only_the_pages_used)
{
	struct qbi_region m = { .words = NULL };
	struct qbi_mapping map = QBI_MAPPING_INIT;
	struct qbi_mapping_file file = { .size = FILE_SIZE };
	struct qbi_region_fds fd;

	if (!LOCKS_ALL || !may_lock(8 * MESSAGE_MAX))
		return;
	qbi_memory_lock_set((enum qbi_memory_lock)_i);
	file.fd = memfd_create("test", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(file.fd, FILE_SIZE), 0);
	ck_assert_int_eq(mlockall(MCL_FUTURE), 0);
	ck_assert_int_eq(qbi_region_create(&m, MESSAGE_MAX, &fd), 0);
	ck_assert_int_eq(qbi_mapping_open(&map, &file, 1), 0);
	ck_assert(smaps_at(m.words).locked);
	ck_assert_uint_le(smaps_at(m.words).resident, FEW);
	ck_assert(smaps_at(map.part[0]).locked);
	ck_assert_uint_le(smaps_at(map.part[0]).resident, FEW);
	munlockall();
	close(file.fd);
	fds_close(&fd);
	qbi_mapping_close(&map);
	qbi_region_close(&m);
}
END_TEST

START_TEST(locked_files_of_the_other_wire_take_only_the_pages_used)
{
	struct qbi_mapping map = QBI_MAPPING_INIT;
	struct qbi_mapping_file file = { .size = FILE_SIZE };

	if (!may_lock(FILE_SIZE))
		return;
	qbi_memory_lock_set(QBI_MEMORY_LOCK_MUST);
	file.fd = memfd_create("test", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(file.fd, FILE_SIZE), 0);
	ck_assert_int_eq(qbi_mapping_open(&map, &file, 1), 0);
	ck_assert(smaps_at(map.part[0]).locked);
	ck_assert_uint_le(smaps_at(map.part[0]).resident, FEW);
	memset(map.part[0], 1, FILE_SIZE);
	ck_assert_uint_eq(smaps_at(map.part[0]).resident, FILE_SIZE);
	close(file.fd);
	qbi_mapping_close(&map);
}
END_TEST

START_TEST(pages_locked_by_both_ends_are_given_back_at_the_end)
{
	struct qbi_region server = { .words = NULL }, client = { .words = NULL };
	struct qbi_region_fds fd;

	if (!may_lock(8 * MESSAGE_MAX))
		return;
	qbi_memory_lock_set(QBI_MEMORY_LOCK_MUST);
	ck_assert_int_eq(qbi_region_create(&server, MESSAGE_MAX, &fd), 0);
	ck_assert_int_eq(qbi_region_open(&client, MESSAGE_MAX, &fd), 0);
	ck_assert(smaps_at(client.words).locked);
	ck_assert(smaps_at(client.sent).locked);
	memset(server.words, 0, server.common_size);
	memset(server.sent, 0, server.sent_size);
	ck_assert_uint_ge(memory_behind(fd.common) + memory_behind(fd.sent), 3 * MESSAGE_MAX);
	qbi_region_punch(&server);
	ck_assert_uint_eq(memory_behind(fd.common) + memory_behind(fd.sent), 0);
	ck_assert_uint_eq(smaps_at(client.words).resident, 0);
	ck_assert_uint_eq(smaps_at(client.sent).resident, 0);
	qbi_region_close(&server);
	qbi_region_close(&client);
	fds_close(&fd);
}
END_TEST

START_TEST(beyond_the_limit_a_region_is_unlocked_and_that_is_said_once)
{
	struct qbi_region m[2] = { { .words = NULL } };
	struct qbi_region_fds fd[2];

	forbid_locking();
	qbi_log_hook_set(count_line, NULL);
	qbi_memory_lock_set(QBI_MEMORY_LOCK_TRY);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(qbi_region_create(&m[i], MESSAGE_MAX, &fd[i]), 0);
		ck_assert(!smaps_at(m[i].words).locked);
		memset(m[i].words, 1, m[i].common_size);
	}
	ck_assert_int_eq(lines_logged, 1);
	for (int i = 0; i < 2; i++) {
		fds_close(&fd[i]);
		qbi_region_close(&m[i]);
	}
}
END_TEST

/* What goes and what does not in turn, as clients may have it. */
START_TEST(each_time_that_locking_fails_again_is_not_said)
{
	forbid_locking_beyond(4096);
	qbi_log_hook_set(count_line, NULL);
	qbi_memory_lock_set(QBI_MEMORY_LOCK_TRY);
	for (int i = 0; i < 20; i++) {
		struct qbi_region m = { .words = NULL };
		struct qbi_region_fds fd;

		ck_assert_int_eq(
			qbi_region_create(&m, i % 2 ? QBI_REGION_NO_RINGS : MESSAGE_MAX, &fd),
			0);
		fds_close(&fd);
		qbi_region_close(&m);
	}
	ck_assert_int_ge(lines_logged, 1);
	ck_assert_int_lt(lines_logged, 5);
}
END_TEST

/* That nothing is left is what the fixture looks for. */
START_TEST(beyond_the_limit_there_is_no_region_if_it_must_be_locked)
{
	struct qbi_region m = { .words = NULL };
	struct qbi_mapping map = QBI_MAPPING_INIT;
	struct qbi_mapping_file file = { .size = FILE_SIZE };
	struct qbi_region_fds fd = { -1, -1 };
	int r;

	forbid_locking();
	file.fd = memfd_create("test", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(file.fd, FILE_SIZE), 0);
	qbi_memory_lock_set(QBI_MEMORY_LOCK_MUST);
	r = qbi_region_create(&m, MESSAGE_MAX, &fd);
	ck_assert(r == -EPERM || r == -ENOMEM);
	ck_assert_int_eq(fd.common, -1);
	ck_assert_int_eq(fd.sent, -1);
	ck_assert_ptr_null(m.words);
	r = qbi_mapping_open(&map, &file, 1);
	ck_assert(r == -EPERM || r == -ENOMEM);
	ck_assert_ptr_null(map.part[0]);
	ck_assert_ptr_null(qbi_memory_new(FILE_SIZE, NULL));
	close(file.fd);
}
END_TEST

START_TEST(buffer_is_locked_alone_and_page_by_page)
{
	char *p;

	if (!may_lock(FILE_SIZE + FEW))
		return;
	qbi_memory_lock_set(QBI_MEMORY_LOCK_MUST);
	p = qbi_memory_new(FILE_SIZE, NULL);
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq((uintptr_t)p % _Alignof(max_align_t), 0);
	ck_assert(smaps_at(p + SOME).locked);
	ck_assert_uint_le(smaps_at(p + SOME).resident, FEW);
	memset(p, 1, FILE_SIZE);
	/* What was locked when it was made is known, whatever is set by then. */
	qbi_memory_lock_set(QBI_MEMORY_LOCK_OFF);
	qbi_memory_free(p);
	p = qbi_memory_new(FILE_SIZE, NULL);
	ck_assert_ptr_nonnull(p);
	ck_assert(!smaps_at(p + SOME).locked);
	memset(p, 1, FILE_SIZE);
	qbi_memory_lock_set(QBI_MEMORY_LOCK_MUST);
	qbi_memory_free(p);
	qbi_memory_free(NULL);
	ck_assert_ptr_null(qbi_memory_new(SIZE_MAX - 4, NULL));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("memory lock");
	TCase *tc = tcase_new(s, "memory lock");

	tcase_add_test(tc, locked_region_takes_only_the_pages_that_were_used);
	tcase_add_test(tc, region_is_not_locked_unless_asked_for);
	tcase_add_loop_test(tc, process_that_locks_all_it_maps_still_has_only_the_pages_used,
			    QBI_MEMORY_LOCK_OFF, QBI_MEMORY_LOCK_MUST + 1);
	tcase_add_test(tc, locked_files_of_the_other_wire_take_only_the_pages_used);
	tcase_add_test(tc, pages_locked_by_both_ends_are_given_back_at_the_end);
	tcase_add_test(tc, beyond_the_limit_a_region_is_unlocked_and_that_is_said_once);
	tcase_add_test(tc, each_time_that_locking_fails_again_is_not_said);
	tcase_add_test(tc, beyond_the_limit_there_is_no_region_if_it_must_be_locked);
	tcase_add_test(tc, buffer_is_locked_alone_and_page_by_page);
	return suite_main(s);
}
