/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The wake-ups of native shared memory under chosen schedules. Both ends are compiled
 * here once more, with a hook before each access to shared memory and each system call
 * on a socket: there the other end may take some of its own steps. A pseudo-random
 * number decides how many, so that in thousands of rounds what real threads meet once in
 * a day is met many times, and each failure can be repeated.
 *
 * A producer's steps are the two of a real one: publish, and send the byte if it is to
 * ring. Once it has no steps left, whoever sleeps with a message queued sleeps for ever.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "base/foreign.h"
#include "base/socket.h"

static void others_act(void);
#define QBI_SHARED_HOOK(address, size) others_act()

static ssize_t hooked_recv(int fd, void *buf, size_t size, int flags);
static int hooked_poll(struct pollfd *p, nfds_t n, int timeout);
#define recv(...) hooked_recv(__VA_ARGS__)
#define poll(...) hooked_poll(__VA_ARGS__)
#define qbi_poll(...) hooked_poll(__VA_ARGS__)
#define qbi_poll_once(...) hooked_poll(__VA_ARGS__)
#define qbi_foreign_recv(...) hooked_recv(__VA_ARGS__)
#define qbi_socket_receive(fd, buf, size) hooked_recv(fd, buf, size, MSG_DONTWAIT)

#include "base/turn.c"
#include "ring/wakeup.c"
#include "ring/ring.c"
#include "ring/ring-pieces.c"
#include "ring/ring-places.c"
#include "ring/ring-resume.c"
#include "transport/native-shm-client-requests.c"
#include "transport/native-shm-client-responses.c"
#include "transport/native-shm-client-events.c"
#include "transport/native-shm-client.c"
#include "transport/native-shm-server-awake.c"
#include "transport/native-shm-server.c"

#undef recv
#undef qbi_socket_receive
#undef poll
#undef qbi_poll
#undef qbi_poll_once
#undef qbi_foreign_recv
#undef qbi_socket_receive

#include "tests/lib/census.h"
#include "tests/lib/deadline.h"
#include "tests/lib/variant.h"
#include "tests/unit/test-native-ends.h"

enum { NATIVE_SHM = 0, ROUNDS = 1500, MESSAGES = 5, STEPS_MAX = 100000, MOMENTS = 3 };

static struct native_ends e;

/* The producer of the round: a ring of one end and the socket on which it rings. */
static struct {
	struct qbi_ring *ring;
	int fd;
	uint32_t put, to_put;
	bool byte_due;		/* maybe still from the round before */
	unsigned int junk;	/* bytes that it may send for nothing */
	unsigned int readiness; /* acts in one of so many hooks; 0: at these moments */
	struct {
		unsigned int hook;
		unsigned int steps;
	} moments[MOMENTS];
	uint64_t random;
	bool acting;
	unsigned int hooks;
} other;

static jmp_buf asleep; /* a consumer that nobody will wake */

static void (*sleep_fn)(void);	  /* if set, what happens while a consumer sleeps */
static unsigned int system_calls; /* on sockets, of both ends but not of the test */

static unsigned int random_below(unsigned int n)
{
	other.random ^= other.random << 13;
	other.random ^= other.random >> 7;
	other.random ^= other.random << 17;
	return (unsigned int)(other.random >> 33) % n;
}

static void byte_send(void)
{
	ck_assert_int_eq(send(other.fd, "", 1, MSG_DONTWAIT), 1);
}

static bool step_take(void)
{
	struct qb_ipc_request_header hdr = { .id = (int32_t)other.put, .size = sizeof(hdr) };
	struct iovec iov = { &hdr, sizeof(hdr) };
	struct qbi_msg msg = { .iov = &iov, .n = 1, .size = sizeof(hdr) };

	if (other.byte_due) {
		byte_send();
		other.byte_due = false;
		return true;
	}
	if (other.junk && random_below(4) == 0) {
		other.junk--;
		byte_send();
		return true;
	}
	if (other.put == other.to_put)
		return false;
	ck_assert_int_eq(qbi_ring_put(other.ring, &msg, &other.byte_due), 0);
	other.put++;
	return true;
}

/* One step, if there is one left. Its own accesses are no place for further ones. */
static bool other_step(void)
{
	bool taken_one;

	other.acting = true;
	taken_one = step_take();
	other.acting = false;
	return taken_one;
}

static void others_act(void)
{
	if (other.acting || !other.ring)
		return;
	ck_assert_uint_lt(++other.hooks, STEPS_MAX);
	for (int i = 0; i < MOMENTS && !other.readiness; i++)
		for (unsigned int k = 0;
		     other.hooks == other.moments[i].hook && k < other.moments[i].steps; k++)
			(void)other_step();
	while (other.readiness && random_below(other.readiness) == 0 && other_step())
		;
}

static bool bytes_wait(int fd)
{
	int n = 0;

	return ioctl(fd, FIONREAD, &n) == 0 && n > 0;
}

/* The other goes on until it has done something for whoever sleeps. */
static void sleep_until_bytes(int fd)
{
	while (!bytes_wait(fd))
		if (sleep_fn)
			sleep_fn();
		else if (!other_step())
			longjmp(asleep, 1);
}

static ssize_t hooked_recv(int fd, void *buf, size_t size, int flags)
{
	system_calls++;
	others_act();
	if (!(flags & MSG_DONTWAIT))
		sleep_until_bytes(fd);
	return recv(fd, buf, size, flags);
}

static int hooked_poll(struct pollfd *p, nfds_t n, int timeout)
{
	system_calls++;
	others_act();
	if (timeout != 0 && (p->events & POLLIN))
		sleep_until_bytes(p->fd);
	return poll(p, n, 0);
}

static void round_begin(struct qbi_ring *ring, int fd, uint32_t round, unsigned int junk)
{
	other.ring = ring;
	other.fd = fd;
	other.to_put = other.put + MESSAGES;
	other.junk = junk;
	other.random = 88172645463325252ull * (round + 1);
	other.hooks = 0;
	other.readiness = round % 4 ? 0 : 1 + round / 4 % 7;
	for (int i = 0; i < MOMENTS; i++) {
		other.moments[i].hook = 1 + random_below(60);
		other.moments[i].steps = 1 + random_below(4);
	}
}

static struct qbi_native_shm_client *client(void)
{
	return e.client;
}

static struct qbi_native_shm_server *server(void)
{
	return e.server;
}

/* -- Events: an application that asks only when its descriptor is readable ------------ */

static uint32_t taken;

static int event_recv(void)
{
	struct qb_ipc_request_header hdr;
	size_t size;
	int r = e.cops->event_recv(e.client, &hdr, sizeof(hdr), 0, &size);

	if (r == 0)
		ck_assert_int_eq(hdr.id, (int32_t)taken++);
	return r;
}

/* The descriptor says what is true, and an event is got whenever it promises one. */
static void event_take_if_readable(uint32_t round)
{
	bool readable = bytes_wait(e.stream[1]);

	ck_assert_msg(!readable || other.put != taken, "round %u: readable without an event",
		      round);
	if (readable)
		ck_assert_msg(event_recv() == 0, "round %u: readable, but no event", round);
	else if (!other_step())
		ck_assert_msg(taken == other.to_put,
			      "round %u: an event is queued, nothing readable", round);
}

START_TEST(readable_iff_an_event_is_queued_whenever_the_server_acts)
{
	ends_open(&e, NATIVE_SHM);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		round_begin(&server()->event, e.stream[0], round, 0);
		while (taken != other.to_put) {
			/* Some ask also when it is not, and may get one. */
			if (round % 2 == 0 && random_below(2) == 0)
				(void)event_recv();
			others_act();
			event_take_if_readable(round);
		}
		ck_assert_msg(!bytes_wait(e.stream[1]), "round %u: readable at the end", round);
	}
	other.ring = NULL;
	ends_close(&e);
}
END_TEST

/* Every moment, in a few calls, at which the server may take a few steps at once. */
START_TEST(readable_iff_an_event_is_queued_though_the_server_acts_at_one_moment)
{
	uint32_t round = 0;

	ends_open(&e, NATIVE_SHM);
	for (int before = 0; before <= 4; before++)
		for (unsigned int steps = 1; steps <= 4; steps++)
			for (unsigned int hook = 1; hook <= 60; hook++, round++) {
				round_begin(&server()->event, e.stream[0], round, 0);
				other.readiness = 0;
				memset(other.moments, 0, sizeof(other.moments));
				other.moments[0].hook = hook;
				other.moments[0].steps = steps;
				for (int i = 0; i < before; i++)
					(void)other_step();
				(void)event_recv();
				(void)event_recv();
				while (taken != other.to_put)
					event_take_if_readable(round);
				ck_assert(!bytes_wait(e.stream[1]));
			}
	other.ring = NULL;
	ends_close(&e);
}
END_TEST

START_TEST(waiting_for_events_ends_with_each_of_them)
{
	struct qb_ipc_request_header hdr;
	size_t size;

	ends_open(&e, NATIVE_SHM);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		round_begin(&server()->event, e.stream[0], round, round % 3);
		if (setjmp(asleep))
			ck_abort_msg("round %u: sleeps while an event is queued", round);
		while (taken != other.to_put) {
			ck_assert_int_eq(e.cops->event_recv(e.client, &hdr, sizeof(hdr),
							    QBI_FOREVER, &size),
					 0);
			ck_assert_int_eq(hdr.id, (int32_t)taken++);
		}
		/* Or the stream would fill up with it over the rounds. */
		while (bytes_wait(e.stream[1]))
			ck_assert_int_eq(event_recv(), QBI_EMPTY);
	}
	other.ring = NULL;
	ends_close(&e);
}
END_TEST

/* -- Responses -------------------------------------------------------------------------- */

static void responses_rounds(unsigned int junk)
{
	struct qb_ipc_request_header hdr;
	size_t size;

	ends_open(&e, NATIVE_SHM);
	client()->busy_poll.setting = client()->busy_poll.longest = 0;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		round_begin(&server()->response, server()->bell, round, junk);
		if (setjmp(asleep))
			ck_abort_msg("round %u: sleeps while a response is queued", round);
		while (taken != other.to_put) {
			static const uint64_t deadlines[] = { QBI_FOREVER, QBI_FOREVER - 1, 0 };
			uint64_t deadline = deadlines[random_below(3)];
			int r = e.cops->recv(e.client, &hdr, sizeof(hdr), deadline, &size);

			ck_assert(r == 0 || (r == QBI_EMPTY && deadline == 0));
			if (r == 0)
				ck_assert_int_eq(hdr.id, (int32_t)taken++);
		}
		/* Or the bell would fill up with junk over the rounds. */
		ck_assert_int_eq(e.cops->recv(e.client, &hdr, sizeof(hdr), 0, &size),
				 QBI_EMPTY);
	}
	other.ring = NULL;
	ends_close(&e);
}

START_TEST(waiting_for_responses_ends_with_each_of_them)
{
	responses_rounds(0);
}
END_TEST

START_TEST(junk_on_the_bell_hides_no_response)
{
	responses_rounds(2);
}
END_TEST

/* -- Requests: as lib/server/dispatch.c does it ------------------------------------------- */

static bool request_take(void)
{
	struct qb_ipc_request_header hdr[ENDS_MAX / sizeof(struct qb_ipc_request_header)];
	void *in_place = NULL;
	size_t size;
	int r = e.sops->take(e.server, hdr, sizeof(hdr), &in_place, &size);

	ck_assert(r == 0 || r == QBI_EMPTY);
	if (r == 0)
		ck_assert_int_eq(hdr->id, (int32_t)taken++);
	return r == 0;
}

/* Up to @batch requests, fewer if the application backs off. */
static void dispatch(unsigned int batch, bool backs_off)
{
	unsigned int got = 0;
	bool looked_again = false;

	e.sops->begin(e.server, true);
	while (batch) {
		if (request_take()) {
			looked_again = false;
			got++;
			batch--;
			if (backs_off && random_below(3) == 0)
				break;
			continue;
		}
		if (looked_again)
			return;
		looked_again = true;
		if (e.sops->settle(e.server, got) != QBI_MORE)
			return;
		got = 0;
	}
	if (got)
		(void)e.sops->settle(e.server, got);
}

static void requests_rounds(unsigned int batch, unsigned int junk, uint64_t busy_poll)
{
	ends_open(&e, NATIVE_SHM);
	e.shared.busy_poll.setting = e.shared.busy_poll.longest = busy_poll;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		unsigned int idle = 0;

		round_begin(&client()->request, e.stream[1], round, junk);
		while (taken != other.to_put || bytes_wait(e.stream[0])) {
			others_act();
			/* Loops may tell what was true a while ago. */
			if (bytes_wait(e.stream[0]) || random_below(8) == 0)
				dispatch(batch, round % 2);
			else if (!other_step())
				ck_assert_msg(taken == other.to_put,
					      "round %u: sleeps while a request is queued",
					      round);
			/* Awake, or fooled by junk, but not for ever. */
			ck_assert_msg(idle++ < STEPS_MAX, "round %u: never sleeps", round);
		}
	}
	other.ring = NULL;
	ends_close(&e);
}

START_TEST(requests_are_taken_whenever_the_client_acts)
{
	static const unsigned int batches[] = { 1, 2, 5, 50 };

	requests_rounds(batches[_i], 0, 0);
}
END_TEST

START_TEST(requests_are_taken_by_one_that_stays_awake_for_a_while)
{
	requests_rounds(5, 0, 2000);
}
END_TEST

START_TEST(junk_on_the_stream_hides_no_request)
{
	requests_rounds(1 + 4 * (unsigned int)_i, 2, 0);
}
END_TEST

/* -- What an end that was woken learns, and what that costs ---------------------------------- */

/* They poll wherever the test runs, but for nobody of whom nothing is known. */
static void ends_open_expecting_nothing(void)
{
	ends_open(&e, NATIVE_SHM);
	client()->busy_poll.longest = e.shared.busy_poll.longest = 1;
	client()->responses.length = server()->requests.length = 0;
}

static void respond(void)
{
	ck_assert_int_eq(ends_send(e.sops->respondv, e.server, 40, 7), 0);
}

/* What a server says that cannot be. */
static void respond_falsely(void)
{
	static const uint64_t said[] = { 0, 1, UINT64_MAX };
	static unsigned int nth;

	respond();
	qbi_shared_store64(&server()->region.words->server_rang, said[nth++ % 3],
			   memory_order_relaxed);
}

START_TEST(client_that_was_woken_has_learnt_what_that_takes)
{
	ends_open_expecting_nothing();
	sleep_fn = respond;
	for (unsigned int i = 1; i <= 5; i++) {
		client()->responses.length = 0;
		ck_assert_int_eq(ends_recv(e.cops->recv, e.client, 40, 7, QBI_FOREVER), 0);
		ck_assert_uint_gt(client()->responses.wake, 0);
		ck_assert_uint_eq(client()->responses.n, i);
	}
	ends_close(&e);
}
END_TEST

START_TEST(client_believes_no_time_that_cannot_be)
{
	ends_open_expecting_nothing();
	sleep_fn = respond_falsely;
	for (unsigned int i = 1; i <= 6; i++) {
		client()->responses.length = 0;
		ck_assert_int_eq(ends_recv(e.cops->recv, e.client, 40, 7, QBI_FOREVER), 0);
		ck_assert_uint_eq(client()->responses.wake, 0);
		ck_assert_uint_eq(client()->responses.n, i);
	}
	ends_close(&e);
}
END_TEST

/* At the pace of daemons: receive the byte, and nothing else between two waits of the loop. */
START_TEST(request_to_a_server_that_sleeps_costs_it_one_system_call_and_teaches_it)
{
	char buf[ENDS_MAX];
	void *in_place = NULL;
	size_t size;

	ends_open_expecting_nothing();
	e.sops->begin(e.server, false);
	ck_assert_int_eq(e.sops->settle(e.server, 0), 0);
	ck_assert(server()->asleep);
	for (unsigned int i = 1; i <= 5; i++) {
		ck_assert_int_eq(ends_request(&e, 40, i), 0);
		ck_assert(bytes_wait(e.stream[0]));
		system_calls = 0;
		e.sops->begin(e.server, true);
		ck_assert_int_eq(e.sops->take(e.server, buf, sizeof(buf), &in_place, &size), 0);
		ck_assert_uint_gt(server()->requests.wake, 0);
		ck_assert_uint_eq(server()->requests.n, i);
		server()->requests.length = 0;
		ck_assert_int_eq(e.sops->take(e.server, buf, sizeof(buf), &in_place, &size),
				 QBI_EMPTY);
		ck_assert_int_eq(e.sops->settle(e.server, 1), 0);
		ck_assert(server()->asleep);
		ck_assert_uint_eq(system_calls, 1);
		ck_assert(!bytes_wait(e.stream[0]));
	}
	ends_close(&e);
}
END_TEST

START_TEST(answer_that_is_there_costs_a_client_no_system_call)
{
	ends_open_expecting_nothing();
	for (unsigned int i = 0; i < 5; i++) {
		respond();
		system_calls = 0;
		ck_assert_int_eq(ends_recv(e.cops->recv, e.client, 40, 7, QBI_FOREVER), 0);
		ck_assert_uint_eq(system_calls, 0);
	}
	ends_close(&e);
}
END_TEST

static void setup(void)
{
	census_setup();
	sleep_fn = NULL;
	memset(&other, 0, sizeof(other));
	taken = 0;
}

int main(void)
{
	Suite *s = suite_create("native schedules");
	TCase *tc = tcase_create("shared memory");

	tcase_add_checked_fixture(tc, setup, census_teardown);
	tcase_set_timeout(tc, 60 * test_slowdown());
	tcase_add_test(tc, readable_iff_an_event_is_queued_whenever_the_server_acts);
	tcase_add_test(tc,
		       readable_iff_an_event_is_queued_though_the_server_acts_at_one_moment);
	tcase_add_test(tc, waiting_for_events_ends_with_each_of_them);
	tcase_add_test(tc, waiting_for_responses_ends_with_each_of_them);
	tcase_add_test(tc, junk_on_the_bell_hides_no_response);
	tcase_add_loop_test(tc, requests_are_taken_whenever_the_client_acts, 0, 4);
	tcase_add_test(tc, requests_are_taken_by_one_that_stays_awake_for_a_while);
	tcase_add_loop_test(tc, junk_on_the_stream_hides_no_request, 0, 2);
	suite_add_tcase(s, tc);

	tc = tcase_new(s, "wake-ups");
	tcase_add_checked_fixture(tc, setup, census_teardown);
	tcase_add_test(tc, client_that_was_woken_has_learnt_what_that_takes);
	tcase_add_test(tc, client_believes_no_time_that_cannot_be);
	tcase_add_test(tc,
		       request_to_a_server_that_sleeps_costs_it_one_system_call_and_teaches_it);
	tcase_add_test(tc, answer_that_is_there_costs_a_client_no_system_call);
	return suite_main(s);
}
