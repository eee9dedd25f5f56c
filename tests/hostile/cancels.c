/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client whose requests have deadlines, and which cancels: what never came, what is done,
 * and millions of times.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/hostile/raw-wires.h"
#include "tests/hostile/tools.h"

enum {
	TIMED = 0x716d7464,
	CANCEL = 0x7163616e,
	SIZE = 100,
	WORD = 8,
	FLOOD = 200000,
	FLIPS = 2000,
};

#define TIMED_BIT 0x80000000u

/* A packet, in three parts. 0, -errno. */
static int packet_put(struct raw *p, uint32_t size, const void *piece, size_t n,
		      const void *last, size_t n_last)
{
	struct native_packet header = { size, 0 };
	unsigned char bytes[sizeof(header) + SIZE + WORD];

	REQUIRE(n + n_last <= sizeof(bytes) - sizeof(header));
	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), piece, n);
	memcpy(bytes + sizeof(header) + n, last, n_last);
	return send(p->fds[NATIVE_CALL_FD], bytes, sizeof(header) + n + n_last,
		    MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ?
		       -errno :
		       0;
}

/* A record, and its byte. */
static int record_put(struct raw *p, uint32_t length, uint32_t kind, const void *bytes,
		      size_t n)
{
	struct native_record record = { length, kind };
	bool ring;
	int r = native_put(p, REQUEST, &record, bytes, n, &ring);

	if (r == 0 && ring)
		raw_wake(p, 1);
	return r;
}

static int cancel(struct raw *p, uint64_t number)
{
	return p->type == WIRE_MEMORY ? record_put(p, WORD, CANCEL, &number, WORD) :
					packet_put(p, UINT32_MAX, &number, 0, &number, WORD);
}

static int request(struct raw *p, const struct request *r, uint64_t deadline)
{
	unsigned char bytes[WORD + SIZE];

	if (p->type == WIRE_SOCKETS)
		return packet_put(p, TIMED_BIT | SIZE, r, SIZE, &deadline, WORD);
	memcpy(bytes, &deadline, WORD);
	memcpy(bytes + WORD, r, SIZE);
	return record_put(p, sizeof(bytes), TIMED, bytes, sizeof(bytes));
}

static void answer_check(struct raw *p, int32_t id)
{
	char buf[1024] __attribute__((aligned(8)));
	const struct response *answer = (void *)buf;

	REQUIRE_EQ(raw_receive(p, buf, sizeof(buf)), SIZE + 8);
	REQUIRE_EQ(answer->hdr.id, id);
}

ATTACK(cancel_of_a_request_that_never_came)
{
	static const uint64_t numbers[] = { 1, 2, 1ull << 31, 1ull << 32, 1ull << 63, -1ull };

	for (size_t i = 0; i < COUNT(numbers); i++) {
		struct raw p;

		/* One request has come, and it has the number 0. */
		working_connect(a, &p);
		REQUIRE_EQ(cancel(&p, 0), 0);
		raw_call(&p, 8, SIZE);
		raw_call(&p, 8, SIZE);
		REQUIRE_EQ(cancel(&p, 2), 0);
		REQUIRE_EQ(cancel(&p, 2 + numbers[i]), 0);
		if (2 + numbers[i] <= 2)
			raw_call(&p, 8, SIZE);
		else
			raw_must_be_dropped(&p);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

ATTACK(deadlines_of_any_value)
{
	static const uint64_t values[] = { 0, 1, 2, 1ull << 32, 1ull << 63, -1ull, -2ull };
	struct request *r = request_make(MSG_ECHO, SIZE, SIZE);
	struct raw p;

	working_connect(a, &p);
	for (size_t i = 0; i < COUNT(values); i++) {
		REQUIRE_EQ(request(&p, r, values[i]), 0);
		answer_check(&p, MSG_ECHO);
	}
	arena_honest_goes_on(a);
	raw_close(&p);
	free(r);
}

ATTACK(records_too_short_or_too_long_for_a_deadline_or_a_number)
{
	static const struct {
		uint32_t length, kind;
	} bad[] = { { 0, TIMED },
		    { 7, TIMED },
		    { WIRE_SMALLEST + 9, TIMED },
		    { UINT32_MAX, TIMED },
		    { 0, CANCEL },
		    { 7, CANCEL },
		    { 9, CANCEL },
		    { 16, CANCEL },
		    { UINT32_MAX - 7, CANCEL },
		    { WIRE_SMALLEST + 9, CANCEL } };
	static const unsigned char zeros[WIRE_SMALLEST + 16];

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct raw p;

		working_connect(a, &p);
		REQUIRE_EQ(record_put(&p, bad[i].length, bad[i].kind, zeros, sizeof(zeros)), 0);
		raw_must_be_dropped(&p);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

ATTACK(deadline_flipped_while_it_is_read)
{
	struct request *r = request_make(MSG_ECHO, SIZE, SIZE);
	struct raw p;

	working_connect(a, &p);
	for (unsigned int i = 0; i < effort(FLIPS); i++) {
		struct raw_ring *ring = &p.ring[REQUEST];
		struct flipping f = { .wide = true, .one = 1, .other = UINT64_MAX };
		uint64_t offset = (ring->at + sizeof(struct native_record)) % ring->size;

		f.at = ring->data + offset;
		if (i % 50 == 0)
			flip_begin(&f);
		REQUIRE_EQ(request(&p, r, i), 0);
		answer_check(&p, MSG_ECHO);
		if (i % 50 == 0)
			flip_end(&f);
	}
	arena_honest_goes_on(a);
	raw_close(&p);
	free(r);
}

/* Each is a request in what bounds a dispatch, or the honest client would not get on. */
ATTACK(cancels_in_a_flood)
{
	struct raw p;

	working_connect(a, &p);
	for (unsigned int i = 0; i < effort(FLOOD) || arena_honest_wants_more(a); i++) {
		REQUIRE(!raw_is_dropped(&p));
		while (cancel(&p, 0) == -EAGAIN)
			sched_yield();
	}
	raw_call(&p, 8, SIZE);
	raw_close(&p);
}

/* What is served after the hang-up is bounded, too. */
ATTACK(cancels_left_behind)
{
	for (unsigned int i = 0; i < 20; i++) {
		struct raw p;

		working_connect(a, &p);
		for (unsigned int n = 0; n < 5000 && cancel(&p, 0) == 0; n++)
			;
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

int main(void)
{
	Suite *s = suite_create("hostile: deadlines and cancels");
	TCase *tc = tcase_new(s, "deadlines and cancels");

	add_attack(tc, cancel_of_a_request_that_never_came, ON_NATIVE);
	add_attack(tc, deadlines_of_any_value, ON_NATIVE);
	add_attack(tc, records_too_short_or_too_long_for_a_deadline_or_a_number,
		   ON_NATIVE_MEMORY);
	add_attack(tc, deadline_flipped_while_it_is_read, ON_NATIVE_MEMORY);
	add_attack(tc, cancels_in_a_flood, ON_NATIVE);
	add_attack(tc, cancels_left_behind, ON_NATIVE);
	return arena_main(s);
}
