/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client that writes what it likes into the words that it shares with the server, those
 * that say where messages begin and end, and those that say nothing of the kind.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/hostile/tools.h"

/* -- Words of the native rings --------------------------------------------------- */

/* What a tail may be ahead of the truth without any message being there. */
static const uint64_t steps[] = {
	2,	    4,		6,	    8,	       10,
	16,	    4096,	81912,	    81920,     81928,
	1ull << 31, 1ull << 32, 1ull << 63, -1ull,     -2ull,
	-8ull,	    -16ull,	-4096ull,   -81920ull, -(1ull << 32),
};

ATTACK(request_tail_off_by_one_huge_odd_or_backwards)
{
	for (size_t i = 0; i < COUNT(steps); i++) {
		struct raw p;

		working_connect(a, &p);
		put_u64(p.ring[REQUEST].words + NATIVE_TAIL, p.ring[REQUEST].at + steps[i]);
		raw_wake(&p, 1);
		raw_must_be_dropped(&p);
		if (i == 0)
			arena_honest_goes_on(a);
		raw_close(&p);
	}
}

/* The server believes a head when its ring looks full: have it look. */
static void head_lie(struct arena *a, enum wire_channel channel, int32_t id, uint64_t head)
{
	uint64_t end = now_ms() + (uint64_t)deadline_ms();
	struct request *r = request_make(id, 10000, 10000);
	struct raw p;

	working_connect(a, &p);
	put_u64(p.ring[channel].words + NATIVE_HEAD, head);
	while (!raw_is_dropped(&p)) {
		REQUIRE_MSG(now_ms() < end, "a head of %llu is believed",
			    (unsigned long long)head);
		if (raw_send(&p, r, 10000) == -EAGAIN)
			sched_yield();
	}
	free(r);
	raw_close(&p);
}

static const uint64_t heads[] = { 1ull << 20, 1ull << 31, 1ull << 32, 1ull << 63 };

ATTACK(response_head_ahead_of_the_tail)
{
	for (size_t i = 0; i < COUNT(heads); i++)
		head_lie(a, RESPONSE, MSG_ECHO, heads[i]);
	arena_honest_goes_on(a);
}

ATTACK(event_head_ahead_of_the_tail)
{
	for (size_t i = 0; i < COUNT(heads); i++)
		head_lie(a, EVENT, MSG_EVENT, heads[i]);
	arena_honest_goes_on(a);
}

/* Words that the server writes and the client may only read: nobody reads them back. */
ATTACK(words_of_the_server_overwritten)
{
	static const size_t words[] = { REQUEST * NATIVE_RING + NATIVE_TAKEN,
					EVENT * NATIVE_RING + NATIVE_TAKEN,
					NATIVE_FLOW,
					896,
					1024,
					1032,
					2048,
					4088 };
	struct raw p;

	working_connect(a, &p);
	for (size_t i = 0; i < COUNT(words); i++)
		for (unsigned int n = 0; n < 3; n++) {
			put_u32(p.memory + words[i], n ? (uint32_t)chance() : UINT32_MAX);
			raw_call(&p, 8, 500);
		}
	/* Its own copy of where it is: no message twice, none left out. */
	put_u64(p.ring[REQUEST].words + NATIVE_HEAD, 1ull << 40);
	put_u64(p.ring[REQUEST].words + NATIVE_HEAD, p.ring[REQUEST].at);
	raw_call(&p, 9, 500);
	arena_honest_goes_on(a);
	raw_close(&p);
}

/* The server has served one more request for a place. */
static void place_ask(struct arena *a, struct raw *p)
{
	struct request *r = request_make(MSG_PLACED, 100, 100);
	int64_t before = a->host->shared->slot[SLOT_PLACED];

	REQUIRE_EQ(raw_send(p, r, 100), 0);
	AWAIT(a->host->shared->slot[SLOT_PLACED] > before || raw_is_dropped(p));
	free(r);
}

ATTACK(words_overwritten_while_a_message_is_built)
{
	static const size_t words[] = { NATIVE_TAIL, NATIVE_HEAD, NATIVE_TAKEN };

	for (size_t i = 0; i < COUNT(words); i++)
		for (size_t n = 0; n < COUNT(heads); n++) {
			struct raw p;

			working_connect(a, &p);
			place_ask(a, &p);
			put_u64(p.ring[RESPONSE].words + words[i], heads[n]);
			place_ask(a, &p);
			raw_close(&p);
		}
	arena_honest_goes_on(a);
}

ATTACK(client_leaves_while_a_message_is_built)
{
	for (int i = 0; i < 20; i++) {
		struct raw p;

		working_connect(a, &p);
		place_ask(a, &p);
		if (i % 2)
			raw_hang_up(&p);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

/* -- Words of libqb's rings ------------------------------------------------------- */

static const uint32_t values[] = {
	0, 1, 2, 3, 6175, 6176, 1u << 31, UINT32_MAX - 1, UINT32_MAX
};

/* They are for the peer, or for people: whatever they say, calls go on. */
ATTACK(words_that_decide_nothing_overwritten)
{
	static const size_t words[] = { QB_WRITE,     QB_WORDS, QB_REFS,    QB_HEADER_PATH,
					QB_DATA_PATH, QB_USER,	QB_SLEEPERS };
	struct raw p;

	working_connect(a, &p);
	for (size_t i = 0; i < COUNT(words); i++)
		for (size_t n = 0; n < COUNT(values); n++) {
			put_u32(p.ring[REQUEST].words + words[i], values[n]);
			put_u32(p.ring[EVENT].words + words[i], values[n]);
			raw_call(&p, 8, 500);
		}
	arena_honest_goes_on(a);
	raw_close(&p);
}

ATTACK(names_overwritten)
{
	static const char *const names[] = { "/etc/passwd", "../../../etc/passwd", "" };

	for (size_t i = 0; i < COUNT(names); i++) {
		struct raw p;

		working_connect(a, &p);
		for (int channel = 0; channel < CHANNELS; channel++) {
			memset(p.ring[channel].words + QB_HEADER_PATH, 'x', 2 * WIRE_NAME);
			strcpy((char *)p.ring[channel].words + QB_HEADER_PATH, names[i]);
			strcpy((char *)p.ring[channel].words + QB_DATA_PATH, names[i]);
		}
		raw_call(&p, 8, 500);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
	REQUIRE_EQ(access("/etc/passwd", F_OK), 0);
}

/* As the consumer of responses and events: its index says how much room there is. */
ATTACK(read_index_outside_the_ring)
{
	static const uint32_t outside[] = { 4096, 1u << 20, 1u << 31, UINT32_MAX };

	for (size_t i = 0; i < COUNT(outside); i++)
		for (int channel = RESPONSE; channel <= EVENT; channel++) {
			struct request *r =
				request_make(channel == EVENT ? MSG_EVENT : MSG_ECHO, 100, 100);
			struct raw p;

			working_connect(a, &p);
			put_u32(p.ring[channel].words + QB_READ, outside[i]);
			REQUIRE_EQ(raw_send(&p, r, 100), 0);
			raw_must_be_dropped(&p);
			raw_close(&p);
			free(r);
		}
	arena_honest_goes_on(a);
}

ATTACK(semaphore_raised_without_messages)
{
	static const uint32_t counts[] = { 1, 1000, 5000000, 1u << 31, UINT32_MAX };

	for (size_t i = 0; i < COUNT(counts); i++) {
		struct raw p;

		working_connect(a, &p);
		put_u32(p.ring[REQUEST].words + QB_SEMAPHORE, counts[i]);
		raw_wake(&p, 1);
		raw_must_be_dropped(&p);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

ATTACK(semaphore_zeroed_over_messages)
{
	struct request *r = request_make(MSG_SILENT, 100, 100);
	struct raw p;

	working_connect(a, &p);
	for (int i = 0; i < 20; i++) {
		REQUIRE_EQ(raw_queue(&p, r, 100), 0);
		put_u32(p.ring[REQUEST].words + QB_SEMAPHORE, 0);
		raw_wake(&p, 1);
	}
	arena_honest_goes_on(a);
	/* Those that are left when it says so; or it has counted below zero. */
	put_u32(p.ring[REQUEST].words + QB_SEMAPHORE, 20);
	raw_wake(&p, 20);
	AWAIT(get_u32(p.ring[REQUEST].words + QB_READ) == p.ring[REQUEST].at ||
	      raw_is_dropped(&p));
	free(r);
	raw_close(&p);
}

/* The halves of one 64-bit word: raising it may carry into the sleepers. */
ATTACK(semaphores_of_the_client_full_and_with_millions_of_sleepers)
{
	struct request *r = request_make(MSG_ECHO, 100, 100);
	struct raw p;

	working_connect(a, &p);
	r->hdr.id = MSG_ECHO;
	for (int i = 0; i < 50; i++) {
		put_u64(p.ring[RESPONSE].words + QB_BOTH, i % 2 ? UINT64_MAX : ~0u);
		REQUIRE_EQ(raw_send(&p, r, 100), 0);
		AWAIT(get_u32(p.ring[REQUEST].words + QB_READ) == p.ring[REQUEST].at);
	}
	arena_honest_goes_on(a);
	free(r);
	raw_close(&p);
}

int main(void)
{
	Suite *s = suite_create("hostile: words in shared memory");
	TCase *tc = tcase_new(s, "words of the native rings");

	add_attack(tc, request_tail_off_by_one_huge_odd_or_backwards, ON_NATIVE_MEMORY);
	add_attack(tc, response_head_ahead_of_the_tail, ON_NATIVE_MEMORY);
	add_attack(tc, event_head_ahead_of_the_tail, ON_NATIVE_MEMORY);
	add_attack(tc, words_of_the_server_overwritten, ON_NATIVE_MEMORY);

	add_attack(tc, words_overwritten_while_a_message_is_built, ON_NATIVE_MEMORY);
	add_attack(tc, client_leaves_while_a_message_is_built, ON_ALL);

	tc = tcase_new(s, "words of libqb's rings");
	add_attack(tc, words_that_decide_nothing_overwritten, ON_QB_MEMORY);
	add_attack(tc, names_overwritten, ON_QB_MEMORY);
	add_attack(tc, read_index_outside_the_ring, ON_QB_MEMORY);
	add_attack(tc, semaphore_raised_without_messages, ON_QB_MEMORY);
	add_attack(tc, semaphore_zeroed_over_messages, ON_QB_MEMORY);
	add_attack(tc, semaphores_of_the_client_full_and_with_millions_of_sleepers,
		   ON_QB_MEMORY);
	return arena_main(s);
}
