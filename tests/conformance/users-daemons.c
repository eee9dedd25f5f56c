/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ways in which other known daemons use the interface. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <qb/qbloop.h>

#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

enum { EVENTS = 2000 };

/* A client whose loop runs in a thread: the descriptor is one of its poll sources. */
struct loop_client {
	qb_loop_t *loop;
	qb_ipcc_connection_t *c;
	int32_t next;
	const char *failure;
};

static int32_t on_readable(int32_t fd, int32_t revents, void *data)
{
	struct loop_client *lc = data;
	char buf[200] __attribute__((aligned(8)));
	struct response *r = (void *)buf;
	ssize_t n = qb_ipcc_event_recv(lc->c, buf, sizeof(buf), 500);

	/* This user leaves at any negative value: readable has to mean a message. */
	if (n < 0)
		lc->failure = "readable, and nothing to read";
	else if (n != 108 || r->hdr.id != lc->next ||
		 !pattern_matches(r->body, 84, (uint32_t)lc->next))
		lc->failure = "not the next event";
	lc->next++;
	if (lc->failure || lc->next == EVENTS) {
		qb_loop_stop(lc->loop);
		return -1;
	}
	return 0;
}

static void *run_loop(void *arg)
{
	struct loop_client *lc = arg;

	qb_loop_run(lc->loop);
	return NULL;
}

START_TEST(loop_in_a_thread_reads_one_event_per_call_while_others_send)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true,
							   .msg = server_answer_by_event });
	struct loop_client lc = { .c = client_connect(h->name, 0) };
	pthread_t thread;

	lc.loop = qb_loop_create();
	ck_assert_ptr_nonnull(lc.loop);
	ck_assert_int_eq(qb_loop_poll_add(lc.loop, QB_LOOP_HIGH, client_fd(lc.c), POLLIN, &lc,
					  on_readable),
			 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, run_loop, &lc), 0);
	for (int32_t id = 0; id < EVENTS; id++)
		client_send_patiently(lc.c, id, 100);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_msg(!lc.failure, "event %d: %s", lc.next, lc.failure);
	ck_assert_int_eq(lc.next, EVENTS);
	qb_loop_destroy(lc.loop);
	qb_ipcc_disconnect(lc.c);
	host_stop(h);
}
END_TEST

/* Reachable until the end: the reference is lost on purpose, the memory is not. */
static qb_ipcs_connection_t *never_dropped[64];

static int32_t msg_never_drops(struct server *sv, qb_ipcs_connection_t *c, void *data,
			       size_t size)
{
	static int n;

	qb_ipcs_connection_ref(c);
	never_dropped[n++] = c;
	return -1;
}

static int64_t shared_mappings(struct server *sv, const int64_t *args)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[4096], perms[8];
	int64_t n = 0;

	SERVER_REQUIRE(sv, f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %7s", perms) == 1 && perms[3] == 's')
			n++;
	fclose(f);
	return n;
}

START_TEST(references_that_are_never_dropped_hold_no_transport_memory)
{
	struct host *h =
		host_start(&(struct server_spec){ VARIANT_SPEC(_i), .msg = msg_never_drops });
	int64_t before = host_call(h, shared_mappings);

	for (int n = 1; n <= 30; n++) {
		qb_ipcc_connection_t *c = client_connect(h->name, 0);
		char part[32];

		client_must_send(c, MSG_ECHO, 64);
		snprintf(part, sizeof(part), "msg:%d", n);
		host_await_trace(h, part);
		qb_ipcc_disconnect(c);
		snprintf(part, sizeof(part), "closed:%d", n);
		host_await_trace(h, part);
	}
	ck_assert_ptr_null(strstr(host_trace(h), "destroyed"));
	WAIT_FOR(host_call(h, shared_mappings) == before);
	host_stop(h);
}
END_TEST

static int32_t accept_refuses_others(struct server *sv, qb_ipcs_connection_t *c, uid_t uid,
				     gid_t gid)
{
	return sv->accepted == 1 ? 1 : 0;
}

static int32_t msg_rewrites(struct server *sv, qb_ipcs_connection_t *c, void *data, size_t size)
{
	int32_t result = server_default_msg(sv, c, data, size);
	char *text = data;

	/* In place: terminate, tokenize, whatever the handler of a request likes. */
	memset(text, 0, size);
	return result;
}

START_TEST(service_of_one_thread_runs_in_another_and_may_refuse_with_plus_one)
{
	struct host *h =
		host_start(&(struct server_spec){ .type = variants[_i].type,
						  .libqb_wire = variants[_i].libqb_wire,
						  .adapter = &adapter_glib_like,
						  .accept = accept_refuses_others,
						  .msg = msg_rewrites });
	struct request *r = request_new(900, 216);
	char buf[400] __attribute__((aligned(8)));
	struct iovec iov[4] = { { &r->hdr, 16 }, { NULL, 0 }, { r->body, 200 }, { NULL, 0 } };
	qb_ipcc_connection_t *c;

	ck_assert_ptr_null(qb_ipcc_connect(h->name, 0));
	c = client_connect(h->name, 0);
	for (int n = 0; n < 50; n++)
		response_check((void *)buf, qb_ipcc_sendv_recv(c, iov, 4, buf, sizeof(buf), -1),
			       900, 216);
	free(r);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static void prepare_umask_closed(struct server *sv)
{
	umask(0777);
}

static void prepare_umask_open(struct server *sv)
{
	umask(0);
}

/* The directory of the one connection between @server and this process, if any. */
static bool directory_mode(pid_t server, mode_t *mode)
{
	DIR *d = opendir("/dev/shm");
	char prefix[64];
	struct dirent *e;
	struct stat st;
	bool found = false;

	ck_assert_ptr_nonnull(d);
	snprintf(prefix, sizeof(prefix), "qb-%d-%d-", (int)server, (int)getpid());
	while ((e = readdir(d))) {
		if (strncmp(e->d_name, prefix, strlen(prefix)) != 0)
			continue;
		ck_assert_int_eq(fstatat(dirfd(d), e->d_name, &st, 0), 0);
		*mode = st.st_mode & 07777;
		found = true;
	}
	closedir(d);
	return found;
}

static void check_umask(int i, void (*prepare)(struct server *))
{
	struct host *h =
		host_start(&(struct server_spec){ VARIANT_SPEC(i), .prepare = prepare });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	mode_t mode = 0;

	client_echo(c, 64);
	if (directory_mode(h->pid, &mode))
		ck_assert_uint_eq(mode, 0770);
	else
		ck_assert(!variants[i].libqb_wire);
	qb_ipcc_disconnect(c);
	host_stop(h);
}

START_TEST(umask_that_forbids_everything_does_not_matter)
{
	check_umask(_i, prepare_umask_closed);
}
END_TEST

START_TEST(umask_that_allows_everything_does_not_matter)
{
	check_umask(_i, prepare_umask_open);
}
END_TEST

/* Present with a sanitizer that looks for leaks: it knows the threads of the process that
 * started, and takes what only another one reaches for lost. */
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

/* As daemon(3): the process that goes on is another, and the first only waits for it. */
static int64_t go_into_the_background(struct server *sv, const int64_t *args)
{
	pid_t pid = fork();
	int status;

	SERVER_REQUIRE(sv, pid >= 0);
	if (pid == 0)
		return 0;
	SERVER_REQUIRE_EQ(sv, waitpid(pid, &status, 0), pid);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE);
}

START_TEST(service_that_goes_into_the_background_goes_on)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *old = client_connect(h->name, 0);
	qb_ipcc_connection_t *c;

	client_echo(old, 64);
	host_call(h, go_into_the_background);
	client_echo(old, 64);
	c = client_connect(h->name, 0);
	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	qb_ipcc_disconnect(old);
	host_await_trace(h, "destroyed:1");
	host_stop(h);
}
END_TEST

START_TEST(client_that_goes_into_the_background_takes_its_connection_along)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	int done[2];
	char byte;
	pid_t pid;
	int status;

	ck_assert_int_eq(pipe(done), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		/* Not lost, but left to the second one: leak checkers are to see so. */
		static qb_ipcc_connection_t *c;
		pid_t self = getpid();

		c = client_connect(h->name, 0);
		if (fork() != 0)
			_exit(EXIT_SUCCESS);
		WAIT_FOR(kill(self, 0) < 0);
		client_echo(c, 64);
		client_must_send(c, MSG_EVENT, 100);
		client_must_recv_event(c, MSG_EVENT, 100);
		qb_ipcc_disconnect(c);
		_exit(write(done[1], "x", 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert(fd_readable_within(done[0], deadline_ms()));
	ck_assert_int_eq(read(done[0], &byte, 1), 1);
	host_expect_trace(h, "accept:1 created:1 msg:1 msg:1 closed:1 destroyed:1");
	close(done[0]);
	close(done[1]);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("users: other daemons");
	TCase *tc = tcase_new(s, "usbguard");

	add_variant_test(tc, loop_in_a_thread_reads_one_event_per_call_while_others_send);
	add_variant_test(tc, references_that_are_never_dropped_hold_no_transport_memory);

	tc = tcase_new(s, "pmxcfs");
	add_transport_test(tc,
			   service_of_one_thread_runs_in_another_and_may_refuse_with_plus_one);

	tc = tcase_new(s, "background");
	if (!__lsan_do_recoverable_leak_check)
		add_variant_test(tc, service_that_goes_into_the_background_goes_on);
	add_variant_test(tc, client_that_goes_into_the_background_takes_its_connection_along);

	tc = tcase_new(s, "storage_mon");
	add_transport_test(tc, umask_that_forbids_everything_does_not_matter);
	add_transport_test(tc, umask_that_allows_everything_does_not_matter);
	return suite_main(s);
}
