/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a process has by its control groups, CPUs and memory, over a made-up tree of them. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cpus.h"
#include "base/group-memory.h"
#include "server/limits.h"
#include "tests/lib/variant.h"

static char tree[] = "/tmp/qbipc-test-cpus-XXXXXX";

static void file_write(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", tree, name);
	f = fopen(path, "we");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

static void tree_make(void)
{
	char path[256];

	ck_assert_ptr_nonnull(mkdtemp(tree));
	snprintf(path, sizeof(path), "%s/a.slice", tree);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/a.slice/b.service", tree);
	ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void tree_remove(void)
{
	static const char *const names[] = { "memory/c.slice/memory.limit_in_bytes",
					     "memory/c.slice",
					     "memory/memory.limit_in_bytes",
					     "memory",
					     "a.slice/b.service/memory.max",
					     "a.slice/memory.max",
					     "memory.max",
					     "a.slice/b.service/cpu.max",
					     "a.slice/b.service",
					     "a.slice/cpu.max",
					     "a.slice",
					     "cpu.max",
					     "membership",
					     "" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char path[256];

		snprintf(path, sizeof(path), "%s/%s", tree, names[i]);
		(void)remove(path);
	}
}

static bool quota_is_below_two(void)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/membership", tree);
	return qbi_cpus_quota_is_below(tree, path, 2);
}

START_TEST(quota_of_the_own_group_counts)
{
	file_write("membership", "1:name=systemd:/\n0::/a.slice/b.service\n");
	file_write("a.slice/b.service/cpu.max", "150000 100000\n");
	ck_assert(quota_is_below_two());
	file_write("a.slice/b.service/cpu.max", "200000 100000\n");
	ck_assert(!quota_is_below_two());
	file_write("a.slice/b.service/cpu.max", "max 100000\n");
	ck_assert(!quota_is_below_two());
}
END_TEST

START_TEST(quota_of_a_group_above_counts)
{
	static const char *const above[] = { "a.slice/cpu.max", "cpu.max" };

	file_write("membership", "0::/a.slice/b.service\n");
	file_write("a.slice/b.service/cpu.max", "max 100000\n");
	ck_assert(!quota_is_below_two());
	file_write(above[_i], "50000 100000\n");
	ck_assert(quota_is_below_two());
}
END_TEST

START_TEST(quota_of_another_group_does_not_count)
{
	file_write("membership", "0::/\n");
	file_write("a.slice/cpu.max", "50000 100000\n");
	ck_assert(!quota_is_below_two());
	file_write("membership", "4:cpu:/a.slice\n");
	ck_assert(!quota_is_below_two());
	file_write("membership", "");
	ck_assert(!quota_is_below_two());
}
END_TEST

/* -- Memory ------------------------------------------------------------------------- */

static uint64_t group_memory(void)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/membership", tree);
	return qbi_group_memory(tree, path);
}

START_TEST(memory_of_the_own_group_and_those_above_counts)
{
	file_write("membership", "1:name=systemd:/\n0::/a.slice/b.service\n");
	ck_assert_uint_eq(group_memory(), UINT64_MAX);
	file_write("a.slice/b.service/memory.max", "max\n");
	ck_assert_uint_eq(group_memory(), UINT64_MAX);
	file_write("a.slice/memory.max", "300000000\n");
	ck_assert_uint_eq(group_memory(), 300000000);
	file_write("a.slice/b.service/memory.max", "268435456\n");
	ck_assert_uint_eq(group_memory(), 268435456);
	file_write("memory.max", "1000\n");
	ck_assert_uint_eq(group_memory(), 1000);
}
END_TEST

START_TEST(memory_of_groups_of_version_1_counts)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/memory", tree);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/memory/c.slice", tree);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	/* A group of version 2 of that name has nothing to do with it; one is not there. */
	file_write("a.slice/memory.max", "1000\n");
	file_write("membership", "3:cpu,memory:/c.slice/gone\n2:memory_other:/a.slice\n0::/\n");
	ck_assert_uint_eq(group_memory(), UINT64_MAX);
	file_write("memory/memory.limit_in_bytes", "9223372036854771712\n");
	ck_assert_uint_eq(group_memory(), 9223372036854771712u);
	file_write("memory/c.slice/memory.limit_in_bytes", "268435456\n");
	ck_assert_uint_eq(group_memory(), 268435456);
}
END_TEST

START_TEST(membership_that_says_nothing_is_no_limit)
{
	static const char *const texts[] = {
		"", "0", "0:", "0::", "0::a.slice", "::::", "\n\n"
	};

	file_write("a.slice/memory.max", "1000\n");
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		file_write("membership", texts[i]);
		ck_assert_uint_eq(group_memory(), UINT64_MAX);
	}
}
END_TEST

START_TEST(one_user_has_a_part_of_what_the_group_may_have)
{
	const uint64_t gib = 1ull << 30, mib = 1ull << 20;

	ck_assert_uint_eq(qbi_limits_memory(16 * gib, UINT64_MAX), 4 * gib);
	ck_assert_uint_eq(qbi_limits_memory(gib, UINT64_MAX), 384 * mib);
	ck_assert_uint_eq(qbi_limits_memory(0, UINT64_MAX), 384 * mib);
	ck_assert_uint_eq(qbi_limits_memory(16 * gib, 4 * gib), gib);
	ck_assert_uint_eq(qbi_limits_memory(16 * gib, gib), 384 * mib);
	ck_assert_uint_eq(qbi_limits_memory(16 * gib, 256 * mib), 128 * mib);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("control groups");
	TCase *tc = tcase_new(s, "quota");

	tcase_add_checked_fixture(tc, tree_make, tree_remove);
	tcase_add_test(tc, quota_of_the_own_group_counts);
	tcase_add_loop_test(tc, quota_of_a_group_above_counts, 0, 2);
	tcase_add_test(tc, quota_of_another_group_does_not_count);
	tcase_add_test(tc, memory_of_the_own_group_and_those_above_counts);
	tcase_add_test(tc, memory_of_groups_of_version_1_counts);
	tcase_add_test(tc, membership_that_says_nothing_is_no_limit);
	tcase_add_test(tc, one_user_has_a_part_of_what_the_group_may_have);
	return suite_main(s);
}
