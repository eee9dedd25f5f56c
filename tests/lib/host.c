/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parent's side: start and end of the child, calls into it, its trace. */
#include "tests/lib/server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/census.h"
#include "tests/lib/deadline.h"

void host_check(struct host *h)
{
	ck_assert_msg(!atomic_load(&h->shared->failed), "%s", h->shared->failure);
}

static void host_receive(struct host *h, void *buf, size_t size)
{
	ssize_t n;

	if (!fd_readable_within(h->control, deadline_ms())) {
		host_check(h);
		ck_abort_msg("the server does not answer; trace: %s", h->shared->trace);
	}
	n = recv(h->control, buf, size, 0);
	host_check(h);
	ck_assert_msg(n == (ssize_t)size, "the server went away; trace: %s", h->shared->trace);
}

/* Nothing of the parent's stays open in the child: a client's socket would keep its
 * connection alive. */
static void close_others(int keep)
{
	for (int fd = 3; fd < 1024; fd++)
		if (fd != keep)
			close(fd);
}

static void host_fork(struct host *h, const struct server_spec *spec)
{
	static struct server sv;
	int sockets[2];

	sv = (struct server){
		.spec = *spec,
		.shared = h->shared,
		.adapter = spec->adapter ? spec->adapter : &adapter_qb_loop,
	};
	if (spec->name)
		snprintf(sv.name, sizeof(sv.name), "%s", spec->name);
	else
		unique_name(sv.name, sizeof(sv.name));
	strcpy(h->name, sv.name);
	/* For both sides: this process is the client. */
	setenv("QBIPC_NATIVE", spec->libqb_wire ? "0" : "1", 1);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
	h->pid = fork();
	ck_assert_int_ge(h->pid, 0);
	if (h->pid == 0) {
		close_others(sockets[1]);
		sv.control = sockets[1];
		server_main(&sv);
	}
	close(sockets[1]);
	h->control = sockets[0];
	census_adopt(h->pid);
}

/* All there are: to a child that a test forks they are no leaks. */
static struct host *hosts;

struct host *host_try_start(const struct server_spec *spec)
{
	struct host *h = calloc(1, sizeof(*h));
	int32_t result;

	ck_assert_ptr_nonnull(h);
	h->next = hosts;
	hosts = h;
	h->shared = mmap(NULL, sizeof(*h->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(h->shared, MAP_FAILED);
	host_fork(h, spec);
	host_receive(h, &result, sizeof(result));
	return h;
}

struct host *host_start(const struct server_spec *spec)
{
	struct host *h = host_try_start(spec);

	ck_assert_int_eq(host_run_result(h), 0);
	return h;
}

static void host_reap(struct host *h, int *status)
{
	uint64_t end = now_ms() + (uint64_t)deadline_ms();

	while (waitpid(h->pid, status, WNOHANG) == 0) {
		if (now_ms() >= end) {
			kill(h->pid, SIGKILL);
			waitpid(h->pid, status, 0);
			ck_abort_msg("the server does not end; trace: %s", h->shared->trace);
		}
		pause_briefly();
	}
	h->pid = -1;
}

static void host_free(struct host *h)
{
	struct host **at = &hosts;

	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	close(h->control);
	munmap(h->shared, sizeof(*h->shared));
	free(h);
}

void host_stop(struct host *h)
{
	int status = 0;

	if (h->pid >= 0) {
		close(h->control);
		h->control = -1;
		host_reap(h, &status);
		host_check(h);
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
			      "the server ended with status 0x%x", status);
	}
	host_free(h);
}

void host_kill(struct host *h)
{
	int status;

	ck_assert_int_eq(kill(h->pid, SIGKILL), 0);
	host_reap(h, &status);
}

void host_freeze(struct host *h)
{
	int status;

	ck_assert_int_eq(kill(h->pid, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(h->pid, &status, WUNTRACED), h->pid);
	ck_assert(WIFSTOPPED(status));
}

void host_thaw(struct host *h)
{
	ck_assert_int_eq(kill(h->pid, SIGCONT), 0);
}

int64_t host_call_args(struct host *h, remote_fn fn, const int64_t *args)
{
	struct {
		remote_fn fn;
		int64_t args[CALL_ARGS];
	} call = { .fn = fn };
	int64_t result;

	memcpy(call.args, args, sizeof(call.args));
	host_check(h);
	ck_assert_int_eq(send(h->control, &call, sizeof(call), MSG_NOSIGNAL),
			 (ssize_t)sizeof(call));
	host_receive(h, &result, sizeof(result));
	return result;
}

int32_t host_run_result(struct host *h)
{
	return atomic_load(&h->shared->run_result);
}

int64_t host_slot(struct host *h, int i)
{
	return atomic_load(&h->shared->slot[i]);
}

const char *host_trace(struct host *h)
{
	return h->shared->trace;
}

void host_expect_trace(struct host *h, const char *expected)
{
	uint64_t end = now_ms() + (uint64_t)deadline_ms();

	while (strcmp(h->shared->trace, expected) != 0) {
		host_check(h);
		if (now_ms() >= end || strncmp(h->shared->trace, expected,
					       atomic_load(&h->shared->trace_length)) != 0)
			break;
		pause_briefly();
	}
	ck_assert_str_eq(h->shared->trace, expected);
}

void host_await_trace(struct host *h, const char *part)
{
	uint64_t end = now_ms() + (uint64_t)deadline_ms();

	while (!strstr(h->shared->trace, part)) {
		host_check(h);
		ck_assert_msg(now_ms() < end, "no \"%s\" in the trace: %s", part,
			      h->shared->trace);
		pause_briefly();
	}
}
