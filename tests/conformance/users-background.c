/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Servers that go into the background, as by daemon(3), while a thread of theirs sends. */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <qb/qbipcs.h>

#include "tests/lib/deadline.h"
#include "tests/lib/message.h"
#include "tests/lib/remote.h"
#include "tests/lib/variant.h"

enum {
	ROUNDS = 20,
	SIZE = 100,	       /* of the equivalent request of each event */
	FIRST_BEFORE = 1000,   /* ids of events that the thread sends */
	FIRST_AFTER = 1000000, /* and of those that are sent in the background */
	AFTER = 50,
	SLOT_SENT = 0,
	SLOT_ALONE = 1,	 /* the first process sends no more */
	LARGE = 1 << 20, /* more than goes into a packet */
};

/* In the server. */
static atomic_bool sender_stops;
static pthread_t sender;

/*
 * While it sends, neither this nor the library allocates memory: the allocator of a sanitizer
 * does not watch for fork(2), and a lock of it that this thread had would stay locked in the
 * child.
 */
static void *send_events(void *arg)
{
	struct server *sv = arg;
	qb_ipcs_connection_t *c = server_connection(sv, 1);
	struct response *event = malloc(SIZE + 8);

	SERVER_REQUIRE(sv, event);
	event->hdr = (struct qb_ipc_response_header){ .id = FIRST_BEFORE, .size = SIZE + 8 };
	while (!atomic_load(&sender_stops)) {
		ssize_t n;

		pattern_fill(event->body, SIZE - 16, (uint32_t)event->hdr.id);
		n = qb_ipcs_event_send(c, event, SIZE + 8);
		if (n > 0) {
			event->hdr.id++;
			sv->shared->slot[SLOT_SENT]++;
		} else if (n != -EAGAIN) {
			break;
		}
	}
	free(event);
	return NULL;
}

static int64_t sender_start(struct server *sv, const int64_t *args)
{
	atomic_store(&sender_stops, false);
	return pthread_create(&sender, NULL, send_events, sv);
}

static int64_t wait_to_be_alone(struct server *sv)
{
	while (!atomic_load(&sv->shared->slot[SLOT_ALONE]))
		usleep(1000);
	return 0;
}

static int64_t end_in_favour_of(struct server *sv, pid_t pid)
{
	int status;

	atomic_store(&sv->shared->slot[SLOT_ALONE], 1);
	SERVER_REQUIRE_EQ(sv, waitpid(pid, &status, 0), pid);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE);
}

/* The one that goes on starts when the first has stopped to send, as after its _exit(). */
static int64_t go_into_the_background(struct server *sv, const int64_t *args)
{
	pid_t pid = fork();

	SERVER_REQUIRE(sv, pid >= 0);
	if (pid == 0)
		return wait_to_be_alone(sv);
	atomic_store(&sender_stops, true);
	pthread_join(sender, NULL);
	return end_in_favour_of(sv, pid);
}

/* What the first process sends after the fork, to a client that does not read, is large. */
static int64_t go_and_send_large(struct server *sv, const int64_t *args)
{
	int64_t event[CALL_ARGS] = { 1, LARGE, FIRST_BEFORE };
	pid_t pid = fork();

	SERVER_REQUIRE(sv, pid >= 0);
	if (pid == 0)
		return wait_to_be_alone(sv);
	for (; remote_event(sv, event) > 0; event[2]++)
		sv->shared->slot[SLOT_SENT]++;
	return end_in_favour_of(sv, pid);
}

/* A client that reads all the while. */
struct reader {
	qb_ipcc_connection_t *c;
	int32_t next;
	int after; /* events that came from the background */
	const char *failure;
};

static void event_check(struct reader *r, const struct response *e, ssize_t n)
{
	if (e->hdr.id >= FIRST_AFTER && r->next < FIRST_AFTER)
		r->next = FIRST_AFTER;
	if (n != SIZE + 8 || e->hdr.id != r->next ||
	    !pattern_matches(e->body, SIZE - 16, (uint32_t)e->hdr.id))
		r->failure = "not the next event";
	r->after += e->hdr.id >= FIRST_AFTER;
	r->next++;
}

static void *read_events(void *arg)
{
	struct reader *r = arg;
	char buf[400] __attribute__((aligned(8)));

	while (r->after < AFTER && !r->failure) {
		ssize_t n = qb_ipcc_event_recv(r->c, buf, sizeof(buf), deadline_ms());

		if (n < 0)
			r->failure =
				n == -EAGAIN ? "no event within the time" : "no connection";
		else
			event_check(r, (void *)buf, n);
	}
	return NULL;
}

static void send_from_the_background(struct host *h)
{
	int sent = 0;

	while (sent < AFTER)
		sent += (int)host_call(h, remote_events, 1, SIZE, FIRST_AFTER + sent,
				       AFTER - sent);
}

static void go_once(int i)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(i), .quiet = true });
	struct reader r = { .c = client_connect(h->name, 0), .next = FIRST_BEFORE };
	qb_ipcc_connection_t *c;
	pthread_t thread;

	client_echo(r.c, 64);
	ck_assert_int_eq(pthread_create(&thread, NULL, read_events, &r), 0);
	ck_assert_int_eq(host_call(h, sender_start), 0);
	WAIT_FOR(host_slot(h, SLOT_SENT) > 200);
	host_call(h, go_into_the_background);
	send_from_the_background(h);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_msg(!r.failure, "event %d: %s", r.next, r.failure);
	client_echo(r.c, 64);
	c = client_connect(h->name, 0);
	client_echo(c, 64);
	qb_ipcc_disconnect(c);
	qb_ipcc_disconnect(r.c);
	/* A thread that was in a call had a reference: that of the first process. */
	host_await_trace(h, "closed:1");
	host_stop(h);
}

START_TEST(service_goes_into_the_background_while_a_thread_sends_events)
{
	for (int n = 0; n < ROUNDS; n++)
		go_once(_i);
}
END_TEST

static bool large_message_is_in_pieces(int i)
{
	return variants[i].type == QB_IPC_SOCKET && !variants[i].libqb_wire;
}

/* All that is whole arrives; what is not ends this connection, and no other. */
START_TEST(large_events_of_the_first_process_are_whole_or_the_end)
{
	struct host *h = host_start(&(struct server_spec){ VARIANT_SPEC(_i), .quiet = true });
	qb_ipcc_connection_t *c = client_connect(h->name, LARGE + 4096);
	qb_ipcc_connection_t *other = client_connect(h->name, 0);
	struct response *event = malloc(LARGE + 4096);
	bool ends = large_message_is_in_pieces(_i);
	int64_t sent, n = 0;
	ssize_t size;

	client_echo(c, 64);
	host_call(h, go_and_send_large);
	sent = host_slot(h, SLOT_SENT);
	ck_assert_int_gt(sent, 0);
	if (ends)
		ck_assert_int_eq(host_call(h, remote_event, 1, SIZE, FIRST_AFTER), -ENOTCONN);
	client_echo(other, 64);
	while (n < sent) {
		size = qb_ipcc_event_recv(c, event, LARGE + 4096, deadline_ms());
		if (size < 0)
			break;
		ck_assert_int_eq(size, LARGE + 8);
		ck_assert_int_eq(event->hdr.id, FIRST_BEFORE + n++);
	}
	ck_assert_int_eq(n, ends ? sent - 1 : sent);
	if (ends) {
		ck_assert_int_eq(size, -ENOTCONN);
		host_await_trace(h, "closed:1");
	} else {
		ck_assert_int_gt(host_call(h, remote_event, 1, SIZE, FIRST_AFTER), 0);
		ck_assert_int_eq(qb_ipcc_event_recv(c, event, LARGE, deadline_ms()), SIZE + 8);
		client_echo(c, 64);
	}
	client_echo(other, 64);
	free(event);
	qb_ipcc_disconnect(other);
	qb_ipcc_disconnect(c);
	host_stop(h);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("users: into the background");
	TCase *tc = tcase_new(s, "sending");

	add_transport_test(tc, service_goes_into_the_background_while_a_thread_sends_events);
	add_transport_test(tc, large_events_of_the_first_process_are_whole_or_the_end);
	return suite_main(s);
}
