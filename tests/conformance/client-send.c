/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the client's send and sendv return. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/session.h"
#include "tests/lib/variant.h"

START_TEST(send_returns_the_bytes_sent)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start(_i, &c);

	ck_assert_int_eq(client_send(c, MSG_ECHO, 16), 16);
	client_must_recv(c, MSG_ECHO, 16);
	ck_assert_int_eq(client_send(c, MSG_ECHO, 777), 777);
	client_must_recv(c, MSG_ECHO, 777);
	session_stop(h, c);
}
END_TEST

START_TEST(send_of_the_buffer_size_works_and_one_byte_more_is_emsgsize)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start(_i, &c);
	size_t most = (size_t)qb_ipcc_get_buffer_size(c);

	ck_assert_int_eq(client_send(c, MSG_SILENT, most), (ssize_t)most);
	ck_assert_int_eq(client_send(c, MSG_SILENT, most + 1), -EMSGSIZE);
	ck_assert_int_eq(client_send(c, MSG_SILENT, 10 * most), -EMSGSIZE);
	client_echo(c, 64);
	session_stop(h, c);
}
END_TEST

START_TEST(send_on_no_connection_is_einval)
{
	struct qb_ipc_request_header hdr = { .id = 1, .size = sizeof(hdr) };
	struct iovec iov = { &hdr, sizeof(hdr) };
	char buf[64];

	ck_assert_int_eq(qb_ipcc_send(NULL, &hdr, sizeof(hdr)), -EINVAL);
	ck_assert_int_eq(qb_ipcc_sendv(NULL, &iov, 1), -EINVAL);
	ck_assert_int_eq(qb_ipcc_sendv_recv(NULL, &iov, 1, buf, sizeof(buf), 0), -EINVAL);
}
END_TEST

START_TEST(send_to_a_disconnected_client_is_enotconn)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start(_i, &c);

	host_call(h, remote_disconnect, 1);
	WAIT_FOR(client_send(c, MSG_ECHO, 64) == -ENOTCONN);
	ck_assert_int_eq(client_send(c, MSG_ECHO, 64), -ENOTCONN);
	session_stop(h, c);
}
END_TEST

START_TEST(send_after_the_server_was_killed_is_enotconn)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start(_i, &c);

	host_kill(h);
	ck_assert_int_eq(client_send(c, MSG_ECHO, 64), -ENOTCONN);
	ck_assert_int_eq(client_send(c, MSG_ECHO, 64), -ENOTCONN);
	session_stop(h, c);
}
END_TEST

START_TEST(send_without_room_is_eagain_until_the_server_takes_something)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = server_answer });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	int sent = 0;
	ssize_t n;

	host_freeze(h);
	while ((n = client_send(c, MSG_ECHO, 1000)) == 1000)
		sent++;
	ck_assert_int_eq(n, -EAGAIN);
	ck_assert_int_eq(client_send(c, MSG_ECHO, 1000), -EAGAIN);
	ck_assert_int_ge(sent, 1);
	host_thaw(h);
	for (int k = 0; k < sent; k++)
		client_must_recv(c, MSG_ECHO, 1000);
	client_echo(c, 1000);
	session_stop(h, c);
}
END_TEST

/* A request of @entries vectors whose body is a pattern; empty ones in between. */
static size_t vector_fill(struct iovec *iov, int entries, struct request *r)
{
	size_t body = 0;

	iov[0] = (struct iovec){ &r->hdr, sizeof(r->hdr) };
	for (int k = 1; k < entries; k++) {
		iov[k] = (struct iovec){ NULL, 0 };
		if (k % 4 == 2)
			continue;
		iov[k] = (struct iovec){ r->body + body, (size_t)(k % 9) };
		body += (size_t)(k % 9);
	}
	r->hdr.size = (int32_t)(sizeof(r->hdr) + body);
	return (size_t)r->hdr.size;
}

static void check_vector(int i, int entries)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start(i, &c);
	struct request *r = request_new(MSG_ECHO, 9000);
	struct iovec *iov = calloc((size_t)entries, sizeof(*iov));
	size_t size;

	ck_assert_ptr_nonnull(iov);
	size = vector_fill(iov, entries, r);
	ck_assert_int_eq(qb_ipcc_sendv(c, iov, (size_t)entries), (ssize_t)size);
	client_must_recv(c, MSG_ECHO, size);
	free(iov);
	free(r);
	session_stop(h, c);
}

START_TEST(vector_of_the_header_alone_works)
{
	check_vector(_i, 1);
}
END_TEST

START_TEST(vector_may_hold_null_entries)
{
	check_vector(_i, 20);
}
END_TEST

START_TEST(vector_may_have_65_entries)
{
	check_vector(_i, 65);
}
END_TEST

START_TEST(vector_may_have_as_many_entries_as_iov_max)
{
	check_vector(_i, IOV_MAX);
}
END_TEST

/* More than one system call takes. */
START_TEST(vector_may_have_more_entries_than_iov_max)
{
	check_vector(_i, IOV_MAX + 1);
	check_vector(_i, 2 * IOV_MAX);
}
END_TEST

START_TEST(vector_whose_sum_is_above_the_buffer_size_is_emsgsize)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start(_i, &c);
	static char block[6000];
	struct qb_ipc_request_header hdr = { .id = MSG_ECHO, .size = 18016 };
	struct iovec iov[4] = { { &hdr, sizeof(hdr) },
				{ block, sizeof(block) },
				{ block, sizeof(block) },
				{ block, sizeof(block) } };

	ck_assert_int_eq(qb_ipcc_sendv(c, iov, 4), -EMSGSIZE);
	client_echo(c, 64);
	session_stop(h, c);
}
END_TEST

START_TEST(header_split_over_two_entries_is_put_together)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start(_i, &c);
	struct request *r = request_new(MSG_ECHO, 100);
	struct iovec iov[3] = { { r, 5 }, { (char *)r + 5, 20 }, { (char *)r + 25, 75 } };

	ck_assert_int_eq(qb_ipcc_sendv(c, iov, 3), 100);
	client_must_recv(c, MSG_ECHO, 100);
	free(r);
	session_stop(h, c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("client send");
	TCase *tc = tcase_new(s, "results");

	add_variant_test(tc, send_returns_the_bytes_sent);
	add_transport_test(tc, send_of_the_buffer_size_works_and_one_byte_more_is_emsgsize);
	tcase_add_test(tc, send_on_no_connection_is_einval);
	add_transport_test(tc, send_to_a_disconnected_client_is_enotconn);
	add_transport_test(tc, send_after_the_server_was_killed_is_enotconn);
	add_variant_test(tc, send_without_room_is_eagain_until_the_server_takes_something);

	tc = tcase_new(s, "vectors");
	add_transport_test(tc, vector_of_the_header_alone_works);
	add_transport_test(tc, vector_may_hold_null_entries);
	add_transport_test(tc, vector_may_have_65_entries);
	add_transport_test(tc, vector_may_have_as_many_entries_as_iov_max);
	add_transport_test(tc, vector_may_have_more_entries_than_iov_max);
	add_transport_test(tc, vector_whose_sum_is_above_the_buffer_size_is_emsgsize);
	add_transport_test(tc, header_split_over_two_entries_is_put_together);
	return suite_main(s);
}
