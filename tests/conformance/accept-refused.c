/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * accept(2) fails. What is one client's costs nothing; what is not has the listener rest,
 * longer and longer, and clients are served as soon as it works again.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/conformance/limits.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"

enum { SLOT_ERROR, SLOT_TIMES, SLOT_CALLS, SLOT_LINES, SLOT_ONLY_4 };
enum { FIRST_REST_MS = 100, FOR_GOOD = 1 << 30 };

/* What the test has accept(2) answer: an errno, for so many calls. */
static int64_t refusal(void)
{
	struct server_shared *shared = the_server ? the_server->shared : NULL;

	if (!shared)
		return 0;
	shared->slot[SLOT_CALLS]++;
	if (!shared->slot[SLOT_ERROR] || !shared->slot[SLOT_TIMES])
		return 0;
	shared->slot[SLOT_TIMES]--;
	return shared->slot[SLOT_ERROR];
}

/* In place of the C library's, for the library too. */
#define IN_PLACE __attribute__((visibility("default")))

IN_PLACE int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	int64_t error = refusal();

	if (error) {
		errno = (int)error;
		return -1;
	}
	return (int)syscall(SYS_accept4, fd, address, len, flags);
}

IN_PLACE int accept(int fd, struct sockaddr *address, socklen_t *len)
{
	int64_t error = the_server && the_server->shared->slot[SLOT_ONLY_4] ? 0 : refusal();

	if (error) {
		errno = (int)error;
		return -1;
	}
	return (int)syscall(SYS_accept4, fd, address, len, 0);
}

static void on_log(int priority, const char *text, void *data)
{
	struct server *sv = data;

	if (strstr(text, "cannot accept"))
		sv->shared->slot[SLOT_LINES]++;
}

static void prepare_log(struct server *sv)
{
	qbipc_log_hook_set(on_log, sv);
}

static struct host *start(int variant)
{
	return host_start(
		&(struct server_spec){ VARIANT_SPEC(variant), .prepare = prepare_log });
}

static void refuse(struct host *h, int error, int64_t times)
{
	h->shared->slot[SLOT_TIMES] = times;
	h->shared->slot[SLOT_ERROR] = error;
}

/* Of ourselves, of the listening socket, of a policy. */
static const int not_one_clients[] = {
	EACCES, EPERM,	   ENOSYS,   EINVAL, EBADF,  ENOTSOCK, EOPNOTSUPP, EFAULT,
	EIO,	ETIMEDOUT, ENETDOWN, EMFILE, ENFILE, ENOBUFS,  ENOMEM,
};
enum { NOT_ONE_CLIENTS = sizeof(not_one_clients) / sizeof(not_one_clients[0]) };

/* An error each, on one transport after the other: accepting is before any of them. */
#define VARIANT_OF(i) ((i) % transport_count)

START_TEST(refusal_of_accept_has_the_listener_rest_until_it_is_over)
{
	struct host *h = start(VARIANT_OF(_i));
	qb_ipcc_connection_t *c = client_connect(h->name, 0), *waiting;
	int64_t before;
	int fd = -1;
	uint64_t begin;

	/* Its second stream, if it has one, came before this was answered. */
	client_echo(c, 100);
	refuse(h, not_one_clients[_i], FOR_GOOD);
	before = host_slot(h, SLOT_CALLS);
	begin = now_ms();
	waiting = qb_ipcc_connect_async(h->name, 0, &fd);
	ck_assert_ptr_nonnull(waiting);
	WAIT_FOR(host_refusals(h).listener_rests >= 3);
	/* The second one takes twice as long as the first. */
	ck_assert_uint_ge(now_ms() - begin, 3 * FIRST_REST_MS);
	/* A few calls each time, for a shortage is fought. */
	ck_assert_int_le(host_slot(h, SLOT_CALLS) - before,
			 4 * (int64_t)host_refusals(h).listener_rests);
	ck_assert_int_eq(host_slot(h, SLOT_LINES), 1);
	client_echo(c, 100);
	refuse(h, 0, 0);
	ck_assert(fd_readable_within(fd, deadline_ms()));
	ck_assert_int_eq(qb_ipcc_connect_continue(waiting), 0);
	client_echo(waiting, 100);
	qb_ipcc_disconnect(waiting);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(what_is_one_clients_delays_nobody)
{
	static const int one_clients[] = { EINTR, ECONNABORTED, EPROTO };
	struct host *h = start(_i);

	for (size_t k = 0; k < sizeof(one_clients) / sizeof(one_clients[0]); k++) {
		qb_ipcc_connection_t *c;

		refuse(h, one_clients[k], 3);
		c = client_connect(h->name, 0);
		client_echo(c, 100);
		qb_ipcc_disconnect(c);
		ck_assert_int_eq(host_slot(h, SLOT_TIMES), 0);
	}
	ck_assert_uint_eq(host_refusals(h).listener_rests, 0);
	host_stop(h);
}
END_TEST

START_TEST(where_accept4_is_refused_accept_does)
{
	static const int refused[] = { EPERM, ENOSYS };
	struct host *h = start(_i);

	h->shared->slot[SLOT_ONLY_4] = 1;
	for (size_t k = 0; k < sizeof(refused) / sizeof(refused[0]); k++) {
		qb_ipcc_connection_t *c;

		refuse(h, refused[k], FOR_GOOD);
		c = client_connect(h->name, 0);
		client_echo(c, 100);
		qb_ipcc_disconnect(c);
	}
	ck_assert_uint_eq(host_refusals(h).listener_rests, 0);
	host_stop(h);
}
END_TEST

/* Somebody who has the socket too, a child or who passed it, may shut it down. */
static int64_t remote_shut_down_listener(struct server *sv, const int64_t *args)
{
	int value, shut = 0;

	for (int fd = 0; fd < 64; fd++) {
		socklen_t len = sizeof(value);

		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &len) == 0 && value)
			shut += shutdown(fd, SHUT_RDWR) == 0;
	}
	return shut;
}

START_TEST(listener_that_was_shut_down_does_not_spin)
{
	struct host *h = start(_i);
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	int64_t before;

	/* As above. */
	client_echo(c, 100);
	before = host_slot(h, SLOT_CALLS);
	ck_assert_int_eq(host_call(h, remote_shut_down_listener), 1);
	WAIT_FOR(host_refusals(h).listener_rests >= 3);
	ck_assert_int_le(host_slot(h, SLOT_CALLS) - before,
			 2 * (int64_t)host_refusals(h).listener_rests);
	client_echo(c, 100);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(service_that_rests_runs_and_is_destroyed_like_any_other)
{
	struct host *h = start(_i);
	qb_ipcc_connection_t *waiting;
	int fd = -1;

	refuse(h, EACCES, FOR_GOOD);
	waiting = qb_ipcc_connect_async(h->name, 0, &fd);
	ck_assert_ptr_nonnull(waiting);
	WAIT_FOR(host_refusals(h).listener_rests >= 1);
	host_call(h, remote_destroy);
	ck_assert_int_eq(host_call(h, remote_adapter_counts), 0);
	ck_assert(fd_readable_within(fd, deadline_ms()));
	ck_assert_int_lt(qb_ipcc_connect_continue(waiting), 0);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("refusals of accept");
	TCase *tc = tcase_new(s, "accept");

	tcase_add_loop_test(tc, refusal_of_accept_has_the_listener_rest_until_it_is_over, 0,
			    NOT_ONE_CLIENTS);
	add_variant_test(tc, what_is_one_clients_delays_nobody);
	add_transport_test(tc, where_accept4_is_refused_accept_does);
	add_variant_test(tc, listener_that_was_shut_down_does_not_spin);
	add_variant_test(tc, service_that_rests_runs_and_is_destroyed_like_any_other);
	return suite_main(s);
}
