/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client that hangs up and does not leave: it has the memory or the sockets of the connection,
 * as a process may that it has passed them to, and sends on. And what else says, or seems to
 * say, that it has left: docs/protocol.md has a table of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tests/hostile/tools.h"

enum {
	SERVED = 1 << 16, /* after a hang-up */
	EARLIER = 4096,	  /* by dispatches that come before the one which is told of it */
	LARGE = 8 << 20,  /* messages, for a ring with more requests than that */
};

/* As many requests as go in. */
static void requests_queue(struct raw *p, const struct request *r)
{
	while (raw_queue(p, r, sizeof(*r)) == 0)
		;
}

ATTACK(requests_sent_without_end_after_a_hang_up)
{
	struct raw_wish wish = a->wish;
	struct request *r = request_make(MSG_COUNTED, sizeof(*r), sizeof(*r));
	uint64_t end = now_ms() + (uint64_t)deadline_ms(), served;
	struct raw p;

	wish.max_msg_size = LARGE;
	raw_connect(&p, &wish);
	raw_call(&p, 7, 100);
	/* Not in the middle of a dispatch, which would seem to sleep. */
	arena_honest_holds(a);
	watch_rest(a);
	arena_freeze(a);
	requests_queue(&p, r);
	REQUIRE_EQ(shutdown(p.stream, SHUT_RDWR), 0);
	arena_thaw(a);
	while (arena_slot(a, SLOT_COUNTED_ENDED) == 0) {
		REQUIRE_MSG(now_ms() < end, "the connection does not end");
		/* A ring has had enough from the start. */
		if (p.type == WIRE_SOCKETS)
			requests_queue(&p, r);
		pause_briefly();
	}
	served = arena_slot(a, SLOT_COUNTED);
	REQUIRE_MSG(served > 0 && served <= SERVED + EARLIER,
		    "the server has taken %llu requests of a client that hung up",
		    (unsigned long long)served);
	arena_honest_goes_on(a);
	free(r);
	raw_close(&p);
}

/* -- What counts as leaving ------------------------------------------------------------- */

/* Requests that the server counts, with their wake-ups. */
static void counted_send(struct raw *p, unsigned int n)
{
	struct request *r = request_make(MSG_COUNTED, sizeof(*r), sizeof(*r));

	while (n-- > 0)
		REQUIRE_EQ(raw_send(p, r, sizeof(*r)), 0);
	free(r);
}

/* The socket that requests travel on. */
static int request_socket(const struct raw *p)
{
	return p->native ? p->fds[NATIVE_CALL_FD] : p->response;
}

/* It is dropped, after so many requests and without those behind them. */
static void dropped_after(struct arena *a, struct raw *p, uint64_t requests)
{
	raw_must_be_dropped(p);
	REQUIRE_EQ(arena_slot(a, SLOT_COUNTED), requests);
	arena_honest_goes_on(a);
	raw_close(p);
}

ATTACK(packet_of_no_bytes_ends_it_behind_the_requests_before)
{
	struct raw p;

	working_connect(a, &p);
	arena_freeze(a);
	counted_send(&p, 3);
	REQUIRE_EQ(send(request_socket(&p), "", 0, MSG_NOSIGNAL), 0);
	counted_send(&p, 2);
	arena_thaw(a);
	dropped_after(a, &p, 3);
}

ATTACK(half_closed_stream_ends_it_behind_all_requests)
{
	struct raw p;

	working_connect(a, &p);
	arena_freeze(a);
	counted_send(&p, 3);
	REQUIRE_EQ(shutdown(p.stream, SHUT_WR), 0);
	arena_thaw(a);
	dropped_after(a, &p, 3);
}

ATTACK(half_closed_pair_ends_it_behind_all_requests)
{
	struct raw p;

	working_connect(a, &p);
	arena_freeze(a);
	counted_send(&p, 3);
	REQUIRE_EQ(shutdown(p.fds[NATIVE_CALL_FD], SHUT_WR), 0);
	arena_thaw(a);
	dropped_after(a, &p, 3);
}

/* What the server sends there is lost, and nothing else happens. */
static void stays_without_reading(struct arena *a, struct raw *p, int socket)
{
	static const int32_t ids[] = { 5, MSG_EVENT };
	struct request *r = request_make(5, 100, 100);
	uint64_t before = arena_slot(a, SLOT_COUNTED);

	REQUIRE_EQ(shutdown(socket, SHUT_RD), 0);
	for (size_t i = 0; i < COUNT(ids); i++) {
		r->hdr.id = ids[i];
		REQUIRE_EQ(raw_send(p, r, 100), 0);
	}
	counted_send(p, 1);
	AWAIT(arena_slot(a, SLOT_COUNTED) == before + 1);
	arena_honest_goes_on(a);
	free(r);
}

ATTACK(sockets_that_are_not_read_any_more_lose_what_is_sent)
{
	struct raw p;

	working_connect(a, &p);
	stays_without_reading(a, &p, p.stream);
	for (unsigned int i = raw_first_socket(&p); i < p.n_fds; i++)
		stays_without_reading(a, &p, p.fds[i]);
	raw_close(&p);
}

/* -- RUNG without its byte or its message ------------------------------------------------- */

static void rung_set(struct raw *p)
{
	unsigned char *tail = p->ring[REQUEST].words + NATIVE_TAIL;

	__atomic_fetch_or((uint64_t *)(void *)tail, NATIVE_RUNG, __ATOMIC_SEQ_CST);
}

/* Nobody waits for the byte that it announces, or spins. */
ATTACK(rung_without_a_message_is_nothing)
{
	struct raw p;

	working_connect(a, &p);
	arena_honest_holds(a);
	for (int i = 0; i < 5; i++) {
		rung_set(&p);
		watch_rest(a);
		REQUIRE(!raw_is_dropped(&p));
	}
	arena_honest_resumes(a);
	/* Behind it no message rings by itself; its byte is the next that comes. */
	counted_send(&p, 1);
	raw_wake(&p, 1);
	AWAIT(arena_slot(a, SLOT_COUNTED) == 1);
	for (int i = 0; i < 5; i++)
		raw_call(&p, 5 + i, 100);
	arena_honest_goes_on(a);
	raw_close(&p);
}

int main(void)
{
	Suite *s = suite_create("hostile: hang-ups");
	TCase *tc = tcase_new(s, "hang-ups");

	add_attack(tc, requests_sent_without_end_after_a_hang_up, ON_ALL);
	add_attack(tc, packet_of_no_bytes_ends_it_behind_the_requests_before, ON_SOCKETS);
	add_attack(tc, half_closed_stream_ends_it_behind_all_requests, ON_ALL);
	add_attack(tc, half_closed_pair_ends_it_behind_all_requests, ON_NATIVE_SOCKETS);
	add_attack(tc, sockets_that_are_not_read_any_more_lose_what_is_sent, ON_ALL);
	add_attack(tc, rung_without_a_message_is_nothing, ON_NATIVE_MEMORY);
	return arena_main(s);
}
