/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A server that forks. A child that does not serve has a copy of everything, and whatever
 * it does with that, the parent and its clients do not notice. A child that goes on in
 * the parent's place, as daemon(3) has it, serves all as if it had begun so.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <qb/qbloop.h>

#include "tests/conformance/limits.h"
#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"

/* -- A child with a copy --------------------------------------------------------------- */

enum { END_DESTROY, END_UNREF, END_DISCONNECT, END_ADAPTER, END_EXIT, ENDS };
enum { MSG_FORK = 100 }; /* plus one of these */

/* What a child's exit(3) leaves is the parent's: a leak checker has no say there. */
static bool is_copy;
int __lsan_is_turned_off(void) __attribute__((visibility("default")));
int __lsan_is_turned_off(void)
{
	return is_copy;
}

static void end_copy(struct server *sv, qb_ipcs_connection_t *c, int end)
{
	switch (end) {
	case END_DESTROY: qb_ipcs_destroy(sv->service); _exit(0);
	case END_UNREF: qb_ipcs_unref(sv->service); _exit(0);
	case END_DISCONNECT: qb_ipcs_disconnect(c); _exit(0);
	case END_ADAPTER:
		qb_ipcs_destroy(sv->service);
		sv->adapter->close();
		_exit(0);
	default: is_copy = true; exit(0);
	}
}

static int32_t fork_then_answer(struct server *sv, qb_ipcs_connection_t *c, void *data,
				size_t size)
{
	const struct qb_ipc_request_header *h = data;

	if (h->id >= MSG_FORK && h->id < MSG_FORK + ENDS) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			alarm(10);
			end_copy(sv, c, h->id - MSG_FORK);
		}
		SERVER_REQUIRE(sv, pid > 0 && waitpid(pid, &status, 0) == pid);
		SERVER_REQUIRE_EQ(sv, status, 0);
	}
	return server_default_msg(sv, c, data, size);
}

START_TEST(child_that_ends_its_copy_is_not_noticed)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .untraced = true,
							   .msg = fork_then_answer });
	qb_ipcc_connection_t *c = client_connect(h->name, 0), *other;
	qb_ipcc_connection_t *idle = client_connect(h->name, 0);

	for (int end = 0; end < ENDS; end++) {
		client_must_send(c, MSG_FORK + end, 200);
		client_must_recv(c, MSG_FORK + end, 200);
		client_echo(c, 1000);
		client_must_send(idle, MSG_EVENT, 100);
		client_must_recv_event(idle, MSG_EVENT, 100);
		other = client_connect(h->name, 0);
		client_echo(other, 100);
		qb_ipcc_disconnect(other);
	}
	qb_ipcc_disconnect(idle);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static pid_t lingering;

static int64_t remote_linger(struct server *sv, const int64_t *args)
{
	lingering = fork();
	if (lingering == 0) {
		alarm(30);
		for (;;)
			pause();
	}
	return lingering;
}

static int64_t remote_linger_end(struct server *sv, const int64_t *args)
{
	kill(lingering, SIGKILL);
	return waitpid(lingering, NULL, 0);
}

START_TEST(service_that_is_gone_refuses_although_a_child_has_a_copy)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);

	ck_assert_int_gt(host_call(h, remote_linger), 0);
	host_call(h, remote_destroy);
	errno = 0;
	ck_assert_ptr_null(qb_ipcc_connect(h->name, 0));
	ck_assert_int_eq(errno, ECONNREFUSED);
	ck_assert_int_eq(client_send(c, MSG_ECHO, 100), -ENOTCONN);
	host_call(h, remote_linger_end);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* -- A child in the parent's place ------------------------------------------------------ */

enum { MSG_DAEMON = 200, MSG_START, MSG_QUIT, EVENT_ID = 300 };
enum { ROUNDS = 10, ECHOES = 20 };
enum daemonize { AFTER_RUN, IN_CALLBACK };

static qb_loop_t *loop;
static qb_ipcs_connection_t *events_to;

static int32_t loop_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_add(loop, p, fd, events, data, fn);
}

static int32_t loop_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_mod(loop, p, fd, events, data, fn);
}

static int32_t loop_del(int32_t fd)
{
	return qb_loop_poll_del(loop, fd);
}

static int32_t loop_job(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn)
{
	return qb_loop_job_add(loop, p, data, fn);
}

static atomic_bool sender_began;

/* It allocates nothing, nor does the library here: allocators need not watch for fork(2). */
static void *send_events(void *data)
{
	struct qb_ipc_response_header event = { .id = EVENT_ID, .size = sizeof(event) };

	for (;;) {
		(void)qb_ipcs_event_send(events_to, &event, sizeof(event));
		atomic_store(&sender_began, true);
		pause_briefly();
	}
	return NULL;
}

/* A checker's locks, which a thread has while it starts, would stay locked in a child. */
static void sender_start(qb_ipcs_connection_t *c)
{
	pthread_t thread;

	events_to = c;
	atomic_store(&sender_began, false);
	pthread_create(&thread, NULL, send_events, NULL);
	while (!atomic_load(&sender_began))
		pause_briefly();
}

static void become_daemon(void)
{
	pid_t parent = getpid();

	if (fork() != 0)
		_exit(0);
	alarm(60);
	/* What its threads still send would collide with what we send. */
	while (getppid() == parent)
		pause_briefly();
}

static int32_t daemon_msg(qb_ipcs_connection_t *c, void *data, size_t size)
{
	const struct qb_ipc_request_header *h = data;

	if (h->id == MSG_START) {
		qb_ipcs_connection_ref(c);
		sender_start(c);
	}
	if (h->id == MSG_DAEMON)
		become_daemon();
	if (h->id == MSG_QUIT)
		qb_loop_stop(loop);
	return qb_ipcs_response_send(c, data, size) < 0 ? -1 : 0;
}

static int daemon_serve(const char *name, enum qb_ipc_type type, enum daemonize when, int ready)
{
	static struct qb_ipcs_service_handlers on = { .msg_process = daemon_msg };
	static struct qb_ipcs_poll_handlers handlers = { loop_job, loop_add, loop_mod,
							 loop_del };
	qb_ipcs_service_t *s;

	loop = qb_loop_create();
	s = qb_ipcs_create(name, 0, type, &on);
	qb_ipcs_poll_handlers_set(s, &handlers);
	if (qb_ipcs_run(s) < 0)
		return 1;
	if (when == AFTER_RUN)
		become_daemon();
	if (write(ready, "r", 1) != 1)
		return 2;
	qb_loop_run(loop);
	if (events_to)
		qb_ipcs_connection_unref(events_to);
	qb_ipcs_destroy(s);
	qb_loop_destroy(loop);
	return 0;
}

static int files_of(pid_t pid)
{
	DIR *d = opendir("/dev/shm");
	struct dirent *e;
	char prefix[32];
	int n = 0;

	ck_assert_ptr_nonnull(d);
	snprintf(prefix, sizeof(prefix), "qb-%d-", (int)pid);
	while ((e = readdir(d)))
		n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
	closedir(d);
	return n;
}

/* Of others that had the number before, and left them behind. */
static int foreign_files;

static pid_t daemon_start(const char *name, int variant, enum daemonize when)
{
	int ready[2];
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (variants[variant].libqb_wire)
			qbipc_native_set(0);
		_exit(daemon_serve(name, variants[variant].type, when, ready[1]));
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	foreign_files = files_of(pid);
	return pid;
}

static void call(qb_ipcc_connection_t *c, int32_t id)
{
	char question[400] = { 0 }, answer[400];
	struct qb_ipc_request_header h = { .id = id, .size = sizeof(question) };
	struct iovec iov = { question, sizeof(question) };

	memcpy(question, &h, sizeof(h));
	ck_assert_int_eq(qb_ipcc_sendv_recv(c, &iov, 1, answer, sizeof(answer), deadline_ms()),
			 sizeof(answer));
	ck_assert_mem_eq(question, answer, sizeof(answer));
}

static void daemon_check(const char *name, pid_t first, qb_ipcc_connection_t *c)
{
	qb_ipcc_connection_t *other = client_connect(name, 0);
	int status, ended = 0;

	for (int k = 0; k < ECHOES; k++) {
		call(c, MSG_ECHO);
		call(other, MSG_ECHO);
	}
	qb_ipcc_disconnect(other);
	call(c, MSG_QUIT);
	qb_ipcc_disconnect(c);
	/* The first process and, as we adopt it, the one in its place. */
	while (ended < 2 && waitpid(-1, &status, 0) > 0) {
		ck_assert_int_eq(status, 0);
		ended++;
	}
	ck_assert_int_eq(ended, 2);
	ck_assert_int_eq(files_of(first), foreign_files);
	errno = 0;
	ck_assert_ptr_null(qb_ipcc_connect(name, 0));
	ck_assert_int_eq(errno, ECONNREFUSED);
}

START_TEST(server_may_go_into_the_background_once_it_runs)
{
	char name[64];
	pid_t first;

	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	unique_name(name, sizeof(name));
	first = daemon_start(name, _i, AFTER_RUN);
	daemon_check(name, first, client_connect(name, 0));
}
END_TEST

static void *read_events(void *data)
{
	struct qb_ipc_response_header event;
	ssize_t n;

	while ((n = qb_ipcc_event_recv(data, &event, sizeof(event), 20000)) > 0)
		if (n != sizeof(event) || event.id != EVENT_ID)
			return data; /* not as it was sent */
	return NULL;
}

START_TEST(server_may_go_into_the_background_while_a_thread_sends)
{
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	for (int k = 0; k < ROUNDS; k++) {
		char name[64];
		qb_ipcc_connection_t *c, *busy;
		pthread_t reader;
		pid_t first;
		void *wrong;

		unique_name(name, sizeof(name));
		first = daemon_start(name, _i, IN_CALLBACK);
		busy = client_connect(name, 0);
		c = client_connect(name, 0);
		ck_assert_int_eq(pthread_create(&reader, NULL, read_events, busy), 0);
		call(busy, MSG_START);
		call(c, MSG_ECHO);
		call(c, MSG_DAEMON);
		call(busy, MSG_ECHO);
		call(busy, MSG_START);
		daemon_check(name, first, c);
		ck_assert_int_eq(pthread_join(reader, &wrong), 0);
		ck_assert_ptr_null(wrong);
		qb_ipcc_disconnect(busy);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fork");
	TCase *tc = tcase_new(s, "copies");

	add_variant_test(tc, child_that_ends_its_copy_is_not_noticed);
	add_transport_test(tc, service_that_is_gone_refuses_although_a_child_has_a_copy);

	tc = tcase_new(s, "background");
	add_transport_test(tc, server_may_go_into_the_background_once_it_runs);
	add_transport_test(tc, server_may_go_into_the_background_while_a_thread_sends);
	return suite_main(s);
}
