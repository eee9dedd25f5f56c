/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bodies that are not what they say: pieces that do not follow each other, that never end, and
 * too many at once.
 */
#include <errno.h>
#include <qb/qbipc_ext.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/hostile/raw-wires.h"
#include "tests/hostile/tools.h"

enum {
	LIMIT = 4 << 20,
	PIECE = 4000,
	HEADER = 8,
	CLIENTS = 100,
	QUOTA = 64 << 20, /* for one user, with CLIENTS connections */
	FLIPS = 300,
	DRIPS = 20000,
};

static void takes_bodies(struct server *sv)
{
	SERVER_REQUIRE_EQ(sv, qbipc_service_body_limit_set(sv->service, LIMIT), 0);
}

static void takes_bodies_within(struct server *sv)
{
	struct qbipc_service_limits limits = { .size = sizeof(limits),
					       .memory_per_uid = QUOTA };

	takes_bodies(sv);
	SERVER_REQUIRE_EQ(sv, qbipc_service_limits_set(sv->service, &limits), 0);
}

/* @n bytes of a body, the header of a request in front. 0, -errno. */
static int piece_put(struct raw *p, uint32_t size, uint32_t offset, size_t n)
{
	unsigned char bytes[HEADER + PIECE] = "";
	struct qb_ipc_request_header request = { .id = MSG_ECHO, .size = (int32_t)size };
	struct native_record record = { (uint32_t)(HEADER + n), NATIVE_PIECE };
	bool ring;
	int r;

	REQUIRE(n <= PIECE);
	put_u32(bytes, size);
	put_u32(bytes + 4, offset);
	if (offset == 0)
		memcpy(bytes + HEADER, &request, sizeof(request));
	if (p->type == WIRE_SOCKETS)
		return send(p->fds[NATIVE_CALL_FD], bytes, HEADER + n,
			    MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ?
			       -errno :
			       0;
	r = native_put(p, REQUEST, &record, bytes, HEADER + n, &ring);
	if (r == 0 && ring)
		raw_wake(p, 1);
	return r;
}

/* The same, and there is room. */
static void piece_must_put(struct raw *p, uint32_t size, uint32_t offset, size_t n)
{
	int r;

	while ((r = piece_put(p, size, offset, n)) == -EAGAIN && !raw_is_dropped(p))
		sched_yield();
}

static void body_put(struct raw *p, uint32_t size)
{
	uint32_t at;

	for (at = 0; at < size; at += PIECE)
		piece_must_put(p, size, at, size - at < PIECE ? size - at : PIECE);
}

ATTACK(pieces_that_do_not_follow, .prepare = takes_bodies)
{
	static const struct {
		uint32_t size, offset;
		size_t n;
	} bad[] = {
		{ LIMIT, 0, PIECE },	      { LIMIT, PIECE - 1, PIECE },
		{ LIMIT, PIECE + 1, PIECE },  { LIMIT, UINT32_MAX, PIECE },
		{ LIMIT - 1, PIECE, PIECE },  { UINT32_MAX, PIECE, PIECE },
		{ WIRE_SMALLEST, PIECE, 10 }, { LIMIT, PIECE, 0 },
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct raw p;

		working_connect(a, &p);
		REQUIRE_EQ(piece_put(&p, LIMIT, 0, PIECE), 0);
		(void)piece_put(&p, bad[i].size, bad[i].offset, bad[i].n);
		raw_must_be_dropped(&p);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

ATTACK(first_pieces_of_no_body, .prepare = takes_bodies)
{
	static const uint32_t sizes[] = { LIMIT + 1, 1u << 30, 1u << 31, UINT32_MAX };

	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct raw p;

		working_connect(a, &p);
		(void)piece_put(&p, sizes[i], 0, PIECE);
		raw_must_be_dropped(&p);
		raw_close(&p);
		working_connect(a, &p);
		(void)piece_put(&p, LIMIT, PIECE, PIECE);
		raw_must_be_dropped(&p);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

/* Nor one that would have fitted in as a message, in a ring. */
ATTACK(body_that_is_no_larger_than_a_message, .prepare = takes_bodies)
{
	struct raw p;

	working_connect(a, &p);
	REQUIRE_EQ(piece_put(&p, WIRE_SMALLEST, 0, PIECE), 0);
	raw_must_be_dropped(&p);
	raw_close(&p);
	arena_honest_goes_on(a);
}

/* All of it at once, where there is room for a message and for a deadline. */
ATTACK(body_in_one_packet, .prepare = takes_bodies)
{
	for (uint32_t more = 1; more <= HEADER; more++) {
		struct raw p;
		uint32_t size;
		unsigned char *bytes;

		working_connect(a, &p);
		size = p.max_msg_size + more;
		bytes = calloc(1, HEADER + size);
		REQUIRE(bytes);
		put_u32(bytes, size);
		memcpy(bytes + HEADER,
		       &(struct qb_ipc_request_header){ .id = MSG_ECHO, .size = (int32_t)size },
		       sizeof(struct qb_ipc_request_header));
		REQUIRE_EQ(send(p.fds[NATIVE_CALL_FD], bytes, HEADER + size, MSG_NOSIGNAL),
			   (ssize_t)(HEADER + size));
		raw_must_be_dropped(&p);
		raw_close(&p);
		free(bytes);
	}
	arena_honest_goes_on(a);
}

ATTACK(bodies_for_a_service_that_takes_none)
{
	struct raw p;

	working_connect(a, &p);
	REQUIRE_EQ(piece_put(&p, LIMIT, 0, PIECE), 0);
	raw_must_be_dropped(&p);
	raw_close(&p);
	arena_honest_goes_on(a);
}

ATTACK(message_in_the_middle_of_a_body, .prepare = takes_bodies)
{
	struct request *r = request_make(MSG_ECHO, 100, 100);
	struct raw p;

	working_connect(a, &p);
	REQUIRE_EQ(piece_put(&p, LIMIT, 0, PIECE), 0);
	(void)raw_send(&p, r, 100);
	raw_must_be_dropped(&p);
	raw_close(&p);
	arena_honest_goes_on(a);
	free(r);
}

/* What is in the way of others is bounded, also when each piece is one byte. */
ATTACK(body_that_does_not_end, .prepare = takes_bodies)
{
	struct raw p;
	uint32_t at = 0;

	working_connect(a, &p);
	for (unsigned int n = 0; n < effort(DRIPS) || arena_honest_wants_more(a); n++) {
		REQUIRE(!raw_is_dropped(&p));
		piece_must_put(&p, LIMIT, at++, 1);
		if (at < LIMIT - 1)
			continue;
		raw_close(&p);
		working_connect(a, &p);
		at = 0;
	}
	arena_honest_goes_on(a);
	raw_close(&p);
}

ATTACK(bodies_whose_sender_hangs_up, .prepare = takes_bodies)
{
	for (unsigned int i = 0; i < 50; i++) {
		struct raw p;

		working_connect(a, &p);
		body_put(&p, LIMIT / 4);
		for (unsigned int n = 0; n < i; n++)
			piece_must_put(&p, LIMIT, n * PIECE, PIECE);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

/* Each has begun one and goes no further: what they hold is what they have sent. */
ATTACK(hundred_bodies_that_have_begun, .prepare = takes_bodies)
{
	static struct raw p[CLIENTS];

	for (unsigned int i = 0; i < CLIENTS; i++) {
		working_connect(a, &p[i]);
		REQUIRE_EQ(piece_put(&p[i], LIMIT, 0, PIECE), 0);
	}
	arena_honest_goes_on(a);
	for (unsigned int i = 0; i < CLIENTS; i++)
		raw_close(&p[i]);
}

/* All together they get no further than their user's quota, and others go on. */
ATTACK(bodies_beyond_the_quota, .prepare = takes_bodies_within, .needs = "another user")
{
	static struct raw p[CLIENTS];
	unsigned int i, dropped = 0;
	uint32_t at;

	for (i = 0; i < CLIENTS; i++)
		working_connect(a, &p[i]);
	for (at = 0; at < LIMIT - PIECE; at += PIECE)
		for (i = 0; i < CLIENTS; i++)
			if (!raw_is_dropped(&p[i]))
				piece_must_put(&p[i], LIMIT, at, PIECE);
	for (i = 0; i < CLIENTS; i++)
		dropped += raw_is_dropped(&p[i]);
	REQUIRE(dropped > 0 && dropped < CLIENTS);
	/* Those that are left have not more than that. */
	REQUIRE((uint64_t)(CLIENTS - dropped) * (LIMIT - PIECE) <= QUOTA);
	arena_honest_goes_on(a);
	for (i = 0; i < CLIENTS; i++)
		raw_close(&p[i]);
}

/* The answers are bodies too, which nobody reads. */
ATTACK(answers_that_are_not_read, .prepare = takes_bodies)
{
	for (unsigned int i = 0; i < 20; i++) {
		struct native_packet says = { NATIVE_TAKES_BODIES, LIMIT };
		struct raw p;

		working_connect(a, &p);
		if (p.type == WIRE_SOCKETS)
			REQUIRE_EQ(send(p.fds[NATIVE_CALL_FD], &says, sizeof(says), 0),
				   sizeof(says));
		else
			put_u32(p.memory + NATIVE_CLIENT_BODY, LIMIT);
		body_put(&p, LIMIT / 2);
		body_put(&p, LIMIT / 2);
		if (i % 5 == 0)
			arena_honest_goes_on(a);
		raw_close(&p);
	}
}

ATTACK(header_flipped_while_it_is_read, .prepare = takes_bodies)
{
	for (unsigned int i = 0; i < effort(FLIPS); i++) {
		struct flipping f = { .wide = true,
				      .one = LIMIT,
				      .other = (uint64_t)PIECE << 32 | UINT32_MAX };
		struct raw_ring *ring;
		struct raw p;
		uint32_t at;

		working_connect(a, &p);
		ring = &p.ring[REQUEST];
		f.at = ring->data + (ring->at + sizeof(struct native_record)) % ring->size;
		flip_begin(&f);
		for (at = 0; at < 10 * PIECE && !raw_is_dropped(&p); at += PIECE)
			(void)piece_put(&p, LIMIT, at, PIECE);
		flip_end(&f);
		raw_close(&p);
		if (i % 100 == 0 && arena_honest_wants_more(a))
			arena_honest_goes_on(a);
	}
}

int main(void)
{
	Suite *s = suite_create("hostile: bodies");
	TCase *tc = tcase_new(s, "bodies");

	add_attack(tc, pieces_that_do_not_follow, ON_NATIVE);
	add_attack(tc, first_pieces_of_no_body, ON_NATIVE);
	add_attack(tc, body_that_is_no_larger_than_a_message, ON_NATIVE_MEMORY);
	add_attack(tc, body_in_one_packet, ON_NATIVE_SOCKETS);
	add_attack(tc, bodies_for_a_service_that_takes_none, ON_NATIVE);
	add_attack(tc, message_in_the_middle_of_a_body, ON_NATIVE);
	add_attack(tc, body_that_does_not_end, ON_NATIVE);
	add_attack(tc, bodies_whose_sender_hangs_up, ON_NATIVE);
	add_attack(tc, hundred_bodies_that_have_begun, ON_NATIVE);
	add_attack(tc, bodies_beyond_the_quota, ON_NATIVE);
	add_attack(tc, answers_that_are_not_read, ON_NATIVE);
	add_attack(tc, header_flipped_while_it_is_read, ON_NATIVE_MEMORY);
	return arena_main(s);
}
