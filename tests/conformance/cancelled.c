/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads that are cancelled while they send, that leave a send by siglongjmp(3), or that
 * end inside a callback or while they run the loop: everybody else is served as before.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <qb/qbipc_ext.h>
#include <qb/qbloop.h>

#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

enum { ROUNDS = 30, WORKING_NS = 3000000, EVENTS_ID = 77 };
enum { MSG_CANCEL = 50 };

static void *send_for_ever(void *data)
{
	struct qb_ipc_response_header event = { .id = EVENTS_ID, .size = sizeof(event) };

	for (;;)
		(void)qb_ipcs_event_send(data, &event, sizeof(event));
	return NULL;
}

/* Start a sender, let it work, cancel it, send oneself. The last result. */
static int64_t sender_cancel(qb_ipcs_connection_t *c)
{
	static const struct timespec working = { .tv_nsec = WORKING_NS };
	struct qb_ipc_response_header event = { .id = EVENTS_ID, .size = sizeof(event) };
	pthread_t thread;

	if (pthread_create(&thread, NULL, send_for_ever, c) != 0)
		return -1;
	nanosleep(&working, NULL);
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	return qb_ipcs_event_send(c, &event, sizeof(event));
}

static int32_t cancel_then_answer(struct server *sv, qb_ipcs_connection_t *c, void *data,
				  size_t size)
{
	const struct qb_ipc_request_header *h = data;
	int64_t r = sender_cancel(c);

	SERVER_REQUIRE(sv, r == sizeof(struct qb_ipc_response_header) || r == -EAGAIN);
	return h->id == MSG_CANCEL ? server_answer(sv, c, data, size) : 0;
}

static void *read_events(void *data)
{
	struct qb_ipc_response_header event;

	while (qb_ipcc_event_recv(data, &event, sizeof(event), 10000) == sizeof(event))
		if (event.id != EVENTS_ID)
			break;
	return NULL;
}

START_TEST(sender_that_is_cancelled_leaves_no_lock_behind)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true,
							   .msg = cancel_then_answer });
	qb_ipcc_connection_t *c = client_connect(h->name, 0), *other;
	struct request *r = request_new(MSG_CANCEL, 200);
	char answer[300];
	pthread_t reader;

	ck_assert_int_eq(pthread_create(&reader, NULL, read_events, c), 0);
	for (int k = 0; k < ROUNDS; k++) {
		struct iovec iov = { r, 200 };

		ck_assert_int_gt(
			qb_ipcc_sendv_recv(c, &iov, 1, answer, sizeof(answer), deadline_ms()),
			0);
	}
	other = client_connect(h->name, 0);
	ck_assert_int_gt(qb_ipcc_sendv_recv(other, &(struct iovec){ r, 200 }, 1, answer,
					    sizeof(answer), deadline_ms()),
			 0);
	host_call(h, remote_disconnect, 1);
	ck_assert_int_eq(pthread_join(reader, NULL), 0);
	qb_ipcc_disconnect(other);
	qb_ipcc_disconnect(c);
	free(r);
	host_stop(h);
}
END_TEST

/* -- Senders that jump ------------------------------------------------------------------ */

static __thread sigjmp_buf out;
static __thread volatile bool may_jump;
static atomic_bool sender_began;

static void jump(int number)
{
	if (may_jump)
		siglongjmp(out, number);
}

/* The same thread goes on to send: its own lock must not stop it. */
static void *send_and_jump(void *data)
{
	struct qb_ipc_response_header event = { .id = EVENTS_ID, .size = sizeof(event) };

	if (sigsetjmp(out, 1) == 0) {
		may_jump = true;
		sender_began = true;
		for (;;)
			(void)qb_ipcs_event_send(data, &event, sizeof(event));
	}
	may_jump = false;
	(void)qb_ipcs_event_send(data, &event, sizeof(event));
	return NULL;
}

static int32_t jump_then_answer(struct server *sv, qb_ipcs_connection_t *c, void *data,
				size_t size)
{
	static const struct timespec working = { .tv_nsec = WORKING_NS };
	const struct qb_ipc_request_header *h = data;
	qb_ipcs_connection_t *to = server_connection(sv, 1);
	pthread_t thread;

	if (h->id != MSG_CANCEL)
		return server_answer(sv, c, data, size);
	signal(SIGUSR1, jump);
	sender_began = false;
	SERVER_REQUIRE_EQ(sv, pthread_create(&thread, NULL, send_and_jump, to), 0);
	while (!sender_began)
		nanosleep(&working, NULL);
	nanosleep(&working, NULL);
	SERVER_REQUIRE_EQ(sv, pthread_kill(thread, SIGUSR1), 0);
	SERVER_REQUIRE_EQ(sv, pthread_join(thread, NULL), 0);
	return server_answer(sv, c, data, size);
}

START_TEST(sender_that_jumps_out_hangs_nobody)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true,
							   .msg = jump_then_answer });
	qb_ipcc_connection_t *busy = client_connect(h->name, 0);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	pthread_t reader;

	host_call(h, remote_ref, 1);
	/* Jumped out of in the middle of a change, it may end. */
	ck_assert_int_eq(pthread_create(&reader, NULL, read_events, busy), 0);
	for (int k = 0; k < ROUNDS; k++) {
		client_must_send(c, MSG_CANCEL, 200);
		client_must_recv(c, MSG_CANCEL, 200);
		client_echo(c, 1000);
	}
	host_call(h, remote_disconnect, 1);
	ck_assert_int_eq(pthread_join(reader, NULL), 0);
	host_call(h, remote_unref, 1);
	qb_ipcc_disconnect(busy);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* -- Threads that run the loop, and end -------------------------------------------------- */

enum { MSG_EXIT = 60, MSG_CANCEL_SELF, MSG_CANCEL_LOOP, MSG_QUIT, MSG_MEMORY };

static qb_loop_t *loop;
static sem_t thread_is_done;
static atomic_bool cancel_loop, quit;

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

static void answer_with(qb_ipcs_connection_t *c, int32_t id, int32_t value)
{
	struct qb_ipc_response_header h = { .id = id, .size = sizeof(h), .error = value };

	(void)qb_ipcs_response_send(c, &h, sizeof(h));
}

static void answer(qb_ipcs_connection_t *c, int32_t id)
{
	answer_with(c, id, 0);
}

/* Memory of this process that is its own, in pages. */
static int32_t pages_of_data(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	int32_t pages = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%*d %*d %*d %*d %*d %d", &pages) != 1)
		pages = -1;
	fclose(f);
	return pages;
}

static int connections;

static void one_more(qb_ipcs_connection_t *c)
{
	connections++;
}

static void one_less(qb_ipcs_connection_t *c)
{
	connections--;
}

static qb_ipcs_connection_t *cancelled_by;

static int32_t end_or_answer(qb_ipcs_connection_t *c, void *data, size_t size)
{
	const struct qb_ipc_request_header *h = data;

	switch (h->id) {
	case MSG_EXIT: sem_post(&thread_is_done); pthread_exit(NULL);
	case MSG_CANCEL_SELF:
		sem_post(&thread_is_done);
		pthread_cancel(pthread_self());
		answer(c, h->id); /* acts here, before anything is sent */
		_exit(EXIT_FAILURE);
	case MSG_CANCEL_LOOP:
		/* The answer comes when it is done, or the next request might be in the
		 * middle of its callback. */
		cancelled_by = c;
		qb_ipcs_connection_ref(c);
		cancel_loop = true;
		sem_post(&thread_is_done);
		return 0;
	case MSG_MEMORY: answer_with(c, h->id, pages_of_data()); return 0;
	case MSG_QUIT:
		quit = true;
		sem_post(&thread_is_done);
		qb_loop_stop(loop);
		break;
	}
	answer(c, h->id);
	return 0;
}

static void *loop_thread(void *data)
{
	qb_loop_run(loop);
	return NULL;
}

/* One thread after the other runs the loop. */
static int serve(const char *name, enum qb_ipc_type type, int ready)
{
	static struct qb_ipcs_service_handlers on = { .msg_process = end_or_answer,
						      .connection_created = one_more,
						      .connection_destroyed = one_less };
	static struct qb_ipcs_poll_handlers handlers = { loop_job, loop_add, loop_mod,
							 loop_del };
	qb_ipcs_service_t *s;

	alarm(60);
	sem_init(&thread_is_done, 0, 0);
	loop = qb_loop_create();
	s = qb_ipcs_create(name, 0, type, &on);
	qb_ipcs_poll_handlers_set(s, &handlers);
	if (qb_ipcs_run(s) < 0 || write(ready, "r", 1) != 1)
		return EXIT_FAILURE;
	while (!quit) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, loop_thread, NULL) != 0)
			return EXIT_FAILURE;
		sem_wait(&thread_is_done);
		if (!atomic_exchange(&cancel_loop, false)) {
			pthread_join(thread, NULL);
			continue;
		}
		pthread_cancel(thread);
		pthread_join(thread, NULL);
		answer(cancelled_by, MSG_CANCEL_LOOP);
		qb_ipcs_connection_unref(cancelled_by);
	}
	qb_ipcs_destroy(s);
	qb_loop_destroy(loop);
	/* None is kept by a thread that has ended. */
	return connections == 0 ? 0 : EXIT_FAILURE;
}

static pid_t serve_in_child(const char *name, int variant)
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
		_exit(serve(name, variants[variant].type, ready[1]));
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static int32_t call(qb_ipcc_connection_t *c, int32_t id)
{
	struct qb_ipc_request_header h = { .id = id, .size = sizeof(h) };
	struct qb_ipc_response_header r;
	struct iovec iov = { &h, sizeof(h) };

	ck_assert_int_eq(qb_ipcc_sendv_recv(c, &iov, 1, &r, sizeof(r), deadline_ms()),
			 sizeof(r));
	ck_assert_int_eq(r.id, id);
	return r.error;
}

START_TEST(loop_goes_on_in_another_thread_when_its_own_has_ended)
{
	static const int32_t ends[] = { MSG_EXIT, MSG_CANCEL_SELF, MSG_CANCEL_LOOP };
	qb_ipcc_connection_t *c, *other, *late;
	char name[64];
	int status;
	pid_t pid;

	unique_name(name, sizeof(name));
	pid = serve_in_child(name, _i);
	c = client_connect(name, 0);
	other = client_connect(name, 0);
	for (int k = 0; k < 9; k++) {
		int32_t id = ends[k % 3];
		struct qb_ipc_request_header h = { .id = id, .size = sizeof(h) };

		if (id == MSG_CANCEL_LOOP)
			call(c, id);
		else
			ck_assert_int_eq(qb_ipcc_send(c, &h, sizeof(h)), sizeof(h));
		call(other, MSG_ECHO);
		call(c, MSG_ECHO);
		late = client_connect(name, 0);
		call(late, MSG_ECHO);
		qb_ipcc_disconnect(late);
	}
	call(c, MSG_QUIT);
	qb_ipcc_disconnect(other);
	qb_ipcc_disconnect(c);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* Their buffers are as large as the largest request may be. */
START_TEST(requests_whose_threads_end_leave_no_memory_behind)
{
	enum { SIZE = 1 << 20, WARM_UP = 4, EXITS = 24 };
	qb_ipcc_connection_t *c, *other;
	int32_t before = 0, after;
	char name[64];
	int status;
	pid_t pid;

	unique_name(name, sizeof(name));
	pid = serve_in_child(name, _i);
	c = client_connect(name, SIZE);
	other = client_connect(name, 0);
	for (int k = 0; k < WARM_UP + EXITS; k++) {
		struct qb_ipc_request_header h = { .id = MSG_EXIT, .size = sizeof(h) };

		if (k == WARM_UP)
			before = call(other, MSG_MEMORY);
		ck_assert_int_eq(qb_ipcc_send(c, &h, sizeof(h)), sizeof(h));
		call(c, MSG_ECHO);
	}
	after = call(other, MSG_MEMORY);
	/* A checker keeps what is freed for a while, and has memory beyond all numbers. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	ck_assert_int_gt(before, 0);
	ck_assert_int_lt(after - before, EXITS / 2 * (SIZE / (int)sysconf(_SC_PAGESIZE)));
#else
	(void)before;
	(void)after;
#endif
	call(other, MSG_QUIT);
	qb_ipcc_disconnect(other);
	qb_ipcc_disconnect(c);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cancellation");
	TCase *tc = tcase_new(s, "senders");

	add_transport_test(tc, sender_that_is_cancelled_leaves_no_lock_behind);
	add_transport_test(tc, sender_that_jumps_out_hangs_nobody);

	tc = tcase_new(s, "loops");
	add_transport_test(tc, loop_goes_on_in_another_thread_when_its_own_has_ended);
	add_transport_test(tc, requests_whose_threads_end_leave_no_memory_behind);
	return suite_main(s);
}
