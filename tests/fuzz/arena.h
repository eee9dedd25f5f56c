/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared memory for a ring that is fuzzed: words and data, each ending where its page
 * ends, with pages around them that cannot be touched, and a second mapping of both
 * through which the peer writes.
 *
 * While an operation of ours runs, each of its accesses to that memory is written down,
 * with what lay there at that moment: what was read, if it was a read.
 */
#ifndef TEST_FUZZ_ARENA_H
#define TEST_FUZZ_ARENA_H

#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

enum { ARENA_PAGE = 4096, ARENA_WORDS_MAX = 3 * ARENA_PAGE, ARENA_ACCESSES = 256 };

struct arena {
	unsigned char *words; /* ours */
	unsigned char *data;
	unsigned char *peer_words; /* the peer's mapping of the same */
	unsigned char *peer_data;
	size_t words_size;
	size_t data_size;
	bool twice; /* our data is there twice, one behind the other */
};

struct arena_access {
	bool in_data;
	uint32_t offset; /* in the words or the data */
	uint32_t size;
	unsigned char before[ARENA_PAGE]; /* what lay there */
};

static struct arena arena;
static struct arena_access arena_log[ARENA_ACCESSES];
static unsigned int arena_logged;

static inline unsigned char *arena_map(void *at, size_t size, int fd, off_t offset)
{
	void *m = mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | (at ? MAP_FIXED : 0), fd,
		       offset);

	FUZZ_CHECK(m != MAP_FAILED);
	return m;
}

/* Guard, words, guard, data, guard. Once for each size that a target uses. Data of whole pages
 * may be there twice. */
static inline struct arena arena_open(size_t words_size, size_t data_size, bool twice)
{
	size_t page = ARENA_PAGE;
	size_t words = (words_size + page - 1) / page * page;
	size_t data = (data_size + page - 1) / page * page;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct arena a = { .words_size = words_size, .data_size = data_size, .twice = twice };
	unsigned char *base, *peers;

	FUZZ_CHECK(fd >= 0 && ftruncate(fd, (off_t)(words + data)) == 0);
	base = mmap(NULL, words + 2 * data + 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	FUZZ_CHECK(base != MAP_FAILED);
	a.words = arena_map(base + page, words, fd, 0) + words - words_size;
	a.data = arena_map(base + 2 * page + words, data, fd, (off_t)words) + data - data_size;
	if (twice)
		(void)arena_map(a.data + data, data, fd, (off_t)words);
	peers = arena_map(NULL, words + data, fd, 0);
	a.peer_words = peers + words - words_size;
	a.peer_data = peers + words + data - data_size;
	close(fd);
	return a;
}

/* The watch of the scripted peer: nothing outside of words and data, ever. */
static inline void arena_watch(uintptr_t address, size_t size)
{
	size_t data_mapped = arena.data_size * (arena.twice ? 2 : 1);
	bool in_data = address >= (uintptr_t)arena.data &&
		       address - (uintptr_t)arena.data < data_mapped;
	uintptr_t base = (uintptr_t)(in_data ? arena.data : arena.words);
	struct arena_access *a = &arena_log[arena_logged];

	FUZZ_CHECK(arena_logged < ARENA_ACCESSES);
	FUZZ_CHECK(address >= base && size <= sizeof(a->before) &&
		   address - base + size <= (in_data ? data_mapped : arena.words_size));
	arena_logged++;
	a->in_data = in_data;
	a->offset = (uint32_t)((address - base) % (in_data ? arena.data_size : UINT32_MAX));
	a->size = (uint32_t)size;
	/* Through our own mapping: the peer's has the data once. */
	memcpy(a->before, (const void *)address, size);
}

/* How often was the word at @offset of the words accessed? */
static inline unsigned int arena_count(uint32_t offset)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < arena_logged; i++)
		n += !arena_log[i].in_data && arena_log[i].offset == offset;
	return n;
}

/* The first access to that word, or NULL. */
static inline const struct arena_access *arena_first(uint32_t offset)
{
	for (unsigned int i = 0; i < arena_logged; i++)
		if (!arena_log[i].in_data && arena_log[i].offset == offset)
			return &arena_log[i];
	return NULL;
}

#endif
