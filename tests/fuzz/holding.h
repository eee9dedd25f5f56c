/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory that the program and the library in it hold: what they asked the C library and
 * the kernel for and have not given back. Counted by wrapping those calls
 * (fuzz_server_wrapped in local.mk), so it is exact, and the same with any sanitizer.
 */
#ifndef TEST_FUZZ_HOLDING_H
#define TEST_FUZZ_HOLDING_H

#include <stdbool.h>
#include <stddef.h>

struct holding {
	size_t blocks; /* of the heap */
	size_t heap;   /* bytes of them */
	size_t mapped; /* bytes of address space */
};

struct holding holding_now(void);

static inline bool holding_equal(const struct holding *a, const struct holding *b)
{
	return a->blocks == b->blocks && a->heap == b->heap && a->mapped == b->mapped;
}

#endif
