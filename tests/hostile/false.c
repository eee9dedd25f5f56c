/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/hostile/false.h"

#include <errno.h>
#include <fcntl.h>
#include <qb/qbipc_ext.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/hostile/raw-wires.h"
#include "tests/hostile/truth.h"
#include "tests/lib/census.h"
#include "tests/lib/message.h"

/* -- The server's process ------------------------------------------------------------ */

bool truth_client_left(struct truth *t)
{
	return raw_is_dropped(&t->mine);
}

void truth_send_part(struct truth *t, size_t size)
{
	if (t->n_fds > 0 && size > 0)
		REQUIRE_EQ(raw_pass(t->stream, t->fds, t->n_fds, &t->welcome, size), 0);
	else if (size > 0)
		REQUIRE_EQ(send(t->stream, &t->welcome, size, MSG_NOSIGNAL), (ssize_t)size);
}

void truth_send(struct truth *t)
{
	truth_send_part(t, sizeof(t->welcome));
}

void truth_serve(struct truth *t)
{
	union {
		struct request request;
		char bytes[WIRE_SMALLEST];
	} in;
	struct response *out = calloc(1, sizeof(in) + sizeof(*out));

	REQUIRE(out);
	while (!truth_client_left(t)) {
		ssize_t n = truth_take(t, &in, sizeof(in));
		size_t body;

		if (n < (ssize_t)sizeof(in.request)) {
			sched_yield();
			continue;
		}
		body = (size_t)n - sizeof(in.request);
		out->hdr.id = in.request.hdr.id;
		out->hdr.size = (int32_t)(sizeof(*out) + body);
		memcpy(out->body, in.request.body, body);
		(void)truth_put(t, in.request.hdr.id == MSG_EVENT ? EVENT : RESPONSE, out,
				sizeof(*out) + body);
	}
	free(out);
}

static void hello_receive(struct truth *t)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	REQUIRE_EQ(recv(t->stream, &t->hello, sizeof(t->hello), MSG_WAITALL), sizeof(t->hello));
	REQUIRE_EQ(getsockopt(t->stream, SOL_SOCKET, SO_PEERCRED, &cred, &len), 0);
	t->client = cred.pid;
}

struct false_job {
	struct false_server *server;
	int listener;
	int variant;
	lie_fn lie;
	unsigned int which;
};

static void false_main(void *data)
{
	struct false_job *job = data;
	struct truth t = { .variant = job->variant,
			   .name = job->server->name,
			   .listener = job->listener };

	REQUIRE_EQ(listen(job->listener, 5), 0);
	t.stream = accept4(job->listener, NULL, NULL, SOCK_CLOEXEC);
	REQUIRE(t.stream >= 0);
	hello_receive(&t);
	truth_make(&t);
	job->lie(&t, job->which);
	AWAIT(truth_client_left(&t));
	truth_end(&t);
	close(job->listener);
}

/* -- The test's process ---------------------------------------------------------------- */

void false_begin_named(struct false_server *f, int variant, const char *name, lie_fn lie,
		       unsigned int which)
{
	struct false_job job = { f, -1, variant, lie, which };
	struct sockaddr_un address;

	f->report = mmap(NULL, sizeof(*f->report), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(f->report, MAP_FAILED);
	the_report = f->report;
	unique_name(f->name, sizeof(f->name));
	raw_address(&address, f->name);
	setenv("QBIPC_NATIVE", variants[variant].libqb_wire ? "0" : "1", 1);
	job.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(job.listener, 0);
	ck_assert_int_eq(bind(job.listener, (struct sockaddr *)&address, sizeof(address)), 0);
	/* Its own credentials are those of the listening: the child listens once more. */
	ck_assert_int_eq(listen(job.listener, 5), 0);
	f->pid = child_start(ATTACKER_UID, false_main, &job);
	close(job.listener);
	census_adopt(f->pid);
	timed_case(name, variant);
	stopwatch_prepare();
}

static void false_forget(struct false_server *f)
{
	report_check();
	the_report = NULL;
	munmap(f->report, sizeof(*f->report));
}

void false_end(struct false_server *f)
{
	uint64_t end = now_ms() + 2 * (uint64_t)deadline_ms();
	int status;

	while (waitpid(f->pid, &status, WNOHANG) == 0) {
		if (now_ms() >= end)
			kill(f->pid, SIGKILL);
		pause_briefly();
	}
	report_check();
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		      "the false server ended with status 0x%x", status);
	false_forget(f);
}

void false_kill(struct false_server *f)
{
	int status;

	kill(f->pid, SIGKILL);
	ck_assert_int_eq(waitpid(f->pid, &status, 0), f->pid);
	truth_remove(f->pid);
	false_forget(f);
}

void client_must_be_refused(int variant, lie_fn lie, unsigned int which)
{
	struct false_server f;
	qb_ipcc_connection_t *c;
	uint64_t began = now_ms();

	false_begin(&f, variant, lie, which);
	errno = 0;
	c = qb_ipcc_connect(f.name, 0);
	ck_assert_msg(!c, "lie %u is believed", which);
	ck_assert_int_ne(errno, 0);
	ck_assert_uint_lt(now_ms() - began, (uint64_t)deadline_ms());
	false_end(&f);
}

enum { CALL_MS = 10 };

/* The buffer is exactly of that size: a sanitizer sees one byte more. */
static void client_use(qb_ipcc_connection_t *c, size_t size)
{
	char *buf = malloc(size);
	ssize_t n;

	ck_assert_ptr_nonnull(buf);
	n = client_send(c, MSG_ECHO, 100);
	ck_assert(n == 100 || n < 0);
	n = TIMED(CALL_MS, qb_ipcc_recv(c, buf, size, CALL_MS));
	ck_assert(n <= (ssize_t)size);
	n = client_send(c, MSG_EVENT, 100);
	ck_assert(n == 100 || n < 0);
	n = TIMED(CALL_MS, qb_ipcc_event_recv(c, buf, size, CALL_MS));
	ck_assert(n <= (ssize_t)size);
	free(buf);
}

void client_must_survive_named(int variant, const char *name, lie_fn lie, unsigned int which)
{
	struct false_server f;
	qb_ipcc_connection_t *c;
	uint64_t began = now_ms();
	int32_t fd;

	false_begin_named(&f, variant, name, lie, which);
	c = qb_ipcc_connect(f.name, 0);
	ck_assert_msg(c || errno > 0, "no connection, and no reason");
	if (c) {
		(void)qb_ipcc_fd_get(c, &fd);
		/* The more ways to lie. */
		(void)qbipc_body_limit_set(c, BODY_MOST);
		for (int i = 0; i < 4; i++)
			client_use(c, i % 2 ? (size_t)qb_ipcc_get_buffer_size(c) : BODY_MOST);
		(void)qb_ipcc_is_connected(c);
		TIMED(0, (qb_ipcc_disconnect(c), 0));
	}
	ck_assert_uint_lt(now_ms() - began, 2 * (uint64_t)deadline_ms());
	false_end(&f);
}
