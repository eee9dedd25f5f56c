/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What known users take for granted around their calls: order between the channels, time,
 * identity of connections, and who may write to what. See docs/assumptions.md.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

enum { CALLS = 200, CLIENTS = 20, PIECES = 4 };

/* An event, and then the response. */
static int32_t msg_event_first(struct server *sv, qb_ipcs_connection_t *c, void *data,
			       size_t size)
{
	const struct request *r = data;
	int64_t args[CALL_ARGS] = { server_number(sv, c), (int64_t)size, r->hdr.id };

	SERVER_REQUIRE(sv, remote_event(sv, args) > 0);
	SERVER_REQUIRE(sv, remote_response(sv, args) > 0);
	return 0;
}

/* libcpg's join: what the call brought about is announced when the call returns. */
START_TEST(event_sent_before_the_response_is_there_with_it)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true,
							   .msg = msg_event_first });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	char buf[400] __attribute__((aligned(8)));

	for (int32_t id = 100; id < 100 + CALLS; id++) {
		client_must_send(c, id, 100);
		client_must_recv(c, id, 100);
		ck_assert(fd_readable_within(client_fd(c), 0));
		response_check((void *)buf, qb_ipcc_event_recv(c, buf, sizeof(buf), 0), id,
			       100);
		ck_assert_int_eq(qb_ipcc_event_recv(c, buf, sizeof(buf), 0), -EAGAIN);
	}
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* Pacemaker empties its tables of clients after this call. */
START_TEST(every_connection_is_closed_when_destroy_returns)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	qb_ipcc_connection_t *c[3];

	for (int k = 0; k < 3; k++)
		c[k] = client_connect(h->name, 0);
	for (int k = 0; k < 3; k++)
		client_echo(c[k], 64);
	host_call(h, remote_destroy);
	ck_assert_ptr_nonnull(strstr(host_trace(h), "closed:1"));
	ck_assert_ptr_nonnull(strstr(host_trace(h), "closed:2"));
	ck_assert_ptr_nonnull(strstr(host_trace(h), "closed:3"));
	for (int k = 0; k < 3; k++)
		qb_ipcc_disconnect(c[k]);
	host_stop(h);
}
END_TEST

/* What a connection was, by its pointer, as in a table with pointers as keys. */
static struct {
	qb_ipcs_connection_t *c;
	bool lives;
} known[2 * CLIENTS];

static int32_t accept_is_a_new_one(struct server *sv, qb_ipcs_connection_t *c, uid_t uid,
				   gid_t gid)
{
	int n = sv->accepted - 1;

	for (int k = 0; k < n; k++)
		SERVER_REQUIRE(sv, !known[k].lives || known[k].c != c);
	known[n].c = c;
	known[n].lives = true;
	return 0;
}

static void destroyed_is_a_known_one(struct server *sv, qb_ipcs_connection_t *c)
{
	int n = server_number(sv, c) - 1;

	SERVER_REQUIRE(sv, known[n].lives && known[n].c == c);
	known[n].lives = false;
}

/* corosync's stats.ipcs and Pacemaker's tables name clients by the address. */
START_TEST(pointer_of_a_connection_is_its_own_until_destroyed)
{
	struct host *h = host_start(&(struct server_spec){
		VARIANT_SPEC(_i), .quiet = true, .accept = accept_is_a_new_one,
		.destroyed = destroyed_is_a_known_one });
	qb_ipcc_connection_t *c[CLIENTS];

	for (int k = 0; k < CLIENTS; k++)
		c[k] = client_connect(h->name, 0);
	/* Every other one is replaced; the first of them is referenced beyond its end. */
	host_call(h, remote_ref, 1);
	for (int k = 0; k < CLIENTS; k += 2) {
		qb_ipcc_disconnect(c[k]);
		c[k] = client_connect(h->name, 0);
		client_echo(c[k], 64);
	}
	host_call(h, remote_unref, 1);
	for (int k = 0; k < CLIENTS; k++)
		qb_ipcc_disconnect(c[k]);
	host_await_trace(h, "destroyed:30");
	host_stop(h);
}
END_TEST

static void pieces_of(struct request *r, size_t size, struct iovec iov[PIECES])
{
	iov[0] = (struct iovec){ &r->hdr, sizeof(r->hdr) };
	iov[1] = (struct iovec){ NULL, 0 };
	iov[2] = (struct iovec){ r->body, 10 };
	iov[3] = (struct iovec){ r->body + 10, size - sizeof(r->hdr) - 10 };
}

/* All of them try again with the vector that they have. */
START_TEST(vector_of_a_request_is_left_as_it_was)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	struct request *r = request_new(300, 3000);
	struct iovec iov[PIECES], before[PIECES];
	char buf[4000] __attribute__((aligned(8)));
	int sent = 0;

	pieces_of(r, 3000, iov);
	memcpy(before, iov, sizeof(iov));
	host_freeze(h);
	while (qb_ipcc_sendv(c, iov, PIECES) == 3000) {
		ck_assert_int_eq(memcmp(iov, before, sizeof(iov)), 0);
		sent++;
	}
	ck_assert_int_eq(memcmp(iov, before, sizeof(iov)), 0);
	host_thaw(h);
	for (; sent > 0; sent--)
		client_must_recv(c, 300, 3000);
	response_check((void *)buf,
		       qb_ipcc_sendv_recv(c, iov, PIECES, buf, sizeof(buf), deadline_ms()), 300,
		       3000);
	ck_assert_int_eq(memcmp(iov, before, sizeof(iov)), 0);
	free(r);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

/* { connection }: events until there is no room, all from one vector. */
static int64_t events_from_one_vector(struct server *sv, const int64_t *args)
{
	qb_ipcs_connection_t *c = server_connection(sv, (int)args[0]);
	struct qb_ipc_response_header hdr = { .id = 7, .size = 100 };
	char body[76] = "text";
	struct iovec iov[3] = { { &hdr, sizeof(hdr) }, { NULL, 0 }, { body, sizeof(body) } };
	struct iovec before[3];
	int64_t n = 0;

	memcpy(before, iov, sizeof(iov));
	hdr.size = sizeof(hdr) + sizeof(body);
	while (qb_ipcs_event_sendv(c, iov, 3) == hdr.size) {
		SERVER_REQUIRE(sv, !memcmp(iov, before, sizeof(iov)));
		n++;
	}
	SERVER_REQUIRE(sv, !memcmp(iov, before, sizeof(iov)));
	return n;
}

START_TEST(vector_of_an_event_is_left_as_it_was)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	char buf[200] __attribute__((aligned(8)));
	int64_t n;

	client_echo(c, 64);
	n = host_call(h, events_from_one_vector, 1);
	ck_assert_int_gt(n, 0);
	for (; n > 0; n--)
		ck_assert_int_gt(qb_ipcc_event_recv(c, buf, sizeof(buf), deadline_ms()), 0);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("users: habits");
	TCase *tc = tcase_new(s, "order, time, identity");

	add_variant_test(tc, event_sent_before_the_response_is_there_with_it);
	add_variant_test(tc, every_connection_is_closed_when_destroy_returns);
	add_variant_test(tc, pointer_of_a_connection_is_its_own_until_destroyed);

	tc = tcase_new(s, "memory");
	add_transport_test(tc, vector_of_a_request_is_left_as_it_was);
	add_transport_test(tc, vector_of_an_event_is_left_as_it_was);
	return suite_main(s);
}
