/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A false server that answers slowly, or with what takes long to close (slow.h), and the tools
 * that ask it: each ends within its time. Which is told apart from one that does not by orders of
 * magnitude: the descriptors linger for a minute, and who is silent stays so.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/hostile/slow.h"
#include "tests/hostile/tools.h"
#include "tests/hostile/truth.h"

static const char tool[] = "tools/qbipc/qbipc";

/* TIME: of each step, as the tools are told; ENDED_MS: for all of it, on a busy machine. */
#define TIME "0.1"
enum { ENDED_MS = 30000, ARGUMENTS = 8, ABILITIES = 0x7 };

/* "": the name of the service. */
static const char *const commands[][ARGUMENTS] = {
	{ "qbipc", "ping", "-t", TIME, "" },
	{ "qbipc", "watch", "-1", "-t", TIME, "" },
	{ "qbipc", "watch", "-o", "-t", TIME, "" },
	{ "qbipc", "describe", "-t", TIME, "" },
	{ "qbipc", "call", "-t", TIME, "", "5" },
	{ "qbipc", "call", "-t", TIME, "", "handler" },
	{ "qbipc", "echo", "-t", TIME, "", "text" },
	{ "qbipc", "monitor", "-t", TIME, "" },
};

/* -- What the server does ------------------------------------------------------------------ */

/* As it was asked. */
static void question_answered(struct truth *t)
{
	t->welcome.mark = WIRE_MARK;
	t->welcome.abilities = t->hello.abilities & ABILITIES;
	if (t->welcome.abilities)
		t->n_fds = 0;
}

/* The client may have left: its time is short. */
static void answer_send(struct truth *t, size_t size)
{
	if (t->n_fds > 0)
		(void)raw_pass(t->stream, t->fds, t->n_fds, &t->welcome, size);
	else
		(void)send(t->stream, &t->welcome, size, MSG_NOSIGNAL);
}

/* A byte every now and then, until the client has left. */
static void drip(struct truth *t, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size && !truth_client_left(t); i++) {
		(void)send(t->stream, bytes + i, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		pause_briefly();
	}
}

static void say_nothing(struct truth *t, unsigned int unused)
{
	(void)unused;
	AWAIT(truth_client_left(t));
}

static void say_half(struct truth *t, unsigned int unused)
{
	(void)unused;
	question_answered(t);
	answer_send(t, 5000);
	AWAIT(truth_client_left(t));
}

static void say_it_byte_by_byte(struct truth *t, unsigned int unused)
{
	(void)unused;
	question_answered(t);
	drip(t, (char *)&t->welcome, sizeof(t->welcome));
	AWAIT(truth_client_left(t));
}

/* What follows the answer to a question does not come, or never ends. */
static void say_no_more(struct truth *t, unsigned int unused)
{
	(void)unused;
	question_answered(t);
	answer_send(t, sizeof(t->welcome));
	AWAIT(truth_client_left(t));
}

static void say_more_byte_by_byte(struct truth *t, unsigned int unused)
{
	static char page[WIRE_SMALLEST];
	(void)unused;
	question_answered(t);
	answer_send(t, sizeof(t->welcome));
	drip(t, page, sizeof(page));
	AWAIT(truth_client_left(t));
}

static void pass_slow_ones(struct truth *t, unsigned int unused)
{
	(void)unused;
	t->n_fds = 0;
	question_answered(t);
	slow_pass(t->stream, TRUTH_FDS, &t->welcome, sizeof(t->welcome), 0);
	AWAIT(truth_client_left(t));
}

static void pass_slow_ones_afterwards(struct truth *t, unsigned int unused)
{
	char bytes[100] = "";
	(void)unused;
	question_answered(t);
	answer_send(t, sizeof(t->welcome));
	slow_pass(t->stream, TRUTH_FDS, bytes, sizeof(bytes), 0);
	AWAIT(truth_client_left(t));
}

/* -- The tools ----------------------------------------------------------------------------- */

static void tool_exec(const char *const *command, const char *name)
{
	char *argv[ARGUMENTS + 1];
	int null = open("/dev/null", O_RDWR);
	int n = 0;

	for (; n < ARGUMENTS && command[n]; n++)
		argv[n] = (char *)(uintptr_t)(*command[n] ? command[n] : name);
	argv[n] = NULL;
	for (int i = 0; i <= STDERR_FILENO; i++)
		dup2(null, i);
	execv(tool, argv);
	_exit(127);
}

/* @with_slow: descriptors, if such are to be had. */
static void tools_keep_their_time(int variant, const char *what, lie_fn lie, bool with_slow)
{
	const char *slowest = "";
	uint64_t longest = 0;

	for (size_t i = 0; i < COUNT(commands); i++) {
		uint64_t began = now_ms(), took;
		struct false_server f;
		int status = 0;
		pid_t pid;

		if (with_slow && !slow_begin(SLOW_LINGERING))
			return;
		false_begin_named(&f, variant, what, lie, 0);
		pid = fork();
		ck_assert_int_ge(pid, 0);
		if (pid == 0)
			tool_exec(commands[i], f.name);
		while (waitpid(pid, &status, WNOHANG) == 0 && now_ms() - began < ENDED_MS)
			pause_briefly();
		took = now_ms() - began;
		if (took >= ENDED_MS) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
		}
		if (with_slow)
			slow_end();
		false_kill(&f);
		if (took > longest) {
			longest = took;
			slowest = commands[i][1];
		}
		ck_assert_msg(took < ENDED_MS, "qbipc %s takes longer than %d ms",
			      commands[i][1], ENDED_MS);
		ck_assert_msg(WIFEXITED(status), "qbipc %s was ended by signal %d",
			      commands[i][1], WTERMSIG(status));
		ck_assert_int_ne(WEXITSTATUS(status), 127);
	}
	printf("# %s (%s): slowest was qbipc %s, %llu ms\n", what, variants[variant].name,
	       slowest, (unsigned long long)longest);
	fflush(stdout);
}

static const struct {
	const char *what;
	lie_fn lie;
	bool with_slow;
} lies[] = {
	{ "silence", say_nothing, false },
	{ "half an answer", say_half, false },
	{ "an answer byte by byte", say_it_byte_by_byte, false },
	{ "nothing after the answer", say_no_more, false },
	{ "bytes after the answer", say_more_byte_by_byte, false },
	{ "slow descriptors with the answer", pass_slow_ones, true },
	{ "slow descriptors after the answer", pass_slow_ones_afterwards, true },
};

START_TEST(tools_keep_their_time_with_a_server_that_does_not)
{
	if (access(tool, X_OK) < 0) {
		printf("# skip: %s is not there\n", tool);
		return;
	}
	/* One of each wire and of each type. */
	tools_keep_their_time(_i % 2 ? transport_count - 1 : 0, lies[_i / 2].what,
			      lies[_i / 2].lie, lies[_i / 2].with_slow);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hostile: slow answers");
	TCase *tc = tcase_new(s, "tools");

	tcase_set_timeout(tc, 2 * COUNT(commands) * ENDED_MS / 1000);
	tcase_add_loop_test(tc, tools_keep_their_time_with_a_server_that_does_not, 0,
			    2 * (int)COUNT(lies));
	return arena_main(s);
}
