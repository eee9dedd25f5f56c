/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A message of a size that was agreed and that the kernel may never take, as one datagram
 * of many MiB: it arrives, or the error does not say "again", and the connection goes on.
 */
#include <errno.h>
#include <stdlib.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

enum { MANY = 32 << 20 };

static const size_t sizes[] = { 200000, 2 << 20, 8 << 20, MANY - 4096 };

/* Room may have to be waited for, but not for ever. */
static bool is_sent(ssize_t n, size_t size)
{
	if (n == (ssize_t)size)
		return true;
	ck_assert_msg(n == -EMSGSIZE || n == -ENOBUFS, "%zu bytes: %zd", size, n);
	return false;
}

START_TEST(large_request_arrives_or_never_will)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true });
	qb_ipcc_connection_t *c = client_connect(h->name, MANY);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		(void)is_sent(client_send(c, MSG_SILENT, sizes[i]), sizes[i]);
		client_echo(c, 100);
	}
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

static void check_from_server(int i, remote_fn send, bool event)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(i), .quiet = true });
	qb_ipcc_connection_t *c = client_connect(h->name, MANY);
	char *buffer = malloc(MANY);

	ck_assert_ptr_nonnull(buffer);
	client_echo(c, 100);
	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		ssize_t n = (ssize_t)host_call(h, send, 1, (int64_t)sizes[k], 100);

		if (is_sent(n, sizes[k] + 8))
			ck_assert_int_eq(
				event ? qb_ipcc_event_recv(c, buffer, MANY, deadline_ms()) :
					qb_ipcc_recv(c, buffer, MANY, deadline_ms()),
				n);
		client_echo(c, 100);
	}
	free(buffer);
	qb_ipcc_disconnect(c);
	host_stop(h);
}

START_TEST(large_response_arrives_or_never_will)
{
	check_from_server(_i, remote_response, false);
}
END_TEST

START_TEST(large_event_arrives_or_never_will)
{
	check_from_server(_i, remote_event, true);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("never-sent");
	TCase *tc = tcase_new(s, "never-sent");

	add_transport_test(tc, large_request_arrives_or_never_will);
	add_transport_test(tc, large_response_arrives_or_never_will);
	add_transport_test(tc, large_event_arrives_or_never_will);
	return suite_main(s);
}
