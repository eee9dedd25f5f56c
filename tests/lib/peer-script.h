/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A peer with a script: before the n-th access of ours to shared memory it writes X at
 * Y. A race becomes an input that can be repeated.
 *
 * Include this before the sources of the ring that is to be tested, which are compiled
 * once more into the program: it defines the hook of ring/shared.h. One peer, one thread.
 */
#ifndef TEST_PEER_SCRIPT_H
#define TEST_PEER_SCRIPT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct peer_write {
	uint32_t before; /* number of the access, from 0, in ascending order */
	uint32_t size;	 /* 1 to 8 bytes */
	void *to;	 /* in the peer's own mapping, or in ours */
	uint64_t value;
};

static struct {
	const struct peer_write *writes; /* those still to be done */
	size_t left;
	uint32_t accesses; /* that were made */
	/* Sees each access after what is written before it; may be NULL. */
	void (*watch)(uintptr_t address, size_t size);
} peer;

/* From now on accesses are counted anew and @writes happens among them. */
static inline void peer_script_set(const struct peer_write *writes, size_t n)
{
	peer.writes = writes;
	peer.left = n;
	peer.accesses = 0;
}

static inline void peer_acts(uintptr_t address, size_t size)
{
	while (peer.left && peer.writes->before <= peer.accesses) {
		const char *value = (const char *)&peer.writes->value;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		value += sizeof(peer.writes->value) - peer.writes->size;
#endif
		memcpy(peer.writes->to, value, peer.writes->size);
		peer.writes++;
		peer.left--;
	}
	peer.accesses++;
	if (peer.watch)
		peer.watch(address, size);
}

#define QBI_SHARED_HOOK(address, size) peer_acts((uintptr_t)(address), (size))

#endif
