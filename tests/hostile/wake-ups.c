/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client that wakes the server too little, too much, or without a reason, never takes
 * what the server has for it, or shuts the sockets down that wake-ups travel over.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/hostile/tools.h"

ATTACK(five_messages_and_one_byte)
{
	struct request *r = request_make(MSG_SILENT, 100, 100);
	struct raw p;

	working_connect(a, &p);
	while (arena_honest_wants_more(a) && !raw_is_dropped(&p)) {
		for (int i = 0; i < 5; i++)
			if (raw_queue(&p, r, 100) == -EAGAIN)
				sched_yield();
		raw_wake(&p, 1);
	}
	arena_honest_goes_on(a);
	free(r);
	raw_close(&p);
}

ATTACK(byte_and_no_message)
{
	struct raw p;

	working_connect(a, &p);
	for (int i = 0; i < 50; i++) {
		raw_wake(&p, 1);
		/* The next message is not taken for the one that did not come. */
		if (i % 10 == 0)
			raw_call(&p, 5 + i, 100);
	}
	arena_honest_goes_on(a);
	raw_close(&p);
}

ATTACK(hundred_thousand_bytes)
{
	struct raw p;

	working_connect(a, &p);
	raw_wake(&p, effort(100000));
	arena_honest_goes_on(a);
	raw_close(&p);
}

/*
 * Urgent data is in front of the stream for some calls and not there for others: a loop
 * that is told of it must not come back for ever to find nothing.
 */
ATTACK(urgent_byte_and_no_message)
{
	struct raw p;

	working_connect(a, &p);
	if (send(p.stream, "!", 1, MSG_OOB | MSG_NOSIGNAL) != 1) {
		REQUIRE_EQ(errno, EOPNOTSUPP); /* a kernel without it */
		raw_close(&p);
		return;
	}
	arena_honest_holds(a);
	watch_rest(a);
	arena_honest_resumes(a);
	raw_call(&p, 5, 100);
	raw_close(&p);
}

ATTACK(bytes_for_ever)
{
	struct raw p;

	working_connect(a, &p);
	while (arena_honest_wants_more(a))
		raw_wake(&p, 256);
	raw_close(&p);
}

/* Ask for @id until nothing goes any more, or often enough, and take nothing. */
static void never_take(struct arena *a, int32_t id, size_t size)
{
	struct request *r = request_make(id, (int32_t)size, size);
	struct raw p;

	working_connect(a, &p);
	for (unsigned int i = 0; i < effort(3000); i++)
		if (raw_send(&p, r, size) == -EAGAIN) {
			if (!arena_honest_wants_more(a))
				break;
			pause_briefly();
		}
	arena_honest_goes_on(a);
	free(r);
	raw_close(&p);
}

ATTACK(responses_never_taken)
{
	never_take(a, MSG_ECHO, 1000);
}

ATTACK(large_responses_never_taken)
{
	never_take(a, MSG_ECHO, 12000);
}

/* Each has a byte, or none has: the stream is never read. */
ATTACK(events_and_their_bytes_never_taken)
{
	never_take(a, MSG_EVENT, 100);
}

ATTACK(large_events_never_taken)
{
	never_take(a, MSG_EVENT, 12000);
}

ATTACK(one_message_after_the_other_for_ever)
{
	struct request *r = request_make(MSG_SILENT, 16, 16);
	struct raw p;

	working_connect(a, &p);
	while (arena_honest_wants_more(a))
		if (raw_send(&p, r, 16) == -EAGAIN)
			sched_yield();
	free(r);
	raw_close(&p);
}

/* Connections enough that each dispatch of the loop has work for all of them. */
ATTACK(twenty_clients_with_messages_for_ever)
{
	struct request *r = request_make(MSG_SILENT, 4000, 4000);
	struct raw p[20];

	for (size_t i = 0; i < COUNT(p); i++)
		raw_connect(&p[i], &a->wish);
	while (arena_honest_wants_more(a))
		for (size_t i = 0; i < COUNT(p); i++)
			(void)raw_send(&p[i], r, 4000);
	for (size_t i = 0; i < COUNT(p); i++)
		raw_close(&p[i]);
	free(r);
}

/* Nothing is sent in order to find out: it would be there when the server takes the bell. */
static bool bell_is_closed_to_us(const struct raw *p)
{
	return send(p->fds[NATIVE_BELL_FD], "", 0, MSG_DONTWAIT | MSG_NOSIGNAL) == -1 &&
	       errno == EPIPE;
}

/* The bell is the server's to ring: nothing goes in from the other side. */
ATTACK(bell_filled_from_the_wrong_side)
{
	char bytes[4096] = "";
	struct raw p;

	working_connect(a, &p);
	AWAIT(bell_is_closed_to_us(&p));
	REQUIRE_EQ(
		send(p.fds[NATIVE_BELL_FD], bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL),
		-1);
	REQUIRE_EQ(errno, EPIPE);
	raw_call(&p, 5, 100);
	arena_honest_goes_on(a);
	raw_close(&p);
}

/* As a client that goes to sleep before each response, and does not read its bell. */
ATTACK(doorbell_armed_all_the_time)
{
	struct raw p;

	working_connect(a, &p);
	for (unsigned int i = 0; i < effort(2000); i++) {
		__atomic_fetch_and((uint64_t *)(void *)(p.ring[RESPONSE].words + NATIVE_TAIL),
				   ~(uint64_t)NATIVE_RUNG, __ATOMIC_SEQ_CST);
		raw_call(&p, 5, 100);
	}
	arena_honest_goes_on(a);
	raw_close(&p);
}

ATTACK(descriptors_of_the_answer_shut_down_or_closed)
{
	for (unsigned int which = 0; which < 3; which++)
		for (int how = SHUT_RD; how <= SHUT_RDWR; how++) {
			struct request *r = request_make(MSG_EVENT, 100, 100);
			struct raw p;

			working_connect(a, &p);
			if (which < p.n_fds && p.fds[which] >= 0) {
				(void)shutdown(p.fds[which], how);
				if (how == SHUT_RDWR) {
					close(p.fds[which]);
					p.fds[which] = -1;
				}
			}
			(void)raw_send(&p, r, 100);
			r->hdr.id = MSG_ECHO;
			(void)raw_send(&p, r, 100);
			if (which == 1 && how == SHUT_RDWR)
				arena_honest_goes_on(a);
			raw_close(&p);
			free(r);
		}
}

ATTACK(stream_half_closed)
{
	struct request *r = request_make(MSG_EVENT, 100, 100);
	struct raw p;

	/* No more from us: that is a farewell. */
	working_connect(a, &p);
	REQUIRE_EQ(shutdown(p.stream, SHUT_WR), 0);
	raw_must_be_dropped(&p);
	raw_close(&p);
	/* Nothing more to us: what the server sends there does not arrive. */
	working_connect(a, &p);
	REQUIRE_EQ(shutdown(p.stream, SHUT_RD), 0);
	for (int i = 0; i < 5; i++)
		(void)raw_send(&p, r, 100);
	arena_honest_goes_on(a);
	raw_close(&p);
	free(r);
}

int main(void)
{
	Suite *s = suite_create("hostile: wake-ups");
	TCase *tc = tcase_new(s, "too few, too many");

	add_attack(tc, five_messages_and_one_byte, ON_ALL);
	add_attack(tc, byte_and_no_message, ON_ALL);
	add_attack(tc, hundred_thousand_bytes, ON_ALL);
	add_attack(tc, urgent_byte_and_no_message, ON_ALL);
	add_attack(tc, bytes_for_ever, ON_ALL);
	add_attack(tc, one_message_after_the_other_for_ever, ON_ALL);
	add_attack(tc, twenty_clients_with_messages_for_ever, ON_ALL);

	tc = tcase_new(s, "nothing taken");
	add_attack(tc, responses_never_taken, ON_ALL);
	add_attack(tc, large_responses_never_taken, ON_ALL);
	add_attack(tc, events_and_their_bytes_never_taken, ON_ALL);
	add_attack(tc, large_events_never_taken, ON_ALL);

	tc = tcase_new(s, "sockets misused");
	add_attack(tc, bell_filled_from_the_wrong_side, ON_NATIVE_MEMORY);
	add_attack(tc, doorbell_armed_all_the_time, ON_NATIVE_MEMORY);
	add_attack(tc, descriptors_of_the_answer_shut_down_or_closed, ON_NATIVE);
	add_attack(tc, stream_half_closed, ON_ALL);
	return arena_main(s);
}
