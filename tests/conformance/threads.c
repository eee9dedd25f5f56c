/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several threads on one client connection: senders and a receiver at the same time. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

enum {
	COUNT = 3000,
	SENDERS = 3,
	EACH = 1000,
	ID_PER_SENDER = 100000,
};

struct sender {
	pthread_t thread;
	qb_ipcc_connection_t *c;
	int32_t first;
	int32_t count;
	const char *failure;
};

static size_t size_of(int32_t id)
{
	return 16 + (size_t)id % 900;
}

/* Failed assertions belong to the main thread: a sender leaves a word for it. */
static void *send_all(void *arg)
{
	struct sender *s = arg;

	for (int32_t id = s->first; id < s->first + s->count; id++) {
		uint64_t end = now_ms() + (uint64_t)deadline_ms();
		ssize_t n;

		while ((n = client_send(s->c, id, size_of(id))) == -EAGAIN) {
			if (now_ms() > end) {
				s->failure = "no room came";
				return NULL;
			}
			pause_briefly();
		}
		if (n != (ssize_t)size_of(id)) {
			s->failure = "send failed";
			return NULL;
		}
	}
	return NULL;
}

static void sender_start(struct sender *s, qb_ipcc_connection_t *c, int32_t first,
			 int32_t count)
{
	*s = (struct sender){ .c = c, .first = first, .count = count };
	ck_assert_int_eq(pthread_create(&s->thread, NULL, send_all, s), 0);
}

static void sender_join(struct sender *s)
{
	ck_assert_int_eq(pthread_join(s->thread, NULL), 0);
	ck_assert_msg(!s->failure, "sender of %d: %s", s->first, s->failure);
}

START_TEST(a_sender_and_a_receiver_of_responses_share_a_connection)
{
	struct host *h = host_start(
		&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true, .msg = server_answer });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	struct sender s;

	sender_start(&s, c, 0, COUNT);
	for (int32_t id = 0; id < COUNT; id++)
		client_must_recv(c, id, size_of(id));
	sender_join(&s);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(a_sender_and_a_receiver_of_events_share_a_connection)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true,
							   .msg = server_answer_by_event });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	struct sender s;

	sender_start(&s, c, 0, COUNT);
	for (int32_t id = 0; id < COUNT; id++)
		client_must_recv_event(c, id, size_of(id));
	sender_join(&s);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

START_TEST(several_senders_and_one_event_receiver_share_a_connection)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true,
							   .msg = server_answer_by_event });
	qb_ipcc_connection_t *c = client_connect(h->name, 0);
	struct response *r = malloc(2000);
	struct sender s[SENDERS];
	int32_t next[SENDERS];

	ck_assert_ptr_nonnull(r);
	for (int k = 0; k < SENDERS; k++) {
		next[k] = k * ID_PER_SENDER;
		sender_start(&s[k], c, next[k], EACH);
	}
	for (int n = 0; n < SENDERS * EACH; n++) {
		ssize_t size = qb_ipcc_event_recv(c, r, 2000, deadline_ms());
		int k;

		ck_assert_int_ge(size, (ssize_t)sizeof(r->hdr));
		k = r->hdr.id / ID_PER_SENDER;
		ck_assert_int_lt(k, SENDERS);
		response_check(r, size, next[k], size_of(next[k]));
		next[k]++;
	}
	for (int k = 0; k < SENDERS; k++)
		sender_join(&s[k]);
	ck_assert(!fd_readable_within(client_fd(c), 0));
	free(r);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

struct closer {
	qb_ipcc_connection_t *c;
	ssize_t result;
};

static void *wait_for_event(void *arg)
{
	struct closer *w = arg;
	char buf[64];

	w->result = qb_ipcc_event_recv(w->c, buf, sizeof(buf), -1);
	return NULL;
}

START_TEST(receiver_that_waits_for_ever_wakes_when_the_server_goes)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i) });
	struct closer w = { .c = client_connect(h->name, 0) };
	pthread_t thread;

	host_await_trace(h, "created:1");
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_event, &w), 0);
	host_kill(h);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(w.result, -ENOTCONN);
	qb_ipcc_disconnect(w.c);
	host_stop(h);
}
END_TEST

/* Goes by its own answers only, so any mix-up between connections shows. */
static void *echo_all(void *arg)
{
	struct sender *s = arg;
	char buf[2000] __attribute__((aligned(8)));

	for (int32_t id = s->first; id < s->first + s->count; id++) {
		struct request *r = request_new(id, size_of(id));
		struct iovec iov = { r, size_of(id) };
		struct response *answer = (void *)buf;
		ssize_t n = qb_ipcc_sendv_recv(s->c, &iov, 1, buf, sizeof(buf), -1);

		free(r);
		if (n != (ssize_t)size_of(id) + 8 || answer->hdr.id != id ||
		    !pattern_matches(answer->body, size_of(id) - 16, (uint32_t)id)) {
			s->failure = "the answer is not mine";
			return NULL;
		}
	}
	return NULL;
}

START_TEST(connections_of_different_threads_are_independent)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true });
	struct sender s[SENDERS];

	for (int k = 0; k < SENDERS; k++) {
		s[k] = (struct sender){ .c = client_connect(h->name, 0),
					.first = k * ID_PER_SENDER + 100,
					.count = EACH };
		ck_assert_int_eq(pthread_create(&s[k].thread, NULL, echo_all, &s[k]), 0);
	}
	for (int k = 0; k < SENDERS; k++) {
		sender_join(&s[k]);
		qb_ipcc_disconnect(s[k].c);
	}
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("threads");
	TCase *tc = tcase_new(s, "client");

	add_transport_test(tc, a_sender_and_a_receiver_of_responses_share_a_connection);
	add_transport_test(tc, a_sender_and_a_receiver_of_events_share_a_connection);
	add_transport_test(tc, several_senders_and_one_event_receiver_share_a_connection);
	add_transport_test(tc, receiver_that_waits_for_ever_wakes_when_the_server_goes);
	add_transport_test(tc, connections_of_different_threads_are_independent);
	return suite_main(s);
}
