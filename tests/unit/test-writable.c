/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A socket that says that it takes bytes and then does not, because the system is out of
 * memory: the service goes on trying, ever more slowly, and nothing is lost.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <qb/qbipc_ext.h>
#include <qb/qbipcc.h>
#include <qb/qbipcs.h>
#include <qb/qbloop.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/variant.h"

/* The large one takes more than one packet. */
enum { SMALL = 100, LARGE = 1500000, WATCH_MS = 400, FEW_TRIES = 25 };

static struct {
	pthread_t dispatcher;
	qb_loop_t *loop;
	qb_ipcs_service_t *service;
	char name[108];
	qb_ipcs_connection_t *_Atomic c;

	/* Events only: the dispatching thread's packets, from the n-th on. */
	atomic_int passed;
	atomic_int refuse_after;
	atomic_int refused;
	atomic_int sent;
} t;

ssize_t __real_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
	int type = 0;
	socklen_t len = sizeof(type);

	getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
	if (type == SOCK_STREAM || !pthread_equal(pthread_self(), t.dispatcher))
		return __real_sendmsg(fd, m, flags);
	if (t.passed++ < t.refuse_after)
		return __real_sendmsg(fd, m, flags);
	t.refused++;
	errno = ENOBUFS;
	return -1;
}

static int32_t poll_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_add(t.loop, p, fd, events, data, fn);
}

static int32_t poll_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_mod(t.loop, p, fd, events, data, fn);
}

static int32_t poll_del(int32_t fd)
{
	return qb_loop_poll_del(t.loop, fd);
}

static void on_created(qb_ipcs_connection_t *c)
{
	t.c = c;
}

static void event_send(size_t size)
{
	struct qb_ipc_response_header *h = calloc(1, size);

	if (!h)
		abort();
	h->size = (int32_t)size;
	if (qb_ipcs_event_send(t.c, h, size) > 0)
		t.sent++;
	free(h);
}

static void on_writable(qb_ipcs_connection_t *c, void *data)
{
	event_send(SMALL);
}

static void send_small(void *data)
{
	event_send(SMALL);
}

static void send_large(void *data)
{
	event_send(LARGE);
}

static void end(void *data)
{
	qb_ipcs_destroy(t.service);
	qb_loop_stop(t.loop);
}

static void *dispatch(void *arg)
{
	qb_loop_run(t.loop);
	return NULL;
}

static qb_ipcc_connection_t *start(enum qb_ipc_type type, bool libqb_wire)
{
	struct qb_ipcs_service_handlers handlers = { .connection_created = on_created };
	struct qb_ipcs_poll_handlers poll = { NULL, poll_add, poll_mod, poll_del };
	qb_ipcc_connection_t *c;

	memset(&t, 0, sizeof(t));
	t.refuse_after = INT32_MAX;
	qbipc_native_set(!libqb_wire);
	unique_name(t.name, sizeof(t.name));
	t.loop = qb_loop_create();
	t.service = qb_ipcs_create(t.name, 0, type, &handlers);
	ck_assert(t.loop && t.service);
	qb_ipcs_poll_handlers_set(t.service, &poll);
	qbipc_service_writable_set(t.service, on_writable, NULL);
	ck_assert_int_eq(qb_ipcs_run(t.service), 0);
	ck_assert_int_eq(pthread_create(&t.dispatcher, NULL, dispatch, NULL), 0);
	c = qb_ipcc_connect(t.name, LARGE + 1000);
	ck_assert_ptr_nonnull(c);
	WAIT_FOR(t.c);
	return c;
}

static void stop(qb_ipcc_connection_t *c)
{
	qb_ipcc_disconnect(c);
	ck_assert_int_eq(qb_loop_job_add(t.loop, QB_LOOP_LOW, NULL, end), 0);
	pthread_join(t.dispatcher, NULL);
	qb_loop_destroy(t.loop);
}

static void must_receive(qb_ipcc_connection_t *c, int32_t size)
{
	struct qb_ipc_response_header *h = malloc((size_t)size);

	ck_assert_ptr_nonnull(h);
	ck_assert_int_eq(qb_ipcc_event_recv(c, h, (size_t)size, deadline_ms()), size);
	ck_assert_int_eq(h->size, size);
	free(h);
}

/* A loop that came back at once would try some thousand times. */
static void must_be_patient(void)
{
	WAIT_FOR(t.refused > 0);
	usleep(WATCH_MS * 1000);
	ck_assert_int_le(t.refused, FEW_TRIES);
}

START_TEST(event_that_the_system_refuses_is_told_of_ever_more_slowly)
{
	qb_ipcc_connection_t *c = start(QB_IPC_SOCKET, _i);

	/* The first one connects the socket of libqb's wire. */
	ck_assert_int_eq(qb_loop_job_add(t.loop, QB_LOOP_LOW, NULL, send_small), 0);
	must_receive(c, SMALL);
	t.refuse_after = 0;
	ck_assert_int_eq(qb_loop_job_add(t.loop, QB_LOOP_LOW, NULL, send_small), 0);
	must_be_patient();
	t.refuse_after = INT32_MAX;
	must_receive(c, SMALL);
	WAIT_FOR(t.sent == 2);
	stop(c);
}
END_TEST

START_TEST(rest_that_the_system_refuses_is_tried_ever_more_slowly)
{
	qb_ipcc_connection_t *c = start(QB_IPC_SOCKET, false);

	t.refuse_after = 1;
	ck_assert_int_eq(qb_loop_job_add(t.loop, QB_LOOP_LOW, NULL, send_large), 0);
	must_be_patient();
	t.refuse_after = INT32_MAX;
	must_receive(c, LARGE);
	stop(c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("writable");
	TCase *tc = tcase_new(s, "writable");

	tcase_add_loop_test(tc, event_that_the_system_refuses_is_told_of_ever_more_slowly, 0,
			    2);
	tcase_add_test(tc, rest_that_the_system_refuses_is_tried_ever_more_slowly);
	return suite_main(s);
}
