/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A policy or a sandbox refuses one system call after the other, to a server or to a
 * client: where libqb does without the call, this library does too, over each transport
 * and both wires. What libqb does is measured in the same run.
 *
 * A call that libqb cannot do without is no case. QBIPC_TEST_VERBOSE=1 prints the table.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <qb/qbipc_common.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/deadline.h"
#include "tests/lib/variant.h"
#include "tests/sandbox/scenario.h"

/* What does not get done within this is not done: libqb waits for ever for some calls. */
enum { CONTROL_LIMIT_MS = 1000, LIMIT_MS = 10000 };

static const struct wire {
	const char *name;
	enum qb_ipc_type type;
	const char *native; /* for QBIPC_NATIVE */
} wires[] = {
	{ "native shm", QB_IPC_SHM, "1" },
	{ "shm", QB_IPC_SHM, "0" },
	{ "native socket", QB_IPC_SOCKET, "1" },
	{ "socket", QB_IPC_SOCKET, "0" },
};
enum { WIRES = sizeof(wires) / sizeof(wires[0]) };

static const int errors[] = { EPERM, EACCES, ENOSYS };
enum { ERRORS = sizeof(errors) / sizeof(errors[0]) };

static const char *const steps[] = {
	"run", "connect", "call", "event", "large call", "second service", "timer and signal",
	"end"
};

static const char *text_of(int done)
{
	static char text[256];

	text[0] = '\0';
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (done & (1 << i))
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
				 text[0] ? ", " : "", steps[i]);
	return text;
}

static bool verbose(void)
{
	return getenv("QBIPC_TEST_VERBOSE") != NULL;
}

/* Starts libqb's scenario in a process of its own. */
static pid_t control_start(enum qb_ipc_type type, enum scenario_end end, int call, int error)
{
	char path[4096], args[5][16];
	char *argv[] = { path, args[0], args[1], args[2], args[3], args[4], NULL };
	int numbers[] = { (int)type, (int)end, call, error, CONTROL_LIMIT_MS };
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;
	pid_t pid;

	ck_assert_int_gt(n, 0);
	path[n] = '\0';
	slash = strrchr(path, '/');
	/* libtool runs a program from below .libs. */
	if (!strncmp(slash - 6, "/.libs", 6))
		slash -= 6;
	snprintf(slash, sizeof(path) - (size_t)(slash - path), "/scenario-libqb");
	for (size_t i = 0; i < 5; i++)
		snprintf(args[i], sizeof(args[i]), "%d", numbers[i]);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		execv(path, argv);
		_exit(0);
	}
	return pid;
}

/* What libqb got done; nothing when it could not be asked. */
static int control_end(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

static int control(enum qb_ipc_type type, enum scenario_end end, int call, int error)
{
	return control_end(control_start(type, end, call, error));
}

static const enum qb_ipc_type types[] = { QB_IPC_SOCKET, QB_IPC_SHM };

/*
 * With which errors libqb gets everything done, by type and error. All of them side by
 * side, since it often waits until its time is over.
 */
static void controls(enum scenario_end end, int call, bool enough[2][ERRORS])
{
	pid_t pids[2][ERRORS];

	for (int t = 0; t < 2; t++)
		for (int e = 0; e < ERRORS; e++)
			pids[t][e] = control_start(types[t], end, call, errors[e]);
	for (int t = 0; t < 2; t++)
		for (int e = 0; e < ERRORS; e++)
			enough[t][e] = control_end(pids[t][e]) == SCENARIO_ALL;
}

static int ours(const struct wire *w, enum scenario_end end, int call, int error, int limit)
{
	setenv("QBIPC_NATIVE", w->native, 1);
	return scenario_run(w->type, end, call, error, limit * (int)test_slowdown());
}

/*
 * The exception: who a client is, the server asks the kernel (SO_PEERCRED) and believes
 * nothing else, so it serves nobody when it must not ask.
 */
static bool is_needed_here(enum scenario_end end, const char *name)
{
	return end == SCENARIO_SERVER && !strcmp(name, "getsockopt");
}

/*
 * brk(2) is not refused with an errno: libc takes what the kernel returns for an address,
 * and any malloc() that has to grow its heap then falls, or does not, by chance.
 */
static bool is_broken_by_an_errno(const char *name)
{
	return !strcmp(name, "brk");
}

static void call_is_refused(enum scenario_end end, int call)
{
	const char *who = end == SCENARIO_SERVER ? "server" : "client";
	const char *name = scenario_calls[call].name;
	bool needed[2] = { false, false }, enough[2][ERRORS];

	if (is_needed_here(end, name) || is_broken_by_an_errno(name))
		return;
	controls(end, call, enough);
	for (int e = 0; e < ERRORS; e++) {
		for (int w = 0; w < WIRES; w++) {
			int type = wires[w].type == QB_IPC_SHM, done;

			/* One errno tells it. */
			needed[type] |= !enough[type][e];
			if (needed[type])
				continue;
			done = ours(&wires[w], end, call, errors[e], LIMIT_MS);
			if (verbose())
				printf("%s %s %s, %s: %s\n", who, name, strerror(errors[e]),
				       wires[w].name, done == SCENARIO_ALL ? "all" : "less");
			ck_assert_msg(
				done == SCENARIO_ALL,
				"%s refused to the %s (%s), %s: not done, as libqb does: %s",
				name, who, strerror(errors[e]), wires[w].name,
				text_of(SCENARIO_ALL & ~done));
		}
	}
	if (verbose() && (needed[0] || needed[1]))
		printf("%s %s: libqb needs it for%s%s\n", who, name,
		       needed[0] ? " sockets" : "", needed[1] ? " shared memory" : "");
}

START_TEST(server_without_a_call_does_what_libqb_does)
{
	call_is_refused(SCENARIO_SERVER, _i);
}
END_TEST

START_TEST(client_without_a_call_does_what_libqb_does)
{
	call_is_refused(SCENARIO_CLIENT, _i);
}
END_TEST

/* Few descriptors are left to a client. */
START_TEST(client_with_few_descriptors_connects_where_libqb_does)
{
	for (int w = 0; w < WIRES; w++) {
		int theirs = control(wires[w].type, SCENARIO_CLIENT, SCENARIO_LEFT(_i), 0);
		int done = ours(&wires[w], SCENARIO_CLIENT, SCENARIO_LEFT(_i), 0, LIMIT_MS);

		if (verbose())
			printf("%d left, %s: libqb 0x%02x, here 0x%02x\n", _i, wires[w].name,
			       (unsigned int)theirs, (unsigned int)done);
		/* The first connection only: a native one keeps a descriptor more. And
		 * three are not enough for files, which are opened by way of a directory
		 * that has been looked at. */
		theirs &= _i == 3 ? 0 : ~SCENARIO_SECOND;
		ck_assert_msg((theirs & ~done) == 0, "%s: not done, as libqb does: %s",
			      wires[w].name, text_of(theirs & ~done));
	}
}
END_TEST

START_TEST(nothing_refused_everything_done)
{
	int done = ours(&wires[_i], SCENARIO_BOTH, SCENARIO_NOTHING, 0, LIMIT_MS);

	ck_assert_str_eq(text_of(SCENARIO_ALL & ~done), "");
}
END_TEST

/* Else there are calls that the tests above do not refuse. */
START_TEST(list_has_every_call_that_is_made)
{
	int done = ours(&wires[_i], SCENARIO_BOTH, SCENARIO_UNLISTED, ENOSYS, LIMIT_MS);

	ck_assert_str_eq(text_of(SCENARIO_ALL & ~done), "");
}
END_TEST

static int calls_count(void)
{
	int n = 0;

	while (scenario_calls[n].name)
		n++;
	return n;
}

int main(void)
{
	Suite *s = suite_create("refused system calls");
	TCase *whole = tcase_create("whole"), *few = tcase_create("descriptors");
	TCase *server = tcase_create("server"), *client = tcase_create("client");
	TCase *all[] = { whole, few, server, client };

	tcase_add_loop_test(whole, nothing_refused_everything_done, 0, WIRES);
	tcase_add_loop_test(whole, list_has_every_call_that_is_made, 0, WIRES);
	tcase_add_loop_test(few, client_with_few_descriptors_connects_where_libqb_does, 0, 12);
	tcase_add_loop_test(server, server_without_a_call_does_what_libqb_does, 0,
			    calls_count());
	tcase_add_loop_test(client, client_without_a_call_does_what_libqb_does, 0,
			    calls_count());
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		tcase_set_timeout(all[i], 200 * test_slowdown());
		suite_add_tcase(s, all[i]);
	}
	return suite_main(s);
}
