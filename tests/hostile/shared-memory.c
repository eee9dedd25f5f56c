/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client that writes what it likes into the memory that it shares with the server. On
 * both wires: words that decide where messages begin and end, headers of records and of
 * messages, all of it at random and at full speed, and memory that it keeps.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/hostile/arena.h"
#include "tests/lib/message.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A connection on which the server has answered: both ends are where they say. */
static void working_connect(struct arena *a, struct raw *p)
{
	raw_connect(p, &a->wish);
	raw_call(p, 7, 100);
}

static struct request *request_make(int32_t id, int32_t said, size_t size)
{
	struct request *r = calloc(1, size);

	REQUIRE(r);
	r->hdr.id = id;
	r->hdr.size = said;
	return r;
}

/* -- Words of the native rings --------------------------------------------------- */

/* What a tail may be ahead of the truth without any message being there. */
static const uint64_t steps[] = {
	2, 4, 6, 8, 10, 16, 4096, 81912, 81920, 81928, 1ull << 31, 1ull << 32, 1ull << 63,
	-1ull, -2ull, -8ull, -16ull, -4096ull, -81920ull, -(1ull << 32),
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
					EVENT * NATIVE_RING + NATIVE_TAKEN, NATIVE_FLOW,
					896, 1024, 1032, 2048, 4088 };
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

/* -- Words of libqb's rings ------------------------------------------------------- */

static const uint32_t values[] = { 0, 1, 2, 3, 6175, 6176, 1u << 31, UINT32_MAX - 1, UINT32_MAX };

/* They are for the peer, or for people: whatever they say, calls go on. */
ATTACK(words_that_decide_nothing_overwritten)
{
	static const size_t words[] = { QB_WRITE, QB_WORDS, QB_REFS, QB_HEADER_PATH,
					QB_DATA_PATH, QB_USER, QB_SLEEPERS };
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
			struct request *r = request_make(
				channel == EVENT ? MSG_EVENT : MSG_ECHO, 100, 100);
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
		put_u64(p.ring[RESPONSE].words + QB_SEMAPHORE, i % 2 ? UINT64_MAX : ~0u);
		REQUIRE_EQ(raw_send(&p, r, 100), 0);
		AWAIT(get_u32(p.ring[REQUEST].words + QB_READ) == p.ring[REQUEST].at);
	}
	arena_honest_goes_on(a);
	free(r);
	raw_close(&p);
}

/* -- Records, chunks, messages ----------------------------------------------------- */

static uint32_t kind_of_message(const struct arena *a)
{
	return a->wish.native ? NATIVE_MESSAGE : QB_VALID;
}

ATTACK(record_length_that_cannot_be)
{
	static const uint32_t lengths[] = { WIRE_SMALLEST + 1, 81920, 1u << 31, (1u << 31) - 1,
					    UINT32_MAX, UINT32_MAX - 7, UINT32_MAX - 8 };
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
	static const uint32_t kinds[] = { 0, 1, QB_WRITING, QB_CONSUMED, UINT32_MAX,
					  NATIVE_MESSAGE + 1, QB_VALID + 1 };
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

struct flipping {
	unsigned char *at;
	uint64_t one, other;
	bool wide;
	atomic_bool stop;
};

static void *thread_flip(void *data)
{
	struct flipping *f = data;

	while (!atomic_load_explicit(&f->stop, memory_order_relaxed)) {
		if (f->wide) {
			put_u64(f->at, f->one);
			put_u64(f->at, f->other);
		} else {
			put_u32(f->at, (uint32_t)f->one);
			put_u32(f->at, (uint32_t)f->other);
		}
	}
	return NULL;
}

static void flip_begin(struct flipping *f, pthread_t *thread)
{
	atomic_store(&f->stop, false);
	REQUIRE_EQ(pthread_create(thread, NULL, thread_flip, f), 0);
}

static void flip_end(struct flipping *f, pthread_t thread)
{
	atomic_store(&f->stop, true);
	pthread_join(thread, NULL);
}

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
			struct flipping f = { .at = next_header_size(&p), .one = 100,
					      .other = i % 2 ? 4096 : 16 };
			pthread_t thread;

			flip_begin(&f, &thread);
			(void)raw_send(&p, r, 100);
			flip_end(&f, thread);
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
		pthread_t thread;
		struct raw p;

		working_connect(a, &p);
		f.at = p.ring[words[i].channel].words +
		       (p.native ? words[i].native : words[i].qb);
		f.one = p.native ? get_u64(f.at) : get_u32(f.at);
		flip_begin(&f, &thread);
		for (int n = 0; n < 100 && !raw_is_dropped(&p); n++) {
			(void)raw_send(&p, r, 100);
			raw_wake(&p, 1);
		}
		arena_honest_goes_on(a);
		flip_end(&f, thread);
		free(r);
		raw_close(&p);
	}
}

static void random_fill(unsigned char *at, size_t size)
{
	for (size_t i = 0; i + 8 <= size; i += 8) {
		uint64_t value = chance();

		memcpy(at + i, &value, 8);
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
	else
		memcpy(r->data + chance() % 1024 * 8, &value, 8);
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

/* -- Memory that is kept, punched, resized ------------------------------------------- */

static int64_t blocks_of(int fd)
{
	struct stat st;

	REQUIRE_EQ(fstat(fd, &st), 0);
	return (int64_t)st.st_blocks * 512;
}

/* All the memory behind a connection, in bytes, through descriptors that are kept. */
static int64_t memory_used(const int *fds, int n)
{
	int64_t bytes = 0;

	for (int i = 0; i < n; i++)
		bytes += blocks_of(fds[i]);
	return bytes;
}

/* A connection with all of its memory in use, ended; what is left of it behind @fds. */
static int64_t memory_left(struct arena *a, bool misbehave)
{
	int fds[2 * CHANNELS], n = 0;
	struct raw p;
	int64_t left;
	uint64_t end = now_ms() + (uint64_t)deadline_ms();

	raw_connect(&p, &a->wish);
	if (p.native)
		fds[n++] = dup(p.fds[0]);
	for (int i = 0; i < CHANNELS && !p.native; i++) {
		fds[n++] = dup(p.ring[i].files[0]);
		fds[n++] = dup(p.ring[i].files[1]);
	}
	for (int i = 0; i < CHANNELS; i++)
		memset(p.ring[i].data, 0x55, p.ring[i].size);
	REQUIRE(memory_used(fds, n) > 3 * WIRE_SMALLEST);
	if (misbehave) {
		put_u64(p.ring[REQUEST].words + (p.native ? NATIVE_TAIL : QB_SEMAPHORE), 2);
		raw_wake(&p, 1);
		raw_must_be_dropped(&p);
	}
	raw_hang_up(&p);		/* the mappings stay */
	while ((left = memory_used(fds, n)) > 0 && now_ms() < end)
		pause_briefly();
	raw_close(&p);
	for (int i = 0; i < n; i++)
		close(fds[i]);
	return left;
}

ATTACK(mapping_kept_after_disconnect_a_thousand_times)
{
	unsigned int times = effort(1000);

	for (unsigned int i = 0; i < times; i++)
		REQUIRE_EQ(memory_left(a, i % 2), 0);
	arena_honest_goes_on(a);
}

ATTACK(sealed_memory_resized_or_sealed_further)
{
	struct raw p;

	working_connect(a, &p);
	REQUIRE_EQ(ftruncate(p.fds[0], 0), -1);
	REQUIRE_EQ(ftruncate(p.fds[0], (off_t)p.memory_size - 1), -1);
	REQUIRE_EQ(ftruncate(p.fds[0], (off_t)p.memory_size + 4096), -1);
	REQUIRE_EQ(fallocate(p.fds[0], 0, (off_t)p.memory_size, 4096), -1);
	REQUIRE_EQ(fcntl(p.fds[0], F_ADD_SEALS, F_SEAL_WRITE), -1);
	REQUIRE_EQ(fcntl(p.fds[0], F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
	if (p.type == WIRE_MEMORY)
		raw_call(&p, 9, 1000);
	arena_honest_goes_on(a);
	raw_close(&p);
}

static void hole_punch(int fd, off_t from, off_t size)
{
	REQUIRE_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, size), 0);
}

ATTACK(holes_punched_all_the_time)
{
	struct request *r = request_make(MSG_EVENT, 5000, 5000);
	bool sent = false;

	while (arena_honest_wants_more(a)) {
		struct raw p;

		working_connect(a, &p);
		for (int i = 0; i < 100 && !raw_is_dropped(&p); i++) {
			sent |= raw_send(&p, r, 5000) == 0;
			raw_wake(&p, 1);
			if (p.native)
				hole_punch(p.fds[0], 0, (off_t)p.memory_size);
			for (int n = 0; n < CHANNELS && !p.native; n++) {
				hole_punch(p.ring[n].files[0], 0, QB_HEADER_SIZE);
				hole_punch(p.ring[n].files[1], 0, (off_t)p.ring[n].size);
			}
		}
		raw_close(&p);
	}
	REQUIRE(sent);
	free(r);
}

int main(void)
{
	Suite *s = suite_create("hostile: shared memory");
	TCase *tc = tcase_new(s, "words of the native rings");

	add_attack(tc, request_tail_off_by_one_huge_odd_or_backwards, ON_NATIVE_MEMORY);
	add_attack(tc, response_head_ahead_of_the_tail, ON_NATIVE_MEMORY);
	add_attack(tc, event_head_ahead_of_the_tail, ON_NATIVE_MEMORY);
	add_attack(tc, words_of_the_server_overwritten, ON_NATIVE_MEMORY);

	tc = tcase_new(s, "words of libqb's rings");
	add_attack(tc, words_that_decide_nothing_overwritten, ON_QB_MEMORY);
	add_attack(tc, names_overwritten, ON_QB_MEMORY);
	add_attack(tc, read_index_outside_the_ring, ON_QB_MEMORY);
	add_attack(tc, semaphore_raised_without_messages, ON_QB_MEMORY);
	add_attack(tc, semaphore_zeroed_over_messages, ON_QB_MEMORY);
	add_attack(tc, semaphores_of_the_client_full_and_with_millions_of_sleepers,
		   ON_QB_MEMORY);

	tc = tcase_new(s, "records and messages");
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

	tc = tcase_new(s, "kept, punched, resized");
	add_attack(tc, mapping_kept_after_disconnect_a_thousand_times, ON_MEMORY);
	add_attack(tc, sealed_memory_resized_or_sealed_further, ON_NATIVE);
	add_attack(tc, holes_punched_all_the_time, ON_MEMORY);
	return arena_main(s);
}
