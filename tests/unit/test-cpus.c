/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The quota of CPUs that a process has by its control groups, over a made-up tree of them. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cpus.h"
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
	static const char *const names[] = { "a.slice/b.service/cpu.max",
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

int main(void)
{
	Suite *s = suite_create("CPUs");
	TCase *tc = tcase_new(s, "quota");

	tcase_add_checked_fixture(tc, tree_make, tree_remove);
	tcase_add_test(tc, quota_of_the_own_group_counts);
	tcase_add_loop_test(tc, quota_of_a_group_above_counts, 0, 2);
	tcase_add_test(tc, quota_of_another_group_does_not_count);
	return suite_main(s);
}
