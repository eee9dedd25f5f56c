/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Both ends of one native ring in one process. The ends share one mapping, because
 * ThreadSanitizer takes two mappings of one file for different memory; the words and the
 * data have pages around them that cannot be touched. A second mapping of the same file
 * is for a test that plays the peer which writes what it likes.
 */
#ifndef TEST_NATIVE_PAIR_H
#define TEST_NATIVE_PAIR_H

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <check.h>

#include "base/util.h"
#include "ring/ring-pieces.h"
#include "ring/ring-places.h"
#include "ring/ring-resume.h"
#include "ring/ring.h"
#include "tests/lib/pattern.h"

/* The first is a multiple of the page of every machine. */
enum { PAIR_PAGE = 64 * 1024, PAIR_MESSAGE_MAX = 1 << 16 };

struct native_pair {
	struct qbi_ring producer;
	struct qbi_ring consumer;
	struct qbi_ring_words *words; /* the peer's mapping */
	unsigned char *data;	      /* the same */

	unsigned char *ours, *peers; /* whole mappings */
	size_t ours_size, peers_size;
};

static inline uint64_t page_round(uint64_t n)
{
	return (n + PAIR_PAGE - 1) / PAIR_PAGE * PAIR_PAGE;
}

static inline unsigned char *pair_map(void *at, size_t size, int fd, size_t offset)
{
	int flags = MAP_SHARED | (at ? MAP_FIXED : 0);
	void *m = mmap(at, size, PROT_READ | PROT_WRITE, flags, fd, (off_t)offset);

	ck_assert_ptr_ne(m, MAP_FAILED);
	return m;
}

/*
 * Words and data each end where their page ends:
 * guard, words, guard, data, guard.
 */
static inline void pair_open(struct native_pair *p, uint64_t capacity, uint32_t max)
{
	uint64_t data_size = page_round(capacity);
	int fd = memfd_create("test", MFD_CLOEXEC);
	struct qbi_ring_words *words;
	unsigned char *data;

	ck_assert_int_ge(fd, 0);
	p->peers_size = PAIR_PAGE + data_size;
	p->ours_size = p->peers_size + 3 * PAIR_PAGE;
	ck_assert_int_eq(ftruncate(fd, (off_t)p->peers_size), 0);
	p->peers = pair_map(NULL, p->peers_size, fd, 0);
	p->ours = mmap(NULL, p->ours_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(p->ours, MAP_FAILED);
	words = (void *)(pair_map(p->ours + PAIR_PAGE, PAIR_PAGE, fd, 0) + PAIR_PAGE -
			 sizeof(*words));
	data = pair_map(p->ours + 3 * PAIR_PAGE, data_size, fd, PAIR_PAGE) + data_size -
	       capacity;
	close(fd);
	p->words = (void *)(p->peers + PAIR_PAGE - sizeof(*words));
	p->data = p->peers + p->peers_size - capacity;
	qbi_ring_init(&p->producer, words, data, capacity, max);
	qbi_ring_init(&p->consumer, words, data, capacity, max);
}

static inline void pair_close(struct native_pair *p)
{
	munmap(p->ours, p->ours_size);
	munmap(p->peers, p->peers_size);
}

/* Both ends as after @position bytes, with nothing queued, not armed. */
static inline void pair_go_to(struct native_pair *p, uint64_t position)
{
	uint64_t offset = position % p->producer.capacity;

	p->producer.tail = p->producer.head_seen = position;
	p->consumer.head = p->consumer.tail_seen = position;
	p->producer.tail_offset = p->consumer.head_offset = offset;
	p->consumer.owed = 0;
	atomic_store(&p->producer.words->tail, position | 1);
	atomic_store(&p->producer.words->head, position);
}

static inline int put_bytes(struct qbi_ring *r, const void *data, size_t n, bool *ret_ring)
{
	struct iovec iov = { (void *)(uintptr_t)data, n };
	struct qbi_msg msg = { .iov = &iov, .n = 1, .size = n };

	return qbi_ring_put(r, &msg, ret_ring);
}

/* Contents follow from @seed. */
static inline int put_pattern(struct qbi_ring *r, size_t n, uint32_t seed)
{
	static _Thread_local uint8_t buf[PAIR_MESSAGE_MAX];
	bool ring;

	ck_assert_uint_le(n, sizeof(buf));
	pattern_fill(buf, n, seed);
	return put_bytes(r, buf, n, &ring);
}

/* The oldest message is of @n bytes and made from @seed. */
static inline void take_pattern(struct qbi_ring *r, size_t n, uint32_t seed)
{
	static _Thread_local uint8_t buf[PAIR_MESSAGE_MAX];
	size_t size = SIZE_MAX;

	ck_assert_int_eq(qbi_ring_take(r, buf, sizeof(buf), &size), 0);
	ck_assert_uint_eq(size, n);
	ck_assert(pattern_matches(buf, n, seed));
}

/* What is there of a message of @n bytes. */
static inline uint64_t stride(uint64_t n)
{
	return 8 + (n + 7) / 8 * 8;
}

#endif
