/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads that are cancelled while they send, or that end inside a callback: everybody
 * else is served as before.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

enum { ROUNDS = 30, WORKING_NS = 3000000, EVENTS_ID = 77 };
enum { MSG_CANCEL = 50 };

static void *send_for_ever(void *data)
{
	struct qb_ipc_response_header event = { .id = EVENTS_ID, .size = sizeof(event) };

	for (;;)
		(void)qb_ipcs_event_send(data, &event, sizeof(event));
	return NULL;
}

/* Start a sender, let it work, cancel it, send oneself. The last result. */
static int64_t sender_cancel(qb_ipcs_connection_t *c)
{
	static const struct timespec working = { .tv_nsec = WORKING_NS };
	struct qb_ipc_response_header event = { .id = EVENTS_ID, .size = sizeof(event) };
	pthread_t thread;

	if (pthread_create(&thread, NULL, send_for_ever, c) != 0)
		return -1;
	nanosleep(&working, NULL);
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	return qb_ipcs_event_send(c, &event, sizeof(event));
}

static int32_t cancel_then_answer(struct server *sv, qb_ipcs_connection_t *c, void *data,
				  size_t size)
{
	const struct qb_ipc_request_header *h = data;
	int64_t r = sender_cancel(c);

	SERVER_REQUIRE(sv, r == sizeof(struct qb_ipc_response_header) || r == -EAGAIN);
	return h->id == MSG_CANCEL ? server_answer(sv, c, data, size) : 0;
}

static void *read_events(void *data)
{
	struct qb_ipc_response_header event;

	while (qb_ipcc_event_recv(data, &event, sizeof(event), 10000) == sizeof(event))
		if (event.id != EVENTS_ID)
			break;
	return NULL;
}

START_TEST(sender_that_is_cancelled_leaves_no_lock_behind)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true,
							   .msg = cancel_then_answer });
	qb_ipcc_connection_t *c = client_connect(h->name, 0), *other;
	struct request *r = request_new(MSG_CANCEL, 200);
	char answer[300];
	pthread_t reader;

	ck_assert_int_eq(pthread_create(&reader, NULL, read_events, c), 0);
	for (int k = 0; k < ROUNDS; k++) {
		struct iovec iov = { r, 200 };

		ck_assert_int_gt(qb_ipcc_sendv_recv(c, &iov, 1, answer, sizeof(answer),
						    deadline_ms()),
				 0);
	}
	other = client_connect(h->name, 0);
	ck_assert_int_gt(qb_ipcc_sendv_recv(other, &(struct iovec){ r, 200 }, 1, answer,
					    sizeof(answer), deadline_ms()),
			 0);
	host_call(h, remote_disconnect, 1);
	ck_assert_int_eq(pthread_join(reader, NULL), 0);
	qb_ipcc_disconnect(other);
	qb_ipcc_disconnect(c);
	free(r);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cancellation");
	TCase *tc = tcase_new(s, "senders");

	add_transport_test(tc, sender_that_is_cancelled_leaves_no_lock_behind);
	return suite_main(s);
}
