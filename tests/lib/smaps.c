/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/smaps.h"

#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <check.h>

enum { KIB = 1024 };

/* Reads the mappings that @wanted picks by range and line; their sums. */
static struct smaps smaps_sum(const void *address, const char *name)
{
	struct smaps sum = { .locked = true };
	bool wanted = false;
	char line[512];
	FILE *f = fopen("/proc/self/smaps", "r");

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f)) {
		uintptr_t from, to;
		size_t rss;

		if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
			wanted = address ?
					 from <= (uintptr_t)address && (uintptr_t)address < to :
					 strstr(line, name) != NULL;
			if (wanted)
				sum.size += to - from;
		} else if (wanted && sscanf(line, "Rss: %zu kB", &rss) == 1) {
			sum.resident += rss * KIB;
		} else if (wanted && strncmp(line, "VmFlags:", 8) == 0) {
			sum.locked = sum.locked && strstr(line, " lo");
		}
	}
	fclose(f);
	ck_assert_uint_gt(sum.size, 0);
	return sum;
}

struct smaps smaps_at(const void *address)
{
	return smaps_sum(address, NULL);
}

struct smaps smaps_of(const char *name)
{
	return smaps_sum(NULL, name);
}

void forbid_locking_beyond(size_t bytes)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];
	const struct rlimit most = { bytes, bytes };

	ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &most), 0);
	ck_assert_int_eq(syscall(SYS_capget, &header, caps), 0);
	caps[CAP_TO_INDEX(CAP_IPC_LOCK)].effective &= ~CAP_TO_MASK(CAP_IPC_LOCK);
	ck_assert_int_eq(syscall(SYS_capset, &header, caps), 0);
}

void forbid_locking(void)
{
	forbid_locking_beyond(0);
}
