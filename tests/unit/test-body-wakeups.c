/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A body of which all pieces have found room, while the kernel refuses the byte that wakes its
 * client, because the system is out of memory: the byte is sent later.
 */
#include "config.h"

#include <errno.h>
#include <qb/qbipc_ext.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/session.h"
#include "tests/lib/variant.h"

enum {
	BODY = 12329, /* more than the least that there is, and less than a ring holds */
	LIMIT = 1 << 20,
	ID = 100,
	GROWTH = sizeof(struct qb_ipc_response_header) - sizeof(struct qb_ipc_request_header),
};

/* In the server. */
static volatile bool refusing;
static volatile int refused;

ssize_t __real_send(int fd, const void *data, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t size, int flags)
{
	if (!refusing)
		return __real_send(fd, data, size, flags);
	refused++;
	errno = ENOBUFS;
	return -1;
}

static int64_t remote_limit(struct server *sv, const int64_t *args)
{
	return qbipc_service_body_limit_set(sv->service, LIMIT);
}

/* { events or responses }. How many bytes were refused. */
static int64_t remote_send_refused(struct server *sv, const int64_t *args)
{
	const int64_t what[CALL_ARGS] = { 1, BODY, ID };
	int64_t r;

	refused = 0;
	refusing = true;
	r = args[0] ? remote_event(sv, what) : remote_response(sv, what);
	refusing = false;
	SERVER_REQUIRE(sv, r == BODY + GROWTH);
	return refused;
}

static struct host *bodies_start(int i, qb_ipcc_connection_t **ret_c)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(i), .quiet = true });

	ck_assert_int_eq(host_call(h, remote_limit), 0);
	*ret_c = client_connect(h->name, 0);
	ck_assert_int_eq(qbipc_body_limit_set(*ret_c, LIMIT), 0);
	client_echo(*ret_c, 100);
	return h;
}

START_TEST(byte_for_an_event_is_sent_later)
{
	qb_ipcc_connection_t *c;
	struct host *h = bodies_start(_i, &c);
	struct qb_ipc_response_header none;
	int fd = client_fd(c);

	ck_assert_int_eq(qb_ipcc_event_recv(c, &none, sizeof(none), 0), -EAGAIN);
	ck_assert_int_gt(host_call(h, remote_send_refused, true), 0);
	ck_assert(fd_readable_within(fd, deadline_ms()));
	client_must_recv_event(c, ID, BODY);
	session_stop(h, c);
}
END_TEST

static void call_done(qb_ipcc_connection_t *c, int error, void *response, size_t size,
		      void *data)
{
	ck_assert_int_eq(error, 0);
	response_check(response, (ssize_t)size, ID, BODY);
	*(bool *)data = true;
}

START_TEST(byte_for_a_response_is_sent_later)
{
	struct request *r = request_new(MSG_SILENT, 100);
	struct iovec iov = { r, 100 };
	qb_ipcc_connection_t *c;
	struct host *h = bodies_start(_i, &c);
	int fd = qbipc_calls_fd(c);
	bool done = false;

	ck_assert_int_gt(qbipc_call_send(c, &iov, 1, -1, call_done, &done), 0);
	/* It finds nothing, and goes to sleep. */
	ck_assert_int_eq(qbipc_calls_dispatch(c), 0);
	host_await_rest(h);
	ck_assert_int_gt(host_call(h, remote_send_refused, false), 0);
	while (!done) {
		ck_assert(fd_readable_within(fd, deadline_ms()));
		ck_assert_int_ge(qbipc_calls_dispatch(c), 0);
	}
	free(r);
	session_stop(h, c);
}
END_TEST

/* Where bytes wake: in shared memory. */
static bool has_bytes(int i)
{
	return variants[i].type == QB_IPC_SHM && !variants[i].libqb_wire;
}

int main(void)
{
	Suite *s = suite_create("body-wakeups");
	TCase *tc = tcase_new(s, "refused");
	int i;

	for (i = 0; i < transport_count; i++) {
		if (!has_bytes(i))
			continue;
		tcase_add_loop_test(tc, byte_for_an_event_is_sent_later, i, i + 1);
		tcase_add_loop_test(tc, byte_for_a_response_is_sent_later, i, i + 1);
	}
	return suite_main(s);
}
