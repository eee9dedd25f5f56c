/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client that lies about the messages that it puts into shared memory, and one that
 * writes all of it at random, and at full speed.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/hostile/tools.h"

/* -- Records, chunks, messages ----------------------------------------------------- */

static uint32_t kind_of_message(const struct arena *a)
{
	return a->wish.native ? NATIVE_MESSAGE : QB_VALID;
}

ATTACK(record_length_that_cannot_be)
{
	static const uint32_t lengths[] = { WIRE_SMALLEST + 1, 81920,	   1u << 31,
					    (1u << 31) - 1,    UINT32_MAX, UINT32_MAX - 7,
					    UINT32_MAX - 8 };
	char bytes[200] = "";

	for (size_t i = 0; i < COUNT(lengths); i++) {
		struct raw p;

		working_connect(a, &p);
		raw_queue_lie(&p, lengths[i], kind_of_message(a), bytes, sizeof(bytes));
		raw_wake(&p, 1);
		raw_must_be_dropped(&p);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

/* Shorter than a header: nonsense; empty: a farewell. */
ATTACK(record_too_short_for_a_header)
{
	for (uint32_t length = 0; length < sizeof(struct request); length++) {
		struct raw p;
		char bytes[16];

		memset(bytes, 1, sizeof(bytes));
		working_connect(a, &p);
		raw_queue_lie(&p, length, kind_of_message(a), bytes, length);
		raw_wake(&p, 1);
		raw_must_be_dropped(&p);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
}

ATTACK(record_longer_than_what_was_written)
{
	struct request *r = request_make(MSG_ECHO, 12000, 12000);
	struct raw p;

	working_connect(a, &p);
	/* Only the header of it; the rest is whatever lies there, within the ring. */
	raw_queue_lie(&p, 12000, kind_of_message(a), r, sizeof(*r));
	raw_wake(&p, 1);
	arena_honest_goes_on(a);
	free(r);
	raw_close(&p);
}

ATTACK(record_of_another_kind)
{
	static const uint32_t kinds[] = { 0,	       1,	   QB_WRITING,
					  QB_CONSUMED, UINT32_MAX, NATIVE_MESSAGE + 1,
					  QB_VALID + 1 };
	struct request *r = request_make(MSG_ECHO, 100, 100);

	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct raw p;

		working_connect(a, &p);
		raw_queue_lie(&p, 100, kinds[i], r, 100);
		raw_wake(&p, 1);
		raw_must_be_dropped(&p);
		raw_close(&p);
	}
	arena_honest_goes_on(a);
	free(r);
}

/* Also those of the sockets: the header is inside of the message. */
ATTACK(message_header_that_lies)
{
	static const int32_t sizes[] = { -1, INT32_MIN, 101, 4096, INT32_MAX, 0 };

	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct request *r = request_make(MSG_ECHO, sizes[i], 100);
		struct raw p;

		working_connect(a, &p);
		REQUIRE_EQ(raw_send(&p, r, 100), 0);
		raw_must_be_dropped(&p);
		raw_close(&p);
		free(r);
	}
	arena_honest_goes_on(a);
}

ATTACK(message_header_that_is_too_small)
{
	/* Less than a header, more than nothing: the application gets what was said. */
	struct request *r = request_make(MSG_ECHO, 16, 100);
	struct raw p;

	working_connect(a, &p);
	REQUIRE_EQ(raw_send(&p, r, 100), 0);
	arena_honest_goes_on(a);
	free(r);
	raw_close(&p);
}

/* -- At full speed ------------------------------------------------------------------ */

/* Of the message that is next: where its size lies in the shared memory. */
static unsigned char *next_header_size(struct raw *p)
{
	struct raw_ring *r = &p->ring[REQUEST];
	uint64_t at = p->native ? r->at + 8 : (r->at + QB_CHUNK_WORDS) * 4;

	return r->data + (at + 8) % r->size;
}

/* The server's own check is in its msg_process: size and header are of one copy. */
ATTACK(message_header_flipped_while_it_is_read)
{
	while (arena_honest_wants_more(a)) {
		struct request *r = request_make(MSG_SILENT, 100, 100);
		struct raw p;

		working_connect(a, &p);
		for (int i = 0; i < 200 && !raw_is_dropped(&p); i++) {
			struct flipping f = { .at = next_header_size(&p),
					      .one = 100,
					      .other = i % 2 ? 4096 : 16 };

			flip_begin(&f);
			(void)raw_send(&p, r, 100);
			flip_end(&f);
		}
		raw_close(&p);
		free(r);
	}
}

ATTACK(word_flipped_at_full_speed)
{
	static const struct {
		size_t native, qb;
		int channel;
	} words[] = { { NATIVE_TAIL, QB_SEMAPHORE, REQUEST },
		      { NATIVE_TAIL, QB_WRITE, REQUEST },
		      { NATIVE_HEAD, QB_READ, RESPONSE },
		      { NATIVE_HEAD, QB_READ, EVENT },
		      { NATIVE_TAIL, QB_SEMAPHORE, RESPONSE } };

	for (size_t i = 0; i < COUNT(words); i++) {
		struct flipping f = { .wide = a->wish.native, .other = 8 };
		struct request *r = request_make(MSG_EVENT, 100, 100);
		struct raw p;

		working_connect(a, &p);
		f.at = p.ring[words[i].channel].words +
		       (p.native ? words[i].native : words[i].qb);
		f.one = p.native ? get_u64(f.at) : get_u32(f.at);
		flip_begin(&f);
		for (int n = 0; n < 100 && !raw_is_dropped(&p); n++) {
			(void)raw_send(&p, r, 100);
			raw_wake(&p, 1);
		}
		arena_honest_goes_on(a);
		flip_end(&f);
		free(r);
		raw_close(&p);
	}
}

/* Small numbers, too: those are believed more often. */
static void random_word(struct raw *p)
{
	struct raw_ring *r = &p->ring[chance() % CHANNELS];
	size_t at = p->native ? chance() % 32 * 8 : chance() % 3 * 4;
	uint64_t value = chance() >> chance() % 64;

	if (chance() % 2)
		memcpy(r->words + at, &value, p->native ? 8 : 4);
	else if (!p->native)
		memcpy(r->data + chance() % 1024 * 8, &value, 8);
	else
		memcpy(p->ring[REQUEST].data + chance() % 1024 * 8, &value, 8);
}

ATTACK(memory_filled_with_random_bytes_in_a_loop)
{
	while (arena_honest_wants_more(a)) {
		struct raw p;

		working_connect(a, &p);
		for (int i = 0; i < 500 && !raw_is_dropped(&p); i++) {
			if (i % 100 == 0)
				random_fill(p.ring[REQUEST].data, p.ring[REQUEST].size);
			if (i == 400 && p.native)
				random_fill(p.memory, NATIVE_DATA);
			if (i == 400 && !p.native)
				random_fill(p.ring[REQUEST].words, QB_HEADER_SIZE);
			random_word(&p);
			raw_wake(&p, 1);
		}
		raw_close(&p);
	}
}

int main(void)
{
	Suite *s = suite_create("hostile: messages in shared memory");
	TCase *tc = tcase_new(s, "records and messages");

	add_attack(tc, record_length_that_cannot_be, ON_MEMORY);
	add_attack(tc, record_too_short_for_a_header, ON_MEMORY);
	add_attack(tc, record_longer_than_what_was_written, ON_MEMORY);
	add_attack(tc, record_of_another_kind, ON_MEMORY);
	add_attack(tc, message_header_that_lies, ON_ALL);
	add_attack(tc, message_header_that_is_too_small, ON_ALL);

	tc = tcase_new(s, "at full speed");
	add_attack(tc, message_header_flipped_while_it_is_read, ON_MEMORY);
	add_attack(tc, word_flipped_at_full_speed, ON_MEMORY);
	add_attack(tc, memory_filled_with_random_bytes_in_a_loop, ON_MEMORY);
	return arena_main(s);
}
