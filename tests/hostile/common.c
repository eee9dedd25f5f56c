/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the processes of a test have in common. */
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/hostile/arena.h"

struct report *the_report;
static uint64_t chance_state;

void report_failure(const char *file, int line, const char *format, ...)
{
	int fine = 0;
	char text[300];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (atomic_compare_exchange_strong(&the_report->state, &fine, 1)) {
		snprintf(the_report->text, sizeof(the_report->text), "%s:%d: %s", file, line,
			 text);
		atomic_store(&the_report->state, 2);
	}
	_exit(70);
}

void report_check(void)
{
	ck_assert_msg(atomic_load(&the_report->state) != 2, "%s", the_report->text);
}

void become(uid_t uid)
{
	if (geteuid() != 0)
		return;
	REQUIRE_EQ(setgroups(0, NULL), 0);
	REQUIRE_EQ(setresgid(uid, uid, uid), 0);
	REQUIRE_EQ(setresuid(uid, uid, uid), 0);
}

pid_t child_start(uid_t uid, void (*fn)(void *), void *data)
{
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (uid)
		become(uid);
	fn(data);
	_exit(0);
}

void child_end(pid_t pid)
{
	int status;

	REQUIRE_EQ(waitpid(pid, &status, 0), pid);
	REQUIRE_MSG(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		    "a process ended with status 0x%x", status);
}

unsigned int effort(unsigned int n)
{
	const char *text = getenv("QBIPC_HOSTILE_EFFORT");
	unsigned long percent = text ? strtoul(text, NULL, 10) : 100;
	unsigned long long scaled = (unsigned long long)n * percent / 100;

	return scaled > 1 ? (unsigned int)scaled : 1;
}

uint64_t chance(void)
{
	chance_state ^= chance_state << 13;
	chance_state ^= chance_state >> 7;
	chance_state ^= chance_state << 17;
	return chance_state;
}

void chance_begin(void)
{
	const char *text = getenv("QBIPC_HOSTILE_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);

	chance_state = seed * 0x9e3779b97f4a7c15u | 1;
	printf("# QBIPC_HOSTILE_SEED=%llu\n", (unsigned long long)seed);
}
