/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several loops, and the end of one. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/adapters/loop.h"

enum { THREADS = 4, TURNS = 200, MANY = 20 };

struct task {
	void *loop;
	int fds[2];
	int calls;
	bool end_inside; /* the first call ends the adapter */
};

static int32_t task_ready(int32_t fd, int32_t revents, void *data)
{
	struct task *t = data;

	t->calls++;
	if (t->end_inside) {
		test_loop.stop(t->loop);
		test_loop.end(t->loop);
	} else if (t->calls == TURNS) {
		test_loop.stop(t->loop);
	}
	return 0;
}

static void task_open(struct task *t, int32_t events)
{
	struct qbipc_poll *poll_of;

	t->loop = test_loop.open();
	t->calls = 0;
	poll_of = test_loop.poll(t->loop);
	REQUIRE(poll_of);
	REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, t->fds));
	REQUIRE(qbipc_poll_add(poll_of, QB_LOOP_MED, t->fds[0], events, t, task_ready) == 0);
	REQUIRE(send(t->fds[1], "x", 1, 0) == 1);
}

static void task_close(struct task *t)
{
	test_loop.close(t->loop);
	close(t->fds[0]);
	close(t->fds[1]);
}

/* Services, each in a loop of its own: all in one program, and one function for them. */
struct tenant {
	void *loop;
	qb_ipcs_service_t *service;
	char name[64];
	int calls;
};

static int32_t tenant_accept(qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	struct tenant *t = qb_ipcs_connection_service_context_get(c);

	t->calls++;
	test_loop.stop(t->loop);
	return -EACCES;
}

static void tenant_open(struct tenant *t, int number)
{
	struct qb_ipcs_service_handlers handlers = { .connection_accept = tenant_accept };

	t->calls = 0;
	t->loop = test_loop.open();
	snprintf(t->name, sizeof(t->name), "tenant-%d-%d", (int)getpid(), number);
	t->service = qb_ipcs_create(t->name, 0, QB_IPC_SHM, &handlers);
	ck_assert_ptr_nonnull(t->service);
	qb_ipcs_service_context_set(t->service, t);
	ck_assert_int_eq(test_loop.attach(t->loop, t->service), 0);
	ck_assert_int_eq(qb_ipcs_run(t->service), 0);
	ck_assert_int_eq(test_loop.attach(t->loop, t->service), -EBUSY);
}

START_TEST(any_number_of_loops_have_services)
{
	struct tenant tenants[MANY];

	for (int i = 0; i < MANY; i++)
		tenant_open(&tenants[i], i);
	for (int i = MANY - 1; i >= 0; i--) {
		qb_ipcc_connection_t *c;
		int fd;

		c = qb_ipcc_connect_async(tenants[i].name, 0, &fd);
		ck_assert_ptr_nonnull(c);
		test_loop.run(tenants[i].loop);
		qb_ipcc_disconnect(c);
	}
	for (int i = 0; i < MANY; i++) {
		ck_assert_int_eq(tenants[i].calls, 1);
		qb_ipcs_destroy(tenants[i].service);
		test_loop.close(tenants[i].loop);
	}
}
END_TEST

/* Each has its own descriptors, also under the same number. */
START_TEST(loops_do_not_know_each_others_descriptors)
{
	struct task a = { 0 }, b = { 0 };

	task_open(&a, POLLIN);
	task_open(&b, POLLIN);
	ck_assert_int_eq(qbipc_poll_del(test_loop.poll(b.loop), a.fds[0]), -EBADF);
	ck_assert_int_eq(qbipc_poll_del(test_loop.poll(a.loop), b.fds[0]), -EBADF);
	test_loop.run(a.loop);
	ck_assert_int_eq(a.calls, TURNS);
	ck_assert_int_eq(b.calls, 0);
	test_loop.run(b.loop);
	ck_assert_int_eq(a.calls, TURNS);
	ck_assert_int_eq(b.calls, TURNS);
	task_close(&a);
	task_close(&b);
}
END_TEST

static void *task_run(void *arg)
{
	struct task *t = arg;

	for (int i = 0; i < 10; i++) {
		task_open(t, POLLIN);
		test_loop.run(t->loop);
		REQUIRE(t->calls == TURNS);
		task_close(t);
	}
	return NULL;
}

START_TEST(loops_of_several_threads_run_at_the_same_time)
{
	struct task tasks[THREADS] = { 0 };
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, task_run, &tasks[i]), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}
END_TEST

START_TEST(what_is_left_in_the_loop_is_dropped_at_its_end)
{
	struct task a = { 0 };

	task_open(&a, POLLIN);
	task_close(&a);
	task_open(&a, POLLPRI | POLLHUP);
	task_close(&a);
	ck_assert_int_eq(a.calls, 0);
}
END_TEST

static void check_ended_inside(int32_t events)
{
	struct task a = { .end_inside = true };

	task_open(&a, events);
	if (!(events & POLLIN))
		shutdown(a.fds[1], SHUT_RDWR);
	test_loop.run(a.loop);
	ck_assert_int_eq(a.calls, 1);
	task_close(&a);
}

START_TEST(a_callback_may_end_the_adapter)
{
	check_ended_inside(POLLIN);
	check_ended_inside(POLLPRI | POLLHUP);
}
END_TEST

START_TEST(service_whose_loop_has_ended_is_not_harmed)
{
	struct tenant t;

	tenant_open(&t, 0);
	test_loop.end(t.loop);
	test_loop.end(t.loop);
	ck_assert_int_eq(test_loop.attach(t.loop, t.service), -EINVAL);
	/* Its loop cannot be told any more of what goes. */
	test_loop.close(t.loop);
	qb_ipcs_ref(t.service);
	qb_ipcs_destroy(t.service);
	ck_assert_int_eq(qb_ipcs_run(t.service), -EINVAL);
}
END_TEST

void add_loop_tests(Suite *s)
{
	TCase *tc = tcase_loop(s, "loops");

	tcase_add_test(tc, any_number_of_loops_have_services);
	tcase_add_test(tc, loops_do_not_know_each_others_descriptors);
	tcase_add_test(tc, loops_of_several_threads_run_at_the_same_time);
	tcase_add_test(tc, what_is_left_in_the_loop_is_dropped_at_its_end);
	tcase_add_test(tc, a_callback_may_end_the_adapter);
	tcase_add_test(tc, service_whose_loop_has_ended_is_not_harmed);
}
