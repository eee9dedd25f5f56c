/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A side that is slower than the other: refused openly, nothing lost, nothing merged. */
#include <errno.h>
#include <stdlib.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/session.h"
#include "tests/lib/variant.h"

START_TEST(slow_event_reader_gets_every_accepted_event_in_order)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start(_i, &c);
	int32_t sent = 0, read = 0;

	for (int round = 0; round < 30; round++) {
		sent += (int32_t)host_call(h, remote_events, 1, 300, sent, 10000);
		ck_assert_int_eq(host_slot(h, 0), -EAGAIN);
		/* Never more than a few at a time, so that it stays nearly full. */
		for (int k = 0; k < 3 && read < sent; k++)
			client_must_recv_event(c, read++, 300);
	}
	while (read < sent)
		client_must_recv_event(c, read++, 300);
	ck_assert(!fd_readable_within(client_fd(c), 0));
	ck_assert_int_eq(host_call(h, remote_event, 1, 300, 1), 308);
	client_must_recv_event(c, 1, 300);
	session_stop(h, c);
}
END_TEST

START_TEST(one_readiness_report_per_event_is_enough_to_read_them_all)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start(_i, &c);
	int fd = client_fd(c);
	int32_t sent = 0, read = 0;

	while (sent < 2000) {
		int32_t n = (int32_t)host_call(h, remote_events, 1, 64, sent, 50);

		ck_assert_int_ge(n, 1);
		sent += n;
		while (read < sent) {
			ck_assert_msg(fd_readable_within(fd, deadline_ms()),
				      "no report for event %d of %d", read, sent);
			client_must_recv_event(c, read++, 64);
		}
		ck_assert(!fd_readable_within(fd, 0));
	}
	session_stop(h, c);
}
END_TEST

START_TEST(event_that_fills_everything_alone_is_accepted_when_all_is_read)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start(_i, &c);
	int64_t most = qb_ipcc_get_buffer_size(c) - 8;

	for (int32_t id = 0; id < 20; id++) {
		ck_assert_int_eq(host_call(h, remote_event, 1, most, id), most + 8);
		client_must_recv_event(c, id, (size_t)most);
	}
	session_stop(h, c);
}
END_TEST

START_TEST(client_that_never_reads_does_not_disturb_another)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start(_i, &c);
	qb_ipcc_connection_t *other = client_connect(h->name, 0);

	host_await_trace(h, "created:2");
	ck_assert_int_ge(host_call(h, remote_events, 1, 300, 0, 100000), 1);
	ck_assert_int_eq(host_slot(h, 0), -EAGAIN);
	for (int32_t id = 0; id < 200; id++) {
		client_echo(other, 200);
		ck_assert_int_eq(host_call(h, remote_event, 2, 300, id), 308);
		client_must_recv_event(other, id, 300);
	}
	qb_ipcc_disconnect(other);
	session_stop(h, c);
}
END_TEST

START_TEST(accepted_events_outlast_a_full_queue_and_a_hang_up_ends_them)
{
	qb_ipcc_connection_t *c;
	struct host *h = session_start(_i, &c);

	ck_assert_int_ge(host_call(h, remote_events, 1, 300, 0, 100000), 1);
	client_must_recv_event(c, 0, 300);
	qb_ipcc_disconnect(c);
	host_await_trace(h, "destroyed:1");
	host_stop(h);
}
END_TEST

START_TEST(requests_refused_for_lack_of_room_were_not_taken)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = server_answer });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	int32_t sent = 1000, answered = 1000;

	for (int round = 0; round < 10; round++) {
		ssize_t n;

		host_freeze(h);
		while ((n = client_send(c, sent, 150)) == 150)
			sent++;
		ck_assert_int_eq(n, -EAGAIN);
		host_thaw(h);
		/* The answers wait for us too: as many as were accepted, in order. */
		while (answered < sent)
			client_must_recv(c, answered++, 150);
	}
	session_stop(h, c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("backpressure");
	TCase *tc = tcase_new(s, "backpressure");

	add_variant_test(tc, slow_event_reader_gets_every_accepted_event_in_order);
	add_variant_test(tc, one_readiness_report_per_event_is_enough_to_read_them_all);
	add_transport_test(tc, event_that_fills_everything_alone_is_accepted_when_all_is_read);
	add_variant_test(tc, client_that_never_reads_does_not_disturb_another);
	add_variant_test(tc, accepted_events_outlast_a_full_queue_and_a_hang_up_ends_them);
	add_variant_test(tc, requests_refused_for_lack_of_room_were_not_taken);
	return suite_main(s);
}
