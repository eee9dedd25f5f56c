/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events: each one announced, none lost, none merged, between the two libraries. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/compat/cell.h"
#include "tests/lib/deadline.h"
#include "tests/lib/message.h"

enum { MANY = 20000 };

static char buffer[COMPAT_EVENT_MAX] __attribute__((aligned(8)));

/* What came is @id, of @size bytes in all. */
static void must_be(ssize_t got, int32_t id, size_t size)
{
	const struct response *r = (void *)buffer;

	ck_assert_int_eq(got, (ssize_t)size);
	ck_assert_int_eq(r->hdr.id, id);
	ck_assert_int_eq(r->hdr.size, (int32_t)size);
	ck_assert(pattern_matches(r->body, size - sizeof(r->hdr), (uint32_t)id));
}

static void recv_event(qb_ipcc_connection_t *c, int32_t id, size_t size)
{
	must_be(qb_ipcc_event_recv(c, buffer, sizeof(buffer), deadline_ms()), id, size);
}

START_TEST(twenty_thousand_events_with_one_read_per_readiness_report)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);
	int fd = client_fd(c);

	peer_tell(s, "pump %d 48", MANY);
	for (int32_t id = 0; id < MANY; id++) {
		ck_assert_msg(fd_readable_within(fd, deadline_ms()),
			      "no report for event %d; the server: %s", id,
			      peer_tell(s, "pumped"));
		recv_event(c, id, 48);
	}
	ck_assert(!fd_readable_within(fd, 0));
	echo(c, 64);
	qb_ipcc_disconnect(c);
	peer_stop(s);
}
END_TEST

START_TEST(events_read_several_per_report_until_eagain)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);
	int fd = client_fd(c);
	int32_t id = 0;

	peer_tell(s, "pump 3000 100");
	while (id < 3000) {
		ssize_t n = 0;

		ck_assert(fd_readable_within(fd, deadline_ms()));
		for (int k = 0; k < 10 && n >= 0; k++) {
			n = qb_ipcc_event_recv(c, buffer, sizeof(buffer), 0);
			if (n >= 0)
				must_be(n, id++, 100);
			else
				ck_assert_int_eq(n, -EAGAIN);
		}
	}
	ck_assert_int_eq(qb_ipcc_event_recv(c, buffer, sizeof(buffer), 0), -EAGAIN);
	qb_ipcc_disconnect(c);
	peer_stop(s);
}
END_TEST

START_TEST(bursts_up_to_eagain_arrive_whole)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);

	for (int32_t round = 0; round < 20; round++) {
		int32_t first = round * 1000;
		int accepted = 0, last = 0;

		ck_assert_int_eq(sscanf(peer_tell(s, "burst %d 900 %d", first, 50 + round * 40),
					"%d %d", &accepted, &last),
				 2);
		ck_assert_int_ge(accepted, 1);
		if (accepted < 900)
			ck_assert_int_eq(last, -EAGAIN);
		for (int32_t id = first; id < first + accepted; id++)
			recv_event(c, id, (size_t)(50 + round * 40));
		ck_assert(!fd_readable_within(client_fd(c), 0));
	}
	qb_ipcc_disconnect(c);
	peer_stop(s);
}
END_TEST

START_TEST(events_of_every_size_arrive)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);
	int32_t most = qb_ipcc_get_buffer_size(c), id = 0;

	for (int32_t size = 24; size <= most; size += 333, id++) {
		peer_tell(s, "burst %d 1 %d", id, size);
		recv_event(c, id, (size_t)size);
	}
	peer_tell(s, "burst %d 1 %d", id, most);
	recv_event(c, id, (size_t)most);
	ck_assert_str_eq(peer_tell(s, "burst 1 1 %d", most + 1), "0 -90");
	qb_ipcc_disconnect(c);
	peer_stop(s);
}
END_TEST

START_TEST(events_sent_inside_created_arrive)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c;

	peer_tell(s, "early 5");
	c = client_connect(s->name, 0);
	for (int32_t id = 0; id < 5; id++)
		recv_event(c, id, COMPAT_EARLY_SIZE);
	echo(c, 64);
	qb_ipcc_disconnect(c);
	peer_expect(s, "accept created closed destroyed");
	peer_stop(s);
}
END_TEST

/* libqb waits inside for the client; ours keeps them. */
START_TEST(responses_sent_inside_created_arrive)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c;

	peer_tell(s, "respond-early 5");
	c = client_connect(s->name, 0);
	for (int32_t id = 0; id < 5; id++)
		must_be(qb_ipcc_recv(c, buffer, sizeof(buffer), deadline_ms()), id,
			COMPAT_EARLY_SIZE);
	echo(c, 64);
	qb_ipcc_disconnect(c);
	peer_expect(s, "accept created closed destroyed");
	peer_stop(s);
}
END_TEST

START_TEST(events_and_responses_do_not_mix)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);

	for (int n = 0; n < 500; n++) {
		client_send_patiently(c, COMPAT_EVENT, 80);
		client_send_patiently(c, 100, 90);
		client_must_recv(c, 100, 90);
		client_must_recv_event(c, COMPAT_EVENT, 80);
	}
	qb_ipcc_disconnect(c);
	peer_stop(s);
}
END_TEST

START_TEST(events_are_sent_again_inside_a_callback_until_there_is_room)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, COMPAT_STRESS_LARGE);

	client_must_send(c, COMPAT_STRESS, sizeof(struct qb_ipc_request_header));
	client_must_recv(c, COMPAT_STRESS, sizeof(struct qb_ipc_request_header));
	for (int32_t id = 0; id < COMPAT_STRESS_EVENTS; id++) {
		ck_assert_msg(fd_readable_within(client_fd(c), deadline_ms()),
			      "no report for event %d of %d", id, COMPAT_STRESS_EVENTS);
		recv_event(c, id, COMPAT_STRESS_SIZE(id));
	}
	peer_expect(s, "accept created");
	qb_ipcc_disconnect(c);
	peer_stop(s);
}
END_TEST

START_TEST(event_recv_of_nothing_is_eagain)
{
	struct peer *s = peer_start(_i, NULL);
	qb_ipcc_connection_t *c = connect_to(s, 0);

	ck_assert_int_eq(qb_ipcc_event_recv(c, buffer, sizeof(buffer), 0), -EAGAIN);
	ck_assert_int_eq(qb_ipcc_event_recv(c, buffer, sizeof(buffer), 20), -EAGAIN);
	qb_ipcc_disconnect(c);
	peer_stop(s);
}
END_TEST

void add_event_tests(TCase *tc, int cell)
{
	add_cell_test(tc, twenty_thousand_events_with_one_read_per_readiness_report, cell);
	add_cell_test(tc, events_read_several_per_report_until_eagain, cell);
	add_cell_test(tc, bursts_up_to_eagain_arrive_whole, cell);
	add_cell_test(tc, events_of_every_size_arrive, cell);
	add_cell_test(tc, events_sent_inside_created_arrive, cell);
	add_cell_test(tc, responses_sent_inside_created_arrive, cell);
	add_cell_test(tc, events_and_responses_do_not_mix, cell);
	add_cell_test(tc, events_are_sent_again_inside_a_callback_until_there_is_room, cell);
	add_cell_test(tc, event_recv_of_nothing_is_eagain, cell);
}
