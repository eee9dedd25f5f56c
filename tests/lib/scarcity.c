/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/scarcity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int filling[FEW];
static int filled;

void prepare_few_descriptors(struct server *sv)
{
	struct rlimit few = { FEW, 1024 };

	SERVER_REQUIRE_EQ(sv, setrlimit(RLIMIT_NOFILE, &few), 0);
}

int64_t remote_fill(struct server *sv, const int64_t *args)
{
	int fd;

	while ((fd = dup(sv->control)) >= 0)
		filling[filled++] = fd;
	SERVER_REQUIRE_EQ(sv, errno, EMFILE);
	for (int64_t k = 0; k < args[0]; k++)
		close(filling[--filled]);
	return filled;
}

int64_t remote_empty(struct server *sv, const int64_t *args)
{
	while (filled)
		close(filling[--filled]);
	return 0;
}

int64_t remote_rlimit(struct server *sv, const int64_t *args)
{
	struct rlimit limit = { (rlim_t)args[0], 1024 };

	return setrlimit(RLIMIT_NOFILE, &limit);
}

void prepare_high_spare(struct server *sv)
{
	prepare_few_descriptors(sv);
	while (filled < FEW / 3)
		SERVER_REQUIRE(sv, (filling[filled++] = dup(sv->control)) >= 0);
}

int64_t remote_exhaust(struct server *sv, const int64_t *args)
{
	char path[64], target[64] = "";
	int spare = 2;

	while (strcmp(target, "/dev/null") != 0) {
		SERVER_REQUIRE(sv, ++spare < FEW);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", spare);
		memset(target, 0, sizeof(target));
		(void)!readlink(path, target, sizeof(target) - 1);
	}
	remote_rlimit(sv, (const int64_t[]){ spare });
	return remote_fill(sv, (const int64_t[]){ 0 });
}
